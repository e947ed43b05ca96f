//! The driver's own thread: takes what arrives, performs the effects, says where the node stands.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use althing_consensus::engine::{self, Halt};
use althing_consensus::{AppHash, Height, Micros, Now, View};
use althing_crypto::{Encoding, TxHash};
use althing_mempool::Outcome as Admission;
use althing_p2p::{Network, Peer, PeerKey, Responder, Validation};
use tokio::sync::{mpsc, oneshot, watch};

use super::lanes::{Lanes, Outcome};
use super::network::{Pending, decode};
use crate::config::PeerConfig;
use crate::driver::{Done, Driver, Effect, Event, Job, StoreJob};
use crate::handle::{Ask, HandleBackend, NodeStatus, PeerInfo};
use crate::meters::Meters;
use crate::run::peers;
use crate::session::Session;
use crate::wire::{Gossip, Request, Response, Wire};
use crate::workers::Fatal;

/// Something from outside for the driver.
// They are taken one at a time.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Arrival {
    Event(Event),
    Connected {
        peer: PeerKey,
        software: String,
        outbound: bool,
    },
    /// Without validation if its author gives it to everyone itself.
    Gossip {
        peer: PeerKey,
        gossip: Gossip,
        validation: Option<Validation>,
    },
    Request {
        peer: PeerKey,
        request: Request,
        responder: Responder,
    },
}

/// What connects the driver to the rest.
pub(crate) struct Wiring {
    pub(crate) lanes: Lanes,
    pub(crate) results: mpsc::Receiver<Outcome>,
    pub(crate) network: Network,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    /// For answers to this node's own requests.
    pub(crate) answers: mpsc::Sender<Arrival>,
    pub(crate) backend: HandleBackend,
    /// Whom the operator admits or knows the address of.
    pub(crate) peers: Vec<PeerConfig>,
    /// When this process began.
    pub(crate) session: Session,
    /// Whom the network admits from now on.
    pub(crate) admitted: watch::Sender<Vec<Peer>>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// The driver with its wiring.
pub(crate) struct Actor {
    driver: Driver,
    wiring: Wiring,
    began: Instant,
    wake: Option<tokio::time::Instant>,
    /// Numbers for clients and peers that wait for an answer.
    numbers: u64,
    tickets: HashMap<u64, Ticket>,
    /// Of the step at hand, in the mempool's order.
    answers: Vec<(u64, TxHash, Admission)>,
    notices: HashMap<u64, oneshot::Sender<Result<(), String>>>,
    pending: HashMap<u64, Pending>,
    status: NodeStatus,
}

/// Who waits for what becomes of a submission.
enum Ticket {
    One(oneshot::Sender<Admission>),
    /// All are answered together: so many are not known yet.
    Many {
        left: usize,
        known: Vec<(TxHash, Admission)>,
        answer: oneshot::Sender<Vec<(TxHash, Admission)>>,
    },
}

impl Actor {
    pub(crate) fn new(driver: Driver, wiring: Wiring, status: NodeStatus) -> Self {
        Self {
            driver,
            wiring,
            began: Instant::now(),
            wake: None,
            numbers: 0,
            tickets: HashMap::new(),
            answers: Vec::new(),
            notices: HashMap::new(),
            pending: HashMap::new(),
            status,
        }
    }

    /// Runs until it is stopped or something fatal happens.
    pub(crate) async fn run(mut self) -> Result<(), Fatal> {
        self.step(Event::Started)?;
        loop {
            self.publish();
            let wake = self.wake;
            let alarm = async move {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.wiring.stop.changed() => return Ok(()),
                done = self.wiring.results.recv() => match done {
                    Some(outcome) => self.step(Event::Done(outcome?))?,
                    None => return Err(Fatal::Broken("all lanes have ended".to_owned())),
                },
                Some(arrival) = self.wiring.arrivals.recv() => self.arrived(arrival)?,
                Some(ask) = self.wiring.backend.asks.recv() => self.asked(ask)?,
                () = alarm => {
                    self.wake = None;
                    self.step(Event::Woken)?;
                }
            }
        }
    }

