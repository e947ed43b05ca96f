//! The engine: every rule but signing, as one value and one function, [`Engine::step`].
//!
//! Upon receiving a certificate, it raises the high QC and enters the view after it (`certificates`); as that view's leader it
//! proposes (`propose`); a proposal becomes a candidate, and a vote once everything it needs is at hand (`candidate`); a quorum
//! of votes is a QC, on which it commit-votes; a quorum of commit votes commits (`commit`). A view that takes too long is given
//! up (`timeout`), a stalled validator repeats itself (`repeat`), one that is behind is helped (`help`), and one that has just
//! started asks what it has signed before it signs (`resume`). What keeps timers running is `work`. When the block that ends the
//! epoch is committed, it waits for the next epoch and goes on there (`epoch`).
//!
//! Own messages count as received. Whatever is slow is an [`Action`] now and an [`Input`] later.

mod candidate;
mod certificates;
mod commit;
mod epoch;
mod evidence;
mod help;
mod input;
mod propose;
mod repeat;
mod resume;
mod sizes;
mod timeout;
mod validity;
mod work;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use althing_crypto::{BlockHash, Hash, mutant};

use crate::block_tree::BlockTree;
use crate::leader::{Election, LONGEST_REST};
use crate::pacemaker::Pacemaker;
use crate::vote_aggregator::VoteAggregator;
use crate::{
    Admitted, Certificate, ConsensusParams, Counted, Epoch, Executed, Header, Height, Memory, Message,
    Micros, Newest, Now, Phase, Position, QuorumCertificate, SafetyRecord, SignRequest, Signed,
    TimeoutCertificate, ValidatorSet, Verified, View, view_of,
};

use candidate::Candidate;
use evidence::Accusations;
use input::own_proposal;
use propose::{Load, Payload};
use resume::Resume;
use timeout::TimeoutPool;
use work::Timers;

pub use input::{
    Action, Aggregated, BuildPayload, EpochEntered, Event, Halt, Input, Misdeed, OwnMessages, Recovered,
};
pub use sizes::PoolSizes;

/// What an engine is made for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineConfig {
    /// The chain.
    pub chain_id: String,
    /// The epoch.
    pub epoch: Epoch,
    /// The hash of the epoch's set and parameters.
    pub epoch_hash: Hash,
    /// The epoch's opening block: genesis for epoch 1.
    pub opening: BlockHash,
    /// The validators of the epoch.
    pub set: Arc<ValidatorSet>,
    /// The parameters of the epoch.
    pub params: ConsensusParams,
    /// This validator; none for a node that only follows.
    pub me: Option<Position>,
}

/// The highest views that signatures were asked for in, so that none is asked for twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Asked {
    proposal: View,
    vote: View,
    commit_vote: View,
    timeout: View,
    timeout_high: View,
}

impl Asked {
    /// S7: up to the floor this key may have signed anything, so nothing is asked for.
    fn raise(&mut self, floor: View) {
        if floor >= self.timeout {
            (self.timeout, self.timeout_high) = (floor, floor);
        }
        for view in [&mut self.proposal, &mut self.vote, &mut self.commit_vote] {
            *view = floor.max(*view);
        }
    }
}

/// The engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Engine {
    config: EngineConfig,
    /// Leaders that a test has given views 1, 2, …
    given: Arc<[Position]>,
    view: View,
    /// The certificate of the view before, with which the current one was entered; none in view 1.
    entry: Option<Verified<Certificate>>,
    high_qc: Option<Verified<QuorumCertificate>>,
    tc: Option<Verified<TimeoutCertificate>>,
    commit: Option<Verified<QuorumCertificate>>,
    /// Blocks certified in recent views: two of one view are a fork.
    certified: BTreeMap<View, Verified<QuorumCertificate>>,
    tree: BlockTree,
    /// The notices of committed blocks, as far as they bear on others.
    counted: Counted,
    /// What committed the newest committed block, if it is known.
    head_certificate: Option<Verified<QuorumCertificate>>,
    /// Blocks asked for, and when last.
    wanted: BTreeMap<BlockHash, Micros>,
    candidates: BTreeMap<Position, Candidate>,
    payload: Payload,
    votes: VoteAggregator,
    timeouts: TimeoutPool,
    pacemaker: Pacemaker,
    timers: Timers,
    /// Whether mempool or pool of notices would put something into a block now.
    pending: bool,
    executed: Height,
    executions: BTreeMap<Height, Executed>,
    /// Committed headers that vouch for heights not executed here yet, with the height their parents vouch for.
    unchecked: VecDeque<(Header, Height)>,
    asked: Asked,
    own: OwnMessages,
    /// The newest messages of every member, for when it asks.
    memories: BTreeMap<Position, Memory>,
    resume: Resume,
    /// When whom was last sent certificates, and when its own messages.
    helped: BTreeMap<Position, Micros>,
    reminded: BTreeMap<Position, Micros>,
    accusations: Accusations,
    halted: bool,
}

