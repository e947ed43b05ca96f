//! Where a transaction comes from: a JSON file that people read, its bytes in base64, or the chain, by its hash.

use std::{fmt, fs, io::Write, path::Path, str::FromStr};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::asset::Transaction;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::cli::Failure;

/// Several times what the largest transaction takes as JSON.
const MAX_FILE_BYTES: u64 = 1 << 20;

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, String> {
    BASE64.decode(text.trim()).map_err(|error| format!("not base64: {error}"))
}

/// A transaction to be submitted.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Source {
    /// As a file has it, perhaps not approved by all.
    File(Box<Transaction>),
    /// Bytes of whatever application.
    Bytes(Vec<u8>),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if Path::new(text).is_file() {
            return read(Path::new(text))
                .map(|tx| Self::File(Box::new(tx)))
                .map_err(|error| error.to_string());
        }
        from_base64(text).map(Self::Bytes).map_err(|error| format!("no such file, and {error}"))
    }
}

/// What `tx show` is given.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Shown {
    Committed(TxHash),
    Made(Box<Transaction>),
}

impl FromStr for Shown {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(hash) = text.trim_start_matches("0x").parse() {
            return Ok(Self::Committed(hash));
        }
        let fault = |error: &dyn fmt::Display| format!("no hash of 64 hexadecimal digits; {error}");
        match text.parse().map_err(|error: String| fault(&error))? {
            Source::File(tx) => Ok(Self::Made(tx)),
            Source::Bytes(bytes) => {
                let tx = Transaction::decode(&bytes).map_err(|error| fault(&error))?;
                Ok(Self::Made(Box::new(tx)))
            }
        }
    }
}

/// The transaction in a file.
pub(super) fn read(path: &Path) -> Result<Transaction, Failure> {
    let fault = |error: &dyn fmt::Display| format!("transaction file {}: {error}", path.display());
    let bytes = fs::metadata(path).map_err(|error| fault(&error))?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(fault(&format!("{bytes} bytes, at most {MAX_FILE_BYTES} are read")).into());
    }
    let text = fs::read(path).map_err(|error| fault(&error))?;
    Ok(serde_json::from_slice(&text).map_err(|error| fault(&error))?)
}

/// The text of a transaction's file.
pub(super) fn to_text(tx: &Transaction) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(tx)?)
}

/// Writes it to a file that is not there yet.
pub(super) fn write_new(path: &Path, tx: &Transaction) -> Result<(), Failure> {
    let failed = |error| format!("transaction file {}: {error}", path.display());
    let text = to_text(tx)?;
    Ok(fs::File::create_new(path).and_then(|mut file| writeln!(file, "{text}")).map_err(failed)?)
}

/// Writes it in place of what the file held, wholly or not at all.
pub(super) fn replace(path: &Path, tx: &Transaction) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let failed = |error| format!("transaction file {}: {error}", path.display());
    let text = to_text(tx)? + "\n";
    Ok(fs::write(&part, text).and_then(|()| fs::rename(&part, path)).map_err(failed)?)
}
