//! The direct half of the network as a libp2p behaviour: a handler and a link per connection, and who comes and goes.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Instant,
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    multiaddr::Protocol,
    swarm::{
        CloseConnection, ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour,
        THandlerInEvent, ToSwarm, behaviour::ConnectionEstablished,
    },
};
use tokio::sync::mpsc;

use crate::{
    Class, Direction, Limits,
    event::Events,
    handler::{Fault, Handler},
    lane::lane,
    member::{Link, Member, Members},
};

/// Connections that have not passed the gate yet: from everywhere, and from one address.
const PENDING: (usize, usize) = (256, 64);

/// A member came or went.
#[derive(Debug)]
pub(crate) enum Change {
    Connected(PeerId, Direction),
    Disconnected(PeerId, String),
}

pub(crate) struct Direct {
    members: Arc<Members>,
    events: Events,
    limits: Arc<Limits>,
    pending: HashMap<ConnectionId, Option<IpAddr>>,
    /// Why a connection is being closed, until it is.
    faults: HashMap<ConnectionId, String>,
    actions: VecDeque<ToSwarm<Change, THandlerInEvent<Self>>>,
}

impl Direct {
    pub(crate) fn new(members: Arc<Members>, events: Events, limits: Arc<Limits>) -> Self {
        let (pending, faults) = (HashMap::new(), HashMap::new());
        Self { members, events, limits, pending, faults, actions: VecDeque::new() }
    }

    fn admitted(&self, peer: &PeerId) -> Result<Arc<Member>, ConnectionDenied> {
        self.members.by_peer_id(peer).ok_or_else(|| ConnectionDenied::new(Denied("not admitted")))
    }

    fn connect(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        direction: Direction,
        address: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        let member = self.admitted(&peer)?;
        let open = |class| {
            let limit = self.limits.class(class);
            lane(limit.queue_messages, limit.queue_bytes)
        };
        let (consensus, consensus_outbox) = open(Class::Consensus);
        let (proposal, proposal_outbox) = open(Class::Proposal);
        let (transactions, transactions_outbox) = open(Class::Transactions);
        let (asks, asked) = mpsc::channel(self.limits.concurrent_requests);
        let end = Arc::new(OnceLock::new());
        let link = Link {
            id,
            direction,
            address: show(address),
            since: Instant::now(),
            outboxes: [consensus, proposal, transactions],
            asks,
            end: end.clone(),
        };
        member.add_link(link, self.limits.handshake_timeout);
        let outboxes = [consensus_outbox, proposal_outbox, transactions_outbox];
        Ok(Handler::new(member, self.events.clone(), self.limits.clone(), outboxes, asked, end))
    }

    fn on_established(&mut self, event: ConnectionEstablished<'_>) {
        self.pending.remove(&event.connection_id);
        if event.other_established == 0 {
            let direction = if event.endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
            self.actions.push_back(ToSwarm::GenerateEvent(Change::Connected(event.peer_id, direction)));
        }
    }

    fn on_closed(&mut self, event: ConnectionClosed<'_>) {
        let fault = self.faults.remove(&event.connection_id);
        let Some(member) = self.members.known(&event.peer_id) else { return };
        member.remove_link(event.connection_id);
        if event.remaining_established == 0 {
            let reason = fault
                .or_else(|| event.cause.map(|cause| format!("the connection broke: {}", chain(cause))))
                .unwrap_or_else(|| "closed by this node".into());
            self.actions.push_back(ToSwarm::GenerateEvent(Change::Disconnected(event.peer_id, reason)));
        }
    }

    /// A connection that was begun did not come about.
    fn on_failure(&mut self, id: ConnectionId, peer: Option<PeerId>) {
        self.pending.remove(&id);
        if let Some(member) = peer.and_then(|peer| self.members.by_peer_id(&peer)) {
            member.remove_link(id);
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Denied(&'static str);

impl NetworkBehaviour for Direct {
    type ConnectionHandler = Handler;
    type ToSwarm = Change;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let ip = ip_of(remote);
        let (all, per_ip) = PENDING;
        if self.pending.len() >= all || self.pending.values().filter(|other| **other == ip).count() >= per_ip
        {
            return Err(ConnectionDenied::new(Denied("too many connections are in their handshake")));
        }
        self.pending.insert(id, ip);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.connect(id, peer, Direction::Inbound, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        self.connect(id, peer, Direction::Outbound, address)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.on_established(event),
            FromSwarm::ConnectionClosed(event) => self.on_closed(event),
            FromSwarm::ListenFailure(event) => self.on_failure(event.connection_id, event.peer_id),
            FromSwarm::DialFailure(event) => self.on_failure(event.connection_id, event.peer_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer_id: PeerId, id: ConnectionId, Fault(reason): Fault) {
        tracing::debug!(%peer_id, %id, reason, "closing a connection");
        // From now on messages go over another connection, or nowhere.
        if let Some(member) = self.members.by_peer_id(&peer_id) {
            member.remove_link(id);
        }
        self.faults.insert(id, reason);
        self.actions.push_back(ToSwarm::CloseConnection { peer_id, connection: CloseConnection::One(id) });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Change, THandlerInEvent<Self>>> {
        // Actions only arise in calls by the swarm, which polls again after them.
        self.actions.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    })
}

/// `host:port`, as people write it.
pub(crate) fn show(address: &Multiaddr) -> String {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    match (ip_of(address), port) {
        (Some(ip), Some(port)) => std::net::SocketAddr::new(ip, port).to_string(),
        _ => address.to_string(),
    }
}

/// An error with all its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}
