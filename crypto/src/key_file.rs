//! Secret keys on disk: one JSON file per key, readable by its owner only.
//!
//! ```json
//! { "version": 1, "kind": "account", "public_key": "<hex>",
//!   "encryption": { "scheme": "scrypt-chacha20poly1305", "log_n": 17, "r": 8, "p": 1, "salt": "<hex>", "nonce": "<hex>" },
//!   "secret": "<hex>" }
//! ```
//!
//! `encryption` says how `secret` is to be read: with a passphrase (`seal`), or as it stands, if it is `"none"`: then whoever reads the
//! file has the key. A file is never overwritten, as a key that is gone cannot be had back; and none of the errors shows what the secret is.

mod seal;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::seal::Seal;
use crate::bytes::parse_hex;
use crate::{bls, ed25519};

const VERSION: u8 = 1;
/// Several times what a key file takes.
const MAX_BYTES: u64 = 4096;

/// What a key is for. A file of one kind is not read as another, so that no key serves two purposes by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Signs transactions (Ed25519).
    Account,
    /// Names a node towards its peers, and signs the proposals of a validator (Ed25519).
    Identity,
    /// Signs votes (BLS12-381).
    Vote,
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeyKind::Account => "account",
            KeyKind::Identity => "identity",
            KeyKind::Vote => "vote",
        })
    }
}

/// A secret key of one kind, as kept in a file.
#[derive(Debug, Clone)]
pub enum KeyFile {
    /// Signs transactions.
    Account(ed25519::SecretKey),
    /// Names a node towards its peers.
    Identity(ed25519::SecretKey),
    /// Signs votes.
    Vote(bls::SecretKey),
}

/// The file as JSON has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u8,
    kind: KeyKind,
    public_key: String,
    encryption: Encryption,
    secret: Zeroizing<String>,
}

/// How the secret is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Encryption {
    Named(String),
    Sealed(Seal),
}

/// Asks for the passphrase of a key file, if it has one. Called at most once.
pub type AskPassphrase<'a> = &'a dyn Fn(&Path) -> Result<Zeroizing<String>, String>;

