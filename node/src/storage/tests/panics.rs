//! A database that panics on damage neither ends the process nor hides what was wrong.

use super::*;
use ::redb::StorageBackend;
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// Memory in which every operation panics once told to, as redb itself does on some kinds of damage.
#[derive(Debug)]
struct Trap {
    memory: ::redb::backends::InMemoryBackend,
    armed: Arc<AtomicBool>,
}

impl Trap {
    fn spring(&self) {
        assert!(!self.armed.load(Ordering::Relaxed), "a damaged page");
    }
}

impl StorageBackend for Trap {
    fn len(&self) -> io::Result<u64> {
        self.spring();
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.spring();
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.spring();
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.spring();
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.spring();
        self.memory.write(offset, data)
    }
}

#[test]
fn a_panic_of_the_database_is_an_error_of_the_write_and_nothing_of_the_close() {
    let armed = Arc::new(AtomicBool::new(false));
    let trap = Trap { memory: ::redb::backends::InMemoryBackend::new(), armed: Arc::clone(&armed) };
    let store = RedbStore::on_backend(trap, Path::new("trapped")).unwrap();
    armed.store(true, Ordering::Relaxed);
    let mut batch = Batch::new();
    batch.put(Table::Meta, "key", vec![1; 5_000]);
    let error = store.write(batch).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("a damaged page"), "{error}");
    drop(store);
}
