use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Barrier, Once},
};

use althing_crypto::sha256;

use super::*;
use crate::storage::{Hooked, MemoryStore};

mod damage;

const PATH: &str = "data/log";

/// A machine whose disk fails at an operation chosen before, and keeps an arbitrary part of what was not synced when its power is cut.
#[derive(Default)]
struct Machine {
    database: Arc<MemoryStore>,
    files: Mutex<BTreeMap<u32, Sheet>>,
    removed: Mutex<BTreeMap<u32, Sheet>>,
    left: AtomicUsize,
    /// The database may tear batches.
    tears: bool,
}

#[derive(Clone, Default)]
struct Sheet {
    bytes: Vec<u8>,
    synced: usize,
}

impl Machine {
    fn spend(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the power is gone"))
    }

    /// The machine after the power is back.
    fn restored(&self, mut seed: u64) -> Arc<Self> {
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % below
        };
        let mut files = self.files.lock().unwrap().clone();
        for (number, sheet) in &*self.removed.lock().unwrap() {
            if random(2) == 0 {
                files.insert(*number, sheet.clone());
            }
        }
        for sheet in files.values_mut() {
            let kept = random(sheet.bytes.len() - sheet.synced + 1);
            match random(3) {
                0 => sheet.bytes.truncate(sheet.synced),
                1 => sheet.bytes.truncate(sheet.synced + kept),
                // The length, and not what stands there.
                _ => sheet.bytes[sheet.synced + kept..].fill(0),
            }
            sheet.synced = sheet.bytes.len();
        }
        let database = MemoryStore::new();
        let mut batch = contents(&*self.database);
        for (key, value) in self.database.range(Table::Log, b"", b"", 9, false).unwrap() {
            batch.put(Table::Log, key, value);
        }
        database.write(batch).unwrap();
        let database = Arc::new(database);
        Arc::new(Self { database, files: files.into(), tears: self.tears, ..Self::default() })
    }

    /// Each write to the database is one operation.
    fn open(self: &Arc<Self>, operations: usize, full: usize) -> Result<WriteAhead, StoreError> {
        self.left.store(operations, Ordering::SeqCst);
        let machine = self.clone();
        let write = move |kept: &dyn Store, batch| {
            machine.spend().map_err(StoreError::io("write to", "database"))?;
            kept.write(batch)
        };
        let database =
            Hooked { write: Box::new(write), tears: self.tears, ..Hooked::over(self.database.clone()) };
        WriteAhead::open_in_turn(Arc::new(database), self.clone(), Path::new(PATH), full)
    }

    fn file_count(&self) -> usize {
        self.files.lock().unwrap().len()
    }
}

impl StateFiles for Machine {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.files.lock().unwrap().keys().copied().collect())
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        Ok(self.files.lock().unwrap().get(&file).ok_or(io::ErrorKind::NotFound)?.bytes.len() as u64)
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let files = self.files.lock().unwrap();
        out.copy_from_slice(&files[&file].bytes[offset as usize..][..out.len()]);
        Ok(())
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        let half = bytes.len() / 2;
        for part in [&bytes[..half], &bytes[half..]] {
            self.spend()?;
            self.files.lock().unwrap().entry(file).or_default().bytes.extend_from_slice(part);
        }
        Ok(())
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.spend()?;
        self.removed.lock().unwrap().clear();
        let mut files = self.files.lock().unwrap();
        let sheet = files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
        sheet.synced = sheet.bytes.len();
        Ok(())
    }

    fn truncate(&self, _: u32, _: u64) -> io::Result<()> {
        unreachable!("the log only grows")
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.spend()?;
        let sheet = self.files.lock().unwrap().remove(&file).ok_or(io::ErrorKind::NotFound)?;
        self.removed.lock().unwrap().insert(file, sheet);
        Ok(())
    }
}

/// All entries but the log's own.
fn contents(store: &dyn Store) -> Batch {
    let mut batch = Batch::new();
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Log) {
        for (key, value) in store.range(table, b"", b"", usize::MAX, false).unwrap() {
            batch.put(table, key, value);
        }
    }
    batch
}

/// Write `n` says so in two tables, brings a block and removes the one before.
fn nth(n: u8) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Meta, "height", [n]);
    batch.put(Table::Blocks, [n], vec![n; 300]);
    batch.delete(Table::Blocks, [n - 1]);
    batch.put(Table::Results, "height", [n]);
    batch
}

