//! What leaves a worker, and what does not.

use std::path::Path;
use std::sync::{Arc, Mutex};

use althing_consensus::engine::BuildPayload;
use althing_consensus::{
    AppHash, Block, ConsensusParams, Epoch, Evidence, Execution, Height, Newest, Notice, Phase, Position,
    ProposalDraft, Registration, SafetyRecord, SignRequest, Signed, Validator, ValidatorSet, View, Vote,
    notices_root, registration_bytes, sponsorship_bytes, vote_bytes,
};
use althing_crypto::{BlockHash, Encoding, Hash, TxHash, bls, ed25519, sha256};
use althing_ledger::{
    Admission, Application, AssetLedger, CheckKind, CheckedTx, CommitResult, FinalizeBlock, FinalizedBlock,
    Info, InitChain, InitChainResult, Misbehaviour, MisbehaviourKind, NoVote, ParamUpdates, PrepareProposal,
    ProcessProposal, Query, QueryResult, TxError, ValidatorUpdate, state::MemoryFiles,
};
use althing_mempool::{Code, TxBytes};

use super::signer::key_in;
use super::*;
use crate::body::Body;
use crate::driver::{CheckJob, ExecuteJob, PrecheckJob, SafetyJob, ServeJob, StoreJob, VerifyJob};
use crate::membership::Membership;
use crate::recovery::handshake;
use crate::storage::{ChainStore, MemoryStore, SafetyStore, SlotFile, StoredResults};
use crate::testing::{CHAIN, TestChain};
use crate::wire::{Request, Response};

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
        Signer::open(keys, self.test.epochs(&self.chain), slots.open(), self.chain.clone())
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

/// A chain whose second block ends the first epoch: the last member goes.
fn ended() -> (Bench, Membership) {
    let bench = Bench::new();
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let gone = ValidatorUpdate { identity: *bench.test.peer(3).as_bytes(), power: 0, vote_key: None };
    let changed = genesis.after(&[gone], &ParamUpdates::default()).unwrap();
    grow_to_the_end(&bench, &changed);
    (bench, changed)
}

fn grow_to_the_end(bench: &Bench, changed: &Membership) {
    let one = bench.commit(1, 1).remove(0);
    let execution = Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
    let results =
        StoredResults { execution, next_epoch: changed.hash(), tx_results: Vec::new(), events: Vec::new() };
    bench.chain.put_results(&[], &results, Some(changed)).unwrap();
    let mut end = (*bench.test.body(&one.block, 2, Vec::new())).clone();
    end.block.header.vouched.height = Height(1);
    end.block.header.vouched.next_epoch = changed.hash();
    let certificate = bench.test.certificate(end.block.hash(), 2);
    bench.chain.commit(&[Arc::new(end)], &certificate).unwrap();
}

#[test]
fn the_next_epoch_is_entered_durably_by_whoever_signs_and_whoever_follows() {
    let (bench, changed) = ended();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    // A record of the first epoch, on a chain that has not ended it.
    let young = Bench::new();
    let mut signer = young.signer(&slots).unwrap();
    assert_eq!((signer.record().epoch, signer.place(Epoch(1))), (Epoch(1), Some(Position(0))));
    grow_to_the_end(&young, &changed);
    let entered = signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, certificate } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.epoch_hash, next.config.set.len()), (changed.hash(), 3));
    assert_eq!((next.config.me, next.resumed), (Some(Position(0)), false));
    assert_eq!((certificate.epoch, slots.record().epoch), (Epoch(1), Epoch(2)));
    assert_eq!((signer.place(Epoch(1)), signer.place(Epoch(2))), (None, Some(Position(0))));

    let keeper = Keeper::new(bench.chain.clone(), bench.test.epochs(&bench.chain));
    let entered = keeper.run(StoreJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, .. } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.epoch, next.config.me, next.record), (Epoch(2), None, None));
}

