//! Transactions at a steady rate, open loop: each is due at its time, whether or not those before are committed. On a ledger they are
//! transfers; of the key-value sample, values set; of a program's own application, what that offers.
//!
//! An account's transfers all go to one validator, so that their sequences arrive about in order. A transfer's latency runs from
//! the moment it is due to its node's report that it is committed: a client that waits for a connection waits, too.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use althing_crypto::{Encoding, ed25519};
use althing_ledger::{
    asset::{Address, Transaction},
    kv,
};
use althing_mempool as mempool;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::latencies::Latencies;
use crate::{
    application::Own,
    client::{Client, ClientError, NodeUrl, Status, Submitted, Waited},
    rpc,
};

/// Connections to one validator: fewer than one client may have requests under way.
const MAX_CONNECTIONS: usize = 100;
/// Transfers under way, over all validators; those due beyond are counted as failed.
const MAX_UNDER_WAY: usize = 20_000;
/// How long one transfer is handed in and waited for before the next attempt.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a sender sends.
enum Work {
    /// Transfers of an account to the next one: what goes round in a ring never runs out.
    Transfers { key: Box<ed25519::SecretKey>, to: Address },
    /// Values of one key.
    Values(String),
    /// `key=value`, as text: what applications behind ABCI take for a beginning.
    Texts(String),
    /// What the application's author says.
    Own(Own),
}

/// Who sends, in the order of its sequences.
pub(super) struct Sender {
    work: Work,
    next: u64,
    /// Signed and not taken for a reason that passes: these sequences come first, with the same bytes.
    again: BTreeMap<u64, Vec<u8>>,
}

/// The way to one validator.
pub(super) struct Lane {
    node: NodeUrl,
    chain_id: String,
    idle: Mutex<Vec<Client>>,
    connections: Semaphore,
    senders: Mutex<VecDeque<Arc<Mutex<Sender>>>>,
    committed: AtomicU64,
    failed: AtomicU64,
    latencies: Mutex<Latencies>,
    last_fault: Mutex<Option<String>>,
}

/// What a lane did since it was last asked.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Transfers committed.
    pub(super) committed: u64,
    /// Transfers refused, failed or lost.
    pub(super) failed: u64,
    /// How long the committed ones took.
    pub(super) latencies: Latencies,
    /// Why one of them failed.
    pub(super) fault: Option<String>,
}

/// The accounts of these keys, whose sequences the node knows.
pub(super) async fn accounts(
    node: &NodeUrl,
    keys: Vec<ed25519::SecretKey>,
) -> Result<Vec<Sender>, ClientError> {
    let mut client = Client::new(node.clone());
    let addresses: Vec<_> = keys.iter().map(|key| Address::of(&key.public_key())).collect();
    let mut senders = Vec::new();
    for (index, key) in keys.into_iter().enumerate() {
        let next = client.account(&addresses[index]).await?.sequence;
        let to = addresses[(index + 1) % addresses.len()];
        senders.push(Sender {
            work: Work::Transfers { key: Box::new(key), to },
            next,
            again: BTreeMap::new(),
        });
    }
    Ok(senders)
}

/// So many who each set a key. They begin where none has been: at the time of now.
pub(super) fn setters(count: usize) -> Vec<Sender> {
    senders(count, |index| Work::Values(format!("load/{index}")))
}

/// As [`setters`], in text.
pub(super) fn writers(count: usize) -> Vec<Sender> {
    senders(count, |index| Work::Texts(format!("load/{index}")))
}

/// One who sends what a program's own application takes, from there on as well.
pub(super) fn of(own: Own) -> Vec<Sender> {
    senders(1, |_| Work::Own(own))
}

fn senders(count: usize, work: impl Fn(usize) -> Work) -> Vec<Sender> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let next = u64::try_from(now.as_micros()).unwrap_or(u64::MAX / 2);
    let sender = |index| Sender { work: work(index), next, again: BTreeMap::new() };
    (0..count).map(sender).collect()
}

/// One lane per node, and the senders spread over them.
pub(super) fn lanes(nodes: &[NodeUrl], chain_id: &str, senders: Vec<Sender>) -> Vec<Arc<Lane>> {
    let senders: Vec<_> = senders.into_iter().map(|sender| Arc::new(Mutex::new(sender))).collect();
    let lane = |(index, node): (usize, &NodeUrl)| {
        let mut own: VecDeque<_> = senders.iter().skip(index).step_by(nodes.len()).cloned().collect();
        if own.is_empty() {
            own.push_back(Arc::clone(&senders[index % senders.len()]));
        }
        Arc::new(Lane {
            node: node.clone(),
            chain_id: chain_id.to_owned(),
            idle: Mutex::default(),
            connections: Semaphore::new(MAX_CONNECTIONS),
            senders: Mutex::new(own),
            committed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            latencies: Mutex::default(),
            last_fault: Mutex::default(),
        })
    };
    nodes.iter().enumerate().map(lane).collect()
}

