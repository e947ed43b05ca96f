//! One per connection: opens the direct streams and one per request made, takes those that the peer opens, and
//! runs each as a task that ends with the connection.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
};

use libp2p::{
    InboundUpgrade, OutboundUpgrade, Stream, StreamProtocol,
    core::UpgradeInfo,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
    },
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Sleep, sleep},
};

use crate::{
    Class, Limits,
    event::Events,
    lane,
    member::Member,
    requests::{self, Ask},
    standing::Offence,
    streams,
};

const REQUEST: StreamProtocol = StreamProtocol::new("/althing/request/1");

fn protocol_of(class: Class) -> StreamProtocol {
    match class {
        Class::Consensus => StreamProtocol::new("/althing/consensus/1"),
        Class::Proposal => StreamProtocol::new("/althing/proposal/1"),
        Class::Transactions => StreamProtocol::new("/althing/transactions/1"),
    }
}

/// The protocols offered on a stream; what comes out is the stream and the one chosen.
pub(crate) struct Offer(Vec<StreamProtocol>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((stream, protocol)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        ready(Ok(stream))
    }
}

/// What a stream is opened for.
pub(crate) enum Purpose {
    Send(Class, lane::Receiver<Arc<[u8]>>),
    Ask(Ask),
}

/// The connection is of no use any more, for this reason.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

pub(crate) struct Handler {
    member: Arc<Member>,
    events: Events,
    limits: Arc<Limits>,
    to_open: VecDeque<Purpose>,
    /// Ends when the link is dropped, which ends the connection.
    asks: mpsc::Receiver<Ask>,
    /// Why the link was dropped.
    end: Arc<OnceLock<String>>,
    /// The peer opened its stream of this class.
    opened: [bool; 3],
    /// By when it must have opened all: only an open stream shows by its silence that the peer is gone.
    deadline: Pin<Box<Sleep>>,
    /// Direct streams: each ends with the reason why.
    streams: JoinSet<String>,
    /// Requests made and served.
    requests: JoinSet<()>,
    faults: VecDeque<Fault>,
    closing: bool,
    waker: Option<Waker>,
}

impl Handler {
    pub(crate) fn new(
        member: Arc<Member>,
        events: Events,
        limits: Arc<Limits>,
        outboxes: [lane::Receiver<Arc<[u8]>>; 3],
        asks: mpsc::Receiver<Ask>,
        end: Arc<OnceLock<String>>,
    ) -> Self {
        let to_open = Class::ALL
            .into_iter()
            .zip(outboxes)
            .map(|(class, outbox)| Purpose::Send(class, outbox))
            .collect();
        let deadline = Box::pin(sleep(limits.handshake_timeout));
        Self {
            member,
            events,
            limits,
            to_open,
            asks,
            end,
            opened: [false; 3],
            deadline,
            streams: JoinSet::new(),
            requests: JoinSet::new(),
            faults: VecDeque::new(),
            closing: false,
            waker: None,
        }
    }

    fn on_inbound(&mut self, stream: Stream, protocol: StreamProtocol) {
        if protocol == REQUEST {
            return self.serve(stream);
        }
        let Some(class) = Class::ALL.into_iter().find(|class| protocol == protocol_of(*class)) else {
            return;
        };
        if std::mem::replace(&mut self.opened[class.index()], true) {
            // An honest peer opens it once: whatever ends a direct stream ends the connection.
            let reason = format!("the peer opened a second {} stream", class.name());
            self.member.penalise(Offence::Protocol, &reason);
            return self.fail(reason);
        }
        let (member, events, limits) = (self.member.clone(), self.events.clone(), self.limits.clone());
        self.streams.spawn(streams::receive(stream, class, member, events, limits));
    }

    fn serve(&mut self, stream: Stream) {
        // No place: the stream is dropped, which resets it. An honest peer asks at most half as many at once.
        let Ok(place) = self.member.serving.clone().try_acquire_owned() else { return };
        let (member, events, limits) = (self.member.clone(), self.events.clone(), self.limits.clone());
        self.requests.spawn(async move {
            requests::serve(stream, member, events, limits).await;
            drop(place);
        });
    }

    fn on_outbound(&mut self, stream: Stream, purpose: Purpose) {
        match purpose {
            Purpose::Send(_, outbox) => {
                self.streams.spawn(streams::send(stream, outbox, self.limits.clone()));
            }
            Purpose::Ask(ask) => {
                self.requests.spawn(ask.run(stream, self.member.clone(), self.limits.max_response_bytes));
            }
        }
    }

    fn on_open_failure(&mut self, error: StreamUpgradeError<Infallible>, purpose: Purpose) {
        match purpose {
            Purpose::Send(class, _) => self.fail(format!("cannot open the {} stream: {error}", class.name())),
            Purpose::Ask(ask) => ask.fail(self.member.key, format!("cannot open a stream: {error}")),
        }
    }

    fn fail(&mut self, reason: String) {
        if !self.closing {
            self.closing = true;
            self.faults.push_back(Fault(reason));
        }
    }

    /// Looks after the tasks and the link; faults found are queued.
    fn supervise(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.streams.poll_join_next(cx) {
            let reason = ended.unwrap_or_else(|error| format!("a stream's task failed: {error}"));
            // A link that was dropped ends the streams too, and knows better why.
            let reason = self.end.get().cloned().unwrap_or(reason);
            self.fail(reason);
        }
        while let Poll::Ready(Some(_)) = self.requests.poll_join_next(cx) {}
        let missing = Class::ALL.into_iter().find(|class| !self.opened[class.index()]);
        if let Some(class) = missing
            && !self.closing
            && self.deadline.as_mut().poll(cx).is_ready()
        {
            let limit = self.limits.handshake_timeout;
            self.fail(format!("the peer did not open its {} stream within {limit:?}", class.name()));
        }
        while let Poll::Ready(ask) = self.asks.poll_recv(cx) {
            match ask {
                Some(ask) => self.to_open.push_back(Purpose::Ask(ask)),
                None => {
                    let reason = self.end.get().cloned().unwrap_or_else(|| "closed by this node".into());
                    self.fail(reason);
                    break;
                }
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Fault;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Purpose;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        let offered = Class::ALL.map(protocol_of).into_iter().chain([REQUEST]);
        SubstreamProtocol::new(Offer(offered.collect()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, Purpose, Fault>> {
        self.supervise(cx);
        if let Some(fault) = self.faults.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(fault));
        }
        if !self.closing
            && let Some(purpose) = self.to_open.pop_front()
        {
            let protocol = match &purpose {
                Purpose::Send(class, _) => protocol_of(*class),
                Purpose::Ask(_) => REQUEST,
            };
            let protocol = SubstreamProtocol::new(Offer(vec![protocol]), purpose)
                .with_timeout(self.limits.handshake_timeout);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Offer, Offer, (), Purpose>) {
        if self.closing {
            return;
        }
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (stream, protocol),
                ..
            }) => {
                self.on_inbound(stream, protocol);
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info }) => {
                self.on_outbound(stream, info);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info }) => {
                self.on_open_failure(error, info)
            }
            _ => {}
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
