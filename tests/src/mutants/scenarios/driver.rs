//! The driver and the verifier by hand: answers of peers, failures among them, and the order of what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::engine::Recovered;
use althing_consensus::{
    Admitted, Block, Certificate, Epoch, Height, Message, Micros, Now, Phase, Position, Status, Verified,
    View,
};
use althing_crypto::{Encoding, TxHash, bls};
use althing_ledger::{Application, AssetLedger};
use althing_mempool::{Limits, TxBytes};
use althing_node::body::Body;
use althing_node::driver::{Done, Driver, Effect, Event, Job, Peer, Start, StoreJob, VerifyJob};
use althing_node::epochs::Epochs;
use althing_node::storage::{ChainStore, MemoryStore};
use althing_node::wire::Request;
use althing_node::workers::Verifier;

use super::Verdict;
use super::forge::Forge;
use super::storage::config;

const QUORUM: &[u16] = &[0, 1, 2];

/// A follower's driver on a fresh chain, connected to all members, and its verifier.
struct Bench {
    forge: Forge,
    driver: Driver,
    verifier: Verifier,
    now: Now,
    /// Questions put to peers: their numbers.
    asked: Vec<(u64, Request)>,
    stored: Vec<Vec<Height>>,
}

impl Bench {
    fn new() -> Self {
        let forge = Forge::four();
        let config = config(&forge);
        let genesis = forge.setup.genesis().clone();
        let recovered = Recovered {
            committed: genesis,
            unvouched: Vec::new(),
            commit: None,
            uncommitted: Vec::new(),
            executions: BTreeMap::new(),
            executed: Height(0),
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
        let chain = ChainStore::new(Arc::new(MemoryStore::new()));
        let epochs = Arc::new(Epochs::beginning(config.clone(), chain.clone()));
        let verifier = Verifier::new(epochs, chain, application());
        let driver = Driver::new(config, Limits::default(), start);
        let now = Now { mono: Micros(0), unix_ms: 1_000_000 };
        let mut bench = Self { forge, driver, verifier, now, asked: Vec::new(), stored: Vec::new() };
        bench.step(Event::Started);
        for member in 0..4 {
            let peer = bench.peer(member);
            bench.step(Event::PeerConnected(peer));
        }
        bench
    }

    fn peer(&self, member: u16) -> Peer {
        self.forge.setup.set().get(Position(member)).expect("a member").identity
    }

    fn step(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.driver.step(self.now, event) {
                match effect {
                    Effect::Request { id, request, .. } => self.asked.push((id, request)),
                    Effect::Job(Job::Store(StoreJob::Commit { bodies, .. })) => {
                        self.stored.push(bodies.iter().map(|body| body.block.header.height).collect());
                    }
                    Effect::Job(Job::Verify(job)) => {
                        events.push(Event::Done(self.verifier.run(job).expect("no disk, no failure")));
                    }
                    _ => {}
                }
            }
        }
    }

    fn hear(&mut self, message: Admitted) {
        let from = self.peer(1);
        self.step(Event::Done(Done::Admitted {
            epoch: Epoch(1),
            from,
            proposal: false,
            outcome: Box::new(Ok(message)),
        }));
    }

    fn hear_certificate(&mut self, phase: Phase, block: &Block) {
        let qc = self.forge.qc(phase, block.header.view.0, block.hash(), QUORUM);
        let qc = Verified::<Certificate>::from(self.forge.verified_qc(&qc));
        self.hear(Admitted::Certificate(qc));
    }

    /// All that was asked so far fails.
    fn fail_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.asked) {
            self.step(Event::Response { id, response: Err("no answer in time".into()) });
        }
    }
}

fn application() -> Arc<dyn Application> {
    Arc::new(AssetLedger::open(Arc::new(althing_ledger::state::MemoryFiles::new()), 10).expect("memory"))
}

/// A fetch goes on to the next peer, a sync asks again, and commits go to the store in order.
pub(super) fn driver() -> Verdict {
    a_fetch_goes_on_after_failures()?;
    a_sync_asks_again_after_a_failure()?;
    commits_are_stored_in_order()
}

