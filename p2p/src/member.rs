//! The table of admitted peers: for each its connections, its standing and what it may still send.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use libp2p::{PeerId, swarm::ConnectionId};
use tokio::sync::{Semaphore, mpsc};

use crate::{
    bucket::{Bucket, Meter},
    config::{Limits, Peer},
    event::{Class, Direction, PeerKey},
    lane::{self, LaneError},
    requests::Ask,
    standing::{Offence, Standing},
};

/// New connections a member may open at once, and per second.
const CONNECTS: (u32, u32) = (20, 1);

/// Kinds of traffic that are metered apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Class(Class),
    Gossip,
    Request,
}

/// One connection, as seen by those who send. Dropping it ends the connection.
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) direction: Direction,
    pub(crate) address: String,
    pub(crate) since: Instant,
    pub(crate) outboxes: [lane::Sender<Arc<[u8]>>; 3],
    pub(crate) asks: mpsc::Sender<Ask>,
    /// Why it was ended, for the one who reports it.
    pub(crate) end: Arc<OnceLock<String>>,
}

impl Link {
    fn close(self, reason: &str) {
        // If a reason is there already, it is the first and the better one.
        let _ = self.end.set(reason.to_owned());
    }
}

/// One admitted peer.
pub(crate) struct Member {
    pub(crate) key: PeerKey,
    pub(crate) peer_id: PeerId,
    pub(crate) address: Option<String>,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    /// Messages to it that found its queue full.
    pub(crate) dropped: AtomicU64,
    /// Requests to it under way.
    pub(crate) asking: Arc<Semaphore>,
    /// Requests of it being served.
    pub(crate) serving: Arc<Semaphore>,
    /// Bytes of answers that may still wait for it.
    pub(crate) answering: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    links: Vec<Link>,
    standing: Standing,
    connects: Bucket,
    meters: [Meter; 4],
    software: String,
}

