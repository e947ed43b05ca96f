//! JSON in one form only, and the bytes that the genesis hash is of.

use althing_consensus::ConsensusParams;
use althing_crypto::{Encoding, bls, ed25519};
use borsh::{BorshDeserialize, BorshSerialize};
use serde_json::Value;

/// What the genesis hash binds: the checked document in the order of its fields.
#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct Canonical {
    pub(crate) chain_id: String,
    pub(crate) genesis_time_ms: u64,
    pub(crate) validators: Vec<CanonicalValidator>,
    pub(crate) params: ConsensusParams,
    pub(crate) application: String,
    /// Canonical JSON.
    pub(crate) state: String,
}

#[derive(BorshSerialize, BorshDeserialize)]
pub(crate) struct CanonicalValidator {
    pub(crate) name: String,
    pub(crate) identity: ed25519::PublicKey,
    pub(crate) vote_key: [u8; 48],
    pub(crate) proof_of_possession: bls::ProofOfPossession,
    pub(crate) power: u64,
}

impl Encoding for Canonical {
    const NAME: &'static str = "genesis document";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = crate::MAX_DOCUMENT_BYTES as usize;
}

/// The value as text without spaces, the keys of every object in the order of their bytes; or the path and text of a number that is
/// no 64-bit integer, which not all languages would print alike.
pub(crate) fn canonical_json(value: &Value) -> Result<String, (String, String)> {
    let mut text = String::new();
    write(value, &mut String::new(), &mut text)?;
    Ok(text)
}

fn write(value: &Value, path: &mut String, text: &mut String) -> Result<(), (String, String)> {
    match value {
        Value::Number(number) if !number.is_u64() && !number.is_i64() => {
            return Err((path.clone(), number.to_string()));
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                within(path, &format!("[{index}]"), |path| write(item, path, text))?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            // Sorted here: whether serde_json's own map is sorted depends on what other crates ask of it.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (index, (key, item)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                within(path, &format!(".{key}"), |path| write(item, path, text))?;
            }
            text.push('}');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
    Ok(())
}

fn within<T>(path: &mut String, step: &str, inside: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    path.push_str(step);
    let result = inside(path);
    path.truncate(len);
    result
}