/// While the identity changes its node has the old one; whichever key the record is of, that one has to stay in the home.
#[test]
fn an_epoch_without_a_place_for_the_identity_is_entered_with_the_key_that_has_one_or_with_the_newest() {
    let bench = Bench::new();
    let next = bls::SecretKey::from_seed(&bls::BLS, &[77; 32]);
    let keys = [bench.test.vote_keys[0].clone(), next.clone()];
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let set = genesis.set();
    let key_of = |set: &ValidatorSet, me| *key_in(&keys, set, me).public_key().bytes();
    let [old, new] = [&keys[0], &keys[1]].map(|key| *key.public_key().bytes());
    assert_eq!(key_of(set, Some(Position(0))), old);
    assert_eq!(key_of(set, None), old, "the set has it");
    let others = ValidatorSet::new(set.scheme(), set.members()[1..].to_vec()).unwrap();
    assert_eq!(key_of(&others, None), new, "nobody has either");
    let mut changed = others.members().to_vec();
    changed.push(Validator { vote_key: next.public_key().clone(), ..set.members()[0].clone() });
    let changed = ValidatorSet::new(set.scheme(), changed).unwrap();
    assert_eq!(key_of(&changed, None), new, "the set has the next one");
}

/// Whoever has the new identity signs with the key from then on: this process does not.
#[test]
fn a_node_whose_identity_was_replaced_signs_nothing_in_the_next_epoch() {
    let bench = Bench::new();
    let genesis = Membership::of_genesis(&bench.test.genesis);
    let identity = ed25519::SecretKey::from_seed([55; 32]).public_key();
    let old = bench.test.peer(0);
    let mut members = genesis.set().members().to_vec();
    members.iter_mut().filter(|one| one.identity == old).for_each(|one| one.identity = identity);
    let set = ValidatorSet::new(genesis.set().scheme(), members).unwrap();
    let changed = Membership::new(set, genesis.params().clone());
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    let mut signer = bench.signer(&slots).unwrap();
    grow_to_the_end(&bench, &changed);
    let entered = signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    let Done::EpochEntered { next, .. } = entered else { panic!("{entered:?}") };
    assert_eq!((next.config.me, signer.place(Epoch(2))), (None, None));
}

#[test]
fn a_record_behind_the_chain_enters_its_epochs_and_one_ahead_of_it_signs_nothing_until_the_chain_is_back() {
    let (bench, changed) = ended();
    let mut slots = Slots::default();
    SafetyStore::format(&mut slots).unwrap();
    Bench::new().signer(&slots).unwrap();
    assert_eq!(slots.record().epoch, Epoch(1));
    assert_eq!(bench.signer(&slots).unwrap().record().epoch, Epoch(2), "at once");
    assert_eq!(slots.record().epoch, Epoch(2));

    let lost = Bench::new();
    let mut signer = lost.signer(&slots).unwrap();
    assert_eq!((signer.place(Epoch(1)), signer.place(Epoch(2))), (None, None));
    let body = lost.test.body(&lost.genesis, 1, Vec::new());
    assert!(matches!(signer.run(propose(&body)), Err(Fatal::NoKey)));
    grow_to_the_end(&lost, &changed);
    signer.run(SafetyJob::EnterEpoch(Epoch(2))).unwrap();
    assert_eq!(signer.place(Epoch(2)), Some(Position(0)));
    assert!(
        matches!(signer.run(propose(&body)).unwrap(), Done::Refused(_)),
        "not resumed, and of another epoch"
    );
}

/// An application that remembers whom blocks convicted, and makes a validator of the newcomer that it is told of.
#[derive(Default)]
struct Judge {
    odd: Odd,
    convicted: Mutex<Vec<Misbehaviour>>,
    /// What it was told with proposals.
    proposed: Mutex<Vec<Misbehaviour>>,
    names: Option<[u8; 32]>,
}

impl Application for Judge {
    fn info(&self) -> Result<Info, AppError> {
        self.odd.info()
    }
    fn query(&self, asked: &Query) -> QueryResult {
        self.odd.query(asked)
    }
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        self.odd.precheck(txs)
    }
    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.odd.check_tx(tx, kind)
    }
    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.odd.init_chain(init)
    }
    fn prepare_proposal(&self, asked: &PrepareProposal<'_>) -> Vec<Vec<u8>> {
        self.proposed.lock().unwrap().extend(asked.misbehaviour);
        self.odd.prepare_proposal(asked)
    }
    fn process_proposal(&self, asked: &ProcessProposal<'_>) -> Result<(), NoVote> {
        self.proposed.lock().unwrap().extend(asked.misbehaviour);
        Ok(())
    }
    fn finalize_block(&self, block: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        self.convicted.lock().unwrap().extend(block.misbehaviour);
        let named = self.names.filter(|_| block.height == 1);
        let update = |identity| ValidatorUpdate { identity, power: 2, vote_key: None };
        let validator_updates = named.map(update).into_iter().collect();
        Ok(FinalizedBlock { validator_updates, ..FinalizedBlock::default() })
    }
    fn commit(&self) -> Result<CommitResult, AppError> {
        self.odd.commit()
    }
}

