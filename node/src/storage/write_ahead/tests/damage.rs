//! A log that a bad disk or a wrong hand has changed.

use super::*;

fn written() -> Arc<Machine> {
    let machine = Arc::new(Machine::default());
    let store = machine.open(usize::MAX, usize::MAX).unwrap();
    (1..=3).for_each(|n| store.write(nth(n)).unwrap());
    machine
}

fn len(machine: &Machine, file: u32) -> usize {
    machine.files.lock().unwrap()[&file].bytes.len()
}

fn rot(machine: &Machine, file: u32, at: usize) {
    machine.files.lock().unwrap().get_mut(&file).unwrap().bytes[at] ^= 1;
}

fn opened(machine: &Arc<Machine>) -> u8 {
    last(&machine.open(usize::MAX, usize::MAX).unwrap())
}

fn refused(machine: &Arc<Machine>) -> String {
    match machine.open(usize::MAX, usize::MAX) {
        Err(StoreError::Corrupt { path, what }) if path == Path::new(PATH) => what,
        Err(other) => panic!("{other}"),
        Ok(store) => panic!("opened at {}", last(&store)),
    }
}

#[test]
fn a_log_that_is_damaged_elsewhere_than_at_its_end_is_refused() {
    let len = len(&written(), 1);
    for at in [100, len / 3 + 100] {
        let machine = written();
        rot(&machine, 1, at);
        assert_eq!(refused(&machine), "file 1 of the log: a write in its middle is damaged");
    }
    let machine = written();
    machine.files.lock().unwrap().get_mut(&1).unwrap().bytes.drain(..len / 3);
    assert_eq!(refused(&machine), "write 2 follows write 0: what was between them is lost");
    // Wherever the whole one is, and whatever is damaged: here a length, there two writes one behind the other.
    let six = || {
        let machine = written();
        let store = machine.open(usize::MAX, usize::MAX).unwrap();
        (4..=9).for_each(|n| store.write(nth(n)).unwrap());
        machine
    };
    let one = self::len(&six(), 2) / 6;
    for damaged in [vec![one + 24], vec![one + 100, 2 * one + 100]] {
        let machine = six();
        damaged.into_iter().for_each(|at| rot(&machine, 2, at));
        assert_eq!(refused(&machine), "file 2 of the log: a write in its middle is damaged");
    }
    // At the very end it cannot be told from a write that a crash left half done.
    let machine = written();
    rot(&machine, 1, len - 1);
    assert_eq!(opened(&machine), 2);
}

#[test]
fn a_whole_write_is_found_wherever_it_begins_behind_a_damaged_one() {
    const LOOK: usize = 1 << 20;
    let large = |len: usize| {
        let mut batch = Batch::new();
        batch.put(Table::Results, "large", vec![7; len]);
        batch
    };
    let probe = Arc::new(Machine::default());
    probe.open(usize::MAX, usize::MAX).unwrap().write(large(1_000)).unwrap();
    let around = len(&probe, 1) - 1_000;
    for begins in [LOOK - 17, LOOK - 16, LOOK - 15, LOOK - 1, LOOK, LOOK + 1, 2 * LOOK - 1, 2 * LOOK + 5] {
        let machine = Arc::new(Machine::default());
        let store = machine.open(usize::MAX, usize::MAX).unwrap();
        store.write(large(begins - around)).unwrap();
        store.write(nth(1)).unwrap();
        drop(store);
        rot(&machine, 1, begins / 2);
        assert_eq!(refused(&machine), "file 1 of the log: a write in its middle is damaged", "{begins}");
    }
}

/// Its salt is another: the database was restored from another home's copy, or lost what it knows the log by.
#[test]
fn a_log_of_another_home_is_refused_and_kept() {
    let (other, mine) = (written(), Arc::new(Machine::default()));
    assert_eq!(opened(&mine), 0);
    *mine.files.lock().unwrap() = other.files.lock().unwrap().clone();
    for _ in 0..2 {
        let told = refused(&mine);
        assert!(told.starts_with("file 1 of the log: it was not written beside this database, or"), "{told}");
        assert_eq!(mine.file_count(), 1);
    }
    *mine.files.lock().unwrap() = BTreeMap::new();
    assert_eq!(opened(&mine), 0);
}

