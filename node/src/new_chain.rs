//! What a new chain of the asset ledger begins with.

use std::time::{SystemTime, UNIX_EPOCH};

use althing_consensus::ConsensusParams;
use althing_crypto::{bls, ed25519};
use althing_genesis::{Application, Document, ValidatorEntry};
use althing_ledger::asset::{Address, GenesisState};

/// The kind of application that is the asset ledger.
pub const LEDGER: &str = "ledger";
/// What each account holds at first.
const BALANCE: u128 = 1_000_000_000_000;

/// A validator's entry in the genesis document.
pub fn validator(name: &str, identity: &ed25519::SecretKey, vote: &bls::SecretKey) -> ValidatorEntry {
    ValidatorEntry {
        name: name.to_owned(),
        identity: identity.public_key().to_string(),
        vote_key: vote.public_key().to_string(),
        proof_of_possession: vote.prove_possession().to_string(),
        power: 1,
    }
}

/// A document with these validators and funded accounts, default parameters, and the time of now.
pub fn document(chain_id: &str, validators: Vec<ValidatorEntry>, accounts: &[Address]) -> Document {
    let state = GenesisState::plain(accounts, BALANCE);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Document {
        version: Document::VERSION,
        chain_id: chain_id.to_owned(),
        genesis_time_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        validators,
        params: ConsensusParams::default(),
        application: Application {
            kind: LEDGER.to_owned(),
            state: serde_json::to_value(state).expect("a ledger's state has text keys only"),
        },
    }
}