#[test]
fn what_a_block_carries_reaches_application_and_membership() {
    let bench = Bench::new();
    let vote = |block: &[u8]| {
        let (phase, epoch, view, block) = (Phase::Vote, Epoch(1), View(7), BlockHash(sha256(block)));
        let signature = bench.test.vote_keys[2].sign(&vote_bytes(CHAIN, phase, epoch, view, block));
        Vote { phase, epoch, view, block, signer: Position(2), signature }
    };
    let evidence = Notice::Evidence(Evidence::Votes(vote(b"a"), vote(b"b")));
    let newcomer = ed25519::SecretKey::from_seed([77; 32]);
    let key = bls::SecretKey::from_seed(&bls::BLS, &[77; 32]);
    let (identity, vote_key, epoch) = (newcomer.public_key(), *key.public_key().bytes(), Epoch(1));
    let sponsor = ed25519::SecretKey::from_seed([1; 32]);
    let registration = Notice::Registration(Box::new(Registration {
        epoch,
        identity,
        vote_key,
        proof: key.prove_possession(),
        signature: newcomer.sign(&registration_bytes(CHAIN, epoch, &vote_key)),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&sponsorship_bytes(CHAIN, epoch, &identity, &vote_key)),
    }));
    let mut body = (*bench.test.body(&bench.genesis, 1, Vec::new())).clone();
    body.block.notices = vec![evidence.clone(), registration.clone()];
    body.block.header.evidence_root = notices_root(&body.block.notices);
    let block = body.block.hash();

    let verifier = bench.verifier(bench.application.clone());
    let check = |notices: Vec<Notice>| match verifier.run(VerifyJob::CheckNotices { block, notices }) {
        Ok(Done::NoticesChecked { verdict, .. }) => verdict,
        other => panic!("{other:?}"),
    };
    assert_eq!(check(body.block.notices.clone()), Ok(()));
    let mut forged = vote(b"b");
    forged.signature = vote(b"a").signature;
    let forged = Notice::Evidence(Evidence::Votes(vote(b"a"), forged));
    assert!(check(vec![evidence, forged]).unwrap_err().contains("signature"), "each is looked at");
    let of_later = |vote: Vote| Vote { epoch: Epoch(5), ..vote };
    let early = Notice::Evidence(Evidence::Votes(of_later(vote(b"a")), of_later(vote(b"b"))));
    assert!(check(vec![early]).unwrap_err().contains("epoch 5"));

    let judge = Arc::new(Judge { names: Some(*identity.as_bytes()), ..Judge::default() });
    let (notices, body) = (body.block.notices.clone(), Arc::new(body));
    let build = BuildPayload {
        view: View(1),
        height: Height(1),
        parent: bench.genesis.hash(),
        parent_time_ms: 0,
        exclude: Default::default(),
        noticed: Default::default(),
    };
    let verifier = bench.verifier(judge.clone());
    verifier.run(VerifyJob::Prepare { epoch, build, time_ms: 1, txs: Vec::new(), notices }).unwrap();
    verifier.run(VerifyJob::Process(body.clone())).unwrap();
    bench.chain.commit(&[body], &bench.test.certificate(block, 1)).unwrap();
    let epochs = bench.test.epochs(&bench.chain);
    let executor = Executor::new(epochs.clone(), bench.chain.clone(), judge.clone());
    executor.run(ExecuteJob::Block(Height(1))).unwrap();
    let convicted = judge.convicted.lock().unwrap().clone();
    let expected = Misbehaviour {
        kind: MisbehaviourKind::DoubleVote,
        identity: *bench.test.peer(2).as_bytes(),
        power: 1,
        total_power: 4,
        epoch: 1,
        view: 7,
        height: 1,
        time_ms: bench.genesis.header.time_ms,
    };
    assert_eq!(convicted, [expected]);
    assert_eq!(*judge.proposed.lock().unwrap(), [expected; 2], "to the leader and to voters, too");
    let members = epochs.membership(Height(1)).unwrap();
    assert_eq!(members.set().members().len(), 5, "named in the very block that registers it");
    assert_eq!(*members.set().members()[4].vote_key.bytes(), vote_key);
    let events = bench.chain.results(Height(1)).unwrap().unwrap().events;
    assert_eq!(events[0].kind, "vote_key_registered");
    executor.replay().unwrap();
    assert_eq!(judge.convicted.lock().unwrap().len(), 2, "the same when it is executed again");
}