/// What a step works with: the clocks it was given, the actions it makes.
struct Step {
    now: Now,
    actions: Vec<Action>,
}

impl Step {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn emit(&mut self, event: Event) {
        self.act(Action::Emit(event));
    }

    fn broadcast(&mut self, message: Message) {
        self.act(Action::Broadcast(message));
    }
}

impl Engine {
    /// An engine over a node's durable state; `record` is that of its safety rules, none for a node that only follows.
    pub fn new(config: EngineConfig, recovered: Recovered, record: Option<&SafetyRecord>) -> Self {
        // A record of a later epoch, whose beginning the store has lost, says nothing about this one.
        let record = record.filter(|record| record.epoch == config.epoch);
        let high_qc = record.and_then(|record| record.high_qc.clone()).map(Verified::trust);
        let tc = record.and_then(|record| record.tc.clone()).map(Verified::trust);
        let commit = record.and_then(|record| record.commit.clone()).map(Verified::trust);
        let head = recovered.committed.hash();
        let head_certificate = recovered.commit.clone().filter(|commit| commit.block == head);
        let commit = newer(commit, recovered.commit.filter(|commit| commit.epoch == config.epoch));
        let high_qc = newer(high_qc, commit.clone());
        let head_vouches = recovered.committed.header.vouched.height;
        let mut tree = BlockTree::new(recovered.unvouched.into_iter().chain([recovered.committed]));
        for block in recovered.uncommitted {
            tree.insert(block.hash(), block);
        }
        let mut engine = Self {
            given: Arc::default(),
            view: View(1),
            entry: None,
            high_qc,
            tc,
            commit,
            certified: BTreeMap::new(),
            head_certificate,
            wanted: BTreeMap::new(),
            candidates: BTreeMap::new(),
            payload: Payload::Unasked,
            votes: VoteAggregator::default(),
            timeouts: TimeoutPool::default(),
            pacemaker: Pacemaker::new(),
            timers: Timers::default(),
            pending: false,
            executed: recovered.executed,
            executions: recovered.executions,
            unchecked: VecDeque::new(),
            asked: Asked::default(),
            own: OwnMessages::default(),
            memories: BTreeMap::new(),
            resume: Resume::default(),
            helped: BTreeMap::new(),
            reminded: BTreeMap::new(),
            accusations: Accusations::default(),
            halted: false,
            config,
            tree,
            counted: recovered.counted,
        };
        if let Some(record) = record {
            engine.recall(record);
        }
        engine.enter_recovered_view();
        engine.expect_recovered_executions(head_vouches);
        engine
    }

    /// For tests that need leaders of their choosing in views 1, 2, …, in every engine of a chain the same; then they are elected as
    /// ever. No configuration reaches this.
    pub fn give_leaders(&mut self, leaders: Arc<[Position]>) {
        self.given = leaders;
    }

    /// Takes in what its own safety rules have signed, so that it asks for none of it again.
    fn recall(&mut self, record: &SafetyRecord) {
        // The record keeps proposals without what they carry; the store has the block.
        let proposal = record.proposal.clone().and_then(|mut proposal| {
            let block = self.tree.get(&proposal.block.hash())?;
            proposal.block.txs.clone_from(&block.txs);
            proposal.block.notices.clone_from(&block.notices);
            Some(own_proposal(proposal))
        });
        self.own = OwnMessages {
            vote: record.vote.clone(),
            commit_vote: record.commit_vote.clone(),
            timeout: record.timeout.clone(),
            proposal,
        };
        self.asked = Asked {
            proposal: record.proposal.as_ref().map_or(View(0), |proposal| proposal.view),
            vote: record.vote.as_ref().map_or(View(0), |vote| vote.view),
            commit_vote: record.commit_vote.as_ref().map_or(View(0), |vote| vote.view),
            timeout: record.timeout.as_ref().map_or(View(0), |timeout| timeout.view),
            timeout_high: record.timeout.as_ref().map_or(View(0), |timeout| timeout.high_view()),
        };
        self.asked.raise(record.floor);
    }

