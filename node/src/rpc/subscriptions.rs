//! Who subscribes to what. One task follows the blocks for all; what many ask for in the same words is matched once, and written once.
//!
//! Each connection has a buffer of its own. Whoever does not take what is in it is told once what it misses from where on, and hears
//! of the blocks after it has taken that: `althing_events` gives the rest. Nobody waits for anybody.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use althing_consensus::Height;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::{
    Context, RpcError,
    caller::Caller,
    clients::{Clients, Kind, Place},
    published::Published,
    who::Who,
};
use crate::{
    handle::NodeHandle,
    query::{self, Query},
};

/// Events on their way to one subscriber: all of a block with as many transactions as one may have, 20,000, and 8 more: each block has up to
/// 4 beside transactions.
const MAX_UNSENT: usize = 20_008;

/// So many transactions, each looked at for one condition more, cost a subscriber 1.
const LOOKS_PER_COST: usize = 500;

/// All subscriptions.
#[derive(Default)]
pub(crate) struct Subscriptions {
    by_query: Mutex<BTreeMap<String, Topic>>,
    next: AtomicU64,
}

/// What some subscribe to in the same words.
struct Topic {
    query: Arc<Query>,
    subscribers: BTreeMap<u64, Arc<Subscriber>>,
}

/// Where a connection's events wait until they are sent.
pub(super) struct Outbox {
    deliveries: mpsc::Sender<Delivery>,
    bytes: AtomicUsize,
    max_bytes: usize,
    clients: Arc<Clients>,
    who: Who,
    /// Whether what follows the blocks for it has failed.
    failed: watch::Sender<bool>,
}

/// One query of one connection.
pub(super) struct Subscriber {
    pub(super) number: u64,
    text: String,
    query: Arc<Query>,
    /// The request that subscribed, under which every event goes out.
    id: Value,
    outbox: Arc<Outbox>,
    unsent: AtomicUsize,
    behind: Mutex<Option<Gap>>,
    _place: Place,
}

/// What a subscriber missed.
struct Gap {
    cursor: String,
    told: bool,
}

/// An event, or a notice, on its way to a subscriber.
pub(super) struct Delivery {
    to: Arc<Subscriber>,
    text: Text,
    bytes: usize,
    _held: Option<Place>,
}

enum Text {
    /// What follows the subscriber's own words.
    Event(Arc<str>),
    /// All of it.
    Notice(String),
}

impl Outbox {
    /// One of this client, and the end from which the connection takes.
    pub(super) fn new(context: &Context, who: Who) -> (Arc<Self>, mpsc::Receiver<Delivery>) {
        let (deliveries, taken) = mpsc::channel(2 * MAX_UNSENT);
        let (clients, max_bytes) = (Arc::clone(&context.clients), context.config.max_unsent_bytes);
        let (bytes, failed) = (AtomicUsize::new(0), watch::channel(false).0);
        (Arc::new(Self { deliveries, bytes, max_bytes, clients, who, failed }), taken)
    }

    /// Ends when no block is told here any longer.
    pub(super) async fn failed(&self) {
        // The sender is here: it ends only with the word.
        _ = self.failed.subscribe().wait_for(|failed| *failed).await;
    }

    /// Memory for an event; the first one always fits.
    fn room(&self, bytes: usize) -> Option<Place> {
        let unsent = self.bytes.load(Ordering::Relaxed);
        if unsent > 0 && unsent.saturating_add(bytes) > self.max_bytes {
            return None;
        }
        self.clients.take(&self.who, Kind::Bytes, bytes as u64).ok()
    }
}

impl Subscriber {
    /// An event that begins with the same words for this subscriber each time.
    fn offer(self: &Arc<Self>, tail: &Arc<str>, cursor: &str) {
        let mut behind = self.lock();
        if behind.is_some() {
            return;
        }
        let bytes = tail.len() + self.text.len();
        let room = (self.unsent.load(Ordering::Relaxed) < MAX_UNSENT).then(|| self.outbox.room(bytes));
        let sent = room.flatten().is_some_and(|held| self.send(Text::Event(tail.clone()), bytes, Some(held)));
        if !sent {
            *behind = Some(Gap { told: self.tell(cursor), cursor: cursor.to_owned() });
        }
    }

    /// Whatever comes from this cursor on it does not hear.
    fn miss(self: &Arc<Self>, cursor: &str) {
        let mut behind = self.lock();
        if behind.is_none() {
            *behind = Some(Gap { told: self.tell(cursor), cursor: cursor.to_owned() });
        }
    }

    /// Pays for being told of the block that begins at this cursor; whoever cannot hears nothing of it. Who is behind pays nothing.
    fn pays(self: &Arc<Self>, cost: u32, cursor: &str) -> bool {
        if self.lock().is_some() {
            return false;
        }
        let paid = self.outbox.clients.spend(&self.outbox.who, cost).is_ok();
        if !paid {
            self.miss(cursor);
        }
        paid
    }

    /// Hears of the next block again if it has taken all that it was sent, the notice of what it missed at the end of it.
    fn resume(self: &Arc<Self>) {
        let mut behind = self.lock();
        match &mut *behind {
            Some(gap) if !gap.told => gap.told = self.tell(&gap.cursor),
            Some(_) if self.unsent.load(Ordering::Acquire) == 0 => *behind = None,
            _ => {}
        }
    }

