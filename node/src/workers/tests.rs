//! What leaves a worker, and what does not.

use std::path::Path;
use std::sync::{Arc, Mutex};

use althing_consensus::engine::BuildPayload;
use althing_consensus::{
    AppHash, Block, ConsensusParams, Epoch, Height, Newest, Phase, ProposalDraft, SafetyRecord, SignRequest,
    Signed, View,
};
use althing_crypto::{BlockHash, Encoding, TxHash};
use althing_ledger::{
    Admission, Application, AssetLedger, CheckKind, CheckedTx, CommitResult, FinalizeBlock, FinalizedBlock,
    Info, InitChain, InitChainResult, PrepareProposal, Query, QueryResult, TxError, state::MemoryFiles,
};
use althing_mempool::{Code, TxBytes};

use super::*;
use crate::body::Body;
use crate::driver::{CheckJob, ExecuteJob, PrecheckJob, SafetyJob, ServeJob, VerifyJob};
use crate::recovery::handshake;
use crate::storage::{ChainStore, MemoryStore, SafetyStore, SlotFile};
use crate::testing::TestChain;
use crate::wire::{Request, Response};

mod epochs;
mod index;
mod notices;

/// A file in memory that can be told to fail.
#[derive(Clone, Default)]
struct Slots(Arc<Mutex<(Vec<u8>, bool)>>);