fn a_fetch_goes_on_after_failures() -> Verdict {
    let mut bench = Bench::new();
    let block = bench.forge.block(1, bench.forge.setup.genesis(), View(0), &[]);
    bench.hear_certificate(Phase::Commit, &block);
    let wanted = Request::Block(block.hash());
    if bench.asked.iter().all(|(_, request)| *request != wanted) {
        return Err("a certified block is not asked for".into());
    }
    bench.fail_all();
    match bench.asked.iter().any(|(_, request)| *request == wanted) {
        true => Ok(()),
        false => Err("after two failed answers no other peer is asked for the block".into()),
    }
}

fn a_sync_asks_again_after_a_failure() -> Verdict {
    let mut bench = Bench::new();
    let status = Status { epoch: Epoch(1), committed: Height(50), ..Status::default() };
    let run = Request::Blocks { from: Height(1) };
    for round in 0..3 {
        bench.hear(Admitted::Status(status.clone()));
        if bench.asked.iter().all(|(_, request)| *request != run) {
            return Err(format!("50 blocks behind, no run is asked for after {round} failures"));
        }
        bench.fail_all();
        bench.now.mono = bench.now.mono.after(Micros::from_millis(60_000));
    }
    Ok(())
}

fn commits_are_stored_in_order() -> Verdict {
    let mut bench = Bench::new();
    let first = bench.forge.block(1, bench.forge.setup.genesis(), View(0), &[1]);
    let second = bench.forge.block(2, &first, View(1), &[]);
    let qc = bench.forge.qc(Phase::Vote, 1, first.hash(), QUORUM);
    let (one, two) = (bench.forge.leader(1, &[]), bench.forge.leader(2, &[]));
    for proposal in [
        bench.forge.proposal(one, first.clone(), None, None),
        bench.forge.proposal(two, second.clone(), Some(qc), None),
    ] {
        let from = bench.peer(proposal.signer.0);
        let wire = Message::Proposal(Box::new(proposal)).into();
        bench.step(Event::Wire { from, wire });
    }
    bench.hear_certificate(Phase::Commit, &first);
    bench.hear_certificate(Phase::Commit, &second);
    match bench.stored.is_empty() {
        true => Ok(()),
        false => Err(format!("height 1 waits for its payload, and these are stored: {:?}", bench.stored)),
    }
}

/// What peers answer is what was asked for.
pub(super) fn answers() -> Verdict {
    let bench = Bench::new();
    let genesis = bench.forge.setup.genesis();
    let body = |view| Body { block: bench.forge.block(view, genesis, View(0), &[]), txs: Vec::new() };
    let (asked, other) = (body(1), body(2));
    let from = bench.peer(1);
    let run = |job| bench.verifier.run(job).map_err(|error| error.to_string());
    let open = |body: &Body| {
        run(VerifyJob::OpenBlock { from, block: asked.block.hash(), body: Box::new(body.clone()) })
    };
    match (open(&asked)?, open(&other)?) {
        (Done::BlockOpened { outcome: Ok(_), .. }, Done::BlockOpened { outcome: Err(_), .. }) => {}
        _ => return Err("another block than the one asked for is taken".into()),
    }
    let txs: [TxBytes; 2] = [vec![1].into(), vec![2].into()];
    let gather = |tx: &TxBytes| {
        let wanted = vec![TxHash::of(&txs[0])];
        run(VerifyJob::MatchTransactions { from, block: asked.block.hash(), wanted, txs: vec![tx.clone()] })
    };
    match (gather(&txs[0])?, gather(&txs[1])?) {
        (Done::Matched { txs: Ok(_), .. }, Done::Matched { txs: Err(_), .. }) => {}
        _ => return Err("another transaction than the one asked for is taken".into()),
    }
    let open = |signature: Option<bls::Signature>| {
        let mut commit = bench.forge.qc(Phase::Commit, 1, asked.block.hash(), QUORUM);
        commit.signature = signature.unwrap_or(commit.signature);
        let (bodies, commit) = (vec![asked.clone()], Box::new(commit));
        run(VerifyJob::OpenRun { epoch: Epoch(1), from, first: Height(1), bodies, commit })
    };
    match (open(Some(bls::Signature::from_bytes([1; 96])))?, open(None)?) {
        (Done::RunOpened { outcome: Err(_), .. }, Done::RunOpened { outcome: Ok(_), .. }) => Ok(()),
        _ => Err(format!("a run is taken on a certificate that is none, {} bytes", asked.encode().len())),
    }
}
