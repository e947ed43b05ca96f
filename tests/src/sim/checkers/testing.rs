//! A small chain to make traces of: members with keys, and whatever they sign.

use std::sync::Arc;

use althing_consensus::{
    AppHash, Block, Certificate, ConsensusParams, Epoch, Execution, Header, Height, Message, Micros, Phase,
    Position, Power, Proposal, QuorumCertificate, SafetyRecord, Signers, TimeoutCertificate, TimeoutVote,
    Validator, ValidatorSet, View, Vote, Vouched, no_evidence, payload_root, proposal_bytes, timeout_bytes,
    view_of, vote_bytes,
};
use althing_crypto::{BlockHash, TxHash, bls, ed25519, sha256};
use althing_node::body::Body;

use super::{Checker, Seen};
use crate::cheap_votes::CHEAP_VOTES;
use crate::sim::world::{Standing, World};

const CHAIN_ID: &str = "checked";
const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

/// Four correct members of power 1, and their keys.
pub(super) struct Bench {
    pub(super) world: World,
    keys: Vec<bls::SecretKey>,
    identities: Vec<ed25519::SecretKey>,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_powers(&[1; 4])
    }

    pub(super) fn with_powers(powers: &[u64]) -> Self {
        let seed = |index: usize| [index as u8 + 1; 32];
        let keys: Vec<_> =
            (0..powers.len()).map(|index| bls::SecretKey::from_seed(&CHEAP_VOTES, &seed(index))).collect();
        let identities: Vec<_> =
            (0..powers.len()).map(|index| ed25519::SecretKey::from_seed(seed(index))).collect();
        let member = |(index, power): (usize, &u64)| Validator {
            identity: identities[index].public_key(),
            vote_key: keys[index].public_key().clone(),
            power: Power(*power),
        };
        let members = powers.iter().enumerate().map(member).collect();
        let set = Arc::new(ValidatorSet::new(&CHEAP_VOTES, members).expect("distinct members"));
        let world = World {
            epoch: Epoch(1),
            sets: [(Epoch(1), set.clone())].into(),
            identities: set.members().iter().map(|member| member.identity).collect(),
            chain_id: CHAIN_ID,
            genesis_time_ms: GENESIS_TIME_MS,
            max_skew_ms: 100,
            params: ConsensusParams::default(),
            set,
            standing: vec![Standing::Correct; powers.len()],
        };
        Self { world, keys, identities }
    }

    /// What a checker says of something seen at a node.
    pub(super) fn see(&self, checker: &mut dyn Checker, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        checker.see(&self.world, Micros(0), node, seen)
    }

    /// What it says of a message that a node sends, which holds every body.
    pub(super) fn sends(
        &self,
        checker: &mut dyn Checker,
        node: usize,
        message: &Message,
    ) -> Result<(), String> {
        self.see(checker, node, &Seen::Sent { message, holds_body: &|_| true })
    }

    /// What it says of blocks that a node commits in view 1.
    pub(super) fn commits(
        &self,
        checker: &mut dyn Checker,
        node: usize,
        bodies: &[Arc<Body>],
    ) -> Result<(), String> {
        let last = bodies.last().expect("blocks").block.hash();
        let certificate = self.qc(Phase::Commit, 1, last, &[0, 1, 2]);
        self.see(checker, node, &Seen::Committed { bodies, certificate: &certificate })
    }

    pub(super) fn vote(&self, phase: Phase, signer: u16, view: u64, block: BlockHash) -> Vote {
        let bytes = vote_bytes(CHAIN_ID, phase, Epoch(1), View(view), block);
        let signature = self.keys[usize::from(signer)].sign(&bytes);
        Vote { phase, epoch: Epoch(1), view: View(view), block, signer: Position(signer), signature }
    }

    pub(super) fn timeout(&self, signer: u16, view: u64, high_qc: Option<QuorumCertificate>) -> TimeoutVote {
        let bytes = timeout_bytes(CHAIN_ID, Epoch(1), View(view), view_of(high_qc.as_ref()));
        let signature = self.keys[usize::from(signer)].sign(&bytes);
        let signer = Position(signer);
        TimeoutVote { epoch: Epoch(1), view: View(view), signer, signature, high_qc, entry: None }
    }

    pub(super) fn qc(&self, phase: Phase, view: u64, block: BlockHash, signers: &[u16]) -> QuorumCertificate {
        let votes: Vec<_> = signers.iter().map(|one| self.vote(phase, *one, view, block).signature).collect();
        let signature = self.world.set.scheme().aggregate(&votes).expect("signers");
        let signers: Signers = signers.iter().copied().map(Position).collect();
        QuorumCertificate { phase, epoch: Epoch(1), view: View(view), block, signers, signature }
    }

    /// A timeout certificate whose signers, ascending, name these.
    pub(super) fn tc(&self, view: u64, named: &[(u16, Option<QuorumCertificate>)]) -> TimeoutCertificate {
        let votes: Vec<_> =
            named.iter().map(|(signer, qc)| self.timeout(*signer, view, qc.clone())).collect();
        let shares: Vec<_> = votes.iter().map(|vote| vote.signature).collect();
        TimeoutCertificate {
            epoch: Epoch(1),
            view: View(view),
            signers: votes.iter().map(|vote| vote.signer).collect(),
            high_views: votes.iter().map(TimeoutVote::high_view).collect(),
            high_qc: votes.iter().max_by_key(|vote| vote.high_view()).and_then(|vote| vote.high_qc.clone()),
            signature: self.world.set.scheme().aggregate(&shares).expect("signers"),
        }
    }

    pub(super) fn proposal(
        &self,
        signer: u16,
        body: &Body,
        justify: Option<QuorumCertificate>,
        tc: Option<TimeoutCertificate>,
    ) -> Proposal {
        let mut proposal = Proposal {
            view: body.block.header.view,
            block: body.block.clone(),
            justify,
            tc,
            commit: None,
            signer: Position(signer),
            signature: ed25519::Signature::from_bytes([0; 64]),
        };
        let bytes = proposal_bytes(CHAIN_ID, &proposal.statement());
        proposal.signature = self.identities[usize::from(signer)].sign(&bytes);
        proposal
    }

    /// The record of a key that has signed nothing.
    pub(super) fn record(&self, signer: u16) -> SafetyRecord {
        SafetyRecord {
            chain_id: CHAIN_ID.to_owned(),
            epoch: Epoch(1),
            epoch_hash: sha256(b"epoch"),
            opening: BlockHash(sha256(b"opening")),
            signer: Position(signer),
            vote_key: *self.keys[usize::from(signer)].public_key().bytes(),
            floor: View(0),
            proposal: None,
            vote: None,
            commit_vote: None,
            timeout: None,
            high_qc: None,
            tc: None,
            commit: None,
        }
    }

    /// An execution of a height.
    pub(super) fn execution(&self, height: u64, state: &str) -> Execution {
        let app_hash = AppHash::new(state.as_bytes().to_vec()).expect("short");
        Execution { height: Height(height), app_hash, results_root: sha256(b"results") }
    }

    /// A block on a parent, none for the first one, in the view after its parent's, vouching for what its parent does.
    pub(super) fn body(&self, parent: Option<&Body>, txs: &[&str]) -> Arc<Body> {
        self.body_in(parent, parent.map_or(1, |one| one.block.header.view.0 + 1), txs, |_| {})
    }

    /// A block in a view, its header changed somehow.
    pub(super) fn body_in(
        &self,
        parent: Option<&Body>,
        view: u64,
        txs: &[&str],
        change: impl FnOnce(&mut Header),
    ) -> Arc<Body> {
        let before = parent.map(|body| &body.block.header);
        let vouched = Vouched {
            height: Height(0),
            app_hash: AppHash::default(),
            executed_root: sha256(b"executed"),
            next_epoch: sha256(b"epoch"),
        };
        let txs: Vec<Arc<[u8]>> = txs.iter().map(|tx| tx.as_bytes().into()).collect();
        let hashes: Vec<TxHash> = txs.iter().map(|tx| TxHash::of(tx)).collect();
        let mut header = Header {
            chain_id: CHAIN_ID.to_owned(),
            epoch: Epoch(1),
            height: before.map_or(Height(1), |header| header.height.next()),
            view: View(view),
            parent: before.map_or(BlockHash(sha256(b"opening")), Header::hash),
            justify_view: before.map_or(View(0), |header| header.view),
            time_ms: before.map_or(GENESIS_TIME_MS, |header| header.time_ms) + 1,
            payload_root: payload_root(&hashes),
            evidence_root: no_evidence(),
            absent: Vec::new(),
            vouched: before.map_or(vouched, |header| header.vouched.clone()),
        };
        change(&mut header);
        Arc::new(Body { block: Block { header, txs: hashes, notices: Vec::new() }, txs })
    }
}

/// A hash with a name.
pub(super) fn block(name: &str) -> BlockHash {
    BlockHash(sha256(name.as_bytes()))
}

/// A quorum certificate as a message.
pub(super) fn shows(qc: QuorumCertificate) -> Message {
    Message::Certificate(Box::new(Certificate::Quorum(qc)))
}

/// A timeout certificate as a message.
pub(super) fn shows_tc(tc: TimeoutCertificate) -> Message {
    Message::Certificate(Box::new(Certificate::Timeout(tc)))
}

/// That a checker found something, in words that hold these.
pub(super) fn found(outcome: Result<(), String>, words: &[&str]) {
    let what = outcome.expect_err("a violation");
    for word in words {
        assert!(what.contains(word), "{word:?} is not in {what:?}");
    }
}
