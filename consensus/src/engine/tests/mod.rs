//! Step tables: one engine of four, fed inputs by hand, its exact actions compared. Signatures are dummies, as the engine never
//! looks at them.

mod epoch;
mod evidence;
mod notices;
mod proposals;
mod resume;
mod timers;
mod views;

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_crypto::bls::{self, BLS};
use althing_crypto::{BlockHash, Hash, TxHash, ed25519, sha256};

use super::*;
use crate::{
    AppHash, Block, Execution, Power, Proposal, SignKind, Signers, TimeoutVote, Validator, Vote, Vouched,
    epoch_hash, no_evidence, payload_root,
};

/// An engine under test, its clock, and what the test needs to make messages for it.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) engine: Engine,
    pub(super) now: Now,
    pub(super) genesis: Block,
}

/// A set of `n` members of power 1.
fn set(n: u8) -> Arc<ValidatorSet> {
    set_of(&vec![1; n.into()])
}

/// A set of members of these powers; no key of theirs is ever used.
fn set_of(powers: &[u64]) -> Arc<ValidatorSet> {
    let member = |(index, power): (u8, &u64)| Validator {
        identity: ed25519::SecretKey::from_seed([index; 32]).public_key(),
        vote_key: bls::PublicKey::opaque([index; 48]),
        power: Power(*power),
    };
    Arc::new(ValidatorSet::new(&BLS, (0..).zip(powers).map(member).collect()).expect("distinct members"))
}

impl Fixture {
    /// Member `me` of `n`, before its first step.
    pub(super) fn new(n: u8, me: u16) -> Self {
        Self::recovered(n, me, None)
    }

    /// Member `me` of `n` with this record, on a fresh chain, before its first step.
    pub(super) fn recovered(n: u8, me: u16, record: Option<&SafetyRecord>) -> Self {
        Self::member_of(set(n), me, record)
    }

    fn member_of(set: Arc<ValidatorSet>, me: u16, record: Option<&SafetyRecord>) -> Self {
        Self::member_under(set, me, record, ConsensusParams::default())
    }

    fn member_under(
        set: Arc<ValidatorSet>,
        me: u16,
        record: Option<&SafetyRecord>,
        params: ConsensusParams,
    ) -> Self {
        let params = ConsensusParams { max_unexecuted_blocks: 0, ..params };
        let epoch_hash = epoch_hash(&set, &params);
        let vouched = Vouched {
            height: Height(0),
            app_hash: AppHash::default(),
            executed_root: no_evidence(),
            next_epoch: epoch_hash,
        };
        let header = Header {
            chain_id: "table".into(),
            epoch: Epoch(0),
            height: Height(0),
            view: View(0),
            parent: BlockHash(Hash::ZERO),
            justify_view: View(0),
            time_ms: 1_000,
            payload_root: sha256(b"genesis"),
            evidence_root: no_evidence(),
            absent: Vec::new(),
            vouched,
        };
        let genesis = Block { header, txs: Vec::new(), notices: Vec::new() };
        let config = EngineConfig {
            chain_id: "table".into(),
            epoch: Epoch(1),
            epoch_hash,
            opening: genesis.hash(),
            set,
            params,
            me: Some(Position(me)),
        };
        let recovered = Recovered {
            committed: genesis.clone(),
            unvouched: Vec::new(),
            commit: None,
            uncommitted: Vec::new(),
            executions: BTreeMap::new(),
            executed: Height(0),
            counted: Counted::default(),
        };
        let engine = Engine::new(config, recovered, record);
        Self { engine, now: Now { mono: Micros(0), unix_ms: 2_000 }, genesis }
    }

    /// Member `me` of four, started, and told by the others that it has signed nothing.
    pub(super) fn started(me: u16) -> Self {
        Self::started_among(&[1; 4], me)
    }

    /// The same among members of these powers.
    pub(super) fn started_among(powers: &[u64], me: u16) -> Self {
        Self::member_of(set_of(powers), me, None).start(powers.len() as u16, me)
    }

    /// As [`Self::started`], on a chain whose blocks come at least so often.
    pub(super) fn beating(me: u16, heartbeat_ms: u64) -> Self {
        let params = ConsensusParams { heartbeat_ms, ..ConsensusParams::default() };
        Self::member_under(set_of(&[1; 4]), me, None, params).start(4, me)
    }

    fn start(mut self, members: u16, me: u16) -> Self {
        self.step(Input::Start);
        for peer in (0..members).filter(|peer| *peer != me) {
            self.receive(peer, Admitted::Memory(Memory::default()));
        }
        self.step(Input::Resumed);
        self
    }

    /// The actions, but for wake-ups and log lines.
    pub(super) fn step(&mut self, input: Input) -> Vec<Action> {
        let mut actions = self.engine.step(self.now, input);
        actions.retain(|action| !matches!(action, Action::WakeAt(_) | Action::Emit(_)));
        actions
    }

