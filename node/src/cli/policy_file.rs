//! The file of a multi-signature account's policy: its JSON. It holds no secret.

use std::{fmt::Display, fs, io::Write, path::Path};

use althing_crypto::key_file::KeyFile;
use althing_ledger::asset::Policy;

use super::Failure;

fn fault(path: &Path, error: &dyn Display) -> Failure {
    format!("policy file {}: {error}", path.display()).into()
}

pub(super) fn read(path: &Path) -> Result<Policy, Failure> {
    let text = fs::read(path).map_err(|error| fault(path, &error))?;
    let policy: Policy = serde_json::from_slice(&text).map_err(|error| match KeyFile::stated(path) {
        Ok(_) => fault(path, &"it is a key file; a policy is what `althing keys multisig` writes"),
        Err(_) => fault(path, &error),
    })?;
    // In whatever order a hand has put the keys: the account is that of the ascending ones.
    Policy::new(policy.threshold, policy.keys).map_err(|refusal| fault(path, &refusal.log))
}

/// Writes it to a file that is not there yet.
pub(super) fn write_new(path: &Path, policy: &Policy) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(policy)?;
    let made = fs::File::create_new(path).and_then(|mut file| writeln!(file, "{text}"));
    made.map_err(|error| fault(path, &error))
}