impl SlotFile for Slots {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        let file = self.0.lock().unwrap();
        let bytes = file.0.get(offset as usize..).and_then(|rest| rest.get(..out.len()));
        out.copy_from_slice(bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = self.0.lock().unwrap();
        let end = offset as usize + bytes.len();
        let len = file.0.len().max(end);
        file.0.resize(len, 0);
        file.0[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> std::io::Result<()> {
        if self.0.lock().unwrap().1 { Err(std::io::Error::other("no disk")) } else { Ok(()) }
    }
}

impl Slots {
    fn open(&self) -> (SafetyStore, Option<Vec<u8>>) {
        SafetyStore::open_on(Box::new(self.clone()), Path::new("safety")).unwrap()
    }

    fn record(&self) -> SafetyRecord {
        SafetyRecord::decode(&self.open().1.expect("a record")).unwrap()
    }
}

struct Bench {
    test: TestChain,
    genesis: Block,
    chain: ChainStore,
    application: Arc<dyn Application>,
}

impl Bench {
    fn new() -> Self {
        let test = TestChain::new();
        let chain = ChainStore::new(Arc::new(MemoryStore::new()));
        let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 10).unwrap();
        let application: Arc<dyn Application> = Arc::new(ledger);
        let genesis = handshake(&test.genesis, &chain, &application).unwrap();
        Self { test, genesis, chain, application }
    }

    fn signer(&self, slots: &Slots) -> Result<Signer, SignerError> {
        let keys = vec![self.test.vote_keys[0].clone()];
        let (identity, epochs) = (Arc::new(self.test.identity(0)), self.test.epochs(&self.chain));
        Signer::open(identity, keys, epochs, slots.open(), self.chain.clone())
    }

    fn verifier(&self, application: Arc<dyn Application>) -> Verifier {
        Verifier::new(self.test.epochs(&self.chain), self.chain.clone(), application)
    }

    /// Bodies 1 up to `count`, stored; every `each`-th has a certificate.
    fn commit(&self, count: usize, each: usize) -> Vec<Arc<Body>> {
        let mut parent = self.genesis.clone();
        let mut bodies = Vec::new();
        for view in 1..=count as u64 {
            let body = self.test.body(&parent, view, Vec::new());
            parent = body.block.clone();
            bodies.push(body);
        }
        for run in bodies.chunks(each) {
            let last = &run[run.len() - 1].block;
            self.chain.commit(run, &self.test.certificate(last.hash(), last.header.view.0)).unwrap();
        }
        bodies
    }

    fn serve(&self, request: Request) -> Response {
        let server = Server::new(self.chain.clone());
        let job = ServeJob { from: self.test.peer(1), id: 1, request };
        match server.run(job).unwrap() {
            Done::Served { response, .. } => response,
            other => panic!("{other:?}"),
        }
    }
}

fn propose(body: &Arc<Body>) -> SafetyJob {
    let view = body.block.header.view;
    let draft = ProposalDraft { view, block: body.block.clone(), justify: None, tc: None, commit: None };
    let request = Box::new(SignRequest::Propose(Box::new(draft)));
    SafetyJob::Sign { request, newest: Box::new(Newest::default()), body: Some(body.clone()) }
}

#[test]
fn body_and_record_are_durable_before_a_signature_leaves() {
    let bench = Bench::new();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    let mut signer = bench.signer(&slots).unwrap();
    assert_eq!(slots.record().opening, bench.genesis.hash(), "the first record is written at once");

    let body = bench.test.body(&bench.genesis, 1, vec![bench.test.transfer(0)]);
    assert!(matches!(signer.run(propose(&body)).unwrap(), Done::Refused(_)), "not resumed");
    assert!(matches!(signer.run(SafetyJob::Resume { floor: None }).unwrap(), Done::Resumed));
    let Done::Signed(signed) = signer.run(propose(&body)).unwrap() else { panic!("it may sign") };
    let why = bench.chain.justifications(body.block.header.height, &body.block.hash()).unwrap();
    assert_eq!(why.len(), 1, "by which certificates it was proposed is stored with it");
    assert!(matches!(*signed, Signed::Proposal(_)));
    assert_eq!(bench.chain.body(&body.block.hash()).unwrap().as_ref(), Some(&*body));
    assert_eq!(slots.record().proposal.map(|one| one.view), Some(View(1)));

    // After a restart the same request gets the same bytes, another one nothing.
    let mut again = bench.signer(&slots).unwrap();
    again.run(SafetyJob::Resume { floor: None }).unwrap();
    let Done::Signed(repeated) = again.run(propose(&body)).unwrap() else { panic!("the same") };
    assert_eq!(signed, repeated);
    let other = bench.test.body(&bench.genesis, 1, Vec::new());
    assert!(matches!(again.run(propose(&other)).unwrap(), Done::Refused(_)));
}

#[test]
fn nothing_leaves_when_the_disk_fails() {
    let bench = Bench::new();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    let mut signer = bench.signer(&slots).unwrap();
    signer.run(SafetyJob::Resume { floor: None }).unwrap();
    slots.0.lock().unwrap().1 = true;
    let body = bench.test.body(&bench.genesis, 1, Vec::new());
    let error = signer.run(propose(&body)).unwrap_err().to_string();
    assert!(error.contains("no disk"), "{error}");
}

#[test]
fn a_record_of_a_chain_that_began_otherwise_is_refused() {
    let bench = Bench::new();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    bench.signer(&slots).unwrap();
    let mut other = Bench::new();
    let genesis = bench.test.genesis.block(AppHash::new(vec![1]).unwrap());
    other.chain = ChainStore::new(Arc::new(MemoryStore::new()));
    other.chain.begin(bench.test.genesis.hash(), &Body { block: genesis, txs: Vec::new() }).unwrap();
    let error = other.signer(&slots).err().expect("another chain");
    assert!(matches!(error, SignerError::OtherGenesis { .. }), "{error}");
}

#[test]
fn a_run_ends_where_a_certificate_covers_it() {
    let bench = Bench::new();
    let bodies = bench.commit(9, 3);
    let run = |from| match bench.serve(Request::Blocks { from: Height(from) }) {
        Response::Run { bodies, commit } => Some((bodies.len(), commit.block)),
        Response::NotHere => None,
        other => panic!("{other:?}"),
    };
    assert_eq!(run(1), Some((9, bodies[8].block.hash())));
    assert_eq!(run(8), Some((2, bodies[8].block.hash())), "from within what was committed together");
    assert_eq!(run(10), None);
    assert_eq!(run(0), None, "genesis is nobody's to give");
    assert_eq!(run(u64::MAX), None);
}

#[test]
fn long_chains_are_given_in_parts() {
    let bench = Bench::new();
    bench.commit(70, 7);
    let Response::Run { bodies, .. } = bench.serve(Request::Blocks { from: Height(1) }) else {
        panic!("a run")
    };
    assert_eq!(bodies.len(), 70, "up to the first certificate at or beyond 64");
}

#[test]
fn transactions_are_given_all_or_none() {
    let bench = Bench::new();
    let txs: Vec<TxBytes> = (0..3).map(|sequence| bench.test.transfer(sequence)).collect();
    let body = bench.test.body(&bench.genesis, 1, txs.clone());
    bench.chain.put_body(&body).unwrap();
    let block = body.block.hash();
    let ask = |txs: Vec<TxHash>| bench.serve(Request::Transactions { block, txs });
    let hashes = &body.block.txs;
    assert_eq!(ask(vec![hashes[2], hashes[0]]), Response::Transactions(vec![txs[2].clone(), txs[0].clone()]));
    assert_eq!(ask(vec![hashes[0], TxHash::of(b"unknown")]), Response::NotHere);
    assert_eq!(ask(vec![hashes[0]; 4]), Response::NotHere, "more than the block has");
    assert_eq!(bench.serve(Request::Block(block)), Response::Block((*body).clone()));
    assert_eq!(bench.serve(Request::Block(BlockHash::ZERO)), Response::NotHere);
}

#[test]
fn a_block_from_elsewhere_must_be_what_was_asked_for() {
    let bench = Bench::new();
    let verifier = bench.verifier(bench.application.clone());
    let body = bench.test.body(&bench.genesis, 1, vec![bench.test.transfer(0), bench.test.transfer(1)]);
    let open = |body: Body, block| match verifier.run(VerifyJob::OpenBlock {
        from: bench.test.peer(1),
        block,
        body: Box::new(body),
    }) {
        Ok(Done::BlockOpened { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    };
    let hash = body.block.hash();
    assert_eq!(open((*body).clone(), hash), Ok(body.clone()));
    let fault = |change: &dyn Fn(&mut Body), block| {
        let mut changed = (*body).clone();
        change(&mut changed);
        open(changed, block).unwrap_err()
    };
    assert!(fault(&|_| {}, BlockHash::ZERO).contains("another block"));
    assert!(fault(&|body| _ = body.txs.pop(), hash).contains("names 2 transactions, 1 came"));
    assert!(fault(&|body| body.txs.swap(0, 1), hash).contains("are not that transaction"));
    let wrong_root = fault(&|body| (body.block.txs.swap(0, 1), body.txs.swap(0, 1)).0, hash);
    assert!(wrong_root.contains("payload root"), "{wrong_root}");
}

#[test]
fn a_run_must_be_a_chain_that_its_certificate_commits() {
    let bench = Bench::new();
    let verifier = bench.verifier(bench.application.clone());
    let bodies: Vec<Body> = bench.commit(3, 3).iter().map(|body| (**body).clone()).collect();
    let certificate = bench.chain.newest_certificate().unwrap().unwrap();
    let open = |bodies: Vec<Body>, commit: &althing_consensus::QuorumCertificate| {
        let (from, commit) = (bench.test.peer(1), Box::new(commit.clone()));
        match verifier.run(VerifyJob::OpenRun { epoch: Epoch(1), from, first: Height(1), bodies, commit }) {
            Ok(Done::RunOpened { outcome, .. }) => outcome.map(|(bodies, _)| bodies.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(open(bodies.clone(), &certificate), Ok(3));
    let fault = |bodies: &[&Body], commit| {
        open(bodies.iter().map(|body| (*body).clone()).collect(), commit).unwrap_err()
    };
    assert!(fault(&[], &certificate).contains("empty"));
    assert!(fault(&[&bodies[0], &bodies[1]], &certificate).contains("does not commit its last block"));
    assert!(fault(&[&bodies[0], &bodies[2]], &certificate).contains("not the child"));
    assert!(fault(&[&bodies[1], &bodies[2]], &certificate).contains("begins at 2"));
    let mut forged = certificate.clone();
    forged.view = View(9);
    assert!(fault(&[&bodies[0], &bodies[1], &bodies[2]], &forged).contains("signature"));
    let mut votes = certificate.clone();
    votes.phase = Phase::Vote;
    assert!(fault(&[&bodies[0], &bodies[1], &bodies[2]], &votes).contains("does not commit"));
}

/// An application that answers as it is told.
#[derive(Default)]
struct Odd {
    chosen: Vec<Vec<u8>>,
    verdicts: Option<usize>,
    results: usize,
    retain_height: u64,
}

impl Application for Odd {
    fn info(&self) -> Result<Info, AppError> {
        let (name, version) = ("odd".into(), "0".into());
        Ok(Info { name, version, last_height: 0, app_hash: Default::default(), initialised: true })
    }
    fn query(&self, _: &Query) -> QueryResult {
        QueryResult::default()
    }
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let verdict = |tx: &&[u8]| match tx {
            [b'!', ..] => Err(TxError { code: 1, codespace: "odd".into(), log: "no".into() }),
            _ => Ok(Admission { sender: None, sequence: 0, priority: 0, expiry_height: None }),
        };
        txs.iter().map(verdict).take(self.verdicts.unwrap_or(txs.len())).collect()
    }
    fn check_tx(&self, _: &[u8], _: CheckKind) -> Result<CheckedTx, TxError> {
        Ok(CheckedTx { next_sequence: None })
    }
    fn init_chain(&self, _: &InitChain) -> Result<InitChainResult, AppError> {
        Ok(InitChainResult { app_hash: Default::default() })
    }
    fn prepare_proposal(&self, _: &PrepareProposal<'_>) -> Vec<Vec<u8>> {
        self.chosen.clone()
    }
    fn finalize_block(&self, _: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        Ok(FinalizedBlock {
            tx_results: vec![Default::default(); self.results],
            app_hash: Default::default(),
            ..FinalizedBlock::default()
        })
    }
    fn commit(&self) -> Result<CommitResult, AppError> {
        Ok(CommitResult { retain_height: self.retain_height })
    }
}

#[test]
fn what_an_application_makes_of_a_proposal_must_be_a_valid_payload() {
    let bench = Bench::new();
    let given = |name: &str| (TxHash::of(name.as_bytes()), TxBytes::from(name.as_bytes()));
    let prepare = |chosen: &[&str], exclude: &[&str]| {
        let chosen = chosen.iter().map(|name| name.as_bytes().to_vec()).collect();
        let verifier = bench.verifier(Arc::new(Odd { chosen, ..Odd::default() }));
        let build = BuildPayload {
            view: View(1),
            height: Height(1),
            parent: bench.genesis.hash(),
            parent_time_ms: 0,
            patience: althing_consensus::Micros(0),
            exclude: exclude.iter().map(|name| TxHash::of(name.as_bytes())).collect(),
            noticed: Default::default(),
        };
        let (epoch, txs) = (Epoch(1), vec![given("a"), given("b")]);
        match verifier.run(VerifyJob::Prepare { epoch, build, time_ms: 1, txs, notices: Vec::new() }) {
            Ok(Done::Prepared { txs, .. }) => txs,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(prepare(&["b", "a"], &[]), Ok(vec![given("b"), given("a")]), "reordered");
    assert_eq!(prepare(&["a", "new"], &[]), Ok(vec![given("a"), given("new")]), "added to");
    assert_eq!(prepare(&[], &[]), Ok(Vec::new()));
    assert!(prepare(&["a", "a"], &[]).unwrap_err().contains("twice"));
    assert!(prepare(&["c"], &["c"]).unwrap_err().contains("ancestor"));
    assert!(prepare(&["!"], &[]).unwrap_err().contains("fails its own precheck"));
    let long = "x".repeat(ConsensusParams::default().max_tx_bytes as usize + 1);
    assert!(prepare(&[&long], &[]).unwrap_err().contains("at most"));
}

#[test]
fn what_was_in_a_block_is_not_taken_again_however_long_ago() {
    let bench = Bench::new();
    let tx = bench.test.transfer(0);
    let early = bench.test.transfer(1);
    let checker = Checker::new(bench.chain.clone(), bench.application.clone());
    let check =
        |tx: &TxBytes| match checker.check(CheckJob(vec![(TxHash::of(tx), tx.clone(), false)])).unwrap() {
            Done::Checked(mut verdicts) => verdicts.remove(0).1,
            other => panic!("{other:?}"),
        };
    assert!(check(&tx).is_ok());
    let body = bench.test.body(&bench.genesis, 1, vec![early.clone(), tx.clone()]);
    let certificate = bench.test.certificate(body.block.hash(), 1);
    bench.chain.commit(&[body], &certificate).unwrap();
    let executor =
        Executor::new(bench.test.epochs(&bench.chain), bench.chain.clone(), bench.application.clone());
    executor.run(ExecuteJob::Block(Height(1))).unwrap();
    // Also what failed there without using anything up, as its sequence was ahead of its turn.
    for tx in [&tx, &early] {
        let refused = check(tx).unwrap_err();
        assert_eq!(refused.own_code(), Some(Code::Committed));
        assert!(refused.log.contains("at height 1"), "{}", refused.log);
    }
}

#[test]
fn an_application_that_breaks_its_contract_stops_the_node() {
    let bench = Bench::new();
    let txs = vec![(TxHash::of(b"a"), TxBytes::from(&b"a"[..]))];
    let checker = Checker::new(bench.chain.clone(), Arc::new(Odd { verdicts: Some(0), ..Odd::default() }));
    let error = checker.precheck(PrecheckJob { batch: 0, txs }).unwrap_err().to_string();
    assert!(error.contains("precheck gave 0 verdicts for 1"), "{error}");

    bench.commit(1, 1);
    let application = Arc::new(Odd { results: 2, ..Odd::default() });
    let executor = Executor::new(bench.test.epochs(&bench.chain), bench.chain.clone(), application);
    let error = executor.run(ExecuteJob::Block(Height(1))).unwrap_err().to_string();
    assert!(error.contains("finalize_block gave 2 results for 0"), "{error}");
    assert_eq!(bench.chain.executed().unwrap(), Height(0), "nothing of it is stored");
}

#[test]
fn old_blocks_go_once_nobody_needs_them() {
    // What the application retains, how many the operator keeps, where the application was met, what the headers vouch for.
    let oldest = |retain_height, kept, reported, vouched| {
        let mut bench = Bench::new();
        bench.genesis.header.vouched.height = Height(vouched);
        bench.commit(10, 1);
        bench.chain.put_reported(Height(reported)).unwrap();
        let application = Arc::new(Odd { retain_height, ..Odd::default() });
        let epochs = bench.test.epochs(&bench.chain);
        let executor = Executor::new(epochs, bench.chain.clone(), application).keeping(kept);
        for height in 1..=10 {
            executor.run(ExecuteJob::Block(Height(height))).unwrap();
        }
        let oldest = bench.chain.oldest().unwrap().expect("the newest stays");
        let run = |from| bench.serve(Request::Blocks { from: Height(from) });
        assert!(oldest == Height(1) || run(oldest.0 - 1) == Response::NotHere);
        assert!(matches!(run(oldest.0), Response::Run { .. }));
        oldest.0
    };
    assert_eq!(oldest(9, Some(2), 9, 9), 9);
    assert_eq!(oldest(4, Some(2), 9, 9), 4, "the application retains");
    assert_eq!(oldest(0, Some(2), 9, 9), 1, "all of them");
    assert_eq!(oldest(9, Some(5), 9, 9), 6, "the operator keeps five");
    assert_eq!(oldest(9, None, 9, 9), 1, "all of them");
    assert_eq!(oldest(9, Some(2), 3, 9), 3, "the application may come back at 3");
    assert_eq!(oldest(9, Some(2), 9, 2), 2, "no header vouches for more yet");
}
