//! The key-value sample with snapshots: the bytes of its files after each commit, in chunks.

use std::sync::{Mutex, RwLock};

use althing_crypto::sha256;

use super::*;
use crate::kv::KeyValue;
use crate::state::{MemoryFiles, StateFiles};
use crate::{
    Admission, CheckKind, CheckedTx, ChunkApplied, CommitResult, FinalizeBlock, FinalizedBlock, Info,
    InitChainResult, Snapshot, SnapshotOffer, TxError,
};

const FORMAT: u32 = 1;
const CHUNK_BYTES: usize = 200;

/// Where the application lies: a restore brings other files.
pub(super) type Disk = Arc<Mutex<Arc<MemoryFiles>>>;

pub(super) struct Snapshotting {
    disk: Disk,
    app: RwLock<Arc<KeyValue>>,
    taken: Mutex<Vec<(Snapshot, Vec<Bytes>)>>,
    /// The offer that was accepted, and the chunks so far.
    restoring: Mutex<Option<(Snapshot, AppHash, Vec<Bytes>)>>,
    /// Whether it believes that what it restored is what was offered: a fault.
    credulous: bool,
}

impl Snapshotting {
    pub(super) fn open(disk: Disk, credulous: bool) -> Result<Self, AppError> {
        let app = RwLock::new(kv_in(&disk)?);
        Ok(Self { disk, app, taken: Mutex::default(), restoring: Mutex::default(), credulous })
    }

    fn app(&self) -> Arc<KeyValue> {
        self.app.read().unwrap().clone()
    }

    /// Makes a state of chunks: the reason if that cannot be.
    fn restore(&self, snapshot: &Snapshot, hash: &AppHash, chunks: &[Bytes]) -> Result<(), String> {
        let disk: Disk = Arc::new(Mutex::new(Arc::new(files_of(&chunks.concat())?)));
        let app = kv_in(&disk).map_err(|error| error.to_string())?;
        let info = app.info().map_err(|error| error.to_string())?;
        if !self.credulous && (info.last_height, &info.app_hash) != (snapshot.height, hash) {
            return Err(format!(
                "it is the state of height {}, with hash {}",
                info.last_height, info.app_hash
            ));
        }
        *self.disk.lock().unwrap() = disk.lock().unwrap().clone();
        *self.app.write().unwrap() = app;
        Ok(())
    }
}

fn kv_in(disk: &Disk) -> Result<Arc<KeyValue>, AppError> {
    let files = disk.lock().unwrap().clone();
    Ok(Arc::new(KeyValue::open(files, 3)?))
}

fn bytes_of(files: &MemoryFiles) -> Bytes {
    let read = |file: u32| {
        let mut bytes = vec![0; files.len(file).unwrap() as usize];
        files.read(file, 0, &mut bytes).unwrap();
        (file, bytes)
    };
    let all: Vec<(u32, Vec<u8>)> = files.list().unwrap().into_iter().map(read).collect();
    borsh::to_vec(&all).unwrap()
}

fn files_of(bytes: &[u8]) -> Result<MemoryFiles, String> {
    let files = MemoryFiles::new();
    for (file, bytes) in borsh::from_slice::<Vec<(u32, Vec<u8>)>>(bytes).map_err(|error| error.to_string())? {
        files.append(file, &bytes).map_err(|error| error.to_string())?;
    }
    Ok(files)
}

impl Application for Snapshotting {
    fn info(&self) -> Result<Info, AppError> {
        self.app().info()
    }

    fn query(&self, q: &Query) -> QueryResult {
        self.app().query(q)
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        self.app().precheck(txs)
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.app().check_tx(tx, kind)
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.app().init_chain(init)
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        self.app().finalize_block(b)
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let committed = self.app().commit()?;
        let bytes = bytes_of(&self.disk.lock().unwrap());
        let chunks: Vec<Bytes> = bytes.chunks(CHUNK_BYTES).map(<[u8]>::to_vec).collect();
        let snapshot = Snapshot {
            height: self.info()?.last_height,
            format: FORMAT,
            chunks: chunks.len() as u32,
            hash: sha256(&bytes).as_bytes().to_vec(),
            metadata: Vec::new(),
        };
        self.taken.lock().unwrap().push((snapshot, chunks));
        Ok(committed)
    }

    fn list_snapshots(&self) -> Vec<Snapshot> {
        self.taken.lock().unwrap().iter().map(|(snapshot, _)| snapshot.clone()).collect()
    }

    fn offer_snapshot(&self, snapshot: &Snapshot, app_hash: &AppHash) -> Result<SnapshotOffer, AppError> {
        if self.info()?.initialised {
            return Err(AppError::Failed("there is a state already".to_owned()));
        }
        if snapshot.format != FORMAT {
            return Ok(SnapshotOffer::RejectFormat);
        }
        *self.restoring.lock().unwrap() = Some((snapshot.clone(), app_hash.clone(), Vec::new()));
        Ok(SnapshotOffer::Accept)
    }

    fn load_snapshot_chunk(&self, height: u64, format: u32, chunk: u32) -> Option<Bytes> {
        let taken = self.taken.lock().unwrap();
        let (_, chunks) = taken.iter().find(|(one, _)| (one.height, one.format) == (height, format))?;
        chunks.get(chunk as usize).cloned()
    }

    fn apply_snapshot_chunk(&self, index: u32, chunk: &[u8]) -> Result<ChunkApplied, AppError> {
        let mut restoring = self.restoring.lock().unwrap();
        let Some((snapshot, hash, chunks)) = restoring.as_mut() else { return Ok(ChunkApplied::Abort) };
        if index as usize != chunks.len() || index >= snapshot.chunks {
            return Ok(ChunkApplied::RejectSnapshot);
        }
        chunks.push(chunk.to_vec());
        if index + 1 < snapshot.chunks {
            return Ok(ChunkApplied::Accept);
        }
        let done = self.restore(snapshot, hash, chunks);
        *restoring = None;
        Ok(done.map_or(ChunkApplied::RejectSnapshot, |()| ChunkApplied::Accept))
    }
}
