//! What all members of a chain share.

use std::hash::{Hash as StdHash, Hasher};
use std::sync::Arc;

use althing_consensus::engine::EngineConfig;
use althing_consensus::{
    AppHash, Block, ConsensusParams, Door, Epoch, Execution, Header, Height, Position, Power, Validator,
    ValidatorSet, View, Vouched, epoch_hash, no_evidence,
};
use althing_crypto::{BlockHash, Hash, bls, ed25519, sha256, sha256_concat};

use crate::cheap_votes::CHEAP_VOTES;

const CHAIN_ID: &str = "bare";

/// A chain: its members' keys, its genesis block, and every member's door.
#[derive(Debug)]
pub struct Setup {
    pub(super) config: EngineConfig,
    pub(super) genesis: Block,
    keys: Vec<bls::SecretKey>,
    doors: Vec<Door>,
}

impl Setup {
    /// A chain of as many members as powers.
    pub fn new(powers: &[u64], params: ConsensusParams) -> Arc<Self> {
        let seed = |index: usize| *sha256(&[b'm', index as u8]).as_bytes();
        let keys: Vec<bls::SecretKey> =
            (0..powers.len()).map(|index| bls::SecretKey::from_seed(&CHEAP_VOTES, &seed(index))).collect();
        let member = |(index, power): (usize, &u64)| Validator {
            identity: ed25519::SecretKey::from_seed(seed(index)).public_key(),
            vote_key: keys[index].public_key().clone(),
            power: Power(*power),
        };
        let members = powers.iter().enumerate().map(member).collect();
        let set = Arc::new(ValidatorSet::new(&CHEAP_VOTES, members).expect("distinct members with power"));
        let epoch_hash = epoch_hash(&set, &params);
        let genesis = genesis(epoch_hash);
        let config = EngineConfig {
            chain_id: CHAIN_ID.to_owned(),
            epoch: Epoch(1),
            epoch_hash,
            opening: genesis.hash(),
            set,
            params,
            me: None,
        };
        let door =
            |me| Door::new(CHAIN_ID.to_owned(), Epoch(1), config.set.clone(), &config.params, Some(me));
        let doors = config.set.positions().map(door).collect();
        Arc::new(Self { config, genesis, keys, doors })
    }

    /// The validators.
    pub fn set(&self) -> &Arc<ValidatorSet> {
        &self.config.set
    }

    /// The chain's name.
    pub fn chain_id(&self) -> &str {
        &self.config.chain_id
    }

    /// Block 0.
    pub fn genesis(&self) -> &Block {
        &self.genesis
    }

    /// A member's vote key: for those who play an adversary.
    pub fn key(&self, position: Position) -> &bls::SecretKey {
        &self.keys[usize::from(position.0)]
    }

    /// A member's door. It remembers certificates that were checked, which changes no verdict.
    pub fn door(&self, position: Position) -> &Door {
        &self.doors[usize::from(position.0)]
    }

    /// The application: its hash is one of all blocks so far.
    pub(super) fn execute(&self, before: Option<&Execution>, block: BlockHash) -> Execution {
        let (height, app_hash) = match before {
            Some(before) => (before.height.next(), before.app_hash.as_bytes()),
            None => (Height(1), self.genesis.header.vouched.app_hash.as_bytes()),
        };
        let hash = sha256_concat(&[app_hash, block.as_bytes()]);
        let app_hash = AppHash::new(hash.as_bytes().to_vec()).expect("32 bytes");
        Execution { height, app_hash, results_root: Hash::ZERO }
    }

    /// What the engine of this member is made for.
    pub(super) fn engine_config(&self, me: Position) -> EngineConfig {
        EngineConfig { me: Some(me), ..self.config.clone() }
    }
}

fn genesis(epoch_hash: Hash) -> Block {
    let vouched = Vouched {
        height: Height(0),
        app_hash: AppHash::default(),
        executed_root: no_evidence(),
        next_epoch: epoch_hash,
    };
    let header = Header {
        chain_id: CHAIN_ID.to_owned(),
        epoch: Epoch(0),
        height: Height(0),
        view: View(0),
        parent: BlockHash(Hash::ZERO),
        justify_view: View(0),
        time_ms: 0,
        payload_root: sha256(b"genesis"),
        evidence_root: no_evidence(),
        absent: Vec::new(),
        vouched,
    };
    Block { header, txs: Vec::new() }
}

// One chain is told from another by its configuration, which every engine on it holds, too: hashing it once is enough.
impl PartialEq for Setup {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Eq for Setup {}

impl StdHash for Setup {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