/// What a power cut leaves of a first write: nothing, or so much of it, and zeros in the place of the rest.
#[test]
fn a_first_write_cut_short_anywhere_is_passed_over() {
    let whole = written();
    let len = len(&whole, 1) / 3;
    for (kept, shown) in [0, 1, 15, 16, 17, len - 1].into_iter().flat_map(|kept| [(kept, kept), (kept, len)])
    {
        let machine = whole.restored(0);
        let sheet = Sheet { bytes: whole.files.lock().unwrap()[&1].bytes[..shown].to_vec(), synced: shown };
        machine.files.lock().unwrap().insert(1, sheet);
        machine.files.lock().unwrap().get_mut(&1).unwrap().bytes[kept..].fill(0);
        assert_eq!(opened(&machine), 0, "{kept} of {shown}");
    }
}

#[test]
fn damage_in_what_the_database_has_stops_nobody() {
    // Its file was to be removed; a power cut brought it back.
    let machine = written();
    let before = machine.files.lock().unwrap().clone();
    let third = len(&machine, 1) / 3;
    assert_eq!(opened(&machine), 3);
    for at in [third + 100, 5] {
        *machine.files.lock().unwrap() = before.clone();
        rot(&machine, 1, at);
        assert_eq!(opened(&machine), 3);
    }
    // A disk may show behind a file's synced end what lay there before: a write of a file that was removed.
    let store = machine.open(usize::MAX, usize::MAX).unwrap();
    store.write(nth(4)).unwrap();
    let file = *machine.files.lock().unwrap().keys().next().unwrap();
    let old = machine.files.lock().unwrap()[&file].bytes.clone();
    store.shared.pass_on().unwrap();
    store.write(nth(5)).unwrap();
    drop(store);
    machine.files.lock().unwrap().get_mut(&(file + 1)).unwrap().bytes.extend([&[0; 40][..], &old].concat());
    assert_eq!(opened(&machine), 5);
}

/// The power is cut while the database is given three writes, and the newest of them rots in the log: what would be made again over the
/// three is older than they are.
#[test]
fn what_rots_leaves_no_part_of_what_was_passed_on() {
    let found = |tears: bool, operations: usize| {
        let machine = Arc::new(Machine { tears, ..Machine::default() });
        // The salt, and three for each write; then the database's, and the removal.
        let store = machine.open(1 + 3 * 3 + operations, usize::MAX).unwrap();
        (1..=3).for_each(|n| store.write(nth(n)).unwrap());
        assert_eq!(store.shared.pass_on().is_ok(), operations > usize::from(tears));
        drop(store);
        rot(&machine, 1, len(&machine, 1) - 1);
        machine
    };
    assert_eq!([opened(&found(false, 0)), opened(&found(false, 1))], [2, 3]);
    assert_eq!([opened(&found(true, 0)), opened(&found(true, 2))], [2, 3]);
    let told = refused(&found(true, 1));
    assert_eq!(told, "the log ends with write 2, and of those up to 3 the database may have a part");
    // It is not forgotten by bringing the database in pieces what the log has.
    let machine = found(true, 1);
    for _ in 0..2 {
        let again = machine.open(usize::MAX, 1).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(again.contains(&told), "{again}");
    }
}

#[test]
fn no_transaction_looks_like_a_write() {
    let machine = Arc::new(Machine::default());
    let store = machine.open(usize::MAX, usize::MAX).unwrap();
    store.write(nth(1)).unwrap();
    let one = len(&machine, 1);
    // Whole, but for the number that only this home knows.
    let forger = Arc::new(Machine::default());
    forger.open(usize::MAX, usize::MAX).unwrap().write(nth(7)).unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Blocks, "submitted", forger.files.lock().unwrap()[&1].bytes.clone());
    store.write(batch).unwrap();
    drop(store);
    // A crash left holes in what stands before.
    rot(&machine, 1, one + 24);
    assert_eq!(opened(&machine), 1);
}
