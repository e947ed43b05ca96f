//! The chain in a store: committed blocks with their certificates, results, and bodies that are not committed yet.
//!
//! Of the epochs it keeps, by number, which block opened each: so with that block's certificate the chain of (epoch-ending block,
//! certificate); and the members and parameters after every height that changed them.
//!
//! Four writes, each one durable batch, and what a crash between any two of them leaves:
//!
//! 1. [`ChainStore::put_body`], before the proposal or vote for the block leaves. A body that nobody needs any more is swept by
//!    the next commit at its height or above.
//! 2. [`ChainStore::commit`]: blocks and the certificate of the newest one. A committed block never outlives its certificate.
//! 3. [`ChainStore::put_results`]: results, transaction index and executed height, before the application's own commit. So at
//!    start the application stands at the executed height, or one below it: it executes that block again, and must get the same.
//! 4. [`ChainStore::begin`], once, after the application's `init_chain`.
//!
//! With bodies and blocks goes what an audit of a fork needs: by which certificates each could be proposed, and the
//! votes beside its commit certificate.
//!
//! Besides, [`ChainStore::prune`] removes what nobody needs, each block whole.
//!
//! Keys are big-endian heights, or hashes. Every value begins with a version byte.

use std::collections::{BTreeMap, BTreeSet};
use std::{path::PathBuf, sync::Arc};

use althing_consensus::audit::Justification;
use althing_consensus::{Epoch, Execution, Header, Height, QuorumCertificate, View};
use althing_crypto::{BlockHash, Encoding, Hash, TxHash, mutant};
use althing_ledger::{Event, TxResult};
use althing_mempool::TxBytes;
use borsh::{BorshDeserialize, BorshSerialize};

mod accounts;
mod index;
mod newest;
mod notices;
mod prune;

pub use index::Indexing;
pub(crate) use index::{Places, Subject, Term};
pub use notices::CarriedNotice;

use self::accounts::{keep_justification, keep_votes};
use self::index::Runs;
use self::newest::Newest;
use super::{Batch, Store, StoreError, Table};
use crate::body::Body;
use crate::membership::{Membership, Stored};

/// Key of the executed height in [`Table::Meta`].
const EXECUTED: &[u8] = b"executed";
/// Key of the genesis hash in [`Table::Meta`].
const GENESIS: &[u8] = b"genesis";
/// Prefix of the markers of uncommitted bodies in [`Table::Meta`]: prefix, height, block hash.
const UNCOMMITTED: &[u8] = b"uncommitted/";
/// Prefix of the openings of epochs in [`Table::Meta`]: prefix, epoch.
const OPENINGS: &[u8] = b"epoch/";
/// Prefix of the memberships in [`Table::Meta`]: prefix, the height after which each holds.
const MEMBERSHIPS: &[u8] = b"members/";
/// Bytes of the result of a transfer.
const TYPICAL_RESULT_BYTES: usize = 320;
/// Uncommitted bodies are few: one per view that this validator voted in since the last commit. So many are read at once.
const SWEEP: usize = 1_000;

/// Typed access to the chain in a [`Store`]. Every method blocks on the disk.
#[derive(Clone)]
pub struct ChainStore {
    store: Arc<dyn Store>,
    indexing: Indexing,
    newest: Arc<Newest>,
    runs: Arc<Runs>,
}

/// What executing a block gave.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StoredResults {
    /// What consensus vouches for.
    pub execution: Execution,
    /// The hash of the epoch in force after it.
    pub next_epoch: Hash,
    /// One result per transaction, in their order.
    pub tx_results: Vec<TxResult>,
    /// Events of the block as a whole.
    pub events: Vec<Event>,
}

impl Encoding for StoredResults {
    const NAME: &'static str = "block results";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 20;
}

/// Where a committed transaction is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxLocation {
    /// The height of its block; if several hold it, of the one where it succeeded, or else of the first.
    pub height: Height,
    /// Its place in the block.
    pub index: u32,
}

