//! What a new chain of an application of ours begins with.

use std::time::{SystemTime, UNIX_EPOCH};

use althing_consensus::ConsensusParams;
use althing_crypto::{bls, ed25519};
use althing_genesis::{Application, Document, ValidatorEntry};
use althing_ledger::asset::{Address, GenesisState, GenesisValidator};

use crate::application::Own;

/// The applications that a program brings. Their names are the kinds in genesis documents.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The asset ledger.
    Ledger,
    /// The key-value sample.
    Kv,
    /// What counts transactions and does nothing else with them.
    Noop,
    /// One in a process of its own, behind ABCI 2.0.
    Abci,
    /// One of the program's own.
    Own(Own),
}

impl Kind {
    /// All that a program with these of its own brings; those come first.
    pub fn all(own: &[Own]) -> impl Iterator<Item = Self> {
        own.iter().copied().map(Kind::Own).chain([Kind::Ledger, Kind::Kv, Kind::Noop, Kind::Abci])
    }

    /// As genesis documents name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ledger => "ledger",
            Kind::Kv => "kv",
            Kind::Noop => "noop",
            Kind::Abci => "abci",
            Kind::Own(own) => own.kind,
        }
    }

    /// In a few words.
    pub fn about(self) -> &'static str {
        match self {
            Kind::Ledger => "The asset ledger",
            Kind::Kv => "The key-value sample",
            Kind::Noop => "One that counts transactions, any bytes, for measurements",
            Kind::Abci => "One in a process of its own, behind ABCI 2.0",
            Kind::Own(own) => own.about,
        }
    }

    /// The application of that name.
    pub fn of(name: &str, own: &[Own]) -> Option<Self> {
        Self::all(own).find(|kind| kind.name() == name)
    }

    /// Whether it is a process of its own.
    pub fn is_remote(self) -> bool {
        matches!(self, Kind::Abci)
    }
}

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

/// A document of an asset ledger with these validators and funded accounts, default parameters, and the time of now.
pub fn document(chain_id: &str, validators: Vec<ValidatorEntry>, accounts: &[Address]) -> Document {
    document_of(Kind::Ledger, chain_id, validators, accounts)
}

/// As [`document`], of any application; only the ledger has accounts.
///
/// # Panics
///
/// If the genesis state of a program's own application is not JSON.
pub fn document_of(
    kind: Kind,
    chain_id: &str,
    validators: Vec<ValidatorEntry>,
    accounts: &[Address],
) -> Document {
    let state = match kind {
        Kind::Ledger => serde_json::to_value(plain_state(&validators, accounts)),
        Kind::Kv | Kind::Noop | Kind::Abci => Ok(serde_json::json!({})),
        Kind::Own(own) => serde_json::from_str(own.genesis_state),
    };
    let mut params = ConsensusParams::default();
    if kind.is_remote() {
        // Such an application expects to be asked about a proposal in the state of its parent.
        params.max_unexecuted_blocks = 0;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Document {
        version: Document::VERSION,
        chain_id: chain_id.to_owned(),
        genesis_time_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        validators,
        params,
        application: Application {
            kind: kind.name().to_owned(),
            state: state.expect("a ledger's state has text keys only, and that of others is JSON"),
        },
    }
}

/// The plain state of a ledger. The accounts vote for the validators in turn, and those that do are members.
fn plain_state(validators: &[ValidatorEntry], accounts: &[Address]) -> GenesisState {
    let mut state = GenesisState::plain(accounts, BALANCE);
    if accounts.is_empty() {
        return state;
    }
    for (index, entry) in validators.iter().enumerate() {
        let account = accounts[index % accounts.len()];
        // What is no identity is refused with the document.
        let Ok(identity) = entry.identity.parse() else { continue };
        state.validators.push(GenesisValidator {
            identity,
            name: entry.name.clone(),
            account: Some(account),
        });
        if !state.roles.members.contains(&account) {
            state.roles.members.push(account);
        }
    }
    // More than half of the members decide on roles.
    state.threshold = state.roles.members.len() as u16 / 2 + 1;
    state
}
