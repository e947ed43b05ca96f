//! The promises of [`Store`], checked on every database; and those that only a database with a disk can break.

use super::*;
use althing_ledger::state::MemoryFiles;
use std::{path::Path, sync::Arc, thread};

mod directory;
mod panics;
mod power_cut;

/// The log names tables by their numbers.
#[test]
fn every_table_stands_at_its_number() {
    for (number, table) in Table::ALL.into_iter().enumerate() {
        assert_eq!(table as usize, number, "{table:?}");
    }
}

/// One test per promise and database, so that a failure names both.
macro_rules! promises {
    ($($database:ident => $open:expr;)*) => { $(mod $database {
        use super::*;

        fn check(promise: fn(&dyn Store)) {
            let home = tempfile::tempdir().unwrap();
            let open: fn(&Path) -> Box<dyn Store> = $open;
            promise(&*open(&home.path().join("database")));
        }

        #[test] fn puts_and_deletes() { check(super::puts_and_deletes); }
        #[test] fn keeps_tables_apart() { check(super::keeps_tables_apart); }
        #[test] fn lets_the_later_change_count() { check(super::lets_the_later_change_count); }
        #[test] fn ranges() { check(super::ranges); }
        #[test] fn holds_large_values() { check(super::holds_large_values); }
        #[test] fn replaces_values_of_any_length() { check(super::replaces_values_of_any_length); }
        #[test] fn shows_a_batch_whole() { check(super::shows_a_batch_whole); }
    })* };
}

promises! {
    memory => |_| Box::new(MemoryStore::new());
    redb => |path| Box::new(RedbStore::create(path).unwrap());
    redb_on_a_backend_of_ones_own => |path| {
        Box::new(RedbStore::on_backend(::redb::backends::InMemoryBackend::new(), path).unwrap())
    };
    sled => |path| Box::new(SledStore::create(path).unwrap());
    log_before_redb => |path| Box::new(logged(Arc::new(RedbStore::create(path).unwrap()), None));
    log_that_holds_all => |_| Box::new(logged(Arc::new(MemoryStore::new()), Some(usize::MAX)));
    log_that_holds_nothing => |_| Box::new(logged(Arc::new(MemoryStore::new()), Some(1)));
    log_that_holds_some => |_| Box::new(logged(Arc::new(MemoryStore::new()), Some(600)));
}

/// A log in memory before this database.
fn logged(database: Arc<dyn Store>, full: Option<usize>) -> WriteAhead {
    let (files, path) = (Arc::new(MemoryFiles::new()), Path::new("log"));
    match full {
        None => WriteAhead::open(database, files, path),
        Some(full) => WriteAhead::open_in_turn(database, files, path, full),
    }
    .unwrap()
}

fn put(store: &dyn Store, table: Table, entries: &[(&[u8], &[u8])]) {
    let mut batch = Batch::new();
    for (key, value) in entries {
        batch.put(table, *key, *value);
    }
    store.write(batch).unwrap();
}

fn puts_and_deletes(store: &dyn Store) {
    let get = |key: &[u8]| store.get(Table::Meta, key).unwrap();
    assert_eq!(get(b"a"), None);
    put(store, Table::Meta, &[(b"a", b"1"), (b"b", b""), (b"", b"key of no bytes")]);
    assert_eq!(get(b"a"), Some(b"1".to_vec()));
    assert_eq!(get(b"b"), Some(Vec::new()));
    assert_eq!(get(b""), Some(b"key of no bytes".to_vec()));

    let mut batch = Batch::new();
    assert!(batch.is_empty());
    batch.put(Table::Meta, "a", "2");
    batch.delete(Table::Meta, "b");
    batch.delete(Table::Meta, "never there");
    assert_eq!(batch.len(), 3);
    store.write(batch).unwrap();
    assert_eq!(get(b"a"), Some(b"2".to_vec()));
    assert_eq!(get(b"b"), None);

    store.write(Batch::new()).unwrap();
    assert_eq!(get(b"a"), Some(b"2".to_vec()));
}