    /// An error in the words of this dialect, as its clients hand that to whoever reads the subscription; the cursor is beside them.
    fn tell(self: &Arc<Self>, cursor: &str) -> bool {
        let reason = format!(
            "events were left out, as this client did not take them in time, or asks for more than its share; althing_events has them from cursor {cursor} on"
        );
        let error = json!({ "code": RpcError::GAP, "message": "Gap", "data": reason, "cursor": cursor, "query": self.text });
        let notice = json!({ "jsonrpc": "2.0", "id": self.id, "error": error }).to_string();
        let bytes = notice.len();
        self.send(Text::Notice(notice), bytes, None)
    }

    fn send(self: &Arc<Self>, text: Text, bytes: usize, held: Option<Place>) -> bool {
        self.unsent.fetch_add(1, Ordering::Relaxed);
        self.outbox.bytes.fetch_add(bytes, Ordering::Relaxed);
        // One that does not fit is counted back when it is dropped.
        let delivery = Delivery { to: Arc::clone(self), text, bytes, _held: held };
        self.outbox.deliveries.try_send(delivery).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Gap>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// The message.
    pub(super) fn message(&self) -> String {
        match &self.text {
            Text::Notice(notice) => notice.clone(),
            Text::Event(tail) => {
                let (id, query) = (&self.to.id, json!(self.to.text));
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"query\":{query},{tail}")
            }
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.to.outbox.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.to.unsent.fetch_sub(1, Ordering::Release);
    }
}

impl Subscriptions {
    /// A subscription that does not hear anything before it is added.
    pub(super) fn prepare(
        &self,
        caller: &Caller,
        text: String,
        id: Value,
        outbox: Arc<Outbox>,
    ) -> Result<Arc<Subscriber>, RpcError> {
        let query = Query::parse(&text).map_err(|error| RpcError::params(format!("query: {error}")))?;
        let place = caller.subscribe()?;
        Ok(Arc::new(Subscriber {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            text,
            query: Arc::new(query),
            id,
            outbox,
            unsent: AtomicUsize::new(0),
            behind: Mutex::default(),
            _place: place,
        }))
    }

    /// From now on it hears of blocks.
    pub(super) fn add(&self, one: Arc<Subscriber>) {
        let mut by_query = self.lock();
        let fresh = || Topic { query: Arc::clone(&one.query), subscribers: BTreeMap::new() };
        by_query.entry(one.text.clone()).or_insert_with(fresh).subscribers.insert(one.number, one);
    }

    /// From now on it hears nothing.
    pub(super) fn remove(&self, text: &str, number: u64) {
        let mut by_query = self.lock();
        if let Some(topic) = by_query.get_mut(text) {
            topic.subscribers.remove(&number);
            if topic.subscribers.is_empty() {
                by_query.remove(text);
            }
        }
    }

    /// Ends all there are: whoever subscribed is to know that it hears nothing.
    pub(super) fn fail(&self) {
        let ended = std::mem::take(&mut *self.lock());
        let subscribers = ended.values().flat_map(|topic| topic.subscribers.values());
        subscribers.for_each(|one| _ = one.outbox.failed.send_replace(true));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Tells of a block. Blocks on the disk.
    pub(super) fn publish(&self, node: &NodeHandle, height: Height) -> Result<(), RpcError> {
        let mut topics = self.topics();
        topics.iter().flat_map(|(_, subscribers)| subscribers).for_each(Subscriber::resume);
        let block = Published::read(node, height)?;
        // What nobody pays for is not looked at: all hear of blocks in one task.
        let beginning = beginning(height);
        for (query, subscribers) in &mut topics {
            let looks = block.txs().saturating_mul(1 + query.conditions().len());
            let cost = u32::try_from(1 + looks / LOOKS_PER_COST).unwrap_or(u32::MAX);
            subscribers.retain(|one| one.pays(cost, &beginning));
        }
        topics.retain(|(_, subscribers)| !subscribers.is_empty());
        for told in block.all() {
            let attributes = block.attributes(told);
            let values = query::by_key(&attributes);
            let mut tail: Option<Arc<str>> = None;
            for (_, subscribers) in topics.iter().filter(|(query, _)| query.matches_any(&values)) {
                let tail = match &tail {
                    Some(tail) => tail,
                    None => tail.insert(block.tail(told, &values)?.into()),
                };
                let cursor = block.cursor(told);
                subscribers.iter().for_each(|one| one.offer(tail, &cursor));
            }
        }
        Ok(())
    }

    /// Says to all that they miss what comes from this height on.
    pub(super) fn miss(&self, height: Height) {
        let cursor = beginning(height);
        self.topics().iter().flat_map(|(_, subscribers)| subscribers).for_each(|one| one.miss(&cursor));
    }

    /// As they are now.
    fn topics(&self) -> Vec<(Arc<Query>, Vec<Arc<Subscriber>>)> {
        let by_query = self.lock();
        let topics = by_query.values();
        topics
            .map(|topic| (Arc::clone(&topic.query), topic.subscribers.values().cloned().collect()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Topic>> {
        self.by_query.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where `althing_events` begins with a block.
fn beginning(height: Height) -> String {
    format!("{height}.0.0")
}