impl Member {
    fn new(peer: Peer, peer_id: PeerId, limits: &Limits) -> Self {
        let now = Instant::now();
        let meters = [&limits.consensus, &limits.proposal, &limits.gossip, &limits.request];
        Self {
            key: peer.key,
            peer_id,
            address: peer.address,
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            asking: Arc::new(Semaphore::new(limits.concurrent_requests)),
            serving: Arc::new(Semaphore::new(2 * limits.concurrent_requests)),
            answering: Arc::new(Semaphore::new(2 * limits.max_response_bytes)),
            state: Mutex::new(State {
                links: Vec::new(),
                standing: Standing::new(limits.suspension, now),
                connects: Bucket::new(CONNECTS.0, CONNECTS.1, now),
                meters: meters.map(|limit| Meter::new(limit, now)),
                software: String::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every update under the lock is complete in itself, so the state of a panicked holder is sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. A member only dials while it believes itself unconnected: so when it connects anew, all links
    /// older than a handshake are dead, whatever this end still believes, and so is every earlier one that it opened.
    /// What remains beside the new link is at most one of ours that crossed with it; both are then kept.
    pub(crate) fn add_link(&self, link: Link, handshake_timeout: Duration) {
        let mut state = self.state();
        if link.direction == Direction::Inbound {
            let (crossed, dead) = state.links.drain(..).partition(|old: &Link| {
                old.direction == Direction::Outbound && old.since.elapsed() < handshake_timeout
            });
            state.links = crossed;
            for old in Vec::from_iter::<Vec<Link>>(dead) {
                old.close("replaced by a newer connection of the same peer");
            }
        }
        state.links.push(link);
    }

    pub(crate) fn remove_link(&self, id: ConnectionId) {
        self.state().links.retain(|link| link.id != id);
    }

    pub(crate) fn close_links(&self, reason: &str) {
        self.state().links.drain(..).for_each(|link| link.close(reason));
    }

    /// Runs `f` on the connection in use, the oldest, so that messages keep their order when another is added.
    pub(crate) fn with_link<R>(&self, f: impl FnOnce(&Link) -> R) -> Option<R> {
        self.state().links.first().map(f)
    }

    /// Queues a message, if the member is connected and has room for it.
    pub(crate) fn send(&self, class: Class, bytes: Arc<[u8]>) -> Result<(), LaneError> {
        let len = bytes.len();
        let sent = self.with_link(|link| link.outboxes[class.index()].try_send(bytes, len));
        let sent = sent.unwrap_or(Err(LaneError::Closed));
        if sent == Err(LaneError::Full) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    pub(crate) fn is_connected(&self) -> bool {
        !self.state().links.is_empty()
    }

    pub(crate) fn set_software(&self, software: String) {
        self.state().software = software;
    }

    pub(crate) fn software(&self) -> String {
        self.state().software.clone()
    }

    /// Whether the member may open one more connection now, or why not.
    pub(crate) fn may_connect(&self) -> Result<(), String> {
        let now = Instant::now();
        let mut state = self.state();
        if let Some((left, reason)) = state.standing.suspended(now) {
            return Err(format!("kept out for another {} s: {reason}", left.as_secs() + 1));
        }
        if !state.connects.take(1, now) {
            return Err("too many new connections, at most one per second is admitted for long".into());
        }
        Ok(())
    }

    /// For how long this member is still kept out.
    pub(crate) fn suspended(&self) -> Option<Duration> {
        self.state().standing.suspended(Instant::now()).map(|(left, _)| left)
    }

    /// Counts a message against its limit. False: it is to be dropped; the member has paid for it already.
    pub(crate) fn meter(&self, kind: Kind, bytes: usize) -> bool {
        let (index, name) = match kind {
            // Whichever way a peer's transactions come.
            Kind::Class(Class::Transactions) => (2, Class::Transactions.name()),
            Kind::Class(class) => (class.index(), class.name()),
            Kind::Gossip => (2, "gossip"),
            Kind::Request => (3, "request"),
        };
        let within = self.state().meters[index].take(bytes, Instant::now());
        if !within {
            self.penalise(
                Offence::Rate,
                &format!("more {name} messages or bytes than the rate limit allows"),
            );
        }
        within
    }

    /// Takes standing from the member; at the end of patience cuts it off for a while.
    pub(crate) fn penalise(&self, offence: Offence, reason: &str) {
        let mut state = self.state();
        let Some(length) = state.standing.penalise(offence, reason, Instant::now()) else {
            tracing::debug!(peer = %self.key, ?offence, reason, "peer penalised");
            return;
        };
        tracing::warn!(peer = %self.key, reason, ?length, "peer suspended");
        let reason = format!("suspended for {length:?}: {reason}");
        state.links.drain(..).for_each(|link| link.close(&reason));
    }

    /// What the operator may see of it.
    pub(crate) fn info(&self) -> PeerInfo {
        let state = self.state();
        PeerInfo {
            key: self.key,
            address: self.address.clone(),
            connection: state.links.first().map(|link| ConnectionInfo {
                address: link.address.clone(),
                direction: link.direction,
                duration: link.since.elapsed(),
                software: state.software.clone(),
            }),
            suspended: state
                .standing
                .suspended(Instant::now())
                .map(|(left, reason)| (left, reason.to_owned())),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
        }
    }
}

/// One admitted peer as it stands now.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Its identity.
    pub key: PeerKey,
    /// Where it is dialled, if configured.
    pub address: Option<String>,
    /// The connection in use, if there is one.
    pub connection: Option<ConnectionInfo>,
    /// If it misbehaved: for how long it is still kept out, and why.
    pub suspended: Option<(Duration, String)>,
    /// Bytes received from it since start, all kinds.
    pub bytes_in: u64,
    /// Bytes sent to it since start, all kinds.
    pub bytes_out: u64,
    /// Direct messages to it that were dropped because its queue was full.
    pub dropped: u64,
}

/// The connection in use with a peer.
#[derive(Debug, Clone)]
pub struct ConnectionInfo {
    /// The other end.
    pub address: String,
    /// Who opened it.
    pub direction: Direction,
    /// For how long it has been up.
    pub duration: Duration,
    /// The peer's software.
    pub software: String,
}

/// All admitted peers. They change with the chain's validators.
pub(crate) struct Members {
    table: RwLock<Table>,
    limits: Limits,
}

#[derive(Default)]
struct Table {
    by_key: BTreeMap<PeerKey, Arc<Member>>,
    by_peer_id: HashMap<PeerId, Arc<Member>>,
    /// Those no longer admitted whose connections are being closed.
    leaving: HashMap<PeerId, Arc<Member>>,
}

impl Members {
    pub(crate) fn new(peers: Vec<(Peer, PeerId)>, limits: &Limits) -> Self {
        let members = Self { table: RwLock::default(), limits: limits.clone() };
        members.admit(peers);
        members
    }

    /// From now on these, and no others: who stays keeps its connections and its standing, who goes loses them. Returns those that came.
    pub(crate) fn admit(&self, peers: Vec<(Peer, PeerId)>) -> Vec<Arc<Member>> {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *table);
        let mut came = Vec::new();
        for (peer, id) in peers {
            let known = before.by_key.remove(&peer.key);
            let known = known.filter(|known| peer.address.is_none() || known.address == peer.address);
            let member = known.unwrap_or_else(|| {
                let member = Arc::new(Member::new(peer, id, &self.limits));
                came.push(member.clone());
                member
            });
            table.by_peer_id.insert(member.peer_id, member.clone());
            table.by_key.insert(member.key, member);
        }
        table.leaving = before.by_key.values().map(|gone| (gone.peer_id, gone.clone())).collect();
        drop(table);
        before.by_key.values().for_each(|gone| gone.close_links("no longer admitted"));
        came
    }

    /// Whoever a connection is with that ends: it may be admitted no longer.
    pub(crate) fn known(&self, id: &PeerId) -> Option<Arc<Member>> {
        let table = self.read();
        table.by_peer_id.get(id).or_else(|| table.leaving.get(id)).cloned()
    }

    pub(crate) fn get(&self, key: &PeerKey) -> Option<Arc<Member>> {
        self.read().by_key.get(key).cloned()
    }

    pub(crate) fn by_peer_id(&self, id: &PeerId) -> Option<Arc<Member>> {
        self.read().by_peer_id.get(id).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Arc<Member>> + use<> {
        self.read().by_key.values().cloned().collect::<Vec<_>>().into_iter()
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}
