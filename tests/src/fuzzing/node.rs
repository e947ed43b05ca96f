//! One real node without threads, clock or sockets: driver and workers over memory, and an account of what each of them owes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use althing_consensus::{Height, Micros, Now, Phase, Position, Signed, View};
use althing_crypto::BlockHash;
use althing_ledger::{Application, AssetLedger, state::MemoryFiles};
use althing_mempool::Limits;
use althing_node::driver::{Done, Driver, Effect, Event, Job, StoreJob};
use althing_node::epochs::Epochs;
use althing_node::recovery::{door, handshake, recover};
use althing_node::storage::{ChainStore, MemoryStore, SafetyStore};
use althing_node::wire::Request;
use althing_node::workers::{Signer, Workers};

use super::chain::{Chain, GENESIS_TIME_MS};
use super::disk::File;

/// Two validators, of which the first is a quorum by itself: the chain goes on whatever the second says, and the second leads now
/// and then.
pub(super) static UNEQUAL: LazyLock<Chain> = LazyLock::new(|| Chain::new(&[3, 1]));

/// Jobs of these wait in one queue each.
const LANES: usize = 7;

/// What it still owes to those who asked.
#[derive(Default)]
struct Debts {
    replies: BTreeSet<u64>,
    verdicts: BTreeSet<u64>,
    answers: BTreeSet<u64>,
    last: u64,
}

pub(super) struct Node {
    driver: Driver,
    workers: Workers,
    now: Micros,
    wake: Option<Micros>,
    lanes: [VecDeque<Job>; LANES],
    debts: Debts,
    /// What it has asked of peers.
    pub(super) asked: VecDeque<(u64, Request)>,
    /// Everything that it has sent.
    pub(super) sent: Vec<althing_node::wire::Wire>,
    votes: BTreeMap<(Phase, View), BlockHash>,
    given_up: View,
    stored: Height,
}

impl Node {
    /// Opens validator 0 on an empty disk, as the real node opens it, and starts it.
    pub(super) fn start() -> Self {
        let (genesis, me) = (&UNEQUAL.genesis, Some(Position(0)));
        let chain = ChainStore::new(Arc::new(MemoryStore::new()));
        let files = Arc::new(MemoryFiles::new());
        let application: Arc<dyn Application> = Arc::new(AssetLedger::open(files, 10).expect("no files"));
        handshake(genesis, &chain, &application).expect("a new chain");
        let config = UNEQUAL.config(me);
        let epochs = Arc::new(Epochs::beginning(config.clone(), chain.clone()));
        let mut start = recover(&config, &chain, &door(&config)).expect("a new chain");
        let mut file = File::default();
        SafetyStore::format(&mut file).expect("memory");
        let safety = SafetyStore::open_on(Box::new(file), Path::new("safety")).expect("just formatted");
        let keys = vec![UNEQUAL.vote_keys[0].clone()];
        let identity = Arc::new(UNEQUAL.identities[0].clone());
        let signer = Signer::open(identity, keys, epochs.clone(), safety, chain.clone());
        let signer = signer.expect("a new file");
        start.record = Some(signer.record().clone());
        let workers = Workers::new(&epochs, &chain, &application, Some(signer), None);
        let mut node = Self {
            driver: Driver::new(config, Limits::default(), start),
            workers,
            now: Micros(1),
            wake: None,
            lanes: Default::default(),
            debts: Debts::default(),
            asked: VecDeque::new(),
            sent: Vec::new(),
            votes: BTreeMap::new(),
            given_up: View(0),
            stored: Height(0),
        };
        node.event(Event::Started);
        node
    }

    /// Something happens; what it asks for is noted, jobs wait until they are done.
    pub(super) fn event(&mut self, event: Event) {
        match &event {
            Event::Gossip { id, .. } => drop(self.debts.verdicts.insert(*id)),
            Event::Request { id, .. } => drop(self.debts.replies.insert(*id)),
            Event::Submit { ticket, .. } => drop(self.debts.answers.insert(*ticket)),
            _ => {}
        }
        let now = Now { mono: self.now, unix_ms: GENESIS_TIME_MS + 1 + self.now.0 / 1_000 };
        for effect in self.driver.step(now, event) {
            self.perform(effect);
        }
    }

    /// A number that no request, gossip or submission had before.
    pub(super) fn number(&mut self) -> u64 {
        self.debts.last += 1;
        self.debts.last
    }