fn keeps_tables_apart(store: &dyn Store) {
    // What a log notes in its own table is nobody else's.
    let tables = || Table::ALL.into_iter().filter(|table| *table != Table::Log);
    for table in tables() {
        put(store, table, &[(b"key", table.name().as_bytes()), (&[0xff; 40], b"last")]);
    }
    for table in tables() {
        assert_eq!(store.get(table, b"key").unwrap(), Some(table.name().as_bytes().to_vec()));
        let expected =
            vec![(b"key".to_vec(), table.name().as_bytes().to_vec()), (vec![0xff; 40], b"last".to_vec())];
        assert_eq!(store.range(table, b"", b"", 10, false).unwrap(), expected);
    }
    let mut batch = Batch::new();
    batch.delete(Table::Blocks, "key");
    store.write(batch).unwrap();
    assert_eq!(store.get(Table::Blocks, b"key").unwrap(), None);
    assert!(store.get(Table::BlockIndex, b"key").unwrap().is_some());
}

fn lets_the_later_change_count(store: &dyn Store) {
    let mut batch = Batch::new();
    batch.put(Table::Results, "put last", "1");
    batch.delete(Table::Results, "put last");
    batch.put(Table::Results, "put last", "2");
    batch.put(Table::Results, "deleted last", "1");
    batch.put(Table::Meta, "between", "1");
    batch.delete(Table::Results, "deleted last");
    store.write(batch).unwrap();
    assert_eq!(store.get(Table::Results, b"put last").unwrap(), Some(b"2".to_vec()));
    assert_eq!(store.get(Table::Results, b"deleted last").unwrap(), None);
}

fn ranges(store: &dyn Store) {
    let keys: [&[u8]; 6] = [b"a", b"b", b"b\x00", b"ba", b"c", b"\xff\xff"];
    for key in keys {
        put(store, Table::BlockIndex, &[(key, &[key, b"!"].concat())]);
    }
    put(store, Table::Blocks, &[(b"b", b"of the table before")]);
    put(store, Table::Certificates, &[(b"b", b"of the table behind")]);

    type Step<'a> = (&'a [u8], &'a [u8], usize, bool, &'a [usize]);
    let steps: [Step; 13] = [
        // from, to, limit, reverse, positions in `keys`
        (b"", b"", 10, false, &[0, 1, 2, 3, 4, 5]),
        (b"", b"", 10, true, &[5, 4, 3, 2, 1, 0]),
        (b"b", b"c", 10, false, &[1, 2, 3]),
        (b"b", b"c", 10, true, &[3, 2, 1]),
        (b"b", b"c", 2, false, &[1, 2]),
        (b"b", b"c", 2, true, &[3, 2]),
        (b"aa", b"bb", 10, false, &[1, 2, 3]),
        (b"c", b"", 10, false, &[4, 5]),
        (b"d", b"", 1, true, &[5]),
        (b"", b"", 0, false, &[]),
        (b"b", b"b", 10, false, &[]),
        (b"c", b"b", 10, true, &[]),
        (b"\xff\xff\xff", b"", 10, false, &[]),
    ];
    for (from, to, limit, reverse, positions) in steps {
        let expected: Vec<Entry> =
            positions.iter().map(|&i| (keys[i].to_vec(), [keys[i], b"!"].concat())).collect();
        let found = store.range(Table::BlockIndex, from, to, limit, reverse).unwrap();
        assert_eq!(found, expected, "{from:?}..{to:?} limit {limit} reverse {reverse}");
    }
}

fn holds_large_values(store: &dyn Store) {
    let large: Vec<u8> = (0..3_000_000u32).map(|i| (i % 251) as u8).collect();
    put(store, Table::Blocks, &[(b"large", &large), (b"small", b"1")]);
    put(store, Table::Blocks, &[(b"other", &large[1..])]);
    assert!(store.get(Table::Blocks, b"large").unwrap().as_deref() == Some(&large));
    assert!(store.get(Table::Blocks, b"other").unwrap().as_deref() == Some(&large[1..]));
    assert_eq!(store.get(Table::Blocks, b"small").unwrap(), Some(b"1".to_vec()));
}