/// Transfers under way.
#[derive(Default)]
pub(super) struct UnderWay(JoinSet<()>);

impl UnderWay {
    /// Sends `rate` transfers per second in turns over the lanes, for ever. Safe to cancel: those under way go on.
    pub(super) async fn offer(&mut self, lanes: &[Arc<Lane>], rate: u32) {
        let Some(gap) = Duration::from_secs(1).checked_div(rate) else { return std::future::pending().await };
        let mut due = Instant::now();
        for lane in lanes.iter().cycle() {
            sleep_until(due).await;
            while self.0.try_join_next().is_some() {}
            if self.0.len() < MAX_UNDER_WAY {
                self.0.spawn(transfer(Arc::clone(lane), due));
            } else {
                lane.fail("too many transfers are under way".to_owned());
            }
            due += gap;
        }
    }

    /// Waits for those under way, for at most so long.
    pub(super) async fn end(mut self, wait: Duration) {
        let all = async { while self.0.join_next().await.is_some() {} };
        // Those that are late count neither as committed nor as failed.
        let _ = timeout(wait, all).await;
    }
}

/// What became of one submission.
enum Outcome {
    Committed,
    /// Not taken, for a reason that passes.
    Later(String),
    Failed(String),
}

async fn transfer(lane: Arc<Lane>, due: Instant) {
    let Ok(_place) = lane.connections.acquire().await else { return };
    let sender = lane.next_sender();
    let (sequence, tx) = lock(&sender).next(&lane.chain_id);
    let mut client = lock(&lane.idle).pop().unwrap_or_else(|| Client::new(lane.node.clone()));
    let outcome = outcome(client.submit_and_wait(&tx, PATIENCE).await);
    lock(&lane.idle).push(client);
    match outcome {
        Outcome::Committed => {
            lock(&lane.latencies).add(due.elapsed());
            lane.committed.fetch_add(1, Ordering::Relaxed);
        }
        Outcome::Later(reason) => {
            lock(&sender).again.insert(sequence, tx);
            lane.fail(reason);
        }
        Outcome::Failed(reason) => lane.fail(reason),
    }
}

fn outcome(answer: Result<Waited, Result<Submitted, ClientError>>) -> Outcome {
    match answer {
        Ok(Waited::Ended(fate)) if fate.status == Status::Committed => Outcome::Committed,
        Ok(Waited::Ended(fate)) => Outcome::Failed(format!("{:?}: {}", fate.status, fate.reason)),
        Ok(Waited::Open(Ok(fate))) => Outcome::Later(format!("still {:?} after {PATIENCE:?}", fate.status)),
        Ok(Waited::Open(Err(error))) | Err(Err(error)) => Outcome::Later(error.to_string()),
        Err(Ok(refused)) => match refused.codespace.as_str() {
            mempool::CODESPACE if is_used(refused.code) => Outcome::Failed(refused.log),
            mempool::CODESPACE | rpc::CODESPACE => Outcome::Later(refused.log),
            _ => Outcome::Failed(refused.log),
        },
    }
}

/// Whether the mempool says that the sequence has gone to another transaction.
fn is_used(code: u64) -> bool {
    [mempool::Code::SequenceTaken, mempool::Code::SequenceUsed].into_iter().any(|used| used as u64 == code)
}

impl Sender {
    fn next(&mut self, chain_id: &str) -> (u64, Vec<u8>) {
        if let Some(again) = self.again.pop_first() {
            return again;
        }
        let sequence = self.next;
        self.next += 1;
        let tx = match &self.work {
            Work::Transfers { key, to } => {
                Transaction::transfer(chain_id, key, sequence, 0, *to, 1, "").encode()
            }
            Work::Values(key) => {
                let operation = kv::Operation::Set(sequence.to_string().into_bytes());
                kv::Transaction { nonce: sequence, key: key.clone().into_bytes(), operation }.encode()
            }
            Work::Texts(key) => format!("{key}={sequence}").into_bytes(),
            Work::Own(own) => (own.transaction)(sequence),
        };
        (sequence, tx)
    }
}

impl Lane {
    fn next_sender(&self) -> Arc<Mutex<Sender>> {
        let mut senders = lock(&self.senders);
        senders.rotate_left(1);
        Arc::clone(&senders[0])
    }

    fn fail(&self, reason: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *lock(&self.last_fault) = Some(reason);
    }

    /// What it did since the last call.
    pub(super) fn take_figures(&self) -> Figures {
        Figures {
            committed: self.committed.swap(0, Ordering::Relaxed),
            failed: self.failed.swap(0, Ordering::Relaxed),
            latencies: std::mem::take(&mut lock(&self.latencies)),
            fault: lock(&self.last_fault).take(),
        }
    }
}

impl Figures {
    pub(super) fn add(&mut self, other: Figures) {
        self.committed += other.committed;
        self.failed += other.failed;
        self.latencies.merge(&other.latencies);
        self.fault = other.fault.or(self.fault.take());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
