//! What this node told its clients that it took, so that none of it is lost: a journal on disk.
//!
//! A transaction is acknowledged once the journal holds it durably. From then on, across restarts, it is offered to the mempool and
//! sent to the peers again until a block holds it or it is dropped with a reason, and what became of it is told for a configured time.
//!
//! | file | what |
//! |---|---|
//! | `book` | what is known of each transaction, and how much may be |
//! | `ending` | what can become of one |
//! | `record`, `segment` | the bytes on disk: records in frames |
//! | `writer` | the thread that writes: one sync for all that came meanwhile |
//! | `load` | what a start makes of the files, rotten ones among them |
//! | `follow` | what blocks hold |
//! | `again` | offering and sending again |
//!
//! Files are segments that only grow. The oldest goes once nothing in it is needed, what is needed of it moves to the newest. Of two
//! records of a transaction the later one counts, so a crash at any point leaves files that mean what they should.

mod again;
mod book;
mod ending;
mod follow;
mod load;
mod record;
mod segment;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_mempool::{Outcome, Refusal, TxBytes};
use tokio::sync::{oneshot, watch};

use self::book::Book;
pub use self::ending::Ending;
pub(crate) use self::{again::again, follow::follow};

/// The bounds of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalLimits {
    /// Transactions that no block has.
    pub max_txs: usize,
    /// Their bytes together.
    pub max_bytes: usize,
    /// For how long after its end a transaction's status is told.
    pub status_kept: Duration,
}

/// How much a journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalSizes {
    /// Transactions acknowledged whose end is not known yet.
    pub open: usize,
    /// Transactions that no block has: these, and those dropped of which the status is still told.
    pub txs: usize,
    /// Their bytes together.
    pub bytes: usize,
    /// Transactions that a block has and of which the status is told from here.
    pub executed: usize,
    /// Bytes of the files.
    pub file_bytes: u64,
    /// Clients that wait for news of a transaction.
    pub waiting: usize,
}

/// Why a transaction finds no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All clients together hold as much as may be.
    #[error(
        "the journal of acknowledged transactions is full of pending ones; try again once some are committed or dropped"
    )]
    Journal,
    /// This client holds its share.
    #[error(
        "this client holds its share of the journal with pending transactions, an eighth of it or as much as it leaves to others; try \
         again once some are committed or dropped"
    )]
    Client,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk.
    #[error("cannot {what} {path} of the journal: {source}; it holds what clients were told is taken", path = path.display())]
    Disk {
        /// To do what.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that is none of ours, or of a later version.
    #[error(
        "{path} is no file of a journal that this version reads: use the version that wrote it, or move the file away, if nothing \
         that this node acknowledged matters any more",
        path = .0.display()
    )]
    Format(PathBuf),
}

/// The journal could not be written: nothing more is acknowledged until the node is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the journal of acknowledged transactions cannot be written; the node's log says why")]
pub struct Broken;

/// The journal of one node. Cheap to clone.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// There is something to write, or to stop for.
    work: Condvar,
    /// The newest durable batch; an error once nothing more becomes durable.
    durable: watch::Sender<Result<u64, Broken>>,
    began: Instant,
}

struct State {
    book: Book,
    /// Without files, as in tests, all is durable at once.
    has_files: bool,
    stopping: bool,
}

impl Journal {
    /// Opens the journal in this directory, makes it if there is none. What has rotted in it is copied to `damaged`. The thread ends
    /// with [`Self::close`].
    pub fn open(
        directory: PathBuf,
        damaged: PathBuf,
        limits: JournalLimits,
    ) -> Result<(Self, JoinHandle<()>), JournalError> {
        let mut book = Book::new(limits);
        let found = load::load(&directory, &damaged, &mut book)?;
        for number in &found.missing {
            tracing::error!(
                number,
                directory = %directory.display(),
                "a journal file is missing: transactions that this node acknowledged are unknown to it if no block has them"
            );
        }
        book.loaded_at(now_ms());
        let files = writer::Files::create(directory, found)?;
        let journal = Self::with(book, true);
        let shared = journal.0.clone();
        let thread = std::thread::Builder::new().name("journal".to_owned());
        let thread = thread.spawn(move || writer::run(&shared, files)).map_err(|source| {
            JournalError::Disk { what: "start a thread for the files", path: PathBuf::new(), source }
        })?;
        Ok((journal, thread))
    }

    /// A journal that is lost with the process.
    pub fn in_memory(limits: JournalLimits) -> Self {
        Self::with(Book::new(limits), false)
    }

    fn with(book: Book, has_files: bool) -> Self {
        let state = Mutex::new(State { book, has_files, stopping: false });
        let (durable, _) = watch::channel(Ok(0));
        Self(Arc::new(Shared { state, work: Condvar::new(), durable, began: Instant::now() }))
    }

