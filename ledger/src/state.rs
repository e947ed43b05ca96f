//! One authenticated, ordered, versioned state of key-value records, for whoever writes an application.
//!
//! The records lie in an append-only log of files; a crit-bit tree over the keys, kept in memory, says where each lies
//! and hashes to the root. The root depends on the records alone, not on the way they came about. A commit writes the
//! changed records once, syncs once, and adds the changed nodes beside the old ones, so that older heights stay to be
//! read and proved like the newest. At start the tree is built anew from the log, and its root compared.
//!
//! | file | holds |
//! |---|---|
//! | `records` | what can be asked of a state |
//! | `key` | keys as bits, hashes |
//! | `walk` | finding a record and a range of them, in any tree |
//! | `arena`, `edit` | the nodes, and the tree after a change |
//! | `prefetch` | how waiting for memory is shortened |
//! | `window` | which heights are kept |
//! | `view` | one height to be read |
//! | `witness` | what a client can check an answer with |
//! | `files`, `frame`, `log` | the storage below, and the bytes in it |
//! | `stored`, `recent`, `tail` | a record that was read, those read lately, and those written lately |
//! | `sweep` | how the log is kept short |
//! | `scan`, `open`, `build` | from the files to a state |

mod arena;
mod build;
mod edit;
mod files;
mod frame;
mod key;
mod log;
mod open;
mod prefetch;
mod recent;
mod records;
mod scan;
mod stored;
mod sweep;
mod tail;
#[cfg(test)]
mod tests;
mod view;
mod walk;
mod window;
mod witness;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

pub use files::{MemoryFiles, StateFiles};
pub use frame::MAX_VALUE;
pub use key::MAX_KEY;
pub(crate) use records::{Change, Found};
pub use records::{Changes, Record, Records};
pub use view::View;
pub use witness::{BadWitness, MAX_WITNESS_BYTES, Witness, witness};

use crate::AppError;
use arena::{Arena, Link, NodeId};
use edit::{Edit, NewNodes, Update};
use frame::{Entry, Frames, Header};
use key::{empty_hash, leaf_hash};
use log::{Log, Place, failed};
use prefetch::{TOGETHER, visit};
use sweep::{Cursor, Emptied, Sweep};
use tail::Tail;
use window::{Kept, Window};

/// Sizes that a test makes small.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// A file of this length gets no further commit.
    file_bytes: u64,
    /// The log may be longer than twice the live records by this.
    slack_bytes: u64,
}

impl Limits {
    fn of(files: &dyn StateFiles) -> Self {
        let file_bytes = files.file_bytes();
        Self { file_bytes, slack_bytes: 4 * file_bytes }
    }
}

/// Everything that is in memory.
struct Tree {
    arena: Arena,
    window: Window,
    /// Commits so far.
    sequence: u64,
    /// The lengths of the log's files.
    files: BTreeMap<u32, u64>,
    /// The first of them that is still needed.
    first_file: u32,
    /// Bytes of the records of the newest height.
    live: u64,
    cursor: Cursor,
    emptied: Emptied,
    /// What the newest commits wrote.
    tail: Tail,
    limits: Limits,
}

/// The state of an application, in files of its own. May be read from several threads beside a commit.
pub struct State {
    log: Log,
    /// Lock order: `writer`, `tree`, `pins`.
    tree: RwLock<Tree>,
    /// Held while a commit writes.
    writer: Mutex<Writer>,
    /// How many views there are of each height.
    pins: Mutex<BTreeMap<u64, usize>>,
}

/// What a commit must know of those before it.
#[derive(Default)]
struct Writer {
    /// Whether one has failed.
    broken: bool,
    /// Files that are needed no more but could not be removed yet.
    unneeded: Vec<u32>,
}

/// A change that was worked out but not made: nothing of it is visible or durable. It may be dropped and made again.
pub struct Staged {
    sequence: u64,
    version: u64,
    nodes: NewNodes,
    sweep: Sweep,
    first_file: u32,
    file: u32,
    bytes: Vec<u8>,
    live: u64,
}

impl Staged {
    /// The root after the change.
    pub fn root(&self) -> [u8; 32] {
        self.nodes.hash
    }

    /// The height that the change brings the state to.
    pub fn version(&self) -> u64 {
        self.version
    }
}

const HEALTHY: &str = "no thread panicked while it changed the state";

impl State {
    /// Opens the state that `files` hold; no files are a state without records.
    ///
    /// At least the newest height is kept, at most `kept_heights` of them, fewer if they changed so much that to keep them
    /// would cost more than a quarter of the memory of the rest. A commit that a crash cut short is gone. An error means
    /// that the files cannot be read, or hold other than what was written.
    pub fn open(files: Arc<dyn StateFiles>, kept_heights: u64) -> Result<State, AppError> {
        let limits = Limits::of(&*files);
        open::open(files, kept_heights, limits)
    }

    fn new(log: Log, tree: Tree) -> Self {
        Self { log, tree: RwLock::new(tree), writer: Mutex::default(), pins: Mutex::default() }
    }

