//! The JSON form of the document.

use althing_consensus::ConsensusParams;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `genesis.json` as written: nothing in it is checked but its shape. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of the format.
    pub version: u8,
    /// Names the chain: 1 to 50 letters, digits, `-`, `_`, `.`.
    pub chain_id: String,
    /// The time of block 0, in milliseconds since 1970.
    pub genesis_time_ms: u64,
    /// The validators of the first epoch. Their order is part of the document.
    pub validators: Vec<ValidatorEntry>,
    /// Consensus parameters; those left out have their defaults.
    #[serde(default)]
    pub params: ConsensusParams,
    /// What the chain runs.
    pub application: Application,
}

/// One validator of the first epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorEntry {
    /// For people: 1 to 64 bytes without control characters.
    pub name: String,
    /// Its Ed25519 identity key, in hexadecimal.
    pub identity: String,
    /// Its BLS vote key, in hexadecimal.
    pub vote_key: String,
    /// Its proof of holding the vote key's secret, in hexadecimal.
    pub proof_of_possession: String,
    /// Its weight. A decimal string, as not every JSON reader has 64-bit integers; a number is read, too.
    #[serde(serialize_with = "to_decimal", deserialize_with = "from_decimal_or_number")]
    pub power: u64,
}

/// The application and its initial state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its kind: `ledger` is what this project brings. 1 to 32 lower-case letters, digits and `-`.
    pub kind: String,
    /// Handed to the application as canonical JSON. Numbers in it must be integers of 64 bits.
    pub state: serde_json::Value,
}

impl Document {
    /// The version of the format that this build reads and writes.
    pub const VERSION: u8 = 1;

    /// The document as it is written to a file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a document has text keys only");
        text.push(b'\n');
        text
    }
}

fn to_decimal<S: Serializer>(power: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(power)
}

fn from_decimal_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Number(u64),
        Text(String),
    }
    let invalid = |found: &str| de::Error::custom(format!("power {found} is not a whole number below 2^64"));
    match Form::deserialize(deserializer).map_err(|_| invalid("of another type"))? {
        Form::Number(number) => Ok(number),
        Form::Text(text) => text.parse().map_err(|_| invalid(&format!("{text:?}"))),
    }
}