/// The last write that the store shows, all of it and nothing else.
fn last(store: &dyn Store) -> u8 {
    let height = |table| store.get(table, b"height").unwrap().map_or(0, |value| value[0]);
    let n = height(Table::Meta);
    assert_eq!(height(Table::Results), n);
    let blocks: Vec<Entry> = if n == 0 { vec![] } else { vec![(vec![n], vec![n; 300])] };
    assert_eq!(store.range(Table::Blocks, b"", b"", 10, false).unwrap(), blocks);
    n
}

#[test]
fn nothing_acknowledged_is_lost_wherever_the_power_fails() {
    [false, true].into_iter().for_each(cut_everywhere);
}

fn cut_everywhere(tears: bool) {
    const WRITES: u8 = 6;
    // About two writes go to the database together.
    const FULL: usize = 1_200;
    let (mut cut, mut unacknowledged, mut back) = (0, 0, 0);
    loop {
        let machine = Arc::new(Machine { tears, ..Machine::default() });
        let mut acknowledged = 0;
        if let Ok(store) = machine.open(cut, FULL) {
            while acknowledged < WRITES && store.write(nth(acknowledged + 1)).is_ok() {
                acknowledged += 1;
            }
            let refused = acknowledged < WRITES && store.write(nth(acknowledged + 1)).is_err();
            assert!(refused || acknowledged == WRITES, "cut {cut}: who has failed takes no more");
        }
        for seed in 0..8 {
            let restored = machine.restored(seed);
            // Cut once more while it recovers: that loses nothing either.
            for again in 0..4 {
                let _ = restored.open(again, FULL);
            }
            let restored = restored.restored(seed + 1);
            back += restored.file_count();
            let store =
                restored.open(usize::MAX, FULL).unwrap_or_else(|e| panic!("cut {cut} seed {seed}: {e}"));
            let found = last(&store);
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "cut {cut} seed {seed}: acknowledged {acknowledged}, found {found}"
            );
            unacknowledged += usize::from(found == acknowledged && acknowledged < WRITES);
            store.write(nth(found + 1)).unwrap();
            assert_eq!(last(&store), found + 1);
            drop(store);
            let store = restored.restored(seed).open(usize::MAX, FULL).unwrap();
            assert_eq!(last(&store), found + 1);
        }
        if acknowledged == WRITES {
            break;
        }
        cut += 1;
    }
    assert!(cut > 20 && unacknowledged > 20 && back > 20, "{cut} cuts, {unacknowledged} lost, {back} files");
}

#[test]
fn what_is_overwritten_before_it_is_passed_on_never_reaches_the_database() {
    let machine = Arc::new(Machine::default());
    let store = machine.open(usize::MAX, usize::MAX).unwrap();
    for n in 1..=5 {
        store.write(nth(n)).unwrap();
    }
    assert!(contents(&*machine.database).is_empty());
    store.shared.pass_on().unwrap();
    let blocks = machine.database.range(Table::Blocks, b"", b"", 10, false).unwrap();
    assert_eq!(blocks, [(vec![5], vec![5; 300])]);
    assert_eq!((last(&store), machine.file_count()), (5, 0));
}

#[test]
fn entries_that_are_hardly_anything_but_keys_count_as_what_they_take() {
    let machine = Arc::new(Machine::default());
    let store = machine.open(usize::MAX, 10 * overlay::ENTRY).unwrap();
    let delete = |n: u8| {
        let mut batch = Batch::new();
        batch.delete(Table::Blocks, [n]);
        store.write(batch).unwrap();
    };
    (1..10).for_each(delete);
    let passed_on = || machine.database.get(Table::Log, PASSED_ON).unwrap().is_some();
    assert!(!passed_on());
    delete(10);
    assert!(passed_on());
}

#[test]
fn a_write_stands_in_the_log_as_it_is_told() {
    let (files, path) =
        (Arc::new(Machine { left: usize::MAX.into(), ..Machine::default() }), Path::new(PATH));
    let mut log = Log::open(files.clone(), path, [7; 16], 41, |_, _| Ok(())).unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Blocks, "k", "ab");
    batch.delete(Table::Meta, "old");
    log.append(Encoded::new(&batch)).unwrap();
    let changes = b"\x02\0\0\0\x01\x01\0\0\0k\x01\x02\0\0\0ab\0\x03\0\0\0old\0";
    let head = [&[7; 16][..], &42u64.to_le_bytes(), &26u32.to_le_bytes()].concat();
    let checksum = sha256(&[&head[..], sha256(changes).as_bytes()].concat());
    let bytes = [&head[..], checksum.as_bytes(), changes].concat();
    assert_eq!(files.files.lock().unwrap()[&1].bytes, bytes);
}

