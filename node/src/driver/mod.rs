//! The driver: performs what the engine and the mempool ask for, with whatever is slow done elsewhere.
//!
//! A value and one function, [`Driver::step`], like the engine that it holds: no clock, thread, disk or network, nothing
//! in an order that depends on a hash map. The node's shell and the simulator hand it the same [`Event`]s and perform the same
//! [`Effect`]s, [`Job`]s among them.
//!
//! One file per kind of action:
//!
//! | file | what |
//! |---|---|
//! | `peers` | messages to the door, connections, requests of peers |
//! | `sign` | bodies to the safety rules with what is to be signed |
//! | `aggregate` | votes to certificates |
//! | `payload` | building a block's payload, gathering and checking that of a proposal |
//! | `fetch` | blocks by hash |
//! | `commit` | committed blocks to the store, in order |
//! | `execute` | stored blocks to the application, in order |
//! | `epochs` | from one epoch to the next, and what is said across |
//! | `sessions` | which process speaks for an identity |
//! | `sync` | runs of committed blocks from whoever has more |
//! | `mempool` | admission, gossip |
//! | `notices` | evidence and registrations, from wherever they come into a block |
//! | `pace` | how soon one block may follow another |
//! | `wake` | one timer for all |
//! | `sizes` | how much is kept for others |

mod aggregate;
mod bodies;
mod commit;
mod epochs;
mod execute;
mod fetch;
mod job;
mod mempool;
mod message;
mod notices;
mod pace;
mod payload;
mod peers;
mod requests;
mod sessions;
mod sign;
mod sizes;
mod sync;
#[cfg(test)]
mod testing;
mod wake;

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::engine::{self, EngineConfig, Recovered};
use althing_consensus::{
    Action, Engine, Epoch, Evidence, Height, Input, Now, QuorumCertificate, SafetyRecord, ValidatorSet,
};
use althing_crypto::TxHash;
use althing_mempool::{Limits, Mempool, TxBytes};

pub(crate) use bodies::MAX_BODIES;
pub use job::{
    CheckJob, Done, ExecuteJob, Job, NoticeSource, PrecheckJob, Prechecked, SafetyJob, ServeJob, StoreJob,
    VerifyJob,
};
pub use message::{Effect, Event, Peer};
pub(crate) use notices::MAX_EVIDENCE;
pub use sizes::DriverSizes;

use crate::body::Body;

/// What a driver starts from: the durable state of the node.
#[derive(Clone, Debug)]
pub struct Start {
    /// For the engine.
    pub recovered: Recovered,
    /// Evidence that was found and that no committed block carries.
    pub found: Vec<Evidence>,
    /// Bodies stored but not known to be committed.
    pub bodies: Vec<Arc<Body>>,
    /// Transactions of the newest committed blocks by height, ascending: what the mempool knows as committed. Holds all blocks that
    /// are not executed.
    pub recent: Vec<(Height, Vec<TxHash>)>,
    /// The safety record, none for a node that only follows.
    pub record: Option<SafetyRecord>,
    /// What committed the opening block of the epoch; none in the first one.
    pub opened_by: Option<QuorumCertificate>,
}

/// The driver.
#[derive(Clone, Debug)]
pub struct Driver {
    config: EngineConfig,
    engine: Engine,
    mempool: mempool::Pool,
    notices: notices::Notices,
    peers: peers::Peers,
    requests: requests::Requests,
    bodies: bodies::Bodies,
    signing: sign::Signing,
    accused: aggregate::Accused,
    payloads: payload::Payloads,
    fetches: fetch::Fetches,
    commits: commit::Commits,
    execution: execute::Execution,
    sync: sync::BlockSync,
    boundary: epochs::Boundary,
    sessions: sessions::Sessions,
    wake: wake::Wake,
    pace: pace::Pace,
}

/// What a step works with: the clocks, what the engine is to be told, the effects.
struct Step {
    now: Now,
    inputs: VecDeque<Input>,
    effects: Vec<Effect>,
}

