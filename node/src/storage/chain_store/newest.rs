//! The bodies that were committed last, in memory: each is executed next, and its child is by what it says. The store has them as well.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use althing_crypto::BlockHash;

use crate::body::Body;

/// Bytes of transactions kept, if there is more than one body. They are mostly those that others hold, too.
const MAX_BYTES: usize = 16 << 20;
/// Bodies kept: as many as may await execution, and the parent of the first.
const MAX_BODIES: usize = 16;

/// Bodies, the newest last.
#[derive(Default)]
pub(super) struct Newest(Mutex<VecDeque<Kept>>);

struct Kept {
    hash: BlockHash,
    bytes: usize,
    body: Arc<Body>,
}

impl Newest {
    /// Keeps these instead of the oldest.
    pub(super) fn keep(&self, bodies: &[Arc<Body>]) {
        let mut kept = self.lock();
        for body in bodies {
            let (hash, bytes) = (body.block.hash(), body.payload_bytes());
            kept.push_back(Kept { hash, bytes, body: Arc::clone(body) });
        }
        while kept.len() > MAX_BODIES
            || (kept.len() > 1 && kept.iter().map(|one| one.bytes).sum::<usize>() > MAX_BYTES)
        {
            kept.pop_front();
        }
    }

    /// The body of this hash, if it is here.
    pub(super) fn get(&self, hash: &BlockHash) -> Option<Arc<Body>> {
        self.lock().iter().find(|one| one.hash == *hash).map(|one| Arc::clone(&one.body))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
