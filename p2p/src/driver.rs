//! The task that owns the libp2p swarm: dials, reports who comes and goes, and moves gossip.

use std::{
    collections::{HashMap, HashSet},
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::{ListenerId, TransportError},
    gossipsub::{self, MessageAcceptance, PublishError},
    multiaddr::Protocol,
    swarm::{
        DialError, ListenError, NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    Class, Event, Limits, Peer, PeerKey, Validation,
    behaviour::{Change, Direct, chain, show},
    bucket::{Bucket, Meter},
    dialer::{self, Dialer},
    event::Events,
    gate::{Refusal, find_refusal, key_of},
    gossip::{self, Gossip},
    member::{Kind, Member, Members},
    network::{Command, Verdict},
    standing::Offence,
};

/// Refusals reported at once, and per second: strangers must not fill the operator's log.
const REFUSALS: (u32, u32) = (50, 5);
/// How long connections may take to close at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Happening")]
pub(crate) struct Behaviour {
    pub(crate) direct: Direct,
    pub(crate) gossip: Gossip,
}

/// What the behaviours report.
#[derive(Debug)]
pub(crate) enum Happening {
    Change(Change),
    Gossip(gossipsub::Event),
}

impl From<Change> for Happening {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<gossipsub::Event> for Happening {
    fn from(event: gossipsub::Event) -> Self {
        Self::Gossip(event)
    }
}

type Resolved = (PeerKey, io::Result<Vec<SocketAddr>>);

pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    listener: ListenerId,
    members: Arc<Members>,
    limits: Arc<Limits>,
    events: Events,
    commands: mpsc::Receiver<Command>,
    /// For the verdicts; does not keep the network alive.
    verdicts: mpsc::WeakSender<Command>,
    dialer: Dialer,
    resolving: JoinSet<Resolved>,
    refusals: Bucket,
    /// Gossip of this node, and of others passed on. Together they stay within what peers allow this node.
    published: Meter,
    forwarded: Meter,
    connected_at: HashMap<PeerId, Instant>,
    /// Who takes gossip, in the connection that there is, or is being made.
    listening: HashSet<PeerId>,
}

impl Driver {
    pub(crate) fn new(
        (swarm, listener): (Swarm<Behaviour>, ListenerId),
        own: PeerKey,
        members: Arc<Members>,
        limits: Arc<Limits>,
        events: Events,
        commands: (&mpsc::Sender<Command>, mpsc::Receiver<Command>),
    ) -> Self {
        let now = Instant::now();
        let dialled = members.iter().filter(|member| member.address.is_some()).map(|member| member.key);
        let dialer = Dialer::new(own, dialled, limits.reconnect, now);
        Self {
            swarm,
            listener,
            members,
            events,
            verdicts: commands.0.downgrade(),
            commands: commands.1,
            published: Meter::half(&limits.gossip, now),
            forwarded: Meter::half(&limits.gossip, now),
            limits,
            dialer,
            resolving: JoinSet::new(),
            refusals: Bucket::new(REFUSALS.0, REFUSALS.1, now),
            connected_at: HashMap::new(),
            listening: HashSet::new(),
        }
    }

    /// Runs until shut down, or until nobody holds a handle or takes events any more.
    pub(crate) async fn run(mut self) {
        let done = loop {
            let due = self.dialer.next();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Publish(bytes)) => self.publish(&bytes),
                    Some(Command::GiveOut(bytes)) => self.give_out(&bytes),
                    Some(Command::Verdict(verdict)) => self.on_verdict(verdict),
                    Some(Command::Admit(peers)) => self.admit(peers),
                    Some(Command::Shutdown(done)) => break Some(done),
                    None => break None,
                },
                Some(resolved) = self.resolving.join_next() => self.on_resolved(resolved.ok()),
                () = wait_until(due), if due.is_some() => self.dial_due(),
                event = self.swarm.select_next_some() => if self.on_swarm_event(event).await.is_err() {
                    break None;
                },
                () = self.events.control.closed() => break None,
            }
        };
        self.stop(done).await;
    }

    /// The peers are others: those that came are dialled, if their address is known.
    fn admit(&mut self, peers: Vec<(Peer, PeerId)>) {
        let came = self.members.admit(peers);
        let dialled = self.members.iter().filter(|member| member.address.is_some()).map(|member| member.key);
        self.dialer.keep(&dialled.collect());
        for member in came.iter().filter(|member| member.address.is_some()) {
            self.dialer.add(member.key, Instant::now());
        }
    }

    /// Closes all connections in good order, so that peers learn of it at once.
    async fn stop(mut self, done: Option<oneshot::Sender<()>>) {
        self.swarm.remove_listener(self.listener);
        for member in self.members.iter() {
            member.close_links("this node shuts down");
        }
        let closed = async {
            while self.swarm.network_info().num_peers() > 0 {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(SHUTDOWN_TIMEOUT, closed).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
        drop(self);
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    fn on_verdict(&mut self, Verdict { id, source, len, accept, blame }: Verdict) {
        let acceptance = match &blame {
            None if accept && self.forwarded.take(len, Instant::now()) => MessageAcceptance::Accept,
            None => MessageAcceptance::Ignore,
            Some(_) => MessageAcceptance::Reject,
        };
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &source, acceptance);
        if let (Some(reason), Some(member)) = (blame, self.members.by_peer_id(&source)) {
            member.penalise(Offence::Content, &format!("gossip: {reason}"));
        }
    }

    /// Whether this node may gossip so much more, or give it out.
    fn may_publish(&mut self, len: usize) -> bool {
        let may = self.published.take(len, Instant::now());
        if !may {
            tracing::debug!(len, "a message was not gossiped: more than half the rate limit of gossip");
        }
        may
    }

    fn give_out(&mut self, bytes: &Arc<[u8]>) {
        if self.may_publish(bytes.len()) {
            for member in self.members.iter() {
                // Who is not connected, or takes no more, is offered what it lacks by a proposal.
                let _ = member.send(Class::Transactions, bytes.clone());
            }
        }
    }

    fn publish(&mut self, bytes: &[u8]) {
        if !self.may_publish(bytes.len()) {
            return;
        }
        match self.swarm.behaviour_mut().gossip.publish(gossip::topic(), bytes) {
            Ok(_) | Err(PublishError::Duplicate | PublishError::NoPeersSubscribedToTopic) => {}
            Err(error) => tracing::debug!(%error, len = bytes.len(), "a message was not gossiped"),
        }
    }

    fn dial_due(&mut self) {
        for key in self.dialer.take_due(Instant::now()) {
            let Some(member) = self.members.get(&key) else { continue };
            if let Some(left) = member.suspended() {
                self.dialer.postpone(&key, Instant::now() + left);
                continue;
            }
            let (Some(address), false) = (member.address.clone(), member.is_connected()) else { continue };
            let limit = self.limits.handshake_timeout;
            self.resolving.spawn(async move {
                let found = timeout(limit, tokio::net::lookup_host(&address)).await;
                (key, found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(Vec::from_iter))
            });
        }
    }

    fn on_resolved(&mut self, resolved: Option<Resolved>) {
        let Some((key, addresses)) = resolved else { return };
        let Some(member) = self.members.get(&key) else { return };
        let addresses = match addresses {
            Ok(addresses) => addresses.into_iter().map(multiaddr).collect(),
            Err(error) => {
                tracing::debug!(peer = %key, address = ?member.address, %error, "cannot resolve a peer's address");
                return self.retry(&member);
            }
        };
        let options = DialOpts::peer_id(member.peer_id)
            .condition(PeerCondition::Disconnected)
            .addresses(addresses)
            // From a port of its own: two nodes that dial each other from their listening ports would collide.
            .allocate_new_port()
            .build();
        // A dial that fails at once is not reported as an event.
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(peer = %key, error = %chain(&error), "cannot dial a peer");
            self.retry(&member);
        }
    }

    /// Schedules the next attempt, unless the member is connected after all.
    fn retry(&mut self, member: &Member) {
        if !member.is_connected() {
            self.dialer.failed(&member.key, Duration::ZERO, dialer::random(), Instant::now());
        }
    }

    async fn on_swarm_event(&mut self, event: SwarmEvent<Happening>) -> Result<(), Stopped> {
        match event {
            SwarmEvent::Behaviour(Happening::Change(change)) => self.on_change(change).await?,
            SwarmEvent::Behaviour(Happening::Gossip(gossipsub::Event::Subscribed { peer_id, .. })) => {
                self.on_subscribed(peer_id).await?;
            }
            SwarmEvent::Behaviour(Happening::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_incoming_failure(show(&send_back_addr), error);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_dial_failure(peer, error)
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "the network's listener had an error")
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "the network no longer listens")
            }
            _ => {}
        }
        Ok(())
    }

    async fn on_change(&mut self, change: Change) -> Result<(), Stopped> {
        let now = Instant::now();
        match change {
            Change::Connected(id, direction) => {
                let Some(member) = self.members.by_peer_id(&id) else { return Ok(()) };
                self.connected_at.insert(id, now);
                self.dialer.connected(&member.key);
                let (peer, software) = (member.key, member.software());
                self.tell(Event::Connected { peer, software, direction }).await?;
                if self.listening.contains(&id) {
                    self.tell(Event::Listening { peer }).await?;
                }
            }
            Change::Disconnected(id, reason) => {
                let Some(member) = self.members.known(&id) else { return Ok(()) };
                let lasted = self.connected_at.remove(&id).map_or(Duration::ZERO, |since| now - since);
                self.dialer.failed(&member.key, lasted, dialer::random(), now);
                self.listening.remove(&id);
                self.tell(Event::Disconnected { peer: member.key, reason }).await?;
            }
        }
        Ok(())
    }

    /// Once in a connection, however often it subscribes.
    async fn on_subscribed(&mut self, id: PeerId) -> Result<(), Stopped> {
        let Some(member) = self.members.by_peer_id(&id) else { return Ok(()) };
        if self.listening.insert(id) && self.connected_at.contains_key(&id) {
            self.tell(Event::Listening { peer: member.key }).await?;
        }
        Ok(())
    }

    /// Waits if the node is behind: then the swarm stands still, and nothing piles up here.
    async fn tell(&mut self, event: Event) -> Result<(), Stopped> {
        self.events.control.send(event).await.map_err(|_| Stopped)
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id: id, message } = event else {
            return;
        };
        let member = self.members.by_peer_id(&source);
        let delivered = member.is_some_and(|member| self.deliver_gossip(&member, id.clone(), message.data));
        if !delivered {
            let gossip = &mut self.swarm.behaviour_mut().gossip;
            gossip.report_message_validation_result(&id, &source, MessageAcceptance::Ignore);
        }
    }

    fn deliver_gossip(&self, member: &Member, id: gossipsub::MessageId, bytes: Vec<u8>) -> bool {
        let (len, max) = (bytes.len(), self.limits.gossip.max_message_bytes);
        if len > max {
            member.penalise(Offence::Protocol, &format!("gossip of {len} bytes, at most {max} are allowed"));
            return false;
        }
        let Some(commands) = self.verdicts.upgrade() else { return false };
        let validation = Validation { id, source: member.peer_id, len, commands };
        member.meter(Kind::Gossip, len) && self.events.gossip(member.key, bytes, validation).is_ok()
    }

    fn on_incoming_failure(&mut self, address: String, error: ListenError) {
        match error {
            ListenError::Transport(TransportError::Other(error)) => match find_refusal(&error) {
                Some(refusal) => self.refused(address, refusal),
                None => tracing::debug!(address, error = %chain(&error), "an incoming connection failed"),
            },
            error => tracing::debug!(address, error = %chain(&error), "an incoming connection failed"),
        }
    }

    fn on_dial_failure(&mut self, peer: PeerId, error: DialError) {
        let Some(member) = self.members.by_peer_id(&peer) else { return };
        match &error {
            DialError::WrongPeerId { obtained, address } => {
                let found = key_of(obtained).map_or_else(|| obtained.to_string(), |key| key.to_string());
                let reason =
                    format!("expected the peer with key {}, found {found}: check the address", member.key);
                self.refused(show(address), Refusal { peer: key_of(obtained), reason });
            }
            DialError::Transport(failures) => {
                for (address, failure) in failures {
                    if let TransportError::Other(error) = failure
                        && let Some(refusal) = find_refusal(error)
                    {
                        self.refused(show(address), refusal);
                    }
                }
            }
            _ => {}
        }
        tracing::debug!(peer = %member.key, error = %chain(&error), "cannot connect to a peer");
        self.retry(&member);
    }

    /// Reports a refusal, if not too many were reported of late and the node has room for it.
    fn refused(&mut self, address: String, refusal: Refusal) {
        if !self.refusals.take(1, Instant::now()) {
            return;
        }
        let event = Event::Refused { peer: refusal.peer, address, reason: refusal.reason };
        if let Err(error) = self.events.control.try_send(event) {
            tracing::debug!(%error, "a refusal was not reported");
        }
    }
}

/// Nobody takes the events any more.
struct Stopped;

async fn wait_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}

pub(crate) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}
