//! A log before the database: a write is durable as soon as its bytes stand at the end of a file, and reaches the database later,
//! together with all that came meanwhile.
//!
//! A database transaction costs the same syncs whatever it holds, and only one goes on at a time: a vote, whose body must be durable
//! first, would wait until the blocks and results before it are written. Here it waits for one append. What is overwritten or
//! deleted before it is passed on never reaches the database at all.
//!
//! Readers find in memory what is not in the database yet. After a crash the log is read and passed on before anything else; the
//! database knows the number of the newest write that it has.

mod log;
mod overlay;

use std::{
    collections::BTreeMap,
    io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use althing_ledger::state::StateFiles;

use self::{
    log::{Encoded, Log},
    overlay::Overlay,
};
use super::{Batch, Entry, Store, StoreError, Table, bounds};

/// Under this key of [`Table::Log`] the database holds a version byte and the number of the newest write that reached it, u64 LE,
const PASSED_ON: &[u8] = b"passed on";
/// under this one, where the database may tear a batch, the number of the newest write that it was given, likewise,
const GIVEN: &[u8] = b"given";
/// and under this one a version byte and the salt of the log.
const SALT: &[u8] = b"salt";
const VERSION: u8 = 1;
/// So many bytes are passed on at once,
const FULL: usize = 4 << 20;
/// or what came in so long a time. Longer costs memory and time at the start after a crash, shorter more transactions.
const COLLECT: Duration = Duration::from_millis(500);
/// Writers wait while more than this is not passed on, counted as it lies in memory.
const MOST: usize = 48 << 20;

/// A [`Store`] behind a log.
pub struct WriteAhead {
    shared: Arc<Shared>,
    /// None where whoever writes passes on, too.
    thread: Option<JoinHandle<()>>,
    full: usize,
}

struct Shared {
    database: Arc<dyn Store>,
    path: PathBuf,
    /// Held while a write is made durable: writes stand in the log in the order in which readers see them. Before `waiting`.
    log: Mutex<Log>,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// One passes on at a time.
    passing: Mutex<()>,
}

/// What the log holds and the database does not.
#[derive(Default)]
struct Waiting {
    newest: Overlay,
    /// On its way to the database, and older.
    passing: Arc<Overlay>,
    /// How often something was begun to be passed on: from then on the database may show it.
    passed: u64,
    ends: bool,
    failed: Option<String>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        self.newest.bytes() + self.passing.bytes()
    }
}

impl WriteAhead {
    /// Reads the log in `files`, passes on what the database lacks, and from then on does so beside those who write. `path` is named in
    /// errors.
    pub fn open(
        database: Arc<dyn Store>,
        files: Arc<dyn StateFiles>,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let mut store = Self::open_in_turn(database, files, path, FULL)?;
        let shared = Arc::clone(&store.shared);
        let thread = thread::Builder::new().name("database".to_owned()).spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| shared.pass_all_on())).is_err() {
                // Else writers would wait for it.
                shared.fail("its thread panicked".to_owned());
            }
        });
        store.thread = Some(thread.map_err(StoreError::io("start a thread for", path))?);
        Ok(store)
    }

    /// As [`Self::open`], but whoever makes more than `full` bytes wait passes them on itself: for simulations.
    pub fn open_in_turn(
        database: Arc<dyn Store>,
        files: Arc<dyn StateFiles>,
        path: &Path,
        full: usize,
    ) -> Result<Self, StoreError> {
        let newest = fact(&*database, PASSED_ON, path)?.map_or(0, u64::from_le_bytes);
        let given = fact(&*database, GIVEN, path)?.map_or(0, u64::from_le_bytes);
        let salt = match fact(&*database, SALT, path)? {
            Some(salt) => salt,
            None => {
                let mut salt = [0; 16];
                getrandom::fill(&mut salt).expect("the operating system gives randomness");
                let mut batch = Batch::new();
                put_fact(&mut batch, SALT, &salt);
                database.write(batch)?;
                salt
            }
        };
        let mut found = Overlay::default();
        let log = Log::open(files, path, salt, newest, |sequence, batch| {
            found.take(batch);
            if found.bytes() < full {
                return Ok(());
            }
            pass(&*database, &mem::take(&mut found), sequence, given)
        })?;
        if log.sequence() < given {
            return Err(StoreError::Corrupt {
                path: path.to_owned(),
                what: format!(
                    "the log ends with write {}, and of those up to {given} the database may have a part",
                    log.sequence()
                ),
            });
        }
        if !found.is_empty() {
            pass(&*database, &found, log.sequence(), given)?;
        }
        log.older()?.remove()?;
        let shared = Shared {
            database,
            path: path.to_owned(),
            log: Mutex::new(log),
            waiting: Mutex::default(),
            changed: Condvar::new(),
            passing: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), thread: None, full })
    }
}

/// What is not passed on yet is safe in the log. The thread passes it on all the same, so that whoever opens the home next finds it empty.
impl Drop for WriteAhead {
    fn drop(&mut self) {
        self.shared.waiting().ends = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked left the log as it is.
            let _ = thread.join();
        }
    }
}

