//! The key-value sample with snapshots and one fault.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::faults::Kind;
use super::kv::Kv;
use super::snapshots::{Disk, Snapshotting};
use super::*;
use crate::state::{StateFiles, Witness};
use crate::{
    Admission, CheckKind, CheckedTx, ChunkApplied, CommitResult, FinalizeBlock, FinalizedBlock, Info,
    InitChainResult, Misbehaviour, NoVote, PrepareProposal, ProcessProposal, Snapshot, SnapshotOffer,
    TxError,
};

/// The sample with this fault, or with none.
pub(super) struct Wrong(pub(super) Option<Kind>);

impl Subject for Wrong {
    fn place(&self) -> Place {
        let (home, fault) = (Arc::new(Home::default()), self.0);
        Box::new(move || Ok(Arc::new(Faulty::open(home.clone(), fault)?)))
    }

    fn genesis(&self) -> InitChain {
        Kv.genesis()
    }

    fn other_genesis(&self) -> Option<InitChain> {
        Kv.other_genesis()
    }

    fn blocks(&self) -> Vec<Vec<Bytes>> {
        Kv.blocks()
    }

    fn questions(&self) -> Vec<Query> {
        Kv.questions()
    }

    fn verify(&self, asked: &Query, answer: &QueryResult, app_hash: &AppHash) -> Result<(), String> {
        let witness = answer.proof.as_deref().map(Witness::decode);
        match (self.0, witness) {
            (Some(Kind::ProofOfAnything), Some(Ok(witness)))
                if AppHash::from(witness.root()) == *app_hash =>
            {
                Ok(())
            }
            _ => Kv.verify(asked, answer, app_hash),
        }
    }

    fn makes_snapshots(&self) -> bool {
        true
    }
}

/// The same without a fault, as ABCI has it at its poorest: in memory, without proofs, and silent about a genesis before block 1.
pub(super) struct Forgetful;

impl Subject for Forgetful {
    fn place(&self) -> Place {
        Box::new(|| Ok(Arc::new(Faulty::open(Arc::default(), Some(Kind::GenesisUntold))?)))
    }

    fn genesis(&self) -> InitChain {
        Kv.genesis()
    }

    fn blocks(&self) -> Vec<Vec<Bytes>> {
        Kv.blocks()
    }

    fn keeps_state(&self) -> bool {
        false
    }

    fn tells_of_genesis(&self) -> bool {
        false
    }
}

/// What outlives an instance.
#[derive(Default)]
struct Home {
    disk: Disk,
    starts: AtomicU64,
    /// Blocks finalized and not committed.
    traces: AtomicU64,
    /// How long the log was before the last commit, if it is to be cut there.
    before_commit: AtomicU64,
}

struct Faulty {
    app: Snapshotting,
    home: Arc<Home>,
    fault: Option<Kind>,
    /// Traces that this instance found at its start.
    found: u64,
    /// What the fault counts.
    count: AtomicU64,
    /// The block finalized last: its bytes and its hash.
    pending: Mutex<Option<(Vec<Bytes>, AppHash)>>,
}

static OF_THE_PROCESS: AtomicU64 = AtomicU64::new(0);

impl Faulty {
    fn open(home: Arc<Home>, fault: Option<Kind>) -> Result<Self, AppError> {
        home.starts.fetch_add(1, Ordering::SeqCst);
        let cut = home.before_commit.swap(0, Ordering::SeqCst);
        if cut > 0 {
            home.disk.lock().unwrap().truncate(1, cut).unwrap();
        }
        let app = Snapshotting::open(home.disk.clone(), fault == Some(Kind::AnyRestore))?;
        let found = home.traces.load(Ordering::SeqCst);
        Ok(Self { app, home, fault, found, count: AtomicU64::new(0), pending: Mutex::default() })
    }

    fn has(&self, fault: Kind) -> bool {
        self.fault == Some(fault)
    }

    fn count(&self, fault: Kind, n: usize) {
        if self.has(fault) {
            self.count.fetch_add(n as u64, Ordering::SeqCst);
        }
    }

    /// What the fault adds to the results of a block: 0 if it shows nothing.
    fn shown(&self, txs: &[Bytes]) -> u64 {
        let repeated = self.pending.lock().unwrap().as_ref().is_some_and(|(last, _)| last == txs);
        match self.fault {
            Some(Kind::CounterInResults) => OF_THE_PROCESS.fetch_add(1, Ordering::SeqCst),
            Some(Kind::StartsInResults) if self.home.starts.load(Ordering::SeqCst) >= 4 => 1,
            Some(Kind::TraceOfFinalize) => self.found,
            Some(Kind::RepeatInResults) if repeated => 1,
            _ => self.count.load(Ordering::SeqCst),
        }
    }
}

impl Application for Faulty {
    fn info(&self) -> Result<Info, AppError> {
        let mut info = self.app.info()?;
        if self.has(Kind::HashBeforeGenesis) && !info.initialised {
            info.app_hash = AppHash::from([0; 32]);
        }
        if self.has(Kind::GenesisUntold) && info.last_height == 0 {
            (info.initialised, info.app_hash) = (false, AppHash::default());
        }
        if let Some((_, hash)) =
            self.pending.lock().unwrap().as_ref().filter(|_| self.has(Kind::PendingInInfo))
        {
            info.app_hash = hash.clone();
        }
        Ok(info)
    }