#[test]
fn a_database_that_takes_nothing_more_is_told_to_the_next_writer() {
    let machine = Arc::new(Machine::default());
    // One for the salt; three operations make a write durable; the database's is the next.
    let store = machine.open(4, 1).unwrap();
    assert!(store.write(nth(1)).is_err());
    assert_eq!(last(&store), 1, "it is in the log, and readers see it");
    machine.left.store(usize::MAX, Ordering::SeqCst);
    let error = store.write(nth(2)).unwrap_err().to_string();
    assert!(error.contains("cannot be passed on: cannot write to database: the power is gone"), "{error}");
    drop(store);
    assert_eq!(last(&machine.open(usize::MAX, 1).unwrap()), 1);
}

#[test]
fn writers_do_not_wait_for_the_database_and_readers_see_every_write() {
    let memory = Arc::new(MemoryStore::new());
    let [begun, let_go] = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let database = {
        let (begun, let_go, taken) = (begun.clone(), let_go.clone(), AtomicUsize::new(0));
        let write = move |kept: &dyn Store, batch| {
            // The first is the salt, the second waits.
            if taken.fetch_add(1, Ordering::SeqCst) == 1 {
                begun.wait();
                let_go.wait();
            }
            kept.write(batch)
        };
        Hooked { write: Box::new(write), ..Hooked::over(memory.clone()) }
    };
    let files = Arc::new(Machine { left: usize::MAX.into(), ..Machine::default() });
    let store = WriteAhead::open(Arc::new(database), files.clone(), Path::new(PATH)).unwrap();
    store.write(nth(1)).unwrap();
    begun.wait();
    for n in 2..=4 {
        store.write(nth(n)).unwrap();
        assert_eq!(last(&store), n);
    }
    assert!(contents(&*memory).is_empty());
    let_go.wait();
    drop(store);
    assert_eq!((last(&*memory), files.file_count()), (4, 0), "the thread leaves nothing in the log");
}

/// What is on its way must be hidden from whoever looked at what waits before it left: the database shows it already, and memory, as it was
/// seen, the writes before it.
#[test]
fn a_reader_sees_no_half_of_a_write_that_reaches_the_database_meanwhile() {
    let [looked, there, read] = [(); 3].map(|()| Arc::new(Barrier::new(2)));
    let (first, taken) = (Once::new(), AtomicUsize::new(0));
    let range = {
        let (looked, there) = (looked.clone(), there.clone());
        move || {
            first.call_once(|| {
                looked.wait();
                there.wait();
            });
        }
    };
    let write = {
        let (there, read) = (there.clone(), read.clone());
        move |kept: &dyn Store, batch| {
            kept.write(batch)?;
            // The salt, and what waited: then it is there.
            if taken.fetch_add(1, Ordering::SeqCst) == 1 {
                there.wait();
                read.wait();
            }
            Ok(())
        }
    };
    let memory = Arc::new(MemoryStore::new());
    let database = Hooked { range: Box::new(range), write: Box::new(write), ..Hooked::over(memory) };
    let files = Arc::new(Machine { left: usize::MAX.into(), ..Machine::default() });
    let store = WriteAhead::open_in_turn(Arc::new(database), files, Path::new(PATH), usize::MAX).unwrap();
    store.write(nth(1)).unwrap();
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| store.range(Table::Blocks, b"", b"", 10, false).unwrap());
        looked.wait();
        store.write(nth(2)).unwrap();
        scope.spawn(|| store.shared.pass_on().unwrap());
        let seen = reader.join().unwrap();
        read.wait();
        seen
    });
    assert_eq!(seen, [(vec![2], vec![2; 300])]);
}

/// A database that keeps of a batch, when its power is cut after so many writes, all but the values of a table: as one may that has large
/// values in files apart.
fn tearing(memory: &Arc<MemoryStore>, writes: usize) -> Hooked {
    let left = AtomicUsize::new(writes);
    let write = move |kept: &dyn Store, batch: Batch| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return kept.write(batch);
        }
        let mut part = Batch::new();
        for (table, key, value) in batch.changes().filter(|(table, ..)| *table != Table::Blocks) {
            match value {
                Some(value) => part.put(table, key, value),
                None => part.delete(table, key),
            }
        }
        kept.write(part)?;
        Err(StoreError::io("write to", "database")(io::Error::other("the power is gone")))
    };
    Hooked { write: Box::new(write), tears: true, ..Hooked::over(memory.clone()) }
}

