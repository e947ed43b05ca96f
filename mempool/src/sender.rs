//! Whose a transaction is, as the pool keeps it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use crate::Admission;
use crate::map::Seed;

/// A sender's name, as the application gives it. Tables are searched for it several times per transaction, so that what
/// they need of the name is computed once and stands beside it.
#[derive(Clone)]
pub(crate) struct Sender {
    digest: u64,
    name: Arc<[u8]>,
}

impl Sender {
    fn new(name: Vec<u8>, seed: Seed) -> Self {
        Sender { digest: seed.hash_one(&name), name: name.into() }
    }

    /// Bytes of the name.
    pub(crate) fn len(&self) -> usize {
        self.name.len()
    }
}

impl PartialEq for Sender {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && (Arc::ptr_eq(&self.name, &other.name) || self.name == other.name)
    }
}

impl Eq for Sender {}

/// By name, whatever the seed.
impl Ord for Sender {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl PartialOrd for Sender {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Sender {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// What is kept of an [`Admission`].
#[derive(Clone, Debug, Hash)]
pub(crate) struct Verdict {
    pub(crate) sender: Option<Sender>,
    pub(crate) sequence: u64,
    pub(crate) priority: u64,
    pub(crate) expiry_height: Option<u64>,
}

impl Verdict {
    pub(crate) fn new(admission: Admission, seed: Seed) -> Self {
        let Admission { sender, sequence, priority, expiry_height } = admission;
        Verdict { sender: sender.map(|name| Sender::new(name, seed)), sequence, priority, expiry_height }
    }
}

/// Whose a committed transaction is.
pub(crate) enum Origin {
    /// This node never had it prechecked.
    Unknown,
    /// The application named no sender.
    Nobody,
    /// The sender, and the sequence if it needs order.
    Sender(Sender, Option<u64>),
}