/// Shorter and longer, around the lengths at which a database may begin to keep them otherwise.
fn replaces_values_of_any_length(store: &dyn Store) {
    let value = |len: usize| -> Vec<u8> { (0..len).map(|i| (i % 249) as u8 ^ len as u8).collect() };
    let piece = (128 << 10) - 256;
    let edges = (1..4).flat_map(|pieces| (0..4).map(move |less| pieces * piece - 8 * less));
    for len in edges.chain([5, 3 * piece - 8, 0, piece - 8, 2 * piece, piece - 9, 1 << 20, 1]) {
        let (short, long) = (value(len / 2), value(len));
        put(store, Table::Blocks, &[(b"a", &long), (b"b", &short)]);
        put(store, Table::Results, &[(b"a", &short)]);
        assert!(store.get(Table::Blocks, b"a").unwrap().as_ref() == Some(&long), "{len}");
        assert!(store.get(Table::Results, b"a").unwrap().as_ref() == Some(&short), "{len}");
        let all = store.range(Table::Blocks, b"", b"", 9, false).unwrap();
        assert!(all == [(b"a".to_vec(), long), (b"b".to_vec(), short)], "{len}");
    }
    put(store, Table::Blocks, &[(b"a", &value(3 * piece))]);
    let mut batch = Batch::new();
    batch.delete(Table::Blocks, "a");
    store.write(batch).unwrap();
    assert_eq!(store.get(Table::Blocks, b"a").unwrap(), None);
    put(store, Table::Blocks, &[(b"a", &value(piece - 8))]);
    assert!(
        store.get(Table::Blocks, b"a").unwrap() == Some(value(piece - 8)),
        "nothing is left of the one before"
    );
}

fn shows_a_batch_whole(store: &dyn Store) {
    // Enough for many pages of any of the databases.
    let keys: Vec<[u8; 1]> = (0..=255).map(|key| [key]).collect();
    let put_all = |round: u8| {
        let value = [round; 200];
        put(store, Table::Results, &keys.iter().map(|key| (&key[..], &value[..])).collect::<Vec<_>>());
    };
    put_all(0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            (1..30).for_each(put_all);
        });
        while !writer.is_finished() {
            let seen = store.range(Table::Results, b"", b"", 1000, false).unwrap();
            assert_eq!(seen.len(), keys.len());
            let rounds: Vec<u8> = seen.iter().map(|(_, value)| value[0]).collect();
            assert!(rounds.iter().all(|round| *round == rounds[0]), "half a batch: {rounds:?}");
        }
    });
    assert_eq!(store.get(Table::Results, &[255]).unwrap(), Some(vec![29; 200]));
}

#[test]
fn a_database_keeps_what_was_written_when_opened_again() {
    type Open = fn(&Path) -> Result<Arc<dyn Store>, StoreError>;
    let databases: [(Open, Open); 2] = [
        (|path| Ok(Arc::new(RedbStore::create(path)?)), |path| Ok(Arc::new(RedbStore::open(path)?))),
        (|path| Ok(Arc::new(SledStore::create(path)?)), |path| Ok(Arc::new(SledStore::open(path)?))),
    ];
    for (create, open) in databases {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("database");
        assert!(matches!(open(&path), Err(StoreError::Io { doing: "open", .. })), "none is there");
        let large = vec![7; 2_000_000];
        put(&*create(&path).unwrap(), Table::Results, &[(b"key", b"value"), (b"large", &large)]);
        assert!(matches!(create(&path), Err(StoreError::Io { doing: "create", .. })), "one is there");
        let store = open(&path).unwrap();
        assert_eq!(store.get(Table::Results, b"key").unwrap(), Some(b"value".to_vec()));
        assert!(store.get(Table::Results, b"large").unwrap() == Some(large));
    }
}
