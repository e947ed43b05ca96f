//! What the behaviours are tested on: a member of four on a fresh chain, with everybody's keys at hand.

use std::sync::Arc;

use althing_consensus::engine::Recovered;
use althing_consensus::{
    Admitted, AppHash, Block, Certificate, ConsensusParams, Door, Epoch, Header, Message, Micros, Phase,
    Position, Proposal, QuorumCertificate, Rejection, Status, TimeoutCertificate, TimeoutVote, View, Vote,
};
use althing_crypto::{BlockHash, bls, ed25519};
use althing_genesis::Genesis;
use althing_mempool::Limits;
use althing_node::driver::{Driver, Start};
use althing_node::wire::Wire;
use althing_node::{new_chain, recovery};

use super::{Behaviour, Traitor};
use crate::cheap_votes::CHEAP_VOTES;
use crate::sim::random::Random;
use crate::sim::world::{Standing, World};

const CHAIN: &str = "staged";

/// The stage. The traitor is member 0.
pub(super) struct Stage {
    world: World,
    keys: Vec<bls::SecretKey>,
    identities: Vec<ed25519::SecretKey>,
    driver: Driver,
    genesis: Block,
    door: Door,
    pub(super) random: Random,
    pub(super) now: Micros,
}

impl Stage {
    pub(super) fn new() -> Self {
        let key = |index: u8| bls::SecretKey::from_seed(&CHEAP_VOTES, &[index; 32]);
        let keys: Vec<bls::SecretKey> = (1..=4).map(key).collect();
        let identities: Vec<_> = (1..=4).map(|index| ed25519::SecretKey::from_seed([index; 32])).collect();
        let entry = |(index, key): (usize, &bls::SecretKey)| {
            new_chain::validator(&format!("v{}", index + 1), &identities[index], key)
        };
        let mut document = new_chain::document(CHAIN, keys.iter().enumerate().map(entry).collect(), &[]);
        document.genesis_time_ms = 1_700_000_000_000;
        let params: ConsensusParams = document.params.clone();
        let genesis = Arc::new(Genesis::new(document, &CHEAP_VOTES).expect("a valid document"));
        let block = genesis.block(AppHash::default());
        let config = recovery::engine_config(&genesis, block.hash(), Some(Position(0)));
        let recovered = Recovered {
            committed: block.clone(),
            unvouched: Vec::new(),
            commit: None,
            uncommitted: Vec::new(),
            executions: Default::default(),
            executed: block.header.height,
            counted: Default::default(),
        };
        let start = Start {
            recovered,
            found: Vec::new(),
            bodies: Vec::new(),
            recent: Vec::new(),
            record: None,
            opened_by: None,
        };
        let world = World {
            epoch: Epoch(1),
            sets: [(Epoch(1), config.set.clone())].into(),
            identities: config.set.members().iter().map(|member| member.identity).collect(),
            chain_id: CHAIN,
            genesis_time_ms: genesis.time_ms(),
            max_skew_ms: 0,
            params: params.clone(),
            set: config.set.clone(),
            standing: vec![Standing::Byzantine, Standing::Correct, Standing::Correct, Standing::Correct],
        };
        Self {
            door: Door::new(CHAIN.to_owned(), Epoch(1), config.set.clone(), &params, Some(Position(1))),
            driver: Driver::new(config, Limits::default(), start),
            genesis: block,
            world,
            keys,
            identities,
            random: Random::new(7),
            now: Micros(0),
        }
    }

