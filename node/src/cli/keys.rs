//! `althing keys generate` and `althing keys show`

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use althing_crypto::{
    key_file::{KeyFile, KeyFileError, KeyFileProblem, KeyKind},
    sha256,
};
use althing_ledger::asset::Address;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{Failure, Output};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a new key in a new file
    Generate {
        /// The file; it must not exist
        file: PathBuf,
        /// What the key is for
        #[arg(long, value_enum, default_value = "account")]
        kind: Kind,
    },
    /// Show the public part of a key
    Show {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// Signs transactions (Ed25519)
    Account,
    /// Names a node towards its peers (Ed25519)
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
    let key = match command {
        Command::Generate { file, kind } => {
            let key = KeyFile::generate(kind.into());
            key.write_new(&file)?;
            key
        }
        Command::Show { file } => read(&file)?,
    };
    let shown = public_part(&key);
    let lines = shown.as_object().into_iter().flatten();
    let lines: Vec<_> =
        lines.map(|(name, value)| format!("{name:20} {}", value.as_str().unwrap_or_default())).collect();
    output.result(&shown, lines.join("\n"));
    Ok(ExitCode::SUCCESS)
}

/// Reads a key of whatever kind the file states.
fn read(file: &Path) -> Result<KeyFile, KeyFileError> {
    match KeyFile::read(file, KeyKind::Account) {
        Err(KeyFileError { problem: KeyFileProblem::Kind { found, .. }, .. }) => KeyFile::read(file, found),
        other => other,
    }
}

fn public_part(key: &KeyFile) -> Value {
    let (kind, public_key) = (key.kind().to_string(), key.public_key());
    match key {
        KeyFile::Account(key) => {
            let address = Address::of(&key.public_key()).to_string();
            json!({ "kind": kind, "address": address, "public_key": public_key })
        }
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
