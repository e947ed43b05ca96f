//! The safety file on a disk that fails between any two operations, tears what it was writing, and rots.

use super::*;
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard},
};

const OLD: &[u8] = &[b'o'; 300];
const NEW: &[u8] = &[b'n'; 700];

/// A file on a simulated disk with a volatile cache. Clones are the same file.
#[derive(Clone)]
struct SimFile(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    durable: Vec<u8>,
    cached: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// What was done: `(offset, length)` of a write, `None` for a sync.
    log: Vec<Option<(u64, usize)>>,
    /// The operation of this number and all later ones fail.
    fails_at: Option<usize>,
    unreadable: Option<Range<u64>>,
}

/// What a power cut leaves of a write that was not synced.
#[derive(Clone, Debug)]
enum Tear {
    Lost,
    Kept,
    Prefix(usize),
    Suffix(usize),
    Garbled(usize),
}

impl Tear {
    /// Cuts within, and at both ends of, each part of a slot: sequence number, length, checksum, record.
    fn all() -> Vec<Tear> {
        let cuts = [1, 7, 8, 9, 12, 13, 43, 44, 45, 200, 344, 345, 700, 743];
        let torn =
            cuts.into_iter().flat_map(|cut| [Tear::Prefix(cut), Tear::Suffix(cut), Tear::Garbled(cut)]);
        [Tear::Lost, Tear::Kept].into_iter().chain(torn).collect()
    }

    fn apply(&self, old: &mut [u8], new: &[u8]) {
        let cut = |at: usize| at.min(new.len());
        match *self {
            Tear::Lost => {}
            Tear::Kept => old.copy_from_slice(new),
            Tear::Prefix(at) => old[..cut(at)].copy_from_slice(&new[..cut(at)]),
            Tear::Suffix(at) => old[cut(at)..].copy_from_slice(&new[cut(at)..]),
            Tear::Garbled(at) => old[cut(at.saturating_sub(1))..cut(at)].fill(0xa5),
        }
    }
}

impl SimFile {
    fn formatted() -> Self {
        let (durable, cached) = (vec![0; FILE_BYTES], vec![0; FILE_BYTES]);
        let mut file = SimFile(Arc::new(Mutex::new(Disk { durable, cached, ..Disk::default() })));
        SafetyStore::format(&mut file).unwrap();
        file.disk().log.clear();
        file
    }

    fn holding(record: &[u8]) -> Self {
        let file = Self::formatted();
        file.open().unwrap().0.write(record).unwrap();
        file.disk().log.clear();
        file
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    fn failing_at(self, operation: usize) -> Self {
        self.disk().fails_at = Some(operation);
        self
    }

    fn operate(&self, operation: Option<(u64, usize)>) -> io::Result<MutexGuard<'_, Disk>> {
        let mut disk = self.disk();
        if disk.fails_at.is_some_and(|at| disk.log.len() >= at) {
            return Err(io::Error::other("the disk is gone"));
        }
        disk.log.push(operation);
        Ok(disk)
    }

    /// The file after a power cut: what was not synced is lost or torn.
    fn after_power_cut(&self, tear: &Tear) -> SimFile {
        let disk = self.disk();
        let mut durable = disk.durable.clone();
        for (offset, bytes) in &disk.unsynced {
            tear.apply(&mut durable[*offset..*offset + bytes.len()], bytes);
        }
        SimFile(Arc::new(Mutex::new(Disk { cached: durable.clone(), durable, ..Disk::default() })))
    }

    /// The file after its process was killed: the cache lives on.
    fn after_kill(&self) -> SimFile {
        let disk = self.disk();
        let (durable, cached, unsynced) = (disk.durable.clone(), disk.cached.clone(), disk.unsynced.clone());
        SimFile(Arc::new(Mutex::new(Disk { durable, cached, unsynced, ..Disk::default() })))
    }

    fn open(&self) -> Result<(SafetyStore, Option<Vec<u8>>), SafetyStoreError> {
        SafetyStore::open_on(Box::new(self.clone()), Path::new("simulated file"))
    }

    /// The record of an opening that must succeed and leave it durable in both slots.
    fn record(&self) -> Option<Vec<u8>> {
        let (_, record) = self.open().unwrap_or_else(|e| panic!("{e}"));
        let durable = self.after_power_cut(&Tear::Lost);
        for offset in SLOT_OFFSETS {
            let slot = read_slot(&durable, offset).unwrap();
            assert_eq!((slot.sequence > 0).then_some(slot.record), record, "slot at {offset}");
        }
        record
    }

    fn flip(&self, bit: usize) -> &Self {
        let mut disk = self.disk();
        disk.durable[bit / 8] ^= 1 << (bit % 8);
        disk.cached = disk.durable.clone();
        drop(disk);
        self
    }
}