impl Step {
    fn tell(&mut self, input: Input) {
        self.inputs.push_back(input);
    }

    fn act(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

impl Driver {
    /// A driver over a node's durable state.
    pub fn new(config: EngineConfig, limits: Limits, start: Start) -> Self {
        let Start { recovered, found, bodies, recent, record, opened_by } = start;
        let max_tx_bytes = config.params.max_tx_bytes as usize;
        let (stored, executed) = (recovered.committed.header.height, recovered.executed);
        Self {
            engine: Engine::new(config.clone(), recovered, record.as_ref()),
            mempool: mempool::Pool::new(Mempool::new(Limits { max_tx_bytes, ..limits }, executed.0), recent),
            notices: notices::Notices::new(found),
            peers: peers::Peers::new(&config.set),
            requests: requests::Requests::default(),
            bodies: bodies::Bodies::new(stored, bodies),
            signing: sign::Signing::default(),
            accused: aggregate::Accused::default(),
            payloads: payload::Payloads::default(),
            fetches: fetch::Fetches::default(),
            commits: commit::Commits::new(stored),
            execution: execute::Execution::new(executed),
            sync: sync::BlockSync::default(),
            boundary: epochs::Boundary::new(record.is_some(), opened_by),
            sessions: sessions::Sessions::default(),
            wake: wake::Wake::default(),
            pace: pace::Pace::default(),
            config,
        }
    }

    /// Takes one event and says what is to be done; all that follows from it within the engine and the mempool is done.
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let mut step = Step { now, inputs: VecDeque::new(), effects: Vec::new() };
        self.take(&mut step, event);
        loop {
            while let Some(input) = step.inputs.pop_front() {
                for action in self.engine.step(now, input) {
                    self.perform(&mut step, action);
                }
            }
            self.settle(&mut step);
            if step.inputs.is_empty() {
                break;
            }
        }
        self.schedule(&mut step);
        step.effects
    }

    fn take(&mut self, step: &mut Step, event: Event) {
        match event {
            Event::Started => self.started(step),
            Event::Woken => self.woken(step),
            Event::PeerConnected(peer) => self.connected(step, peer),
            Event::PeerListens(peer) => self.send_gossiped(step, peer),
            Event::PeerDisconnected(peer) => self.disconnected(step.now.mono, &peer),
            Event::Wire { from, wire } => self.wire_arrived(step, from, wire),
            Event::Gossip { from, id, gossip } => self.gossip_arrived(step, from, id, gossip),
            Event::Request { from, id, request } => self.asked(step, from, id, request),
            Event::Response { id, response } => self.answered(step, id, response),
            Event::Submit { ticket, tx } => self.submitted(step, ticket, vec![tx.into()]),
            Event::SubmitMany { ticket, txs } => self.submitted(step, ticket, txs),
            Event::SubmitNotice { ticket, notice } => self.notice_submitted(step, ticket, notice),
            Event::Done(done) => self.done(step, done),
        }
    }

    fn done(&mut self, step: &mut Step, done: Done) {
        match done {
            Done::Signed(signed) => {
                self.sign_answered();
                step.tell(Input::Signed(signed));
            }
            Done::Refused(refusal) => {
                self.sign_answered();
                step.tell(Input::Refused(refusal));
            }
            Done::Resumed => step.tell(Input::Resumed),
            Done::Stored(height) => self.stored(height),
            Done::Executed(executed) => self.executed(step, executed),
            Done::EpochEntered { next, certificate } => self.epoch_entered(step, next, certificate),
            Done::Admitted { epoch, from, proposal, outcome } => {
                self.admitted(step, epoch, (from, proposal), *outcome)
            }
            Done::Aggregated(epoch, aggregated) if epoch == self.config.epoch => {
                step.tell(Input::Aggregated(*aggregated));
            }
            Done::Aggregated(..) => {}
            Done::EvidenceChecked(evidence, verdict) => {
                self.evidence_checked(step, evidence, verdict.is_ok())
            }
            Done::EvidenceKept => self.evidence_kept(step),
            Done::NoticeChecked { from, notice, verdict } => {
                self.notice_checked(step, from, *notice, verdict);
            }
            Done::NoticesChecked { block, verdict } => self.notices_checked(step, block, verdict),
            Done::Prepared { epoch, view, parent, txs, notices } => {
                self.prepared(step, (epoch, view, parent), txs, notices);
            }
            Done::Matched { from, block, txs } => self.matched(step, from, block, txs),
            Done::PayloadPrechecked { block, results } => self.payload_prechecked(step, block, results),
            Done::Processed { block, verdict } => self.processed(step, block, verdict),
            Done::BlockOpened { from, block, outcome } => self.block_opened(step, from, block, outcome),
            Done::RunOpened { from, outcome } => self.run_opened(step, from, outcome),
            Done::Prechecked { batch, results } => self.prechecked(step, batch, results),
            Done::Checked(results) => self.checked(step, results),
            Done::Served { from, id, response } => self.served(step, from, id, response),
        }
    }

    fn perform(&mut self, step: &mut Step, action: Action) {
        match action {
            Action::Sign { request, newest } => self.sign(step, request, newest),
            Action::Resume { floor } => step.act(Effect::Job(Job::Safety(SafetyJob::Resume { floor }))),
            Action::Broadcast(message) => step.act(Effect::Broadcast(message.into())),
            Action::Send(position, message) => self.send(step, position, message),
            Action::WakeAt(at) => self.wake.engine = at,
            Action::BuildPayload(build) => self.payload_asked(step, build),
            Action::CheckPayload { block, proposer } => self.check_payload(step, *block, proposer),
            Action::FetchBlock { block, from } => self.fetch_wanted(step, block, &from),
            Action::Commit { blocks, certificate } => self.commit(step, blocks, certificate),
            Action::Forget(blocks) => self.forget(&blocks),
            Action::AggregateVotes(votes) => self.aggregate_votes(step, votes),
            Action::AggregateTimeouts(votes) => self.aggregate_timeouts(step, votes),
            Action::CheckEvidence(evidence) => self.check_evidence(step, evidence),
            Action::SendPending(to) => {
                self.send_notices(step, to);
                self.send_pending(step, to);
            }
            // Block sync heard of it when it passed the door.
            Action::PeerStatus(..) => {}
            Action::Penalise(position, misdeed) => self.penalise(step, position, &misdeed),
            Action::Emit(event) => {
                if let engine::Event::Misbehaviour(evidence) = &event {
                    self.evidence_found(step, (**evidence).clone());
                }
                step.act(Effect::Emit(event));
            }
            Action::Halt(halt) => step.act(Effect::Halted(halt)),
        }
    }

    /// After every event: whatever has become possible is begun.
    fn settle(&mut self, step: &mut Step) {
        self.store_next(step);
        self.execute_next(step);
        self.enter_next_epoch(step);
        self.sync_next(step);
        self.feed_application(step);
        self.build_what_is_due(step);
    }

    /// The engine, for those who ask where the node stands.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The epoch that it is in, and its validators.
    pub fn validators(&self) -> (Epoch, &Arc<ValidatorSet>) {
        (self.config.epoch, &self.config.set)
    }

    /// The mempool, for those who ask what is pending.
    pub fn mempool(&self) -> &Mempool {
        self.mempool.inner()
    }

    /// The newest stored height.
    pub fn stored_height(&self) -> Height {
        self.commits.stored()
    }

    /// The executed height.
    pub fn executed_height(&self) -> Height {
        self.execution.executed()
    }

    /// Whether a peer shows committed blocks that this node still has to fetch.
    pub fn is_catching_up(&self) -> bool {
        self.sync.is_behind(self.engine.committed().height, &self.config.set)
    }

    /// The first pending transactions that a block would take now.
    pub fn pending(&self, limit: usize) -> Vec<TxBytes> {
        self.mempool().batch(usize::MAX, limit, &|_| false).into_iter().map(|(_, tx)| tx).collect()
    }
}
