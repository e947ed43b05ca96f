//! redb on a disk that is cut off at every operation in turn and keeps an arbitrary part of what was not yet synced.

use super::*;
use ::redb::StorageBackend;
use std::{
    io,
    sync::{Mutex, MutexGuard},
};

/// A disk with a volatile cache. Clones are the same disk.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    durable: Vec<u8>,
    cached: Vec<u8>,
    unsynced: Vec<(u64, Vec<u8>)>,
    operations: usize,
    /// All operations from this one on fail: the power is gone.
    cut_at: Option<usize>,
}

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap()
    }

    fn operate(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let mut platter = self.platter();
        if platter.cut_at.is_some_and(|cut| platter.operations >= cut) {
            return Err(io::Error::other("power cut"));
        }
        platter.operations += 1;
        Ok(platter)
    }

    /// The disk after the power is back: of what was not synced, some writes are kept, some lost, some torn.
    fn restored(&self, mut seed: u64) -> Disk {
        let platter = self.platter();
        let mut durable = platter.durable.clone();
        for (offset, bytes) in &platter.unsynced {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let kept = match (seed >> 33) % 4 {
                0 => 0,
                1 => bytes.len() / 512 / 2 * 512,
                _ => bytes.len(),
            };
            let end = *offset as usize + kept;
            if durable.len() < end {
                durable.resize(end, 0);
            }
            durable[*offset as usize..end].copy_from_slice(&bytes[..kept]);
        }
        // The length is metadata: a file system keeps the newest one that it promised, here the larger of both.
        if durable.len() < platter.cached.len() {
            durable.resize(platter.cached.len(), 0);
        }
        Disk(Arc::new(Mutex::new(Platter { cached: durable.clone(), durable, ..Platter::default() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.operate()?.cached.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.operate()?;
        let bytes = platter.cached.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate()?.cached.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.operate()?;
        platter.durable = platter.cached.clone();
        platter.unsynced.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.operate()?;
        let start = offset as usize;
        platter
            .cached
            .get_mut(start..start + data.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?
            .copy_from_slice(data);
        platter.unsynced.push((offset, data.to_vec()));
        Ok(())
    }
}

fn open(disk: &Disk) -> Result<RedbStore, StoreError> {
    RedbStore::on_backend(disk.clone(), Path::new("simulated disk"))
}

/// Batch `n` writes `n` under two keys of two tables and a block, and deletes the block before.
fn batch(n: u8) -> Batch {
    let mut batch = Batch::new();
    batch.put(Table::Meta, "height", [n]);
    batch.put(Table::Blocks, [n], vec![n; 9000]);
    batch.delete(Table::Blocks, [n - 1]);
    batch.put(Table::Results, "height", [n]);
    batch
}

/// The last batch in the store, after checking that it holds just what that one left behind.
fn last_batch(store: &RedbStore) -> u8 {
    let height = |table| store.get(table, b"height").unwrap().map_or(0, |value| value[0]);
    let n = height(Table::Meta);
    assert_eq!(height(Table::Results), n);
    let blocks: Vec<Entry> = if n == 0 { vec![] } else { vec![(vec![n], vec![n; 9000])] };
    assert_eq!(store.range(Table::Blocks, b"", b"", 10, false).unwrap(), blocks);
    n
}

#[test]
fn redb_loses_nothing_acknowledged_wherever_the_power_fails() {
    const BATCHES: u8 = 4;
    let fresh = Disk::default();
    drop(open(&fresh).unwrap());
    let (mut cut, mut losses) = (0, 0);
    loop {
        let disk = fresh.restored(0);
        disk.platter().cut_at = Some(cut);
        let mut acknowledged = 0;
        if let Ok(store) = open(&disk) {
            while acknowledged < BATCHES && store.write(batch(acknowledged + 1)).is_ok() {
                acknowledged += 1;
            }
            if acknowledged < BATCHES {
                let again = store.write(batch(acknowledged + 1));
                assert!(again.is_err(), "cut {cut}: a store whose write has failed takes no other");
            }
        }
        for seed in 0..3 {
            let store = open(&disk.restored(seed)).unwrap_or_else(|e| panic!("cut {cut} seed {seed}: {e}"));
            let found = last_batch(&store);
            assert!(
                found == acknowledged || found == acknowledged + 1,
                "cut {cut} seed {seed}: acknowledged {acknowledged}, found {found}"
            );
            losses += usize::from(found == acknowledged && acknowledged < BATCHES);
            store.write(batch(found + 1)).unwrap();
            assert_eq!(last_batch(&store), found + 1);
        }
        if acknowledged == BATCHES {
            break;
        }
        cut += 1;
    }
    assert!(
        cut > 20 && losses > 20,
        "the cuts fell into the writes: {cut} cuts, {losses} unacknowledged batches lost"
    );
}