    fn tree(&self) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().expect(HEALTHY)
    }

    fn tree_mut(&self) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().expect(HEALTHY)
    }

    fn pins(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.pins.lock().expect(HEALTHY)
    }

    /// The newest committed height; `None` before the first.
    pub fn version(&self) -> Option<u64> {
        self.tree().window.newest().map(|kept| kept.version)
    }

    /// The root of the newest committed height.
    pub fn root(&self) -> [u8; 32] {
        self.tree().window.newest().map_or_else(empty_hash, |kept| kept.hash)
    }

    /// The oldest height that [`State::at`] still knows.
    pub fn oldest(&self) -> Option<u64> {
        self.tree().window.oldest().map(|kept| kept.version)
    }

    /// The newest committed height, to be read.
    pub fn newest(&self) -> View<'_> {
        let tree = self.tree();
        match tree.window.newest() {
            Some(kept) => self.pin(kept),
            None => View::new(self, None, None, empty_hash()),
        }
    }

    /// A kept height, to be read; `None` if it is not kept, or never was.
    pub fn at(&self, version: u64) -> Option<View<'_>> {
        let tree = self.tree();
        tree.window.at(version).map(|kept| self.pin(kept))
    }

    /// Called with the tree locked, so that the height cannot leave before it is pinned.
    fn pin(&self, kept: &Kept) -> View<'_> {
        *self.pins().entry(kept.version).or_insert(0) += 1;
        View::new(self, Some(kept.version), kept.root, kept.hash)
    }

    fn unpin(&self, version: u64) {
        let mut pins = self.pins();
        if let Some(views) = pins.get_mut(&version) {
            *views -= 1;
            if *views == 0 {
                pins.remove(&version);
            }
        }
    }

    /// Works out the state that `changes` make of the newest one, for height `version`, which must be above it.
    ///
    /// Keys have at most [`MAX_KEY`] bytes, values at most [`MAX_VALUE`]. Removing what is not there and setting what is
    /// there already is allowed and changes nothing.
    pub fn stage(&self, version: u64, changes: Changes) -> Result<Staged, AppError> {
        let change = |(key, value)| Change { key, value, found: None };
        let changes: Vec<_> =
            changes.iter().map(|(key, value)| change((key.as_slice(), value.as_deref()))).collect();
        self.stage_sorted(version, &changes)
    }

    /// The same, of changes in the order of their keys, each key once.
    pub(crate) fn stage_sorted(&self, version: u64, changes: &[Change<'_>]) -> Result<Staged, AppError> {
        debug_assert!(changes.is_sorted_by(|a, b| a.key < b.key));
        let tree = self.tree();
        if let Some(newest) = tree.window.newest().filter(|newest| newest.version >= version) {
            return Err(AppError::Failed(format!(
                "height {version} cannot be made of height {}: the state only moves forward",
                newest.version
            )));
        }
        let (file, start) = tree.end();
        let header = Header {
            body_len: 0,
            last: false,
            sequence: tree.sequence + 1,
            version,
            first_file: tree.first_file,
            oldest: tree.window.oldest().map_or(version, |kept| kept.version),
            root: [0; 32],
            body_hash: [0; 32],
        };
        let mut frames = Frames::new(header, file, start);
        let sweep = tree.sweep(&self.log, changes, &mut frames)?;
        let (nodes, live) = tree.apply(&self.log, changes, &mut frames)?;
        Ok(Staged {
            sequence: tree.sequence + 1,
            version,
            sweep,
            first_file: tree.first_file,
            file,
            bytes: frames.finish(nodes.hash),
            nodes,
            live,
        })
    }

    /// Makes a staged change: all of it or nothing, visible and durable once this returns `Ok`.
    ///
    /// After an error nobody knows what the files hold, so the state refuses every further commit until it is opened anew.
    pub fn commit(&self, staged: Staged) -> Result<(), AppError> {
        let mut writer = self.writer.lock().expect(HEALTHY);
        if writer.broken {
            return Err(AppError::Failed(
                "the state could not write before; restart the node, so that it sees what is on disk"
                    .to_owned(),
            ));
        }
        if staged.sequence != self.tree().sequence + 1 {
            return Err(AppError::Failed(format!(
                "height {} was worked out on a state that is not the newest any more",
                staged.version
            )));
        }
        writer.broken = true;
        self.log.files.append(staged.file, &staged.bytes).map_err(failed)?;
        self.log.files.sync(staged.file).map_err(failed)?;
        // A copy of just the length needed, made while others may still read.
        let written = Arc::from(staged.bytes.as_slice());
        let unneeded = self.tree_mut().take_in(&staged, written, &self.pins());
        writer.broken = false;
        writer.unneeded.extend(unneeded);
        // The commit is made whatever becomes of this: the next one tries again, and so does whoever opens the state.
        writer.unneeded.retain(|&file| {
            self.log.files.remove(file).is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
        Ok(())
    }
}

impl Tree {
    fn end_file(&self) -> u32 {
        self.files.last_key_value().map_or(1, |(&file, _)| file)
    }

    /// Where the next commit is to be written.
    fn end(&self) -> (u32, u64) {
        match self.files.last_key_value() {
            Some((&file, &len)) if len >= self.limits.file_bytes => (file + 1, 0),
            Some((&file, &len)) => (file, len),
            None => (1, 0),
        }
    }

    /// Writes the changed records to `frames`; returns the tree after it and the live bytes of its records.
    fn apply(
        &self,
        log: &Log,
        changes: &[Change<'_>],
        frames: &mut Frames,
    ) -> Result<(NewNodes, u64), AppError> {
        let mut live = self.live;
        let root = self.window.newest().and_then(|kept| kept.root);
        let mut edit = Edit::new(&self.arena, log, &self.tail, root);
        let (mut updates, mut others) = (Vec::with_capacity(changes.len()), Vec::new());
        for some in changes.chunks(TOGETHER) {
            let leaves = self.leaves(log, some)?;
            for (&Change { key, value, .. }, leaf) in some.iter().zip(leaves) {
                check_size(key, value)?;
                let hash = value.map(|value| leaf_hash(key, value));
                let former = match leaf.map(|leaf| (self.arena.link(leaf), self.arena.hash(leaf))) {
                    Some((_, same)) if hash == Some(*same) => continue,
                    Some((Link::Leaf(place), _)) => place,
                    Some((Link::Inner { .. }, _)) => unreachable!("only leaves have keys"),
                    None if hash.is_none() => continue,
                    None => Place::NONE,
                };
                let place = frames.push(&Entry { key, value, former })?;
                live -= u64::from(former.len);
                if hash.is_some() {
                    live += u64::from(place.len);
                }
                match (leaf, hash) {
                    (Some(_), Some(hash)) => updates.push(Update { key, place, hash }),
                    (leaf, hash) => others.push((key, leaf, place, hash)),
                }
            }
        }
        edit.update(&updates);
        for (key, leaf, place, hash) in others {
            match (leaf, hash) {
                (_, Some(hash)) => {
                    let spot = edit.locate(key)?;
                    edit.put(key, &spot, place, hash);
                }
                (Some(leaf), None) => edit.remove(key, leaf),
                (None, None) => unreachable!("there is nothing to remove"),
            }
        }
        Ok((edit.finish(), live))
    }

    /// The newest height's leaf of each key, if there is one.
    fn leaves(&self, log: &Log, changes: &[Change<'_>]) -> Result<Vec<Option<NodeId>>, AppError> {
        let Some(Kept { version, root: Some(root), .. }) = self.window.newest() else {
            return Ok(vec![None; changes.len()]);
        };
        let known = |change: &Change<'_>| change.found.filter(|found| found.version == *version);
        let mut nearest =
            visit(&self.arena, *root, changes.iter().filter(|one| known(one).is_none()).map(|one| one.key))
                .into_iter();
        let leaf = |change: &Change<'_>| {
            if let Some(found) = known(change) {
                return Ok(Some(found.leaf));
            }
            let Some(leaf) = nearest.next() else { return Ok(None) };
            let Link::Leaf(place) = self.arena.link(leaf) else { unreachable!("the nearest is a leaf") };
            let record = log.record(&self.tail, place, self.arena.hash(leaf))?;
            Ok((record.key() == change.key).then_some(leaf))
        };
        changes.iter().map(leaf).collect()
    }

    /// Makes a change that is durable; returns the files that are needed no more.
    fn take_in(&mut self, staged: &Staged, written: Arc<[u8]>, pins: &BTreeMap<u64, usize>) -> Vec<u32> {
        let len = self.files.entry(staged.file).or_insert(0);
        let start = *len;
        *len += written.len() as u64;
        self.tail.push(staged.file, start, written);
        self.sequence = staged.sequence;
        self.live = staged.live;
        self.swept(staged);
        let root = staged.nodes.add_to(&mut self.arena);
        self.window.push(Kept {
            version: staged.version,
            root,
            hash: staged.nodes.hash,
            replaced: staged.nodes.replaced.clone(),
        });
        self.window.retire(&mut self.arena, pins);
        let oldest = self.window.oldest().map_or(0, |kept| kept.version);
        if let Some(first_file) = self.emptied.retire(oldest) {
            self.first_file = first_file;
        }
        // Only what a durable commit says is not needed may go: so that the log never begins before what is left of it.
        let kept = self.files.split_off(&staged.first_file);
        std::mem::replace(&mut self.files, kept).into_keys().collect()
    }
}

fn check_size(key: &[u8], value: Option<&[u8]>) -> Result<(), AppError> {
    if key.len() > MAX_KEY {
        return Err(AppError::Failed(format!("a key of {} bytes; at most {MAX_KEY} are allowed", key.len())));
    }
    match value.map(<[u8]>::len) {
        Some(len) if len > MAX_VALUE => {
            Err(AppError::Failed(format!("a value of {len} bytes; at most {MAX_VALUE} are allowed")))
        }
        _ => Ok(()),
    }
}
