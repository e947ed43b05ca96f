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
    pub(super) genesis: Block,
    /// One, or two: then the first block changes the members.
    eras: Vec<Era>,
}

/// Who votes in an epoch, with which keys.
#[derive(Debug)]
pub struct Era {
    pub(super) config: EngineConfig,
    /// By position, as all that follows.
    keys: Vec<bls::SecretKey>,
    identities: Vec<Arc<ed25519::SecretKey>>,
    nodes: Vec<usize>,
    doors: Vec<Door>,
    /// That of a node that only follows.
    passer_by: Door,
}

/// A member of an epoch: which node, and which of its vote keys.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The node.
    pub node: usize,
    /// Its power.
    pub power: u64,
    /// The number of its key.
    pub key: u8,
}

impl Era {
    fn new(epoch: u64, seats: &[Seat], params: ConsensusParams) -> Self {
        let keys: Vec<bls::SecretKey> = seats.iter().map(vote_key).collect();
        let identity = |seat: &Seat| Arc::new(ed25519::SecretKey::from_seed(seed(seat.node, 0)));
        let identities: Vec<_> = seats.iter().map(identity).collect();
        let member = |(at, key): (usize, &bls::SecretKey)| Validator {
            identity: identities[at].public_key(),
            vote_key: key.public_key().clone(),
            power: Power(seats[at].power),
        };
        let members = keys.iter().enumerate().map(member).collect();
        let set = Arc::new(ValidatorSet::new(&CHEAP_VOTES, members).expect("distinct members with power"));
        let epoch_hash = epoch_hash(&set, &params);
        let (chain_id, epoch) = (CHAIN_ID.to_owned(), Epoch(epoch));
        let opening = BlockHash(Hash::ZERO);
        let config = EngineConfig { chain_id, epoch, epoch_hash, opening, set, params, me: None };
        let door = |me| Door::new(CHAIN_ID.to_owned(), epoch, config.set.clone(), &config.params, me);
        let doors = config.set.positions().map(|me| door(Some(me))).collect();
        let nodes = seats.iter().map(|seat| seat.node).collect();
        Self { passer_by: door(None), doors, nodes, keys, identities, config }
    }

    /// The validators.
    pub fn set(&self) -> &Arc<ValidatorSet> {
        &self.config.set
    }

    /// The hash of set and parameters.
    pub fn hash(&self) -> Hash {
        self.config.epoch_hash
    }

    /// The parameters.
    pub fn params(&self) -> &ConsensusParams {
        &self.config.params
    }

    /// The vote key of this position.
    pub fn key(&self, position: Position) -> &bls::SecretKey {
        &self.keys[usize::from(position.0)]
    }

    /// The identity key of this position.
    pub fn identity(&self, position: Position) -> &Arc<ed25519::SecretKey> {
        &self.identities[usize::from(position.0)]
    }

    /// Where a node votes.
    pub fn place(&self, node: usize) -> Option<Position> {
        self.nodes.iter().position(|one| *one == node).map(|at| Position(at as u16))
    }

    pub(super) fn door(&self, me: Option<Position>) -> &Door {
        me.map_or(&self.passer_by, |me| &self.doors[usize::from(me.0)])
    }
}

impl Setup {
    /// A chain of as many members as powers.
    pub fn new(powers: &[u64], params: ConsensusParams) -> Arc<Self> {
        let seat = |(node, power): (usize, &u64)| Seat { node, power: *power, key: 0 };
        Self::chain(params, &[powers.iter().enumerate().map(seat).collect()])
    }

    /// A chain whose first block changes its first members into the second ones.
    pub fn changing(params: ConsensusParams, first: Vec<Seat>, second: Vec<Seat>) -> Arc<Self> {
        Self::chain(params, &[first, second])
    }

    fn chain(params: ConsensusParams, seats: &[Vec<Seat>]) -> Arc<Self> {
        let era = |(seats, epoch): (&Vec<Seat>, u64)| Era::new(epoch, seats, params.clone());
        let mut eras: Vec<Era> = seats.iter().zip(1..).map(era).collect();
        let genesis = genesis(eras[0].hash());
        eras[0].config.opening = genesis.hash();
        Arc::new(Self { genesis, eras })
    }

    /// The members of an epoch; of the last that there is, for later ones.
    pub fn era(&self, epoch: Epoch) -> &Era {
        &self.eras[(epoch.0.max(1) as usize).min(self.eras.len()) - 1]
    }

    /// The first validators.
    pub fn set(&self) -> &Arc<ValidatorSet> {
        self.eras[0].set()
    }

    /// The chain's name.
    pub fn chain_id(&self) -> &str {
        CHAIN_ID
    }

    /// Block 0.
    pub fn genesis(&self) -> &Block {
        &self.genesis
    }

    /// The vote key of one of the first members: for those who play an adversary.
    pub fn key(&self, position: Position) -> &bls::SecretKey {
        self.eras[0].key(position)
    }

    /// The identity key of one of the first members.
    pub fn identity(&self, position: Position) -> &Arc<ed25519::SecretKey> {
        self.eras[0].identity(position)
    }

    /// The door of one of the first members. It remembers certificates that were checked, which changes no verdict.
    pub fn door(&self, position: Position) -> &Door {
        self.eras[0].door(Some(position))
    }

    /// The set and parameters that execution names: those of the last epoch that there is.
    pub fn next_epoch(&self) -> Hash {
        self.eras[self.eras.len() - 1].hash()
    }

    /// The application: its hash is one of all blocks so far.
    pub fn execute(&self, before: Option<&Execution>, block: BlockHash) -> Execution {
        let (height, app_hash) = match before {
            Some(before) => (before.height.next(), before.app_hash.as_bytes()),
            None => (Height(1), self.genesis.header.vouched.app_hash.as_bytes()),
        };
        let hash = sha256_concat(&[app_hash, block.as_bytes()]);
        let app_hash = AppHash::new(hash.as_bytes().to_vec()).expect("32 bytes");
        Execution { height, app_hash, results_root: Hash::ZERO }
    }

    /// Whether a block ends its epoch.
    pub fn ends_epoch(&self, header: &Header) -> bool {
        header.epoch.0 > 0 && header.vouched.next_epoch != self.era(header.epoch).hash()
    }

    /// The epoch that blocks on this committed one are of.
    pub(super) fn epoch_on(&self, head: &Header) -> Epoch {
        let next = head.epoch.0 + u64::from(self.ends_epoch(head));
        Epoch(next.max(1))
    }

    /// What the engine of this node is made for where this is the newest committed block, whose epoch was opened by that one.
    pub(super) fn engine_config(&self, head: &Header, opening: BlockHash, node: usize) -> EngineConfig {
        let era = self.era(self.epoch_on(head));
        EngineConfig { opening, me: era.place(node), ..era.config.clone() }
    }
}

fn seed(node: usize, key: u8) -> [u8; 32] {
    let bytes = [b'm', node as u8, key];
    *sha256(if key == 0 { &bytes[..2] } else { &bytes }).as_bytes()
}

fn vote_key(seat: &Seat) -> bls::SecretKey {
    bls::SecretKey::from_seed(&CHEAP_VOTES, &seed(seat.node, seat.key))
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
    Block { header, txs: Vec::new(), notices: Vec::new() }
}

// One chain is told from another by its configuration, which every engine on it holds, too: hashing it once is enough.
impl PartialEq for Setup {
    fn eq(&self, other: &Self) -> bool {
        self.eras.iter().map(|era| &era.config).eq(other.eras.iter().map(|era| &era.config))
    }
}

impl Eq for Setup {}

impl StdHash for Setup {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
