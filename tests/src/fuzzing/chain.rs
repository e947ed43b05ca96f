//! A chain of four validators whose keys everyone here has.

use std::sync::{Arc, LazyLock};

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Block, ConsensusParams, Door, Position, ValidatorSet};
use althing_crypto::{bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::asset::Address;
use althing_ledger::{Application, AssetLedger, InitChain, state::MemoryFiles};
use althing_node::{new_chain, recovery};

use crate::cheap_votes::CHEAP_VOTES;

/// How many validators it has.
pub(super) const MEMBERS: u16 = 4;
/// Its id.
pub(super) const CHAIN_ID: &str = "fuzz";
/// When it began.
pub(super) const GENESIS_TIME_MS: u64 = 1_700_000_000_000;
/// Accounts with funds.
pub(super) const ACCOUNTS: u8 = 4;

/// The chain.
pub(super) struct Chain {
    pub(super) genesis: Arc<Genesis>,
    pub(super) opening: Block,
    pub(super) vote_keys: Vec<bls::SecretKey>,
    pub(super) identities: Vec<ed25519::SecretKey>,
}

/// The one that all targets use.
pub(super) static CHAIN: LazyLock<Chain> = LazyLock::new(|| Chain::new(&[1; MEMBERS as usize]));

/// The key of a funded account.
pub(super) fn account_key(account: u8) -> ed25519::SecretKey {
    ed25519::SecretKey::from_seed([100 + account % ACCOUNTS; 32])
}

impl Chain {
    /// A chain whose validators have these powers.
    pub(super) fn new(powers: &[u64]) -> Self {
        let seed = |index: usize| [index as u8 + 1; 32];
        let count = powers.len();
        let identities: Vec<_> = (0..count).map(|index| ed25519::SecretKey::from_seed(seed(index))).collect();
        let vote_keys: Vec<_> =
            (0..count).map(|index| bls::SecretKey::from_seed(&CHEAP_VOTES, &seed(index))).collect();
        let entry = |index: usize| {
            let name = format!("validator-{index}");
            let entry = new_chain::validator(&name, &identities[index], &vote_keys[index]);
            althing_genesis::ValidatorEntry { power: powers[index], ..entry }
        };
        let accounts: Vec<Address> =
            (0..ACCOUNTS).map(|account| Address::of(&account_key(account).public_key())).collect();
        let mut document = new_chain::document(CHAIN_ID, (0..count).map(entry).collect(), &accounts);
        document.genesis_time_ms = GENESIS_TIME_MS;
        let genesis = Arc::new(Genesis::new(document, &CHEAP_VOTES).expect("a valid document"));
        let (ledger, _) = fresh_ledger(&genesis);
        let app_hash = althing_consensus::AppHash::new(
            ledger.info().expect("it is in memory").app_hash.as_bytes().to_vec(),
        );
        let opening = genesis.block(app_hash.expect("as long as one"));
        Self { genesis, opening, vote_keys, identities }
    }

    pub(super) fn set(&self) -> &Arc<ValidatorSet> {
        self.genesis.validator_set()
    }

    pub(super) fn params(&self) -> ConsensusParams {
        self.genesis.params().clone()
    }

    pub(super) fn config(&self, me: Option<Position>) -> EngineConfig {
        recovery::engine_config(&self.genesis, self.opening.hash(), me)
    }

    /// The door of validator 0, which has checked nothing yet.
    pub(super) fn door(&self) -> Door {
        recovery::door(&self.config(Some(Position(0))))
    }
}

/// The ledger after genesis, and its files.
pub(super) fn fresh_ledger(genesis: &Genesis) -> (AssetLedger, Arc<MemoryFiles>) {
    let files = Arc::new(MemoryFiles::new());
    let ledger = AssetLedger::open(files.clone(), 10).expect("no files");
    let init = InitChain {
        chain_id: genesis.chain_id().to_owned(),
        initial_height: 1,
        time_ms: genesis.time_ms(),
        app_state: genesis.app_state().into(),
        ..Default::default()
    };
    ledger.init_chain(&init).expect("a valid state");
    (ledger, files)
}