impl KeyFile {
    /// A new key of this kind from the randomness of the operating system.
    pub fn generate(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Account => KeyFile::Account(ed25519::SecretKey::generate()),
            KeyKind::Identity => KeyFile::Identity(ed25519::SecretKey::generate()),
            KeyKind::Vote => KeyFile::Vote(bls::SecretKey::generate(&bls::BLS)),
        }
    }

    /// What the key is for.
    pub fn kind(&self) -> KeyKind {
        match self {
            KeyFile::Account(_) => KeyKind::Account,
            KeyFile::Identity(_) => KeyKind::Identity,
            KeyFile::Vote(_) => KeyKind::Vote,
        }
    }

    /// The public key in hexadecimal.
    pub fn public_key(&self) -> String {
        match self {
            KeyFile::Account(key) | KeyFile::Identity(key) => key.public_key().to_string(),
            KeyFile::Vote(key) => key.public_key().to_string(),
        }
    }

    /// Reads a key of this kind from a file without passphrase.
    pub fn read(path: &Path, kind: KeyKind) -> Result<Self, KeyFileError> {
        let key = read_bounded(path).and_then(|text| Self::from_json(&text, kind));
        key.map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    /// Reads a key of this kind; asks for the passphrase if the file has one, which takes about half a second then.
    pub fn unlock(path: &Path, kind: KeyKind, ask: AskPassphrase<'_>) -> Result<Self, KeyFileError> {
        let key = read_bounded(path).and_then(|text| {
            let document = serde_json::from_slice::<Document>(&text)?;
            document.open(kind, |seal, sealed, bound| {
                let passphrase = ask(path).map_err(KeyFileProblem::Passphrase)?;
                seal.open(&passphrase, bound, sealed)
            })
        });
        key.map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    /// Reads the key of an account as [`Self::unlock`] does.
    pub fn unlock_account(path: &Path, ask: AskPassphrase<'_>) -> Result<ed25519::SecretKey, KeyFileError> {
        Self::unlock(path, KeyKind::Account, ask).map(Self::into_ed25519)
    }

    /// What kind of key a file holds and its public part, as the file states them: the secret is not looked at.
    pub fn stated(path: &Path) -> Result<(KeyKind, String), KeyFileError> {
        let document = read_bounded(path).and_then(|text| Ok(serde_json::from_slice::<Document>(&text)?));
        let stated = document.map(|document| (document.kind, document.public_key));
        stated.map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    /// The key of this kind that a file's text holds without passphrase.
    pub fn from_json(text: &[u8], kind: KeyKind) -> Result<Self, KeyFileProblem> {
        serde_json::from_slice::<Document>(text)?.open(kind, |_, _, _| Err(KeyFileProblem::Locked))
    }

    /// The text of its file without passphrase.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        self.document(Encryption::Named(Encryption::NONE.to_owned()), self.secret())
    }

    /// The text of its file, to be read with this passphrase only.
    fn to_sealed_json(&self, passphrase: &str) -> Zeroizing<Vec<u8>> {
        let seal = Seal::fresh();
        let sealed =
            seal.close(passphrase, &bound_to(self.kind(), &self.public_key()), &*self.secret_bytes());
        self.document(Encryption::Sealed(seal), Zeroizing::new(hex::encode(sealed)))
    }

    fn document(&self, encryption: Encryption, secret: Zeroizing<String>) -> Zeroizing<Vec<u8>> {
        let (kind, public_key) = (self.kind(), self.public_key());
        let document = Document { version: VERSION, kind, public_key, encryption, secret };
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
        serde_json::to_writer_pretty(&mut *text, &document).expect("a document of strings is JSON");
        text.push(b'\n');
        text
    }

    /// Reads the key of an account.
    pub fn read_account(path: &Path) -> Result<ed25519::SecretKey, KeyFileError> {
        Self::read(path, KeyKind::Account).map(Self::into_ed25519)
    }

    /// Reads the key that names a node.
    pub fn read_identity(path: &Path) -> Result<ed25519::SecretKey, KeyFileError> {
        Self::read(path, KeyKind::Identity).map(Self::into_ed25519)
    }

    /// Reads the key that votes.
    pub fn read_vote(path: &Path) -> Result<bls::SecretKey, KeyFileError> {
        match Self::read(path, KeyKind::Vote)? {
            KeyFile::Vote(key) => Ok(key),
            KeyFile::Account(_) | KeyFile::Identity(_) => unreachable!("read gives the kind asked for"),
        }
    }

    /// Writes the key to a new file with mode 0600, durably. Refuses if anything is at `path` already.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFileError> {
        write_new(path, &self.to_json()).map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    /// Writes the key to a new file as [`Self::write_new`] does, to be read with this passphrase only.
    pub fn write_new_locked(&self, path: &Path, passphrase: &str) -> Result<(), KeyFileError> {
        let text = self.to_sealed_json(passphrase);
        write_new(path, &text).map_err(|problem| KeyFileError { path: path.to_owned(), problem })
    }

    fn secret(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(*self.secret_bytes()))
    }

    fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        match self {
            KeyFile::Account(key) | KeyFile::Identity(key) => Zeroizing::new(*key.seed()),
            KeyFile::Vote(key) => Zeroizing::new(*key.to_bytes()),
        }
    }

    fn into_ed25519(self) -> ed25519::SecretKey {
        match self {
            KeyFile::Account(key) | KeyFile::Identity(key) => key,
            KeyFile::Vote(_) => unreachable!("read gives the kind asked for"),
        }
    }
}

impl Encryption {
    const NONE: &str = "none";
}

/// What a sealed secret is bound to, so that it cannot be passed off as another key's.
fn bound_to(kind: KeyKind, public_key: &str) -> String {
    format!("althing {kind} key {public_key}")
}

impl Document {
    /// The key; `unseal` gets the secret out if it is sealed.
    fn open(
        &self,
        expected: KeyKind,
        unseal: impl FnOnce(&Seal, &[u8], &str) -> Result<Zeroizing<[u8; 32]>, KeyFileProblem>,
    ) -> Result<KeyFile, KeyFileProblem> {
        if self.version != VERSION {
            return Err(KeyFileProblem::Version { found: self.version });
        }
        if self.kind != expected {
            return Err(KeyFileProblem::Kind { found: self.kind, expected });
        }
        let secret = match &self.encryption {
            Encryption::Named(name) if name == Encryption::NONE => {
                let secret = parse_hex("the secret", &self.secret).map_err(|_| KeyFileProblem::Secret)?;
                Zeroizing::new(secret)
            }
            Encryption::Named(name) => return Err(KeyFileProblem::Encryption { found: name.clone() }),
            Encryption::Sealed(seal) => {
                let sealed = hex::decode(&*self.secret).map_err(|_| KeyFileProblem::Sealed)?;
                unseal(seal, &sealed, &bound_to(self.kind, &self.public_key))?
            }
        };
        let file = match self.kind {
            KeyKind::Account => KeyFile::Account(ed25519::SecretKey::from_seed(*secret)),
            KeyKind::Identity => KeyFile::Identity(ed25519::SecretKey::from_seed(*secret)),
            KeyKind::Vote => KeyFile::Vote(
                bls::SecretKey::from_bytes(&bls::BLS, &secret).map_err(|_| KeyFileProblem::Secret)?,
            ),
        };
        let derived = file.public_key();
        if derived != self.public_key {
            return Err(KeyFileProblem::Mismatch { stated: self.public_key.clone(), derived });
        }
        Ok(file)
    }
}