    fn query(&self, q: &Query) -> QueryResult {
        assert!(!self.has(Kind::PanicOnPath) || !q.path.contains('\0'), "a path ends at a zero byte");
        let mut answer = self.app.query(q);
        if answer.code == 0 && q.height == 0 {
            if self.has(Kind::HeightReadLater) && answer.value != b"null" {
                // Long enough for a commit to fall in between. None can be awaited: the next block waits for answers.
                std::thread::sleep(Duration::from_millis(1));
                answer.height = self.app.info().unwrap().last_height;
            }
            answer.height += u64::from(self.has(Kind::AnswerOfNextHeight));
            self.count(Kind::QueriesInResults, 1);
        }
        if self.has(Kind::ProofCutShort) && answer.height == 1 {
            answer.proof.as_mut().map(Vec::pop);
        }
        answer
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let long = txs.iter().any(|tx| tx.len() > 100_000);
        assert!(!self.has(Kind::PanicOnLong) || !long, "a buffer of 100000 bytes is too short");
        self.count(Kind::PrechecksInResults, txs.len());
        let mut verdicts = self.app.precheck(txs);
        if self.has(Kind::PriorityByHeight) {
            verdicts.iter_mut().flatten().for_each(|one| one.priority = self.app.info().unwrap().last_height);
        }
        verdicts
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.count(Kind::ChecksInResults, 1);
        self.app.check_tx(tx, kind)
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        assert!(!self.has(Kind::PanicOnEmpty) || !init.app_state.is_empty(), "there is no first byte");
        let Info { initialised, last_height, app_hash, .. } = self.app.info()?;
        match self.fault {
            Some(Kind::GenesisOnce) if initialised => {
                Err(AppError::OtherGenesis { reason: "there is a state".to_owned() })
            }
            Some(Kind::AnyGenesis) if initialised && last_height == 0 => Ok(InitChainResult { app_hash }),
            Some(Kind::GenesisAnyTime) if last_height > 0 => Ok(InitChainResult { app_hash }),
            _ => self.app.init_chain(init),
        }
    }

    fn prepare_proposal(&self, p: &PrepareProposal<'_>) -> Vec<Bytes> {
        self.count(Kind::ProposalsInResults, 1);
        let mut chosen = self.app.prepare_proposal(p);
        let bytes: usize = chosen.iter().map(Vec::len).sum();
        match chosen.first().cloned() {
            Some(first) if self.has(Kind::ProposedTwice) && bytes + first.len() <= p.max_bytes => {
                chosen.push(first)
            }
            _ => {}
        }
        chosen
    }

    fn process_proposal(&self, p: &ProcessProposal<'_>) -> Result<(), NoVote> {
        match self.fault {
            Some(Kind::OwnRefused) if p.txs.len() > 3 => {
                Err(NoVote::Refused("more than three transactions".to_owned()))
            }
            _ => self.app.process_proposal(p),
        }
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        if self.has(Kind::BlockFails) && b.height == 2 {
            return Err(AppError::Failed("a transaction does not apply".to_owned()));
        }
        let known = |one: &Misbehaviour| b.members.iter().any(|member| member.identity == one.identity);
        assert!(!self.has(Kind::PanicOnStranger) || b.misbehaviour.iter().all(known), "no such validator");
        let next = self.app.info()?.last_height + 1;
        let height = if self.has(Kind::AnyHeight) { next } else { b.height };
        let mut done = self.app.finalize_block(&FinalizeBlock { height, ..*b })?;
        let txs: Vec<Bytes> = b.txs.iter().map(|tx| tx.to_vec()).collect();
        if let Some(first) = done.tx_results.first_mut() {
            first.gas_used = self.shown(&txs) as i64;
            if self.has(Kind::CounterInLogs) {
                first.log = format!("number {}", OF_THE_PROCESS.fetch_add(1, Ordering::SeqCst));
            }
        }
        if self.has(Kind::ResultForgotten) && txs.len() == 2 {
            done.tx_results.pop();
        }
        self.home.traces.fetch_add(1, Ordering::SeqCst);
        *self.pending.lock().unwrap() = Some((txs, done.app_hash.clone()));
        Ok(done)
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let disk = self.home.disk.lock().unwrap().clone();
        let before = disk.len(1).unwrap_or(0);
        *self.pending.lock().unwrap() = None;
        match self.app.commit() {
            Err(AppError::NothingToCommit) if self.has(Kind::EmptyCommit) => {
                return Ok(CommitResult::default());
            }
            done => done?,
        };
        self.home.traces.store(0, Ordering::SeqCst);
        if self.has(Kind::CommitLost) {
            self.home.before_commit.store(before, Ordering::SeqCst);
        }
        Ok(CommitResult::default())
    }

    fn list_snapshots(&self) -> Vec<Snapshot> {
        self.app.list_snapshots()
    }

    fn offer_snapshot(&self, snapshot: &Snapshot, app_hash: &AppHash) -> Result<SnapshotOffer, AppError> {
        assert!(!self.has(Kind::PanicOnChunks) || snapshot.chunks < u32::MAX, "capacity overflow");
        self.app.offer_snapshot(snapshot, app_hash)
    }

    fn load_snapshot_chunk(&self, height: u64, format: u32, chunk: u32) -> Option<Bytes> {
        let mut bytes = self.app.load_snapshot_chunk(height, format, chunk)?;
        let is_last = self.app.load_snapshot_chunk(height, format, chunk + 1).is_none();
        if self.has(Kind::SnapshotWithoutEnd) && is_last {
            bytes.pop();
        }
        Some(bytes)
    }

    fn apply_snapshot_chunk(&self, index: u32, chunk: &[u8]) -> Result<ChunkApplied, AppError> {
        self.app.apply_snapshot_chunk(index, chunk)
    }
}
