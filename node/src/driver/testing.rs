//! What the driver's step tables are written with: one handler is called, and what it tells the engine and asks of the outside is
//! compared, in words.

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::engine::Recovered;
use althing_consensus::{AppHash, Block, Input, Micros, Now, QuorumCertificate, Verified};
use althing_mempool::{Admission, CheckedTx, Limits, TxBytes};

use super::{
    CheckJob, Driver, Effect, ExecuteJob, Job, Peer, PrecheckJob, SafetyJob, Start, Step, StoreJob, VerifyJob,
};
use crate::body::Body;
use crate::recovery::{door, engine_config};
use crate::testing::TestChain;
use crate::wire::{Gossip, Request, Response, Wire};

/// A driver of validator 0 on a fresh chain, at a time that only the test moves.
pub(super) struct Bench {
    pub(super) chain: TestChain,
    pub(super) genesis: Block,
    pub(super) driver: Driver,
    pub(super) now: Now,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// On a chain with other parameters.
    pub(super) fn with(change: impl FnOnce(&mut althing_consensus::ConsensusParams)) -> Self {
        let chain = TestChain::new();
        let genesis = chain.genesis.block(AppHash::default());
        let mut config = engine_config(&chain.genesis, genesis.hash(), Some(althing_consensus::Position(0)));
        change(&mut config.params);
        let recovered = Recovered {
            committed: genesis.clone(),
            unvouched: Vec::new(),
            commit: None,
            uncommitted: Vec::new(),
            executions: Default::default(),
            executed: genesis.header.height,
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
        let driver = Driver::new(config, Limits::default(), start);
        Self { chain, genesis, driver, now: Now { mono: Micros(0), unix_ms: 1_700_000_100_000 } }
    }

    /// With connections to these validators.
    pub(super) fn connected(peers: &[u16]) -> Self {
        let mut bench = Self::new();
        bench.connect(peers);
        bench
    }

    pub(super) fn connect(&mut self, peers: &[u16]) {
        for peer in peers {
            let peer = self.peer(*peer);
            self.act(|driver, step| driver.connected(step, peer));
        }
    }

    pub(super) fn peer(&self, position: u16) -> Peer {
        self.chain.peer(position)
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono.after(Micros::from_millis(ms));
    }

    /// Calls a handler; the engine is not run.
    pub(super) fn act(&mut self, handler: impl FnOnce(&mut Driver, &mut Step)) -> Vec<String> {
        self.acted(handler).0
    }

    /// The same, with the effects as they are.
    pub(super) fn acted(
        &mut self,
        handler: impl FnOnce(&mut Driver, &mut Step),
    ) -> (Vec<String>, Vec<Effect>) {
        let mut step = Step { now: self.now, inputs: VecDeque::new(), effects: Vec::new() };
        handler(&mut self.driver, &mut step);
        let inputs = step.inputs.iter().map(brief_input);
        (inputs.chain(step.effects.iter().map(|effect| self.brief(effect))).collect(), step.effects)
    }

    /// The peer answers the request of this number.
    pub(super) fn answer(&mut self, id: u64, response: Result<Response, String>) -> Vec<String> {
        self.act(|driver, step| driver.answered(step, id, response))
    }

    /// Puts a transaction into the mempool.
    pub(super) fn pend(&mut self, tx: &TxBytes) {
        let hash = althing_crypto::TxHash::of(tx);
        self.act(|driver, step| {
            driver.submitted(step, 0, vec![tx.clone().into()]);
            driver.prechecks_known(step, vec![(hash, Ok(admission()))]);
            driver.checked(step, vec![(hash, Ok(CheckedTx { next_sequence: None }))]);
        });
    }

    /// A chain of bodies above genesis, with these payloads.
    pub(super) fn bodies(&self, payloads: Vec<Vec<TxBytes>>) -> Vec<Arc<Body>> {
        let mut parent = self.genesis.clone();
        let mut bodies = Vec::new();
        for (view, txs) in (1..).zip(payloads) {
            let body = self.chain.body(&parent, view, txs);
            parent = body.block.clone();
            bodies.push(body);
        }
        bodies
    }

    pub(super) fn certificate(&self, block: &Block) -> Verified<QuorumCertificate> {
        let certificate = self.chain.certificate(block.hash(), block.header.view.0);
        door(&self.driver.config).verify_quorum(&certificate).expect("good")
    }

    fn name(&self, peer: &Peer) -> String {
        (0..4)
            .find(|position| self.peer(*position) == *peer)
            .map_or("stranger".into(), |one| format!("v{one}"))
    }

    fn brief(&self, effect: &Effect) -> String {
        match effect {
            Effect::Job(job) => format!("job {}", brief_job(job)),
            Effect::Send { to, wire: Wire::Transactions(txs) } => {
                format!("send {} {} txs", self.name(to), txs.len())
            }
            Effect::Send { to, wire: Wire::Notice(_) } => format!("send {} notice", self.name(to)),
            Effect::Broadcast(Wire::Notice(_)) => "broadcast notice".into(),
            Effect::NoticeAnswer { ticket, outcome } => format!("notice {ticket}: {outcome:?}"),
            Effect::Send { to, .. } => format!("send {}", self.name(to)),
            Effect::Broadcast(Wire::Consensus(_)) => "broadcast message".into(),
            Effect::Broadcast(Wire::Session(_)) => "broadcast session".into(),
            Effect::Superseded(_) => "superseded".into(),
            Effect::Broadcast(Wire::Transactions(txs)) => format!("broadcast {} txs", txs.len()),
            Effect::Gossip(Gossip { to_all, txs }) => {
                format!("gossip {} txs{}", txs.len(), if *to_all { " to all" } else { "" })
            }
            Effect::GossipVerdict { id, accept } => {
                format!("gossip {id} {}", if *accept { "good" } else { "bad" })
            }
            Effect::Request { id, to, request, .. } => {
                let what = match request {
                    Request::Block(_) => "a block".to_owned(),
                    Request::Blocks { from } => format!("blocks from {from}"),
                    Request::Transactions { txs, .. } => format!("{} txs", txs.len()),
                };
                format!("#{id} ask {} for {what}", self.name(to))
            }
            Effect::Reply { id, response: Response::NotHere } => format!("reply {id}: not here"),
            Effect::Reply { id, .. } => format!("reply {id}"),
            Effect::Answer { ticket, outcome, .. } => format!("answer {ticket}: {outcome:?}"),
            Effect::Dropped { .. } => "dropped".into(),
            Effect::WakeAt(None) => "wake never".into(),
            Effect::WakeAt(Some(at)) => format!("wake {} ms", at.0 / 1_000),
            Effect::Penalise { peer, .. } => format!("penalise {}", self.name(peer)),
            Effect::Members { .. } => "members".into(),
            Effect::Executed(height) => format!("executed {height}"),
            Effect::Emit(event) => format!("emit {event:?}"),
            Effect::Warn(what) => format!("warn: {what}"),
            Effect::Halted(_) => "halted".into(),
        }
    }
}

/// What the application says of a transaction without a sender.
pub(super) fn admission() -> Admission {
    Admission { sender: None, sequence: 0, priority: 0, expiry_height: None }
}

pub(super) fn tx(name: &str) -> TxBytes {
    name.as_bytes().into()
}

fn brief_job(job: &Job) -> String {
    match job {
        Job::Safety(SafetyJob::Sign { request, body, .. }) => {
            format!("sign {} {} body", request.kind(), if body.is_some() { "with" } else { "without" })
        }
        Job::Safety(SafetyJob::Resume { .. }) => "resume".into(),
        Job::Safety(SafetyJob::EnterEpoch(epoch)) => format!("enter epoch {epoch}"),
        Job::Store(StoreJob::EnterEpoch(epoch)) => format!("read epoch {epoch}"),
        Job::Store(StoreJob::KeepEvidence(_)) => "keep evidence".into(),
        Job::Store(StoreJob::Commit { bodies, .. }) => {
            let heights: Vec<String> =
                bodies.iter().map(|body| body.block.header.height.to_string()).collect();
            format!("commit {}", heights.join(" "))
        }
        Job::Execute(ExecuteJob::Block(height)) => format!("execute {height}"),
        Job::Verify(job) => match job {
            VerifyJob::Admit { .. } => "admit".into(),
            VerifyJob::AggregateVotes(votes) => format!("aggregate {} votes", votes.len()),
            VerifyJob::AggregateTimeouts(votes) => format!("aggregate {} timeouts", votes.len()),
            VerifyJob::CheckEvidence(_) => "check evidence".into(),
            VerifyJob::Prepare { txs, .. } => format!("prepare {} txs", txs.len()),
            VerifyJob::CheckNotice { .. } => "check notice".into(),
            VerifyJob::CheckNotices { notices, .. } => format!("check {} notices", notices.len()),
            VerifyJob::MatchTransactions { txs, .. } => format!("match {} txs", txs.len()),
            VerifyJob::PrecheckPayload { txs, .. } => format!("precheck payload of {} txs", txs.len()),
            VerifyJob::Process(_) => "process".into(),
            VerifyJob::OpenBlock { .. } => "open block".into(),
            VerifyJob::OpenRun { bodies, .. } => format!("open run of {}", bodies.len()),
        },
        Job::Precheck(PrecheckJob { batch, txs }) => format!("precheck #{batch} of {} txs", txs.len()),
        Job::Check(CheckJob(txs)) => format!("check {} txs", txs.len()),
        Job::Serve(_) => "serve".into(),
    }
}

fn brief_input(input: &Input) -> String {
    match input {
        Input::Start => "engine: start".into(),
        Input::Received { from, .. } => format!("engine: received from {from:?}"),
        Input::Connected(position) => format!("engine: connected v{position}"),
        Input::Wake => "engine: wake".into(),
        Input::Pending(pending) => format!("engine: pending {pending}"),
        Input::PayloadBuilt { txs, notices, .. } if notices.is_empty() => {
            format!("engine: built {} txs", txs.len())
        }
        Input::PayloadBuilt { txs, notices, .. } => {
            format!("engine: built {} txs and {} notices", txs.len(), notices.len())
        }
        Input::PayloadChecked { verdict: Ok(()), .. } => "engine: payload good".into(),
        Input::PayloadChecked { verdict: Err(reason), .. } => format!("engine: payload bad: {reason}"),
        Input::Blocks { blocks, commit } => {
            format!("engine: {} blocks{}", blocks.len(), if commit.is_some() { " committed" } else { "" })
        }
        Input::Executed(executed) => format!("engine: executed {}", executed.execution.height),
        Input::EpochEntered(next) => format!("engine: entered epoch {}", next.config.epoch),
        Input::EvidenceChecked(_, true) => "engine: evidence".into(),
        Input::EvidenceChecked(_, false) => "engine: no evidence".into(),
        other => format!("engine: {other:?}"),
    }
}