fn read_bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileProblem> {
    let file = File::open(path).map_err(KeyFileProblem::Read)?;
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(KeyFileProblem::Read)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(KeyFileProblem::TooLarge);
    }
    Ok(text)
}

fn write_new(path: &Path, text: &[u8]) -> Result<(), KeyFileProblem> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyFileProblem::Exists,
        _ => KeyFileProblem::Write(error),
    })?;
    let written = file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| sync_directory_of(path));
    written.map_err(|error| {
        // The file is ours and broken: out of the way of the next try, if that can be.
        let _ = fs::remove_file(path);
        KeyFileProblem::Write(error)
    })
}

/// Makes the name of a new file as durable as its content.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// What is wrong with a key file, and which.
#[derive(Debug, thiserror::Error)]
#[error("key file {}: {problem}", path.display())]
pub struct KeyFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: KeyFileProblem,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileProblem {
    /// Not there, or not readable for us.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// Not writable for us.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// Would be overwritten.
    #[error("exists already and is not overwritten; move it away if its key is not needed any more")]
    Exists,
    /// Too large for a key file.
    #[error("larger than {MAX_BYTES} bytes, so it is no key file")]
    TooLarge,
    /// Not JSON, or not the fields of a key file.
    #[error("not a key file in JSON: {reason} at line {line}, column {column}")]
    Malformed {
        /// Kind of fault. What stands there is not told, as it may be the secret.
        reason: &'static str,
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
    /// Of another version of the software.
    #[error("version {found} of the format, this build reads version {VERSION} only")]
    Version {
        /// The version that the file states.
        found: u8,
    },
    /// A key for something else.
    #[error("holds a key of kind `{found}`, needed is one of kind `{expected}`")]
    Kind {
        /// The kind that the file states.
        found: KeyKind,
        /// The kind asked for.
        expected: KeyKind,
    },
    /// Encrypted by means that we do not have.
    #[error("encryption {found:?} is not known to this build, which reads \"none\" and \"{}\"", seal::SCHEME)]
    Encryption {
        /// The encryption that the file states.
        found: String,
    },
    /// Sealed with so much work that reading it would take minutes or all memory.
    #[error(
        "asks for more work than this build does for a passphrase (log_n {log_n}, r {r}, p {p}; at most 20, 8, 4)"
    )]
    Work {
        /// Base-2 logarithm of scrypt's cost.
        log_n: u8,
        /// Scrypt's block size.
        r: u32,
        /// Scrypt's parallelism.
        p: u32,
    },
    /// Needs a passphrase where none can be asked for.
    #[error(
        "is locked with a passphrase, and nobody can be asked for it here: give a file without one (mode 0600)"
    )]
    Locked,
    /// The passphrase could not be had.
    #[error("no passphrase: {0}")]
    Passphrase(String),
    /// The wrong passphrase, or a file that was edited.
    #[error("the passphrase is wrong, or the file was changed")]
    Sealed,
    /// The secret is none.
    #[error("its `secret` is not a secret key of that kind in 64 hexadecimal digits")]
    Secret,
    /// Edited, or broken.
    #[error(
        "its `public_key` is {stated}, but its secret belongs to {derived}; restore the file from a backup"
    )]
    Mismatch {
        /// The public key that the file states.
        stated: String,
        /// The public key of the secret.
        derived: String,
    },
}

impl From<serde_json::Error> for KeyFileProblem {
    fn from(error: serde_json::Error) -> Self {
        let reason = match error.classify() {
            serde_json::error::Category::Data => "a field missing, unknown, twice there or of the wrong type",
            serde_json::error::Category::Eof => "an early end",
            _ => "a syntax error",
        };
        KeyFileProblem::Malformed { reason, line: error.line(), column: error.column() }
    }
}

#[cfg(test)]
mod tests;
