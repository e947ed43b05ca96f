//! `althing keys`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use althing_crypto::{
    ed25519::PublicKey,
    key_file::{KeyFile, KeyKind},
    sha256,
};
use althing_ledger::asset::{Address, Policy};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, Output, passphrase::Passphrase, policy_file};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new key in a new file
    ///
    /// An account's key is locked with a passphrase (scrypt with N = 2^17, r = 8, p = 1, then ChaCha20-Poly1305). A node's keys are not, as
    /// a node starts without anybody at hand: their files are for the owner only, mode 0600.
    Generate {
        /// The file; it must not exist
        file: PathBuf,
        /// What the key is for
        #[arg(long, value_enum, default_value = "account")]
        kind: Kind,
        /// Write an account's key without passphrase: whoever reads the file has the key
        #[arg(long, conflicts_with = "passphrase_file")]
        plain: bool,
        #[command(flatten)]
        passphrase: Passphrase,
    },
    /// Make the account that several keys control together
    ///
    /// Writes the policy: which keys, and how many of them must sign. It is no secret, and registered nowhere: all who sign for
    /// the account need the file.
    Multisig {
        /// The file of the policy; it must not exist
        file: PathBuf,
        /// How many of the keys must sign
        #[arg(long, value_name = "M")]
        threshold: u8,
        /// The keys, 1 to 16: key files of accounts, or public keys in hexadecimal
        #[arg(long = "key", value_name = "KEY", required = true, num_args = 1..)]
        keys: Vec<String>,
    },
    /// Print the address of an account, for scripts: of its key file, or of a policy that `keys multisig` wrote
    Address {
        /// The file
        file: PathBuf,
    },
    /// Show the public part of a key, or the account of a policy, as its file states it
    Show {
        /// The file
        file: PathBuf,
        /// Read the secret, too, and see that it belongs to the public part
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        passphrase: Passphrase,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// Signs transactions (Ed25519)
    Account,
    /// Names a node towards its peers, and signs a validator's proposals (Ed25519)
    Identity,
    /// Signs votes (BLS12-381)
    Vote,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Account => KeyKind::Account,
            Kind::Identity => KeyKind::Identity,
            Kind::Vote => KeyKind::Vote,
        }
    }
}

pub(super) fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    let shown = match command {
        Command::Generate { file, kind, plain, passphrase } => {
            let key = KeyFile::generate(kind.into());
            if plain || key.kind() != KeyKind::Account {
                key.write_new(&file)?;
            } else {
                key.write_new_locked(&file, &passphrase.new_one(&file)?)?;
            }
            public_part(&key)
        }
        Command::Multisig { file, threshold, keys } => {
            let keys = keys.iter().map(|key| public_key_of(key)).collect::<Result<_, _>>()?;
            let policy = Policy::new(threshold, keys).map_err(|refusal| refusal.log)?;
            policy_file::write_new(&file, &policy)?;
            multisig(&policy)
        }
        Command::Address { file } => {
            let address = address_of(&file)?;
            output.result(&json!({ "address": address }), address);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Show { file, check, passphrase } => match (policy_file::read(&file), KeyFile::stated(&file))
        {
            (Ok(policy), _) => multisig(&policy),
            (_, Ok((KeyKind::Account, public_key))) if !check => stated_account(&file, &public_key)?,
            (_, stated) => public_part(&passphrase.read(&file, stated?.0)?),
        },
    };
    let lines = shown.as_object().into_iter().flatten();
    let lines: Vec<_> =
        lines.map(|(name, value)| format!("{name:20} {}", value.as_str().unwrap_or_default())).collect();
    output.result(&shown, lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// The public key of an account, given as such or by its key file.
fn public_key_of(key: &str) -> Result<PublicKey, Failure> {
    if let Ok(key) = key.parse() {
        return Ok(key);
    }
    if key.parse::<Address>().is_ok() {
        return Err(
            format!("{key} is an address, its public key is needed: `althing keys show` tells it").into()
        );
    }
    if policy_file::read(Path::new(key)).is_ok() {
        return Err(
            format!("{key} is the policy of several keys: name the keys, an account in it is none").into()
        );
    }
    account_key(Path::new(key))
}

/// The public key that an account's key file states.
fn account_key(file: &Path) -> Result<PublicKey, Failure> {
    match KeyFile::stated(file)? {
        (KeyKind::Account, public_key) => stated_key(file, &public_key),
        (kind, _) => {
            Err(format!("key file {}: of kind {kind}, an account's is needed", file.display()).into())
        }
    }
}

fn stated_key(file: &Path, public_key: &str) -> Result<PublicKey, Failure> {
    Ok(public_key.parse().map_err(|error| format!("key file {}: its public_key: {error}", file.display()))?)
}

/// The address of the account whose key file or policy this is. What is neither is reported as no key file.
fn address_of(file: &Path) -> Result<Address, Failure> {
    if let Ok(policy) = policy_file::read(file) {
        return Ok(policy.address());
    }
    Ok(Address::of(&account_key(file)?))
}

fn multisig(policy: &Policy) -> Value {
    let of = format!("{} of {}", policy.threshold, policy.keys.len());
    json!({ "kind": "multisig", "address": policy.address().to_string(), "signatures": of })
}

/// An account's public part needs no passphrase.
fn stated_account(file: &Path, public_key: &str) -> Result<Value, Failure> {
    Ok(account(&stated_key(file, public_key)?))
}

fn account(key: &PublicKey) -> Value {
    json!({
        "kind": KeyKind::Account.to_string(),
        "address": Address::of(key).to_string(),
        "public_key": key.to_string(),
    })
}

fn public_part(key: &KeyFile) -> Value {
    let (kind, public_key) = (key.kind().to_string(), key.public_key());
    match key {
        KeyFile::Account(key) => account(&key.public_key()),
        KeyFile::Identity(key) => {
            let address = hex::encode_upper(&sha256(key.public_key().as_bytes()).as_bytes()[..20]);
            json!({ "kind": kind, "address": address, "public_key": public_key })
        }
        KeyFile::Vote(key) => {
            let proof = key.prove_possession().to_string();
            json!({ "kind": kind, "public_key": public_key, "proof_of_possession": proof })
        }
    }
}