    pub(super) fn me(&mut self) -> Traitor<'_> {
        Traitor {
            world: &self.world,
            node: 0,
            epoch: Epoch(1),
            set: &self.world.set,
            position: Position(0),
            key: &self.keys[0],
            identity: &self.identities[0],
            other_key: &self.keys[1],
            now: self.now,
            driver: &self.driver,
            random: &mut self.random,
        }
    }

    /// Another member, as if it were the traitor: to make its messages.
    fn as_member(&mut self, position: u16) -> Traitor<'_> {
        let key = &self.keys[usize::from(position)];
        Traitor {
            world: &self.world,
            node: usize::from(position),
            epoch: Epoch(1),
            set: &self.world.set,
            position: Position(position),
            key,
            identity: &self.identities[usize::from(position)],
            other_key: &self.keys[0],
            now: self.now,
            driver: &self.driver,
            random: &mut self.random,
        }
    }

    pub(super) fn genesis(&self) -> Header {
        self.genesis.header.clone()
    }

    pub(super) fn vote(&mut self, signer: u16, phase: Phase, view: u64, block: BlockHash) -> Vote {
        self.as_member(signer).vote(phase, View(view), block)
    }

    /// By members 1 to 3.
    pub(super) fn qc(&mut self, phase: Phase, view: u64, block: BlockHash) -> QuorumCertificate {
        let shares: Vec<_> = (1..4).map(|signer| self.vote(signer, phase, view, block).signature).collect();
        let signature = self.world.set.scheme().aggregate(&shares).expect("some");
        let signers = (1..4).map(Position).collect();
        QuorumCertificate { phase, epoch: Epoch(1), view: View(view), block, signers, signature }
    }

    pub(super) fn timeout(
        &mut self,
        signer: u16,
        view: u64,
        high_qc: Option<QuorumCertificate>,
        entry: Option<Certificate>,
    ) -> TimeoutVote {
        self.as_member(signer).timeout(View(view), high_qc, entry)
    }

    /// By members 1 to 3, who all name this QC.
    pub(super) fn tc(&mut self, view: u64, high_qc: Option<QuorumCertificate>) -> TimeoutCertificate {
        let votes: Vec<_> = (1..4).map(|signer| self.timeout(signer, view, high_qc.clone(), None)).collect();
        let shares: Vec<_> = votes.iter().map(|vote| vote.signature).collect();
        TimeoutCertificate {
            epoch: Epoch(1),
            view: View(view),
            signers: (1..4).map(Position).collect(),
            high_views: votes.iter().map(TimeoutVote::high_view).collect(),
            high_qc,
            signature: self.world.set.scheme().aggregate(&shares).expect("some"),
        }
    }

    /// An empty block on this parent.
    pub(super) fn proposal(
        &mut self,
        signer: u16,
        view: u64,
        parent: &Header,
        justify: Option<QuorumCertificate>,
    ) -> Proposal {
        let member = self.as_member(signer);
        let block = member.block_on(parent, justify.as_ref(), View(view));
        member.proposal(View(view), block, justify)
    }

    /// What member 1 makes of a message that the traitor sent it.
    pub(super) fn admit(&self, wire: &Wire) -> Result<Admitted, Rejection> {
        let Wire::Consensus(message) = wire else { panic!("not a message: {wire:?}") };
        self.door.admit(Some(Position(0)), message.clone())
    }

    /// What the behaviour makes of this message to every other member.
    pub(super) fn sent(&mut self, behaviour: &mut dyn Behaviour, message: Message) -> Vec<(usize, Wire)> {
        let wire = Wire::from(message);
        (1..4).flat_map(|to| behaviour.send(&mut self.me(), to, wire.clone())).collect()
    }

    /// What the behaviour says on its own in so many ticks.
    pub(super) fn ticked(&mut self, behaviour: &mut dyn Behaviour, ticks: usize) -> Vec<(usize, Wire)> {
        (0..ticks).flat_map(|_| behaviour.tick(&mut self.me())).collect()
    }

    /// Lets the behaviour hear this from member 1, and says what it says at once.
    pub(super) fn hears(&mut self, behaviour: &mut dyn Behaviour, message: Message) -> Vec<(usize, Wire)> {
        let wire = Wire::from(message);
        behaviour.hear(&mut self.me(), 1, &wire)
    }
}

/// Any harmless message.
pub(super) fn status() -> Wire {
    Message::Status(Status::default()).into()
}

/// The consensus messages among these.
pub(super) fn messages(sent: &[(usize, Wire)]) -> Vec<&Message> {
    sent.iter()
        .filter_map(|(_, wire)| match wire {
            Wire::Consensus(message) => Some(message),
            Wire::Transactions(_) | Wire::Session(_) | Wire::Notice(_) => None,
        })
        .collect()
}