impl SlotFile for SimFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let disk = self.disk();
        if disk.unreadable.as_ref().is_some_and(|bad| bad.contains(&offset)) {
            return Err(io::Error::other("bad sector"));
        }
        let bytes = disk.cached.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.operate(Some((offset, bytes.len())))?;
        disk.cached[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
        disk.unsynced.push((offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.operate(None)?;
        for (offset, bytes) in std::mem::take(&mut disk.unsynced) {
            disk.durable[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
        Ok(())
    }
}

/// Calls `check(file, acknowledged)` with every file that a write of [`NEW`] over [`OLD`] can leave when the disk fails at
/// one of its operations; the last one is that of a write that was acknowledged.
fn for_each_failed_write(mut check: impl FnMut(&SimFile, bool)) {
    for operation in 0.. {
        let file = SimFile::formatted();
        let (mut store, _) = file.open().unwrap();
        store.write(OLD).unwrap();
        file.disk().log.clear();
        let file = file.failing_at(operation);
        let acknowledged = store.write(NEW).is_ok();
        check(&file, acknowledged);
        if acknowledged {
            assert_eq!(operation, 4);
            return;
        }
        assert!(matches!(store.write(NEW), Err(SafetyStoreError::Unsettled { .. })), "operation {operation}");
    }
}

fn assert_old_or_new(record: Option<Vec<u8>>, acknowledged: bool, context: impl FnOnce() -> String) {
    let allowed: &[&[u8]] = if acknowledged { &[NEW] } else { &[OLD, NEW] };
    assert!(record.is_some_and(|record| allowed.contains(&&*record)), "{}", context());
}

#[test]
fn a_write_is_slot_a_sync_slot_b_sync() {
    let file = SimFile::holding(OLD);
    let (mut store, record) = file.open().unwrap();
    assert_eq!(record.as_deref(), Some(OLD));
    file.disk().log.clear();
    store.write(NEW).unwrap();
    let len = SLOT_HEADER_BYTES + NEW.len();
    let expected = [Some((4096, len)), None, Some((4096 + 65536, len)), None];
    assert_eq!(file.disk().log, expected);
}

#[test]
fn records_follow_one_another() {
    let file = SimFile::formatted();
    assert_eq!(file.record(), None);
    let longest = vec![1; MAX_RECORD_BYTES];
    for record in [OLD, NEW, b"", &longest, b"short after long"] {
        file.open().unwrap().0.write(record).unwrap();
        assert_eq!(file.record().as_deref(), Some(record));
        assert_eq!(file.after_power_cut(&Tear::Lost).record().as_deref(), Some(record));
    }
}

#[test]
fn a_record_that_does_not_fit_changes_nothing() {
    let file = SimFile::holding(OLD);
    let (mut store, _) = file.open().unwrap();
    let refused = store.write(&vec![1; MAX_RECORD_BYTES + 1]);
    assert!(matches!(refused, Err(SafetyStoreError::TooLarge { len, .. }) if len == MAX_RECORD_BYTES + 1));
    assert_eq!(file.record().as_deref(), Some(OLD));
    store.write(NEW).unwrap();
}

#[test]
fn a_power_cut_at_any_operation_keeps_the_newest_acknowledged_record() {
    for_each_failed_write(|file, acknowledged| {
        for tear in Tear::all() {
            let restored = file.after_power_cut(&tear);
            assert_old_or_new(restored.record(), acknowledged, || format!("{tear:?}"));
            restored.open().unwrap().0.write(b"next").unwrap();
            assert_eq!(restored.record().as_deref(), Some(b"next".as_slice()));
        }
    });
}

#[test]
fn a_power_cut_during_the_repair_after_a_power_cut_loses_nothing() {
    for_each_failed_write(|file, acknowledged| {
        for first in Tear::all() {
            for operation in 0..5 {
                let repairing = file.after_power_cut(&first).failing_at(operation);
                assert!(matches!(repairing.open(), Err(SafetyStoreError::Io { doing: "repair", .. })));
                for second in [Tear::Lost, Tear::Kept, Tear::Prefix(8), Tear::Suffix(44), Tear::Garbled(345)]
                {
                    let record = repairing.after_power_cut(&second).record();
                    assert_old_or_new(record, acknowledged, || format!("{first:?}, {operation}, {second:?}"));
                }
            }
        }
    });
}

#[test]
fn a_power_cut_while_opening_after_a_kill_loses_nothing() {
    for_each_failed_write(|file, acknowledged| {
        for operation in 0..5 {
            let opening = file.after_kill().failing_at(operation);
            assert!(opening.open().is_err());
            for tear in Tear::all() {
                let record = opening.after_power_cut(&tear).record();
                assert_old_or_new(record, acknowledged, || format!("{operation}, {tear:?}"));
            }
        }
        assert_old_or_new(file.after_kill().record(), acknowledged, || "killed only".to_owned());
    });
}

/// After a failed sync the kernel may hold as clean, and show, what the disk never got.
#[test]
fn what_opening_returns_is_durable_even_if_a_failed_sync_dropped_it() {
    for_each_failed_write(|file, acknowledged| {
        let reopened = file.after_kill();
        reopened.disk().unsynced.clear();
        assert_old_or_new(reopened.record(), acknowledged, || "dropped".to_owned());
    });
}

#[test]
fn any_flipped_bit_in_one_slot_is_repaired() {
    let bits = (SLOT_HEADER_BYTES + OLD.len()) * 8;
    for slot in SLOT_OFFSETS.map(|offset| offset as usize * 8) {
        for bit in slot..slot + bits {
            let file = SimFile::holding(OLD);
            assert_eq!(file.flip(bit).record().as_deref(), Some(OLD), "bit {bit}");
        }
    }
}

#[test]
fn a_slot_that_cannot_be_read_is_repaired() {
    for offset in SLOT_OFFSETS {
        let file = SimFile::holding(OLD);
        file.disk().unreadable = Some(offset..offset + 4096);
        let (_, record) = file.open().unwrap();
        assert_eq!(record.as_deref(), Some(OLD));
        assert!(file.disk().log.iter().flatten().any(|(written, _)| *written == offset));
    }
}

#[test]
fn any_flipped_bit_in_magic_or_version_is_refused() {
    for bit in 0..16 * 8 {
        let file = SimFile::holding(OLD);
        let refused = file.flip(bit).open().map(|_| ()).unwrap_err();
        match refused {
            SafetyStoreError::Damaged { .. } if bit < 15 * 8 => {}
            SafetyStoreError::Version { expected: 1, .. } if bit >= 15 * 8 => {}
            other => panic!("bit {bit}: {other}"),
        }
        assert_eq!(file.disk().log, [], "nothing is written");
    }
}

#[test]
fn two_broken_slots_are_refused_and_left_alone() {
    for (a, b) in [(0, 0), (8, 43), (13, 300), (300, 10)] {
        let file = SimFile::holding(OLD);
        let [offset_a, offset_b] = SLOT_OFFSETS.map(|offset| offset as usize);
        let refused = file.flip((offset_a + a) * 8).flip((offset_b + b) * 8).open().map(|_| ()).unwrap_err();
        assert!(matches!(refused, SafetyStoreError::Damaged { .. }), "{refused}");
        let text = refused.to_string();
        for part in
            ["simulated file", "neither slot is intact", "will not sign", "Do not delete", "new vote key"]
        {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert_eq!(file.disk().log, [], "nothing is written");
    }
}

#[test]
fn the_higher_sequence_number_wins_in_either_slot() {
    for offset in SLOT_OFFSETS {
        let mut file = SimFile::holding(OLD);
        file.write_at(offset, &encode(2, NEW)).unwrap();
        assert_eq!(file.record().as_deref(), Some(NEW), "slot at {offset}");
    }
}

#[test]
fn slots_that_contradict_each_other_are_refused() {
    let mut file = SimFile::holding(OLD);
    file.write_at(SLOT_OFFSETS[1], &encode(1, NEW)).unwrap();
    assert!(matches!(file.open(), Err(SafetyStoreError::Damaged { what, .. }) if what.contains("number, 1")));
}

mod on_a_real_disk {
    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("safety");
        (home, path)
    }

    #[test]
    fn a_new_file_is_made_once_and_keeps_its_records() {
        let (home, path) = home();
        assert!(matches!(SafetyStore::open(&path), Err(SafetyStoreError::Missing { .. })));
        assert!(!path.exists(), "opening never makes a file");

        SafetyStore::create(&path).unwrap();
        let (mut store, record) = SafetyStore::open(&path).unwrap();
        assert_eq!(record, None);
        store.write(OLD).unwrap();
        assert!(matches!(SafetyStore::open(&path), Err(SafetyStoreError::InUse { .. })));
        drop(store);

        assert!(matches!(SafetyStore::create(&path), Err(SafetyStoreError::Exists { .. })));
        assert_eq!(SafetyStore::open(&path).unwrap().1.as_deref(), Some(OLD));
        assert_eq!(fs::metadata(&path).unwrap().len(), FILE_BYTES as u64);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_cut_short_is_refused_at_every_length() {
        let (_home, path) = home();
        SafetyStore::create(&path).unwrap();
        SafetyStore::open(&path).unwrap().0.write(OLD).unwrap();
        let [a, b] = SLOT_OFFSETS.map(|offset| offset as usize);
        for len in [FILE_BYTES - 1, b + 500, b + 100, b, a + 500, a + 44, a + 10, a, 100, 16, 15, 1, 0] {
            OpenOptions::new().write(true).open(&path).unwrap().set_len(len as u64).unwrap();
            let refused = SafetyStore::open(&path).map(|_| ()).unwrap_err();
            assert!(
                matches!(&refused, SafetyStoreError::Damaged { what, .. } if what.contains("truncated")),
                "{len}: {refused}"
            );
        }
    }
}