    /// R1 at a restart: view 1 + the highest view among the durable high QC, TC and commit certificate.
    fn enter_recovered_view(&mut self) {
        let qc = self.high_qc.clone().map(Verified::<Certificate>::from);
        let tc =
            self.tc.clone().filter(|_| !mutant!("restart_forgets_the_tc")).map(Verified::<Certificate>::from);
        self.entry = qc.into_iter().chain(tc).max_by_key(|certificate| certificate.view());
        self.view = self.entry.as_ref().map_or(View(1), |certificate| certificate.view().next());
        self.resume = Resume::new(self.config.me, &self.config.set);
    }

    /// Takes one input and says what is to be done.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Action> {
        let mut step = Step { now, actions: Vec::new() };
        if self.halted {
            return step.actions;
        }
        self.take(&mut step, input);
        self.settle(&mut step);
        step.actions
    }

    fn take(&mut self, step: &mut Step, input: Input) {
        match input {
            Input::Start => self.start(step),
            Input::Received { from, message } => self.receive(step, from, message),
            Input::Connected(peer) => self.greet(step, peer),
            Input::Signed(signed) => self.signed(step, *signed),
            Input::Refused(refusal) => step.emit(Event::SafetyRefused(refusal)),
            Input::Resumed => self.resumed(step),
            Input::Aggregated(Aggregated::Votes { phase, view, block: _, certificate, bad }) => {
                self.votes_aggregated(step, (phase, view), certificate, &bad);
            }
            Input::Aggregated(Aggregated::Timeouts { view, certificate, bad }) => {
                self.timeouts_aggregated(step, view, certificate, &bad);
            }
            Input::EvidenceChecked(evidence, holds) => self.evidence_checked(step, evidence, holds),
            Input::Wake => self.fire_timers(step),
            Input::Pending(pending) => {
                self.pending = pending;
                self.payload.retry();
            }
            Input::PayloadBuilt { view, parent, txs, notices } => {
                self.payload_built(view, parent, Load { txs, notices });
            }
            Input::PayloadChecked { block, verdict } => self.payload_checked(step, block, verdict),
            Input::Blocks { blocks, commit } => self.blocks_arrived(step, blocks, commit),
            Input::Executed(executed) => self.block_executed(step, executed),
            Input::EpochEntered(next) => self.enter_epoch(step, *next),
        }
    }

    fn receive(&mut self, step: &mut Step, from: Option<Position>, message: Admitted) {
        match message {
            Admitted::Proposal(proposal) => self.proposal_arrived(step, proposal),
            Admitted::Vote(vote) => self.vote_arrived(step, vote),
            Admitted::Timeout(timeout) => self.timeout_arrived(step, from, timeout),
            Admitted::Certificate(certificate) => self.take_certificate(step, certificate),
            Admitted::Status(status) => {
                if let Some(peer) = from {
                    self.status_arrived(step, peer, status);
                }
            }
            Admitted::Memory(memory) => {
                if let Some(peer) = from {
                    self.memory_arrived(step, peer, &memory);
                }
            }
        }
    }

    /// After every input: whatever has become possible is done, and the timers fit the work.
    fn settle(&mut self, step: &mut Step) {
        if self.halted {
            return step.act(Action::WakeAt(None));
        }
        self.advance_candidates(step);
        self.update_timers(step);
        self.try_propose(step);
        self.schedule(step);
    }

    fn signed(&mut self, step: &mut Step, signed: Signed) {
        if signed.epoch() != self.config.epoch {
            return;
        }
        match signed {
            Signed::Proposal(proposal) => {
                self.own.proposal = Some(proposal.clone());
                step.broadcast(Message::Proposal(Box::new(proposal.clone().into_inner())));
                self.proposal_arrived(step, proposal);
            }
            Signed::Vote(vote) => {
                self.own.vote = Some(vote.clone());
                step.broadcast(Message::Vote(vote.clone()));
                self.vote_arrived(step, vote);
            }
            Signed::CommitVote(vote) => {
                self.own.commit_vote = Some(vote.clone());
                step.broadcast(Message::Vote(vote.clone()));
                self.vote_arrived(step, vote);
            }
            Signed::Timeout(timeout) => {
                self.own.timeout = Some(timeout.clone());
                step.broadcast(Message::Timeout(Box::new(timeout.clone())));
                self.timeout_arrived(step, self.config.me, timeout);
            }
        }
    }

    /// Asks the safety rules; the newest certificates go along, to become durable with the record.
    fn sign(&self, step: &mut Step, request: SignRequest) {
        step.act(Action::Sign { request: Box::new(request), newest: self.newest() });
    }

    /// Whether signatures may be asked for: it is a validator and knows what it has signed (rule S7).
    fn may_sign(&self) -> bool {
        self.config.me.is_some()
            && (self.resume.is_over() || mutant!("sign_before_resuming"))
            && (!self.is_closed() || mutant!("signs_after_the_end"))
    }

    fn election(&self) -> Election<'_> {
        let EngineConfig { chain_id, epoch, set, .. } = &self.config;
        Election { chain_id, epoch: *epoch, set, given: &self.given }
    }

    /// The leader of a view on a block, if the block's header is at hand.
    fn leader_on(&self, view: View, block: &BlockHash) -> Option<Position> {
        let header = self.tree.header(block)?;
        let absent = if *block == self.config.opening { &[][..] } else { &header.absent };
        Some(self.election().leader(view, absent))
    }

    /// Whether the leader of the current view, on the high QC, failed in its last turn. One that is tried as seldom as may be is given all
    /// the time that others have: it may be too far away for less.
    fn leader_failed(&self) -> bool {
        self.leaders_failures().is_some_and(|failures| failures <= LONGEST_REST)
    }

    /// How often the leader of the current view failed in a row, if it is on the absent list.
    fn leaders_failures(&self) -> Option<u32> {
        let block = self.high_block();
        let leader = self.leader_on(self.view, &block).filter(|_| block != self.config.opening)?;
        let absent = self.tree.header(&block).map_or(&[][..], |header| &header.absent);
        absent.iter().find(|one| one.member == leader).map(|one| one.failures)
    }

    fn high_view(&self) -> View {
        view_of(self.high_qc.as_deref())
    }

    /// The block of the high QC.
    fn high_block(&self) -> BlockHash {
        self.high_qc.as_ref().map_or(self.config.opening, |qc| qc.block)
    }

    fn halt(&mut self, step: &mut Step, halt: Halt) {
        self.halted = true;
        step.act(Action::Halt(halt));
    }

    /// The current view.
    pub fn view(&self) -> View {
        self.view
    }

    /// The newest certificates that it holds.
    pub fn newest(&self) -> Newest {
        Newest { high_qc: self.high_qc.clone(), tc: self.tc.clone(), commit: self.commit.clone() }
    }

    /// The newest committed header.
    pub fn committed(&self) -> &Header {
        &self.tree.head().header
    }

    /// What committed blocks have carried that bears on what others may carry.
    pub fn counted(&self) -> &Counted {
        &self.counted
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.config.epoch
    }

    /// Whether something made it stop.
    pub fn is_halted(&self) -> bool {
        self.halted
    }

    /// The leader of the current view, as far as this node can tell.
    pub fn leader(&self) -> Option<Position> {
        self.leader_on(self.view, &self.high_block())
    }

    fn pool_of(&mut self, step: &mut Step, phase: Phase, view: View) {
        if let Some(votes) = self.votes.take_quorum(phase, view, &self.config.set) {
            step.act(Action::AggregateVotes(votes));
        }
    }
}

/// The certificate of the higher view.
fn newer(
    one: Option<Verified<QuorumCertificate>>,
    other: Option<Verified<QuorumCertificate>>,
) -> Option<Verified<QuorumCertificate>> {
    if view_of(other.as_deref()) > view_of(one.as_deref()) { other } else { one }
}