/// How an epoch begins. Kept for ever, whatever becomes of the blocks: the chain of these leads from genesis to the newest set.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Opening {
    /// Its opening block: genesis, or the one that ended the epoch before.
    pub header: Header,
    /// The certificate, of the epoch before, that committed it; none of genesis.
    pub certificate: Option<QuorumCertificate>,
}

impl Opening {
    /// The hash of the epoch's set and parameters.
    pub fn epoch_hash(&self) -> Hash {
        self.header.vouched.next_epoch
    }
}

impl Encoding for Opening {
    const NAME: &'static str = "opening of an epoch";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 20 << 10;
}

/// A height or hash in [`Table::Meta`].
#[derive(BorshSerialize, BorshDeserialize)]
struct Fact<T>(T);

impl<T: BorshSerialize + BorshDeserialize> Encoding for Fact<T> {
    const NAME: &'static str = "fact about the chain";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64;
}

impl std::fmt::Debug for ChainStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChainStore")
    }
}

impl ChainStore {
    /// The chain in this store, which may be empty. It finds transactions by their hashes; [`Self::indexed`] finds them otherwise.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, indexing: Indexing::Off, newest: Arc::default(), runs: Arc::default() }
    }

    /// The same chain, whose results are indexed from now on or not.
    #[must_use]
    pub fn indexed(self, indexing: Indexing) -> Self {
        Self { indexing, ..self }
    }

    /// The hash of the genesis document, if the chain has begun.
    pub fn genesis(&self) -> Result<Option<Hash>, StoreError> {
        self.read(Table::Meta, GENESIS).map(|fact| fact.map(|Fact(hash)| hash))
    }

    /// Begins a chain: block 0, without certificate, executed.
    pub fn begin(&self, genesis: Hash, block: &Body) -> Result<(), StoreError> {
        let hash = block.block.hash();
        let mut batch = Batch::new();
        batch.put(Table::Blocks, *hash.as_bytes(), block.encode());
        batch.put(Table::BlockIndex, height_key(Height(0)), Fact(hash).encode());
        batch.put(Table::Meta, EXECUTED, Fact(Height(0)).encode());
        batch.put(Table::Meta, GENESIS, Fact(genesis).encode());
        self.store.write(batch)
    }

    /// Makes a block durable that is not committed. Nothing is written if that was done before.
    pub fn put_body(&self, body: &Body) -> Result<(), StoreError> {
        self.put_proposed(body, None)
    }

    /// As [`Self::put_body`], with what it could be proposed by, in the same write.
    pub fn put_proposed(&self, body: &Body, why: Option<&Justification>) -> Result<(), StoreError> {
        let (height, hash) = (body.block.header.height, body.block.hash());
        let marker = marker_key(height, &hash);
        let mut batch = Batch::new();
        let stored = self.store.get(Table::Meta, &marker)?.is_some();
        if !stored {
            batch.put(Table::Blocks, *hash.as_bytes(), body.encode());
            batch.put(Table::Meta, marker, Fact(()).encode());
        }
        let new = match why {
            // Most blocks come once.
            Some(why) if stored => self.is_new_justification(height, &hash, why)?,
            why => why.is_some(),
        };
        if let Some(why) = why.filter(|_| new) {
            keep_justification(&mut batch, height, &hash, why);
        }
        if stored && !new { Ok(()) } else { self.store.write(batch) }
    }

    /// The block of this hash with its payload, committed or not.
    pub fn body(&self, hash: &BlockHash) -> Result<Option<Body>, StoreError> {
        self.read(Table::Blocks, hash.as_bytes())
    }

    /// Commits blocks in ascending order, the first one right above the newest stored, with the commit certificate of the last one.
    /// Removes bodies that lost at their heights or below.
    pub fn commit(&self, bodies: &[Arc<Body>], certificate: &QuorumCertificate) -> Result<(), StoreError> {
        self.commit_voted(bodies, certificate, None)
    }

    /// As [`Self::commit`], with the certificate of votes that the commit votes were for.
    pub fn commit_voted(
        &self,
        bodies: &[Arc<Body>],
        certificate: &QuorumCertificate,
        votes: Option<&QuorumCertificate>,
    ) -> Result<(), StoreError> {
        let mut next = self.committed()?.next();
        let mut batch = Batch::new();
        let mut won = BTreeSet::new();
        for body in bodies {
            let (height, hash) = (body.block.header.height, body.block.hash());
            assert_eq!(height, next, "blocks are committed in the order of their heights, each once");
            next = next.next();
            if self.store.get(Table::Meta, &marker_key(height, &hash))?.is_none() {
                batch.put(Table::Blocks, *hash.as_bytes(), body.encode());
            }
            batch.put(Table::BlockIndex, height_key(height), Fact(hash).encode());
            won.insert(hash);
        }
        self.carry(&mut batch, bodies.iter().map(|body| &**body))?;
        let newest = bodies.last().expect("a commit has blocks");
        assert_eq!(newest.block.hash(), certificate.block, "the certificate covers the newest block");
        let header = &newest.block.header;
        let epoch = self.opening(header.epoch)?.ok_or_else(|| {
            corrupt(format!("block {} is of epoch {}, whose opening is missing", header.height, header.epoch))
        })?;
        if header.vouched.next_epoch != epoch.epoch_hash() {
            let opening = Opening { header: header.clone(), certificate: Some(certificate.clone()) };
            batch.put(Table::Meta, opening_key(Epoch(header.epoch.0 + 1)), opening.encode());
            self.let_notices_go(&mut batch, Epoch(header.epoch.0 + 1))?;
        }
        let newest = header.height;
        if mutant!("certificate_stored_apart") {
            self.store.write(std::mem::take(&mut batch))?;
        }
        if !mutant!("certificate_not_stored") {
            batch.put(Table::Certificates, height_key(newest), certificate.encode());
        }
        keep_votes(&mut batch, newest, votes);
        let sweep = Some(newest).filter(|_| !mutant!("bodies_swept_too_early"));
        for (marker, height, hash) in self.markers(Height(0), sweep)? {
            batch.delete(Table::Meta, marker);
            if !won.contains(&hash) && self.hash_at(height)? != Some(hash) {
                batch.delete(Table::Blocks, *hash.as_bytes());
                self.forget_justifications(&mut batch, height, Some(&hash))?;
            }
        }
        self.store.write(batch)?;
        self.newest.keep(bodies);
        Ok(())
    }

    /// Stores what executing the block above the executed height gave, and raises that height. A transaction that an earlier block
    /// holds, too, is found there, unless it failed there and succeeds now. With it goes the membership after that height, if it is another than before.
    pub fn put_results(
        &self,
        txs: &[TxHash],
        results: &StoredResults,
        changed: Option<&Membership>,
    ) -> Result<(), StoreError> {
        self.put_sent_results(txs, &[], results, changed)
    }

    /// As [`Self::put_results`], with the senders that the index is to know, one for each transaction.
    pub fn put_sent_results(
        &self,
        txs: &[TxHash],
        senders: &[Option<String>],
        results: &StoredResults,
        changed: Option<&Membership>,
    ) -> Result<(), StoreError> {
        let height = results.execution.height;
        assert_eq!(
            height,
            self.executed()?.next(),
            "blocks are executed in the order of their heights, each once"
        );
        let mut batch = Batch::new();
        let mut encoded = Vec::with_capacity(TYPICAL_RESULT_BYTES * (1 + results.tx_results.len()));
        encoded.push(StoredResults::VERSION);
        results.serialize(&mut encoded).expect("memory takes it");
        batch.put(Table::Results, height_key(height), encoded);
        if let Some(changed) = changed {
            batch.put(Table::Meta, [MEMBERSHIPS, &height_key(height)].concat(), changed.to_stored().encode());
        }
        batch.put(Table::Meta, EXECUTED, Fact(height).encode());
        self.write_indexed(batch, txs, senders, results)
    }

    /// How this epoch begins, if the block that opens it is committed.
    pub fn opening(&self, epoch: Epoch) -> Result<Option<Opening>, StoreError> {
        if epoch == Epoch(1) {
            let genesis = self.block(Height(0))?;
            return Ok(genesis.map(|body| Opening { header: body.block.header, certificate: None }));
        }
        self.read(Table::Meta, &opening_key(epoch))
    }

    /// The newest epoch whose opening block is committed.
    pub fn newest_epoch(&self) -> Result<Epoch, StoreError> {
        let newest = self.store.range(Table::Meta, OPENINGS, &opening_key(Epoch(u64::MAX)), 1, true)?;
        let number = newest.first().map(|(key, _)| height_of(&key[OPENINGS.len()..])).transpose()?;
        Ok(number.map_or(Epoch(1), |Height(epoch)| Epoch(epoch)))
    }

    /// The membership after this height, which is executed; none where it is still that of genesis.
    pub(crate) fn membership(&self, height: Height) -> Result<Option<Stored>, StoreError> {
        let key = |height: Height| [MEMBERSHIPS, &height_key(height)].concat();
        let newest = self.store.range(Table::Meta, MEMBERSHIPS, &key(height.next()), 1, true)?;
        newest.first().map(|(_, value)| decode(Table::Meta, value)).transpose()
    }

    /// The membership after this height, if the block of it made it another than before.
    pub(crate) fn new_membership(&self, height: Height) -> Result<Option<Stored>, StoreError> {
        self.read(Table::Meta, &[MEMBERSHIPS, &height_key(height)].concat())
    }

    /// The height of the newest committed block; 0 also before the chain has begun.
    pub fn committed(&self) -> Result<Height, StoreError> {
        let newest = self.store.range(Table::BlockIndex, &[], &[], 1, true)?;
        newest.first().map_or(Ok(Height(0)), |(key, _)| height_of(key))
    }

    /// The height whose results are stored; 0 before block 1 is executed.
    pub fn executed(&self) -> Result<Height, StoreError> {
        Ok(self.read(Table::Meta, EXECUTED)?.map_or(Height(0), |Fact(height)| height))
    }

    /// The committed block of this height with its payload.
    pub fn block(&self, height: Height) -> Result<Option<Body>, StoreError> {
        let Some(hash) = self.hash_at(height)? else { return Ok(None) };
        match self.body(&hash)? {
            // Removed in between.
            None if self.hash_at(height)?.is_none() => Ok(None),
            body => {
                body.map(Some).ok_or_else(|| corrupt(format!("block {hash} of height {height} is missing")))
            }
        }
    }

    /// As [`Self::block`]; those that were committed last are in memory.
    pub fn shared_block(&self, height: Height) -> Result<Option<Arc<Body>>, StoreError> {
        let Some(hash) = self.hash_at(height)? else { return Ok(None) };
        match self.newest.get(&hash) {
            Some(body) => Ok(Some(body)),
            None => Ok(self.block(height)?.map(Arc::new)),
        }
    }

    /// The hash of the committed block of this height.
    pub fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        Ok(self.read(Table::BlockIndex, &height_key(height))?.map(|Fact(hash)| hash))
    }

    /// The commit certificate whose newest block has this height. Blocks committed together have one for the newest of them.
    pub fn certificate_at(&self, height: Height) -> Result<Option<QuorumCertificate>, StoreError> {
        self.read(Table::Certificates, &height_key(height))
    }

    /// The newest commit certificate.
    pub fn newest_certificate(&self) -> Result<Option<QuorumCertificate>, StoreError> {
        let newest = self.store.range(Table::Certificates, &[], &[], 1, true)?;
        newest.first().map(|(_, value)| decode(Table::Certificates, value)).transpose()
    }

    /// What executing the block of this height gave.
    pub fn results(&self, height: Height) -> Result<Option<StoredResults>, StoreError> {
        self.read(Table::Results, &height_key(height))
    }

    /// Where an executed transaction is found.
    pub fn tx_location(&self, tx: &TxHash) -> Result<Option<TxLocation>, StoreError> {
        Ok(self.find_txs(&[*tx])?.pop().flatten())
    }

    /// Where each of these is found.
    pub fn tx_locations(&self, txs: &[TxHash]) -> Result<Vec<Option<TxLocation>>, StoreError> {
        self.find_txs(txs)
    }

    /// Of the stored bodies above the newest committed block the `max` made in the newest views, and their ancestors; by height.
    ///
    /// While no quorum is there, every view may leave one, each with the same pending transactions: more than fit into memory, did
    /// not all bodies share the transactions that they have in common.
    pub fn uncommitted(&self, max: usize) -> Result<Vec<Body>, StoreError> {
        let markers = self.markers(self.committed()?.next(), None)?;
        let read = |height: Height, hash: &BlockHash| {
            let missing = || corrupt(format!("uncommitted block {hash} of height {height} is missing"));
            self.body(hash)?.ok_or_else(missing)
        };
        let mut parents = BTreeMap::new();
        let mut views = BTreeSet::new();
        for (_, height, hash) in &markers {
            let header = read(*height, hash)?.block.header;
            parents.insert(*hash, header.parent);
            views.insert((header.view, *hash));
        }
        let mut kept = BTreeSet::new();
        for (_, hash) in views.iter().rev().take(max) {
            let mut at = hash;
            while let Some(parent) = parents.get(at).filter(|_| kept.insert(*at)) {
                at = parent;
            }
        }
        let mut known: BTreeMap<TxHash, TxBytes> = BTreeMap::new();
        let mut bodies = Vec::new();
        for (_, height, hash) in markers.iter().filter(|(_, _, hash)| kept.contains(hash)) {
            let mut body = read(*height, hash)?;
            for (hash, tx) in body.block.txs.iter().zip(&mut body.txs) {
                tx.clone_from(known.entry(*hash).or_insert_with(|| tx.clone()));
            }
            bodies.push(body);
        }
        Ok(bodies)
    }

    /// Markers of bodies stored while uncommitted, of heights from `low` to `high`, both included.
    fn markers(
        &self,
        low: Height,
        high: Option<Height>,
    ) -> Result<Vec<(Vec<u8>, Height, BlockHash)>, StoreError> {
        let key = |height: Height| [UNCOMMITTED, &height_key(height)].concat();
        let to = key(high.map_or(Height(u64::MAX), Height::next));
        let mut from = key(low);
        let mut markers = Vec::new();
        loop {
            let some = self.store.range(Table::Meta, &from, &to, SWEEP, false)?;
            let last = some.len() < SWEEP;
            for (marker, _) in some {
                let rest = &marker[UNCOMMITTED.len()..];
                let (height, hash) =
                    rest.split_at_checked(8).ok_or_else(|| corrupt("a marker is too short"))?;
                let hash: [u8; 32] = hash.try_into().map_err(|_| corrupt("a marker has no block hash"))?;
                from = [&marker[..], &[0]].concat();
                markers.push((marker.clone(), height_of(height)?, BlockHash(Hash::from_bytes(hash))));
            }
            if last {
                return Ok(markers);
            }
        }
    }

    fn read<T: Encoding>(&self, table: Table, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.store.get(table, key)?.map(|bytes| decode(table, &bytes)).transpose()
    }
}