#[test]
fn what_a_database_tore_is_passed_on_again() {
    let (memory, files) = (Arc::new(MemoryStore::new()), Arc::new(Machine::default()));
    files.left.store(usize::MAX, Ordering::SeqCst);
    let open = |writes| {
        let database = Arc::new(tearing(&memory, writes));
        WriteAhead::open_in_turn(database, files.clone(), Path::new(PATH), usize::MAX).unwrap()
    };
    let store = open(1);
    (1..=3).for_each(|n| store.write(nth(n)).unwrap());
    assert!(store.shared.pass_on().is_err());
    drop(store);
    assert_eq!(memory.get(Table::Blocks, &[3]).unwrap(), None, "torn");
    assert_eq!(last(&open(usize::MAX)), 3);
}

#[test]
fn a_thread_that_panicked_is_told_to_the_next_writer() {
    let write = |kept: &dyn Store, batch: Batch| {
        assert!(batch.changes().all(|(table, ..)| table == Table::Log), "a defect");
        kept.write(batch)
    };
    let database = Hooked { write: Box::new(write), ..Hooked::over(Arc::new(MemoryStore::new())) };
    let files = Arc::new(Machine { left: usize::MAX.into(), ..Machine::default() });
    let store = WriteAhead::open(Arc::new(database), files, Path::new(PATH)).unwrap();
    store.write(nth(1)).unwrap();
    let unknown = |waiting: &mut Waiting| waiting.failed.is_none();
    drop(store.shared.changed.wait_while(store.shared.waiting(), unknown).unwrap());
    let error = store.write(nth(2)).unwrap_err().to_string();
    assert!(error.contains("its thread panicked"), "{error}");
    assert_eq!(last(&store), 1);
}

#[test]
fn what_came_after_a_failure_is_not_passed_on_and_is_there_after_a_restart() {
    let machine = Arc::new(Machine::default());
    // One for the salt, three for each of two writes; the database's is the next.
    let store = machine.open(1 + 3 * 2, usize::MAX).unwrap();
    (1..=2).for_each(|n| store.write(nth(n)).unwrap());
    assert!(store.shared.pass_on().is_err());
    machine.left.store(usize::MAX, Ordering::SeqCst);
    // Who had asked for room before goes on.
    let mut late = Batch::new();
    late.put(Table::Certificates, "late", [1]);
    store.shared.log().append(Encoded::new(&late)).unwrap();
    store.shared.waiting().newest.take(late);
    store.shared.pass_on().unwrap();
    let seen = |store: &WriteAhead| (last(store), store.get(Table::Certificates, b"late").unwrap());
    assert_eq!(seen(&store), (2, Some(vec![1])));
    assert!(contents(&*machine.database).is_empty());
    drop(store);
    assert_eq!(seen(&machine.open(usize::MAX, usize::MAX).unwrap()), (2, Some(vec![1])));
}

#[test]
fn a_file_that_cannot_be_removed_stops_nobody() {
    let machine = Arc::new(Machine::default());
    // The salt, a write, and what is passed on of it: then the removal fails.
    let store = machine.open(1 + 3 + 1, usize::MAX).unwrap();
    store.write(nth(1)).unwrap();
    store.shared.pass_on().unwrap();
    machine.left.store(usize::MAX, Ordering::SeqCst);
    store.write(nth(2)).unwrap();
    assert_eq!((last(&store), machine.file_count()), (2, 2));
    drop(store);
    assert_eq!(last(&machine.open(usize::MAX, usize::MAX).unwrap()), 2);
    assert_eq!(machine.file_count(), 0);
}

#[test]
fn a_log_that_failed_takes_nothing_more() {
    let machine = Arc::new(Machine::default());
    // The salt, a write, and half of another.
    let store = machine.open(1 + 3 + 1, usize::MAX).unwrap();
    store.write(nth(1)).unwrap();
    assert!(store.write(nth(2)).is_err());
    machine.left.store(usize::MAX, Ordering::SeqCst);
    assert!(store.write(nth(2)).is_err(), "what stands there is not known");
    assert_eq!(last(&store), 1);
    drop(store);
    assert_eq!(last(&machine.open(usize::MAX, usize::MAX).unwrap()), 1);
}