    fn now(&self) -> Now {
        let mono = Micros(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono, unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn step(&mut self, event: Event) -> Result<(), Fatal> {
        match &event {
            Event::Done(Done::Executed(executed)) => {
                self.status.app_hash = executed.execution.app_hash.clone();
            }
            Event::Done(Done::EpochEntered { next, .. }) => {
                self.status.validators = next.config.set.clone();
                self.status.params = Arc::new(next.config.params.clone());
                self.status.position = next.config.me;
            }
            _ => {}
        }
        let now = self.now();
        self.driver.step(now, event).into_iter().try_for_each(|effect| self.perform(effect))?;
        self.answer_all();
        Ok(())
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn arrived(&mut self, arrival: Arrival) -> Result<(), Fatal> {
        match arrival {
            Arrival::Event(event) => {
                if let Event::PeerDisconnected(peer) = &event {
                    self.peers(|peers| peers.retain(|one| one.identity != *peer));
                }
                self.step(event)
            }
            Arrival::Connected { peer, software, outbound } => {
                self.peers(|peers| {
                    peers.retain(|one| one.identity != peer);
                    peers.push(PeerInfo { identity: peer, software, outbound });
                });
                self.step(Event::PeerConnected(peer))
            }
            Arrival::Gossip { peer, gossip, validation } => {
                let id = self.number();
                self.pending.extend(validation.map(|validation| (id, Pending::Verdict(validation))));
                self.step(Event::Gossip { from: peer, id, gossip })
            }
            Arrival::Request { peer, request, responder } => {
                let id = self.number();
                self.pending.insert(id, Pending::Answer(responder));
                self.step(Event::Request { from: peer, id, request })
            }
        }
    }

    fn asked(&mut self, ask: Ask) -> Result<(), Fatal> {
        match ask {
            Ask::Submit { tx, answer } => {
                let ticket = self.number();
                self.tickets.insert(ticket, Ticket::One(answer));
                self.step(Event::Submit { ticket, tx })
            }
            Ask::SubmitMany { txs, answer } => {
                let ticket = self.number();
                let (left, known) = (txs.len(), Vec::with_capacity(txs.len()));
                self.tickets.insert(ticket, Ticket::Many { left, known, answer });
                self.step(Event::SubmitMany { ticket, txs })
            }
            Ask::Notice { notice, answer } => {
                let ticket = self.number();
                self.notices.insert(ticket, answer);
                self.step(Event::SubmitNotice { ticket, notice })
            }
            Ask::Standing { tx, answer } => {
                // Whoever asked may have gone.
                let _ = answer.send(self.driver.mempool().status(&tx));
                Ok(())
            }
            Ask::Pending { limit, answer } => {
                let pending = self.driver.pending(limit).iter().map(|tx| tx.to_vec()).collect();
                // Whoever asked may have gone.
                let _ = answer.send(pending);
                Ok(())
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Result<(), Fatal> {
        match effect {
            Effect::Job(job) => {
                self.time(&job);
                self.wiring.lanes.give(job)?;
            }
            Effect::Send { to, wire } => self.send(&to, &wire),
            Effect::Broadcast(wire) => _ = self.wiring.network.broadcast(wire.class(), wire.encode().into()),
            Effect::Gossip(gossip) => {
                let bytes = gossip.encode().into();
                let network = &self.wiring.network;
                let sent = if gossip.to_all { network.give_out(bytes) } else { network.gossip(bytes) };
                if let Err(error) = sent {
                    tracing::debug!(%error, "transactions were not gossiped");
                }
            }
            Effect::GossipVerdict { id, accept } => {
                if let Some(Pending::Verdict(validation)) = self.pending.remove(&id) {
                    if accept { validation.accept() } else { validation.ignore() }
                }
            }
            Effect::Request { id, to, request, timeout } => self.request(id, to, &request, timeout),
            Effect::Reply { id, response } => {
                if let Some(Pending::Answer(responder)) = self.pending.remove(&id) {
                    // Encoding megabytes is not for this thread.
                    tokio::spawn(async move { responder.send(response.encode()) });
                }
            }
            Effect::Answer { ticket, hash, outcome } => self.answers.push((ticket, hash, outcome)),
            Effect::NoticeAnswer { ticket, outcome } => {
                // Whoever handed it in may have gone.
                let _ = self.notices.remove(&ticket).map(|answer| answer.send(outcome));
            }
            Effect::Dropped { hash, refusal } => {
                self.answer_all();
                self.wiring.backend.meters.dropped_txs.more();
                self.wiring.backend.journal.dropped(&hash, &refusal);
            }
            Effect::WakeAt(at) => {
                let instant = |at: Micros| self.began + Duration::from_micros(at.0);
                self.wake = at.map(|at| instant(at).into());
            }
            Effect::Penalise { peer, reason } => {
                tracing::warn!(%peer, reason, "a peer misbehaved");
                self.wiring.network.penalise(&peer, &reason);
            }
            Effect::Members { now, before } => {
                self.wiring.admitted.send_replace(peers(&self.wiring.peers, &[&now, &before]));
            }
            Effect::Executed(height) => {
                tracing::debug!(%height, "executed");
                self.wiring.backend.executed.send_replace(height);
            }
            Effect::Emit(event) => {
                count(&self.wiring.backend.meters, &event);
                log(&event);
            }
            Effect::Warn(what) => tracing::warn!("{what}"),
            Effect::Halted(halt) => self.halted(&halt),
            Effect::Superseded(other) => return Err(self.superseded(&other)),
        }
        Ok(())
    }

    /// Counts how long it took from the making of blocks to their commit; those of a past that is fetched tell nothing of that.
    fn time(&self, job: &Job) {
        let Job::Store(StoreJob::Commit { bodies, .. }) = job else { return };
        if !self.status.catching_up {
            for body in bodies {
                let made = UNIX_EPOCH + Duration::from_millis(body.block.header.time_ms);
                let took = SystemTime::now().duration_since(made).unwrap_or_default();
                self.wiring.backend.meters.finalization.took(took);
            }
        }
    }

    /// What the mempool has answered: the journal hears of all of it at once.
    fn answer_all(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let mut answers = std::mem::take(&mut self.answers);
        self.wiring.backend.journal.answered_all(answers.iter().map(|(_, hash, outcome)| (hash, outcome)));
        for (ticket, hash, outcome) in answers.drain(..) {
            let meters = &self.wiring.backend.meters;
            match &outcome {
                Admission::Accepted { duplicate: false } => meters.accepted_txs.more(),
                Admission::Accepted { duplicate: true } | Admission::Committed { .. } => {
                    meters.known_txs.more()
                }
                Admission::Refused(_) => meters.refused_txs.more(),
            }
            self.answer(ticket, hash, outcome);
        }
        self.answers = answers;
    }

    /// Whoever submitted may have gone.
    fn answer(&mut self, ticket: u64, hash: TxHash, outcome: Admission) {
        match self.tickets.get_mut(&ticket) {
            Some(Ticket::Many { left, known, .. }) => {
                known.push((hash, outcome));
                *left -= 1;
                if *left == 0
                    && let Some(Ticket::Many { known, answer, .. }) = self.tickets.remove(&ticket)
                {
                    _ = answer.send(known);
                }
            }
            Some(Ticket::One(_)) => {
                if let Some(Ticket::One(answer)) = self.tickets.remove(&ticket) {
                    _ = answer.send(outcome);
                }
            }
            None => {}
        }
    }

    fn send(&self, to: &PeerKey, wire: &Wire) {
        if let Err(error) = self.wiring.network.send(to, wire.class(), wire.encode().into()) {
            tracing::debug!(%error, "a message was not sent");
        }
    }

    fn request(&self, id: u64, to: PeerKey, request: &Request, timeout: Micros) {
        let (network, answers, bytes) =
            (self.wiring.network.clone(), self.wiring.answers.clone(), request.encode());
        let timeout = Duration::from_micros(timeout.0);
        tokio::spawn(async move {
            let response = match network.request(&to, bytes, timeout).await {
                Ok(bytes) => decode::<Response>(&network, to, &bytes).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            // The node may be stopping.
            let _ = answers.send(Arrival::Event(Event::Response { id, response })).await;
        });
    }

    fn superseded(&self, other: &Session) -> Fatal {
        Fatal::Superseded { later_ms: other.began_ms.saturating_sub(self.wiring.session.began_ms) }
    }

    fn halted(&mut self, halt: &Halt) {
        let reason = describe(halt);
        tracing::error!(reason, "this node has stopped voting and executing");
        self.status.halted = Some(reason);
    }

    fn peers(&mut self, change: impl FnOnce(&mut Vec<PeerInfo>)) {
        let mut peers = self.status.peers.to_vec();
        change(&mut peers);
        self.status.peers = peers.into();
    }

    /// Says where the node stands, if that has changed.
    fn publish(&mut self) {
        let engine = self.driver.engine();
        self.status.epoch = engine.epoch();
        self.status.view = engine.view();
        self.status.committed = self.driver.stored_height();
        self.status.executed = self.driver.executed_height();
        self.status.catching_up = self.driver.is_catching_up();
        self.status.pending_txs = self.driver.mempool().len();
        self.status.pending_bytes = self.driver.mempool().bytes();
        let status = &self.status;
        self.wiring.backend.status.send_if_modified(|seen| {
            let changed = summary(seen) != summary(status) || !Arc::ptr_eq(&seen.peers, &status.peers);
            if changed {
                *seen = status.clone();
            }
            changed
        });
    }
}

type Summary<'a> = (View, Height, Height, bool, usize, usize, &'a Option<String>, &'a AppHash);

fn summary(status: &NodeStatus) -> Summary<'_> {
    let NodeStatus {
        view,
        committed,
        executed,
        catching_up,
        pending_txs,
        pending_bytes,
        halted,
        app_hash,
        ..
    } = status;
    (*view, *committed, *executed, *catching_up, *pending_txs, *pending_bytes, halted, app_hash)
}

fn count(meters: &Meters, event: &engine::Event) {
    use engine::Event as E;
    match event {
        E::EnteredView { by_timeout, .. } => {
            meters.views.more();
            if *by_timeout {
                meters.failed_views.more();
            }
        }
        E::ProposalRefused { .. } => meters.refused_proposals.more(),
        E::SafetyRefused(_) => meters.refused_signatures.more(),
        E::Misbehaviour(_) => meters.misbehaviour.more(),
        E::EnteredEpoch { .. } | E::Certified { .. } | E::TimedOut { .. } | E::StaleRecord { .. } => {}
    }
}

fn log(event: &engine::Event) {
    use engine::Event as E;
    match event {
        E::EnteredEpoch { epoch, opening, me } => {
            let validator = me.is_some();
            tracing::info!(%epoch, %opening, validator, "entered an epoch");
        }
        E::EnteredView { epoch, view, by_timeout } => tracing::debug!(%epoch, %view, by_timeout, "entered"),
        E::Certified { view, block } => tracing::debug!(%view, %block, "certified"),
        E::TimedOut { view } => tracing::info!(%view, "timed out"),
        E::ProposalRefused { view, reason } => tracing::warn!(%view, reason, "did not vote for a proposal"),
        E::SafetyRefused(refusal) => tracing::warn!(%refusal, "the safety rules refused"),
        E::Misbehaviour(evidence) => tracing::warn!(?evidence, "a validator provably misbehaved"),
        E::StaleRecord { floor } => {
            tracing::warn!(%floor, "this key has signed what the safety record does not know: nothing is signed up to this view");
        }
    }
}

fn describe(halt: &Halt) -> String {
    match halt {
        Halt::Fork(one, other) => format!(
            "two certificates contradict each other, so more than a third of the power is faulty: view {} block {}, view {} block {}",
            one.view, one.block, other.view, other.block
        ),
        Halt::Diverged { height, vouched, own, .. } => format!(
            "a quorum vouched for application hash {vouched} at height {height}, this node executed to {own}: its application or \
             its data differs from the others'"
        ),
        Halt::StaleRecord { floor } => format!(
            "this key has signed up to view {floor} what the safety record does not know (a restored backup?), and the other \
             validators are no quorum that could tell: only an operator can decide that it may go on"
        ),
    }
}