    /// Writes what there is and ends the thread. Nothing is acknowledged any more.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.stopping = true;
        state.book.tell_nobody();
        self.0.work.notify_all();
    }

    /// A client's submission begins, before the mempool is asked. No block up to `above` holds the transaction.
    pub(crate) fn enter(
        &self,
        tx: TxHash,
        bytes: &[u8],
        client: &str,
        above: Height,
    ) -> Result<Entered, Full> {
        // The driver waits for nobody's copying.
        let bytes = TxBytes::from(bytes);
        self.0.lock().book.enter(tx, bytes, client, above)?;
        Ok(Entered { journal: self.clone(), tx })
    }

    /// As [`Self::enter`], of several. Those that find no room are told apart.
    pub(crate) fn enter_many(
        &self,
        txs: impl Iterator<Item = (TxHash, TxBytes)>,
        client: &str,
        above: Height,
    ) -> EnteredMany {
        let mut entered = EnteredMany { journal: self.clone(), txs: Vec::new(), refused: BTreeMap::new() };
        let mut state = self.0.lock();
        for (tx, bytes) in txs {
            match state.book.enter(tx, bytes, client, above) {
                Ok(()) => entered.txs.push(tx),
                Err(full) => _ = entered.refused.insert(tx, full),
            }
        }
        drop(state);
        entered
    }

    /// The mempool's answer to a submission, from whomever. To be told in the order of what the mempool does.
    pub fn answered(&self, tx: &TxHash, outcome: &Outcome) {
        self.answered_all(std::iter::once((tx, outcome)));
    }

    /// As [`Self::answered`], several in their order.
    pub(crate) fn answered_all<'a>(&self, answers: impl Iterator<Item = (&'a TxHash, &'a Outcome)>) {
        let now = self.0.now();
        self.change(|book| {
            for (tx, outcome) in answers {
                match outcome {
                    Outcome::Accepted { .. } => book.admitted(tx, now),
                    Outcome::Committed { .. } => book.committed(tx, now),
                    Outcome::Refused(refusal) => book.refused(tx, refusal, now, now_ms()),
                }
            }
        });
    }

    /// The mempool has it no longer.
    pub(crate) fn dropped(&self, tx: &TxHash, refusal: &Refusal) {
        self.change(|book| book.dropped(tx, refusal, now_ms()));
    }

    /// What was acknowledged: its bytes, if no block has it, and its end.
    pub(crate) fn get(&self, tx: &TxHash) -> Option<(TxBytes, Option<Ending>)> {
        self.0.lock().book.get(tx)
    }

    /// A place among those who hear when something happens to a transaction. Whoever takes it *then* looks where it stands: what
    /// happens later does not escape it.
    pub(crate) fn wait_for(&self, tx: TxHash) -> Waiting {
        let (told, news) = oneshot::channel();
        let number = self.0.lock().book.wait(tx, told);
        Waiting { journal: self.clone(), tx, number, news }
    }

    /// A block holds it, of which the chain may tell nothing.
    #[cfg(test)]
    pub(crate) fn executed(&self, tx: &TxHash, how: Ending) {
        self.change(|book| book.executed(tx, how, false, now_ms()));
    }

    /// How much it holds.
    pub fn sizes(&self) -> JournalSizes {
        self.0.lock().book.sizes()
    }

    /// Whether it cannot be written any more.
    pub fn is_broken(&self) -> bool {
        self.0.durable.borrow().is_err()
    }

    /// Changes the book, and has written what that leaves to write.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut state = self.0.lock();
        let changed = change(&mut state.book);
        if state.has_files {
            if state.book.has_work() {
                self.0.work.notify_one();
            }
        } else if let Some(batch) = state.book.take_batch() {
            state.book.written(&batch, 0, 0);
            _ = self.0.durable.send_replace(Ok(batch.number));
        }
        changed
    }

    async fn durable(&self, batch: u64) -> Result<(), Broken> {
        let mut durable = self.0.durable.subscribe();
        let reached =
            durable.wait_for(|newest| newest.is_err() || newest.is_ok_and(|newest| newest >= batch)).await;
        reached.map_err(|_| Broken).and_then(|newest| newest.map(drop))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds of this process: they never go back.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}

/// A submission under way; dropped, it is over.
pub(crate) struct Entered {
    journal: Journal,
    tx: TxHash,
}

impl Entered {
    /// Returns once the transaction, which the mempool has taken, may be acknowledged.
    pub(crate) async fn keep(&self) -> Result<(), Broken> {
        let now = self.journal.0.now();
        let batch = self.journal.change(|book| book.keep(&self.tx, now));
        self.journal.durable(batch).await
    }

    /// As [`Self::keep`], of one that the mempool is not asked about yet.
    pub(crate) async fn keep_unasked(&self) -> Result<(), Broken> {
        let now = self.journal.0.now();
        let batch = self.journal.change(|book| book.keep_unasked(&self.tx, now));
        self.journal.durable(batch).await
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.journal.0.lock().book.leave(&self.tx);
    }
}

/// Several submissions under way; dropped, they are over.
pub(crate) struct EnteredMany {
    journal: Journal,
    txs: Vec<TxHash>,
    refused: BTreeMap<TxHash, Full>,
}

impl EnteredMany {
    /// Those that found no room.
    pub(crate) fn refused(&self) -> &BTreeMap<TxHash, Full> {
        &self.refused
    }

    /// Returns once these, which the mempool has taken, may be acknowledged.
    pub(crate) async fn keep(&self, taken: impl Iterator<Item = &TxHash>) -> Result<(), Broken> {
        let now = self.journal.0.now();
        let newest = self.journal.change(|book| taken.map(|tx| book.keep(tx, now)).max());
        match newest {
            Some(batch) => self.journal.durable(batch).await,
            None => Ok(()),
        }
    }
}

impl Drop for EnteredMany {
    fn drop(&mut self) {
        let mut state = self.journal.0.lock();
        self.txs.iter().for_each(|tx| state.book.leave(tx));
    }
}

/// A client's place among those who wait; dropped, it is given up.
pub(crate) struct Waiting {
    journal: Journal,
    tx: TxHash,
    number: u64,
    news: oneshot::Receiver<()>,
}

impl Waiting {
    /// Returns when something has happened to the transaction; false if the node stops.
    pub(crate) async fn news(&mut self) -> bool {
        (&mut self.news).await.is_ok()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.journal.0.lock().book.give_up(&self.tx, self.number);
    }
}

#[cfg(test)]
mod tests;