    pub(super) fn receive(&mut self, from: u16, message: Admitted) -> Vec<Action> {
        self.step(Input::Received { from: Some(Position(from)), message })
    }

    pub(super) fn certificate(&mut self, certificate: impl Into<Certificate>) -> Vec<Action> {
        self.receive(0, Admitted::Certificate(Verified::trust(certificate.into())))
    }

    pub(super) fn wait(&mut self, ms: u64) -> Vec<Action> {
        self.now.mono = self.now.mono.after(Micros::from_millis(ms));
        self.now.unix_ms += ms;
        self.step(Input::Wake)
    }

    /// The leader of a view on a block without absent members.
    pub(super) fn leader(&self, view: u64) -> u16 {
        self.engine.election().leader(View(view), &[]).0
    }

    /// A block with these transactions, as the leader of `view` would make it on the certificate of `justify`.
    pub(super) fn block(
        &self,
        view: u64,
        parent: &Block,
        justify: Option<&QuorumCertificate>,
        txs: &[u8],
    ) -> Block {
        let txs: Vec<TxHash> = txs.iter().map(|tx| TxHash(sha256(&[*tx]))).collect();
        let absent = self.engine.election().absent_after(&parent.header.absent, view_of(justify), View(view));
        let header = Header {
            epoch: Epoch(1),
            height: parent.header.height.next(),
            view: View(view),
            parent: parent.hash(),
            justify_view: view_of(justify),
            time_ms: parent.header.time_ms + 1,
            payload_root: payload_root(&txs),
            absent,
            ..parent.header.clone()
        };
        Block { header, txs, notices: Vec::new() }
    }

    /// The proposal of a block by its view's leader.
    pub(super) fn proposal(
        &self,
        block: Block,
        justify: Option<QuorumCertificate>,
        tc: Option<TimeoutCertificate>,
    ) -> Proposal {
        let view = block.header.view;
        let parent = justify.as_ref().map_or(self.genesis.hash(), |qc| qc.block);
        let signer = self.engine.leader_on(view, &parent).expect("the parent is at hand");
        Proposal { view, block, justify, tc, commit: None, signer, signature: no_signature() }
    }

    /// The proposal of an epoch's first block, on its opening block.
    pub(super) fn proposal_on(&self, opening: &Block, block: Block) -> Proposal {
        let view = block.header.view;
        let signer = self.engine.leader_on(view, &opening.hash()).expect("the opening block is at hand");
        Proposal { view, block, justify: None, tc: None, commit: None, signer, signature: no_signature() }
    }

    /// What is asked of the safety rules among these actions.
    pub(super) fn asked(actions: &[Action]) -> Vec<(SignKind, View)> {
        let request = |action: &Action| match action {
            Action::Sign { request, .. } => Some((request.kind(), request.view())),
            _ => None,
        };
        actions.iter().filter_map(request).collect()
    }
}

/// A proposal's, which the door has let in.
pub(super) fn no_signature() -> ed25519::Signature {
    ed25519::Signature::from_bytes([7; 64])
}

pub(super) fn dummy() -> bls::Signature {
    bls::Signature::from_bytes([7; 96])
}

fn three() -> Signers {
    (0..3).map(Position).collect()
}

pub(super) fn qc(view: u64, block: BlockHash, phase: Phase) -> QuorumCertificate {
    QuorumCertificate {
        phase,
        epoch: Epoch(1),
        view: View(view),
        block,
        signers: three(),
        signature: dummy(),
    }
}

pub(super) fn tc(view: u64, high_qc: Option<QuorumCertificate>) -> TimeoutCertificate {
    let high = view_of(high_qc.as_ref());
    TimeoutCertificate {
        epoch: Epoch(1),
        view: View(view),
        signers: three(),
        high_views: vec![View(0), View(0), high],
        high_qc,
        signature: dummy(),
    }
}

pub(super) fn vote(phase: Phase, view: u64, block: BlockHash, signer: u16) -> Vote {
    Vote { phase, epoch: Epoch(1), view: View(view), block, signer: Position(signer), signature: dummy() }
}

pub(super) fn timeout(
    view: u64,
    signer: u16,
    high_qc: Option<QuorumCertificate>,
    entry: Option<Certificate>,
) -> TimeoutVote {
    TimeoutVote {
        epoch: Epoch(1),
        view: View(view),
        signer: Position(signer),
        signature: dummy(),
        high_qc,
        entry,
    }
}

impl From<QuorumCertificate> for Certificate {
    fn from(qc: QuorumCertificate) -> Self {
        Self::Quorum(qc)
    }
}

impl From<TimeoutCertificate> for Certificate {
    fn from(tc: TimeoutCertificate) -> Self {
        Self::Timeout(tc)
    }
}