impl Store for WriteAhead {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let waiting = self.shared.waiting();
        let found = waiting.newest.get(table, key).or_else(|| waiting.passing.get(table, key)).cloned();
        drop(waiting);
        match found {
            Some(value) => Ok(value.map(Arc::unwrap_or_clone)),
            None => self.shared.database.get(table, key),
        }
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(bounds) = bounds(from, to) else { return Ok(Vec::new()) };
        loop {
            let waiting = self.shared.waiting();
            let mut found = BTreeMap::new();
            for overlay in [&*waiting.passing, &waiting.newest] {
                found.extend(overlay.range(table, bounds).map(|(key, value)| (key.clone(), value.clone())));
            }
            let passed = waiting.passed;
            drop(waiting);
            // Each key found here hides at most one there.
            let entries =
                self.shared.database.range(table, from, to, limit.saturating_add(found.len()), reverse)?;
            // Else newer writes may have come to the database than those seen here, and half of one would be seen.
            if self.shared.waiting().passed == passed {
                return Ok(overlay::merged(entries, found, limit, reverse));
            }
        }
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        self.shared.wait_for_room()?;
        let encoded = Encoded::new(&batch);
        let mut log = self.shared.log();
        log.append(encoded)?;
        let mut waiting = self.shared.waiting();
        let first = waiting.newest.is_empty();
        waiting.newest.take(batch);
        let full = waiting.newest.bytes() >= self.full;
        drop((waiting, log));
        if self.thread.is_none() {
            return if full { self.shared.pass_on() } else { Ok(()) };
        }
        if first || full {
            self.shared.changed.notify_all();
        }
        Ok(())
    }
}

impl Shared {
    /// Whoever panicked with a lock left what is behind it whole, or the log marked as failed.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for_room(&self) -> Result<(), StoreError> {
        let full = |waiting: &mut Waiting| waiting.bytes() > MOST && waiting.failed.is_none();
        let waiting = self.changed.wait_while(self.waiting(), full).unwrap_or_else(PoisonError::into_inner);
        waiting.failed.as_ref().map_or(Ok(()), |why| {
            let source = io::Error::other(format!("what was written before cannot be passed on: {why}"));
            Err(StoreError::Io { doing: "write to", path: self.path.clone(), source })
        })
    }

    /// Passes on what waits, as one transaction, and removes it from the log. If that fails, nothing is written any more.
    fn pass_on(&self) -> Result<(), StoreError> {
        let passed = self.try_pass_on();
        if let Err(error) = &passed {
            self.fail(error.to_string());
        }
        passed
    }

    fn fail(&self, why: String) {
        self.waiting().failed = Some(why);
        self.changed.notify_all();
    }

    fn try_pass_on(&self) -> Result<(), StoreError> {
        let _alone = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let (passing, sequence, older) = {
            let mut log = self.log();
            let mut waiting = self.waiting();
            // What failed to be passed on would be taken for passed on with what came after it.
            if waiting.newest.is_empty() || waiting.failed.is_some() {
                return Ok(());
            }
            waiting.passing = Arc::new(mem::take(&mut waiting.newest));
            waiting.passed += 1;
            (Arc::clone(&waiting.passing), log.sequence(), log.begin_file())
        };
        pass(&*self.database, &passing, sequence, 0)?;
        let mut waiting = self.waiting();
        waiting.passing = Arc::default();
        drop(waiting);
        self.changed.notify_all();
        if let Err(error) = older.remove() {
            // Its writes are passed over at the next start, and it is removed then.
            tracing::warn!(%error, "a file of the log stays");
        }
        Ok(())
    }

    /// The thread's work, until the store is dropped or something fails.
    fn pass_all_on(&self) {
        loop {
            let waiting = self.waiting();
            let idle = |waiting: &mut Waiting| waiting.newest.is_empty() && !waiting.ends;
            let waiting = self.changed.wait_while(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            let collecting = |waiting: &mut Waiting| waiting.newest.bytes() < FULL && !waiting.ends;
            let waited = self.changed.wait_timeout_while(waiting, COLLECT, collecting);
            let ends = waited.unwrap_or_else(PoisonError::into_inner).0.ends;
            if let Err(error) = self.pass_on() {
                tracing::error!(%error, "the database takes nothing more from the log before it");
                return;
            }
            if ends {
                return;
            }
        }
    }
}

/// Brings the database what waits, with the number of the newest write among it. One that keeps only a part of a batch when its power is cut
/// is told that number once it has all, and is given the whole again until then: with another number, below which the log must not end
/// and which never falls: `given` is what it was.
fn pass(database: &dyn Store, waiting: &Overlay, sequence: u64, given: u64) -> Result<(), StoreError> {
    let mut batch = waiting.to_batch();
    if !database.tears() {
        put_fact(&mut batch, PASSED_ON, &sequence.to_le_bytes());
        return database.write(batch);
    }
    put_fact(&mut batch, GIVEN, &sequence.max(given).to_le_bytes());
    database.write(batch)?;
    let mut batch = Batch::new();
    put_fact(&mut batch, PASSED_ON, &sequence.to_le_bytes());
    database.write(batch)
}

fn put_fact(batch: &mut Batch, key: &[u8], bytes: &[u8]) {
    batch.put(Table::Log, key, [&[VERSION], bytes].concat());
}

fn fact<const N: usize>(
    database: &dyn Store,
    key: &[u8],
    path: &Path,
) -> Result<Option<[u8; N]>, StoreError> {
    let Some(bytes) = database.get(Table::Log, key)? else { return Ok(None) };
    match bytes.split_first().map(|(version, bytes)| (*version, bytes.try_into())) {
        Some((VERSION, Ok(bytes))) => Ok(Some(bytes)),
        _ => Err(StoreError::Corrupt {
            path: path.to_owned(),
            what: format!("the database holds {} bytes that are no {}", bytes.len(), key.escape_ascii()),
        }),
    }
}

#[cfg(test)]
mod tests;
