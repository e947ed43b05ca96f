//! An application whose hash chains every height and transaction that it executed, in order: whatever was lost, doubled or swapped shows.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use althing_crypto::{Hash, sha256, sha256_concat};
use althing_ledger::{
    Admission, AppError, AppHash, Application, Bytes, CheckKind, CheckedTx, ChunkApplied, CommitResult,
    FinalizeBlock, FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, Snapshot,
    SnapshotOffer, StoreError, TxError, TxResult,
};
use borsh::{BorshDeserialize, BorshSerialize};

/// The hash after a height: of the one before, the height, and its transactions.
pub fn link(before: &Hash, height: u64, txs: &[impl AsRef<[u8]>]) -> Hash {
    let block = sha256_concat(&[before.as_bytes(), &height.to_be_bytes()]);
    txs.iter().fold(block, |hash, tx| sha256_concat(&[hash.as_bytes(), tx.as_ref()]))
}

/// Where it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct State {
    height: u64,
    hash: Hash,
}

#[derive(Debug)]
struct Memory {
    committed: State,
    finalized: Option<State>,
    /// It has blocks, or was told of its genesis.
    begun: bool,
    restoring: Option<Restoring>,
}

/// A snapshot that was accepted, and its chunks so far.
#[derive(Debug)]
struct Restoring {
    height: u64,
    app_hash: AppHash,
    chunks: Vec<Bytes>,
}

/// A snapshot has two chunks: the height and the hash.
const CHUNKS: u32 = 2;
const FORMAT: u32 = 1;

impl State {
    fn chunks(&self) -> [Bytes; CHUNKS as usize] {
        [self.height.to_be_bytes().into(), self.hash.as_bytes().to_vec()]
    }
}

impl Restoring {
    /// The state, if it is the one that was offered.
    fn state(self) -> Option<State> {
        let [height, hash] = &self.chunks[..] else { return None };
        let height = u64::from_be_bytes(height.as_slice().try_into().ok()?);
        let same = height == self.height && hash[..] == self.app_hash.as_bytes()[..];
        Some(State { height, hash: Hash::from_bytes(hash.as_slice().try_into().ok()?) }).filter(|_| same)
    }
}

/// When a process ends by itself, as by a power cut: at the commit of that many blocks from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It has answered `FinalizeBlock`, and done nothing for `Commit`.
    BeforeCommit(u64),
    /// The state is durable, and `Commit` not answered.
    AfterCommit(u64),
}

/// The application, with its state in a file that is replaced as a whole at each commit.
#[derive(Debug)]
pub struct HashChain {
    file: PathBuf,
    state: Mutex<Memory>,
    death: Option<Death>,
    commits: AtomicU64,
}

