//! Where the passphrase of a key file comes from: a file, or the person at the terminal.

use std::fs;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};

use althing_crypto::ed25519::SecretKey;
use althing_crypto::key_file::{KeyFile, KeyFileError, KeyKind};
use althing_ledger::asset::Address;
use clap::Args;
use zeroize::Zeroizing;

use super::{Failure, policy_file};

/// The most bytes of a passphrase file.
const MAX_BYTES: u64 = 4096;

/// How a command gets passphrases.
#[derive(Debug, Clone, Args)]
pub(super) struct Passphrase {
    /// The file whose first line is the passphrase of the key files [default: asked for at the terminal]
    #[arg(long, value_name = "FILE", env = "ALTHING_PASSPHRASE_FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Passphrase {
    /// A key of this kind, unlocked if need be.
    pub(super) fn read(&self, path: &Path, kind: KeyKind) -> Result<KeyFile, KeyFileError> {
        KeyFile::unlock(path, kind, &|path| self.ask(path))
    }

    /// The account of a key file, as the file states it: no passphrase is asked for.
    pub(super) fn stated_account(&self, path: &Path) -> Result<Address, Failure> {
        match KeyFile::stated(path) {
            Ok((KeyKind::Account, public_key)) => Ok(Address::of(
                &public_key
                    .parse()
                    .map_err(|error| format!("key file {}: its public_key: {error}", path.display()))?,
            )),
            // Says what is wrong with it.
            _ => self.read_account(path).map(|key| Address::of(&key.public_key())),
        }
    }

    /// The key of an account, unlocked if need be.
    pub(super) fn read_account(&self, path: &Path) -> Result<SecretKey, Failure> {
        KeyFile::unlock_account(path, &|path| self.ask(path)).map_err(|error| {
            let file = path.display();
            if path.to_str().is_some_and(|text| text.parse::<Address>().is_ok()) {
                format!("{file} is an address, the file of its key is needed; who signs elsewhere is named by --sender").into()
            } else if policy_file::read(path).is_ok() {
                format!("{file} is the policy of several keys, not a key: name its account by --sender $(althing keys address {file}), then let each key sign by `althing tx sign --policy {file}`").into()
            } else {
                error.into()
            }
        })
    }

    fn ask(&self, path: &Path) -> Result<Zeroizing<String>, String> {
        self.get(&format!("Passphrase of {}: ", path.display()))
    }

    /// A passphrase for a new key: at the terminal asked for twice, as nobody sees what is typed.
    pub(super) fn new_one(&self, path: &Path) -> Result<Zeroizing<String>, String> {
        let first = self.get(&format!("New passphrase of {}: ", path.display()))?;
        if first.is_empty() {
            return Err("an empty passphrase locks nothing: give one, or say --plain".to_owned());
        }
        if self.passphrase_file.is_none() && *self.get("Once more: ")? != *first {
            return Err("the two are not the same: nothing was written, try again".to_owned());
        }
        Ok(first)
    }

    fn get(&self, prompt: &str) -> Result<Zeroizing<String>, String> {
        match &self.passphrase_file {
            Some(file) => first_line(file),
            None if stdin().is_terminal() => rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .map_err(|error| format!("the terminal gives none: {error}")),
            None => Err("standard input is no terminal: give --passphrase-file FILE".to_owned()),
        }
    }
}

fn first_line(file: &Path) -> Result<Zeroizing<String>, String> {
    let fault = |error: &dyn std::fmt::Display| format!("passphrase file {}: {error}", file.display());
    let bytes = fs::metadata(file).map_err(|error| fault(&error))?.len();
    if bytes > MAX_BYTES {
        return Err(fault(&format!("{bytes} bytes, at most {MAX_BYTES} are read")));
    }
    let text = fs::read_to_string(file).map(Zeroizing::new).map_err(|error| fault(&error))?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_passphrase() {
        let directory = tempfile::tempdir().unwrap();
        let (file, key) = (directory.path().join("passphrase"), directory.path().join("key.json"));
        let source = Passphrase { passphrase_file: Some(file.clone()) };
        assert!(source.new_one(&key).unwrap_err().contains("passphrase file"), "not there");
        fs::write(&file, "\nsecond\n").unwrap();
        assert!(source.new_one(&key).unwrap_err().contains("empty"));
        fs::write(&file, "correct horse \nsecond\n").unwrap();
        assert_eq!(*source.new_one(&key).unwrap(), "correct horse ");

        let made = KeyFile::generate(KeyKind::Account);
        made.write_new_locked(&key, "correct horse ").unwrap();
        assert_eq!(source.read(&key, KeyKind::Account).unwrap().public_key(), made.public_key());
        fs::write(&file, "wrong").unwrap();
        assert!(source.read(&key, KeyKind::Account).unwrap_err().to_string().contains("passphrase is wrong"));
        fs::write(&file, "x".repeat(5000)).unwrap();
        assert!(source.read(&key, KeyKind::Account).unwrap_err().to_string().contains("5000 bytes"));
    }
}