    /// Time passes, and the timer fires if it is due.
    pub(super) fn pass(&mut self, span: Micros) {
        self.now = self.now.after(span);
        if self.wake.is_some_and(|at| at <= self.now) {
            self.wake = None;
            self.event(Event::Woken);
        }
    }

    /// Does the first job of a lane, if one waits.
    pub(super) fn work(&mut self, lane: usize) -> bool {
        let Some(job) = self.lanes[lane % LANES].pop_front() else { return false };
        let done = self.workers.run(job).unwrap_or_else(|error| panic!("the node fails: {error}"));
        if let Done::Signed(signed) = &done {
            self.signed(signed);
        }
        self.event(Event::Done(done));
        true
    }

    /// Does all jobs, and those that follow.
    pub(super) fn work_all(&mut self) {
        let mut done = 0;
        while (0..LANES).any(|lane| self.work(lane)) {
            done += 1;
            assert!(done < 10_000, "jobs without end");
        }
    }

    /// Nothing is owed once all jobs are done.
    pub(super) fn settle(&mut self) {
        self.work_all();
        let Debts { replies, verdicts, answers, .. } = &self.debts;
        assert!(replies.is_empty(), "requests {replies:?} are not answered");
        assert!(verdicts.is_empty(), "gossip {verdicts:?} has no verdict");
        assert!(answers.is_empty(), "submissions {answers:?} are not answered");
    }

    pub(super) fn height(&self) -> Height {
        self.driver.executed_height()
    }

    pub(super) fn stored(&self) -> Height {
        self.stored
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Job(job) => {
                self.stores(&job);
                self.lanes[lane(&job)].push_back(job);
            }
            Effect::Send { wire, .. } | Effect::Broadcast(wire) => {
                if self.sent.len() < 200 {
                    self.sent.push(wire);
                }
            }
            Effect::GossipVerdict { id, .. } => assert!(self.debts.verdicts.remove(&id), "gossip {id}"),
            Effect::Reply { id, .. } => assert!(self.debts.replies.remove(&id), "request {id}"),
            Effect::Answer { ticket, .. } => assert!(self.debts.answers.remove(&ticket), "ticket {ticket}"),
            Effect::Request { id, request, .. } => self.asked.push_back((id, request)),
            Effect::WakeAt(at) => self.wake = at,
            Effect::Penalise { peer, .. } => assert_ne!(peer, UNEQUAL.identities[0].public_key()),
            Effect::Halted(halt) => panic!("the node halts: {halt:?}"),
            Effect::Superseded(other) => panic!("nobody else has its key: {other:?}"),
            Effect::Gossip(_)
            | Effect::NoticeAnswer { .. }
            | Effect::Dropped { .. }
            | Effect::Executed(_)
            | Effect::Members { .. }
            | Effect::Emit(_)
            | Effect::Warn(_) => {}
        }
    }

    /// Commits are stored in the order of their heights, each block on the one before.
    fn stores(&mut self, job: &Job) {
        let Job::Store(StoreJob::Commit { bodies, certificate, .. }) = job else { return };
        for body in bodies {
            self.stored = self.stored.next();
            assert_eq!(body.block.header.height, self.stored);
            body.check(&UNEQUAL.params()).expect("a body that is stored was checked");
        }
        assert_eq!(bodies.last().map(|body| body.block.hash()), Some(certificate.block));
    }

    /// One block per view and phase, none in a view that was given up.
    fn signed(&mut self, signed: &Signed) {
        match signed {
            Signed::Vote(vote) | Signed::CommitVote(vote) => {
                let key = (vote.phase, vote.view);
                let known = self.votes.contains_key(&key);
                assert!(known || vote.view > self.given_up, "a vote in view {} that was given up", vote.view);
                let first = *self.votes.entry(key).or_insert(vote.block);
                assert_eq!(first, vote.block, "two votes in view {}", vote.view);
            }
            Signed::Timeout(timeout) => self.given_up = self.given_up.max(timeout.view),
            Signed::Proposal(_) => {}
        }
    }
}

fn lane(job: &Job) -> usize {
    match job {
        Job::Safety(_) => 0,
        Job::Store(_) => 1,
        Job::Execute(_) => 2,
        Job::Verify(_) => 3,
        Job::Precheck(_) => 4,
        Job::Check(_) => 5,
        Job::Serve(_) => 6,
    }
}