impl HashChain {
    /// Opens it on a file, which need not be there yet.
    pub fn open(file: &Path, death: Option<Death>) -> io::Result<Self> {
        let committed = match fs::read(file) {
            Ok(bytes) => borsh::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error),
        };
        let begun = committed.height > 0;
        let state = Mutex::new(Memory { committed, finalized: None, begun, restoring: None });
        Ok(Self { file: file.to_owned(), state, death, commits: AtomicU64::new(0) })
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &State) -> io::Result<()> {
        let new = self.file.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&borsh::to_vec(state)?)?;
        file.sync_all()?;
        fs::rename(new, &self.file)?;
        File::open(self.file.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

impl Application for HashChain {
    fn info(&self) -> Result<Info, AppError> {
        let State { height, hash } = self.lock().committed;
        let (name, version) = ("hash-chain".to_owned(), "1".to_owned());
        Ok(Info {
            name,
            version,
            last_height: height,
            app_hash: (*hash.as_bytes()).into(),
            initialised: height > 0,
        })
    }

    fn query(&self, _: &Query) -> QueryResult {
        let State { height, hash } = self.lock().committed;
        QueryResult { value: hash.as_bytes().to_vec(), height, ..Default::default() }
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        txs.iter()
            .map(|_| Ok(Admission { sender: None, sequence: 0, priority: 0, expiry_height: None }))
            .collect()
    }

    fn check_tx(&self, tx: &[u8], _: CheckKind) -> Result<CheckedTx, TxError> {
        match tx {
            [] => Err(TxError { code: 1, codespace: "hash-chain".to_owned(), log: "it is empty".to_owned() }),
            _ => Ok(CheckedTx { next_sequence: None }),
        }
    }

    fn init_chain(&self, _: &InitChain) -> Result<InitChainResult, AppError> {
        let mut state = self.lock();
        if state.committed.height > 0 {
            let reason = format!("height {} is committed", state.committed.height);
            return Err(AppError::OtherGenesis { reason });
        }
        state.begun = true;
        Ok(InitChainResult { app_hash: (*Hash::ZERO.as_bytes()).into() })
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let mut state = self.lock();
        if !state.begun {
            return Err(AppError::NotInitialised);
        }
        let expected = state.committed.height + 1;
        if b.height != expected {
            return Err(AppError::WrongHeight { expected, found: b.height });
        }
        let hash = link(&state.committed.hash, b.height, b.txs);
        state.finalized = Some(State { height: b.height, hash });
        Ok(FinalizedBlock {
            tx_results: b.txs.iter().map(|_| TxResult::default()).collect(),
            app_hash: (*hash.as_bytes()).into(),
            ..FinalizedBlock::default()
        })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let mut state = self.lock();
        let finalized = state.finalized.take().ok_or(AppError::NothingToCommit)?;
        let commits = self.commits.fetch_add(1, Ordering::Relaxed) + 1;
        if self.death == Some(Death::BeforeCommit(commits)) {
            process::abort();
        }
        self.write(&finalized).map_err(StoreError::new)?;
        if self.death == Some(Death::AfterCommit(commits)) {
            process::abort();
        }
        state.committed = finalized;
        // It never looks back.
        Ok(CommitResult { retain_height: finalized.height })
    }

    fn list_snapshots(&self) -> Vec<Snapshot> {
        let state = self.lock().committed;
        let snapshot = Snapshot {
            height: state.height,
            format: FORMAT,
            chunks: CHUNKS,
            hash: sha256(&state.chunks().concat()).as_bytes().to_vec(),
            metadata: Vec::new(),
        };
        if state.height > 0 { vec![snapshot] } else { Vec::new() }
    }

    fn load_snapshot_chunk(&self, height: u64, format: u32, chunk: u32) -> Option<Bytes> {
        let state = self.lock().committed;
        let chunk = state.chunks().into_iter().nth(chunk as usize)?;
        Some(chunk).filter(|_| height > 0 && (height, format) == (state.height, FORMAT))
    }

    fn offer_snapshot(&self, snapshot: &Snapshot, app_hash: &AppHash) -> Result<SnapshotOffer, AppError> {
        let mut state = self.lock();
        if state.begun {
            return Ok(SnapshotOffer::Abort);
        }
        if (snapshot.format, snapshot.chunks) != (FORMAT, CHUNKS) || snapshot.height == 0 {
            return Ok(SnapshotOffer::RejectFormat);
        }
        let (height, app_hash) = (snapshot.height, app_hash.clone());
        state.restoring = Some(Restoring { height, app_hash, chunks: Vec::new() });
        Ok(SnapshotOffer::Accept)
    }

    fn apply_snapshot_chunk(&self, index: u32, chunk: &[u8]) -> Result<ChunkApplied, AppError> {
        let mut state = self.lock();
        let Some(restoring) = state.restoring.as_mut() else { return Ok(ChunkApplied::Abort) };
        if index as usize != restoring.chunks.len() {
            return Ok(ChunkApplied::RejectSnapshot);
        }
        restoring.chunks.push(chunk.to_vec());
        if index + 1 < CHUNKS {
            return Ok(ChunkApplied::Accept);
        }
        let restored = state.restoring.take().and_then(Restoring::state);
        let Some(restored) = restored else { return Ok(ChunkApplied::RejectSnapshot) };
        self.write(&restored).map_err(StoreError::new)?;
        (state.committed, state.begun) = (restored, true);
        Ok(ChunkApplied::Accept)
    }
}