fn decode<T: Encoding>(table: Table, bytes: &[u8]) -> Result<T, StoreError> {
    T::decode(bytes).map_err(|error| corrupt(format!("table {table:?}: {error}")))
}

fn opening_key(epoch: Epoch) -> Vec<u8> {
    [OPENINGS, &epoch.0.to_be_bytes()].concat()
}

fn height_key(height: Height) -> [u8; 8] {
    height.0.to_be_bytes()
}

fn marker_key(height: Height, hash: &BlockHash) -> Vec<u8> {
    [UNCOMMITTED, &height_key(height), hash.as_bytes()].concat()
}

/// Heights stay far below overflow, as no block with one above the limit passes the door.
fn height_of(key: &[u8]) -> Result<Height, StoreError> {
    let bytes = key.try_into().map_err(|_| corrupt(format!("a height of {} bytes", key.len())))?;
    let height = u64::from_be_bytes(bytes);
    if height < View::LIMIT.0 {
        Ok(Height(height))
    } else {
        Err(corrupt(format!("a block of height {height}")))
    }
}

/// Damage that shows only here, above the database.
fn corrupt(what: impl Into<String>) -> StoreError {
    StoreError::Corrupt { path: PathBuf::from("data/chain"), what: what.into() }
}

#[cfg(test)]
mod tests;
