//! Peers: their messages to the door, their questions to the store, and what any one of them may have under way.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::engine::Misdeed;
use althing_consensus::{Admitted, Epoch, Input, Message, Micros, Position, Rejection, ValidatorSet};
use althing_mempool::{Tx, TxBytes};

use super::{Driver, Effect, Job, Peer, ServeJob, Step, VerifyJob};
use crate::wire::{Request, Response, Wire};

/// Messages of one peer at the door at once, at most; further ones are dropped. Consensus repeats what matters.
const MAX_AT_DOOR: usize = 128;
/// Messages of all peers at the door at once: the lane takes as many, and other work.
const MAX_AT_DOOR_TOTAL: usize = 4_096;
/// Proposals among them, which may be large.
const MAX_PROPOSALS_AT_DOOR: usize = 8;
/// Pending transactions straight from one peer are taken in at most this often: they come while the chain is stuck, again and again.
const PENDING_INTERVAL: Micros = Micros::from_millis(100);
/// Questions of one peer answered at once; further ones are answered with "not here".
const MAX_SERVED: usize = 4;

/// Who is connected, and what is under way for whom. Only admitted peers get here, so their number is bounded.
#[derive(Clone, Debug)]
pub(super) struct Peers {
    positions: BTreeMap<Peer, Position>,
    connected: BTreeSet<Peer>,
    loads: BTreeMap<Peer, Load>,
    at_door: usize,
    /// The mempool's numbers for peers.
    numbers: Vec<Peer>,
}

/// What is under way for one peer.
#[derive(Clone, Debug, Default)]
struct Load {
    at_door: usize,
    proposals: usize,
    served: usize,
    pending_at: Option<Micros>,
}

fn positions(set: &ValidatorSet) -> BTreeMap<Peer, Position> {
    set.positions().zip(set.members()).map(|(position, member)| (member.identity, position)).collect()
}

impl Peers {
    pub(super) fn new(set: &ValidatorSet) -> Self {
        Self {
            positions: positions(set),
            connected: BTreeSet::new(),
            loads: BTreeMap::new(),
            at_door: 0,
            numbers: Vec::new(),
        }
    }

    /// The places of a new epoch's members.
    pub(super) fn seat(&mut self, set: &ValidatorSet) {
        self.positions = positions(set);
    }

    /// A peer's place in the epoch's set; that of nobody, if it has none.
    pub(super) fn place(&self, peer: &Peer) -> Position {
        self.positions.get(peer).copied().unwrap_or(Position::NONE)
    }

    pub(super) fn is_connected(&self, peer: &Peer) -> bool {
        self.connected.contains(peer)
    }

    /// Whether streams lead to all members but this one, be they subscribed to gossip or not. Only others may reach one that is not connected,
    /// or nobody: that cannot be told from here.
    pub(super) fn all_connected(&self, own: Option<Position>) -> bool {
        self.positions.iter().all(|(peer, place)| Some(*place) == own || self.connected.contains(peer))
    }

    /// Messages of all peers that are being verified.
    pub(super) fn at_door(&self) -> usize {
        self.at_door
    }

    pub(super) fn connected_peers(&self) -> Vec<Peer> {
        self.connected.iter().copied().collect()
    }

    /// The places of one peer at the door: fewer where peers are many, so that no number of them takes those of the others.
    fn share_of_door(&self) -> usize {
        (MAX_AT_DOOR_TOTAL / self.connected.len().max(1)).clamp(1, MAX_AT_DOOR)
    }

    pub(super) fn number(&mut self, peer: Peer) -> u64 {
        let known = self.numbers.iter().position(|one| *one == peer);
        known.unwrap_or_else(|| {
            self.numbers.push(peer);
            self.numbers.len() - 1
        }) as u64
    }

    pub(super) fn of_number(&self, number: u64) -> Option<Peer> {
        self.numbers.get(usize::try_from(number).ok()?).copied()
    }
}

impl Driver {
    /// The key of a member that is connected.
    pub(super) fn connected_member(&self, position: Position) -> Option<Peer> {
        let peer = self.config.set.get(position)?.identity;
        self.peers.connected.contains(&peer).then_some(peer)
    }

    pub(super) fn connected(&mut self, step: &mut Step, peer: Peer) {
        self.peers.connected.insert(peer);
        self.introduce(step, peer);
        if let Some(position) = self.peers.positions.get(&peer) {
            step.tell(Input::Connected(*position));
        }
    }

    pub(super) fn disconnected(&mut self, now: Micros, peer: &Peer) {
        self.peers.connected.remove(peer);
        self.sessions.disconnected(now, peer);
        self.notices.disconnected(peer);
    }

    pub(super) fn send(&self, step: &mut Step, position: Position, message: Message) {
        if let Some(to) = self.connected_member(position) {
            step.act(Effect::Send { to, wire: message.into() });
        }
    }

    pub(super) fn wire_arrived(&mut self, step: &mut Step, from: Peer, wire: Wire) {
        let message = match wire {
            Wire::Consensus(_) if !self.speaks(&from) => return,
            Wire::Consensus(message) => Box::new(message),
            Wire::Transactions(txs) => return self.pending_arrived(step, from, txs),
            Wire::Session(session) => return self.session_arrived(step, from, session),
            Wire::Notice(notice) => return self.notice_arrived(step, from, notice),
        };
        let own = self.config.epoch;
        match message.epoch() {
            Some(epoch) if epoch < own => self.older_arrived(step, from, epoch, &message),
            Some(epoch) if epoch > own => self.newer_arrived(step, from, epoch, message),
            _ => self.bring_to_door(step, from, message),
        }
    }

    pub(super) fn bring_to_door(&mut self, step: &mut Step, from: Peer, message: Box<Message>) {
        let proposal = matches!(*message, Message::Proposal(_));
        let share = self.peers.share_of_door();
        let load = self.peers.loads.entry(from).or_default();
        let full = load.at_door >= share || self.peers.at_door >= MAX_AT_DOOR_TOTAL;
        if full || (proposal && load.proposals >= MAX_PROPOSALS_AT_DOOR) {
            return;
        }
        self.peers.at_door += 1;
        load.at_door += 1;
        load.proposals += usize::from(proposal);
        let position = self.peers.positions.get(&from).copied();
        let epoch = self.config.epoch;
        step.act(Effect::Job(Job::Verify(VerifyJob::Admit { epoch, from, position, message })));
    }

    fn pending_arrived(&mut self, step: &mut Step, from: Peer, txs: Vec<TxBytes>) {
        let now = step.now.mono;
        let load = self.peers.loads.entry(from).or_default();
        if load.pending_at.is_none_or(|at| at.after(PENDING_INTERVAL) <= now) {
            load.pending_at = Some(now);
            self.transactions_arrived(step, from, txs.into_iter().map(Tx::from).collect());
        }
    }

    pub(super) fn admitted(
        &mut self,
        step: &mut Step,
        epoch: Epoch,
        (from, proposal): (Peer, bool),
        outcome: Result<Admitted, Rejection>,
    ) {
        if let Some(load) = self.peers.loads.get_mut(&from) {
            self.peers.at_door -= 1;
            load.at_door -= 1;
            load.proposals -= usize::from(proposal);
        }
        match outcome {
            Ok(Admitted::Status(status)) => {
                self.status_arrived(step, from, &status);
                let place = self.peers.positions.get(&from).copied();
                step.tell(Input::Received { from: place, message: Admitted::Status(status) });
            }
            // Let in by the set of an epoch that has ended meanwhile.
            Ok(_) if epoch != self.config.epoch => {}
            Ok(message) => {
                let from = self.peers.positions.get(&from).copied();
                step.tell(Input::Received { from, message });
            }
            Err(rejection) if rejection.is_misdeed() => {
                step.act(Effect::Penalise { peer: from, reason: rejection.to_string() });
            }
            Err(_) => {}
        }
    }

    /// A question, answered from the store elsewhere.
    pub(super) fn asked(&mut self, step: &mut Step, from: Peer, id: u64, request: Request) {
        let load = self.peers.loads.entry(from).or_default();
        if load.served >= MAX_SERVED {
            return step.act(Effect::Reply { id, response: Response::NotHere });
        }
        load.served += 1;
        step.act(Effect::Job(Job::Serve(ServeJob { from, id, request })));
    }

    pub(super) fn served(&mut self, step: &mut Step, from: Peer, id: u64, response: Response) {
        if let Some(load) = self.peers.loads.get_mut(&from) {
            load.served -= 1;
        }
        step.act(Effect::Reply { id, response });
    }

    pub(super) fn penalise(&self, step: &mut Step, position: Position, misdeed: &Misdeed) {
        let Some(member) = self.config.set.get(position) else { return };
        let reason = match misdeed {
            Misdeed::BadSignature => "a vote with a bad signature".to_owned(),
            Misdeed::BadProposal(reason) => format!("a proposal that no correct leader makes: {reason}"),
        };
        step.act(Effect::Penalise { peer: member.identity, reason });
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Epoch, Height, Status};
    use althing_crypto::ed25519;

    use super::super::testing::Bench;
    use super::*;

    fn status() -> Wire {
        Message::Status(Status::default()).into()
    }

    fn admit(bench: &mut Bench, from: Peer, outcome: Result<Admitted, Rejection>) -> Vec<String> {
        bench.act(|driver, step| driver.admitted(step, Epoch(1), (from, false), outcome))
    }

    #[test]
    fn messages_pass_the_door_with_their_senders_place() {
        let mut bench = Bench::new();
        let peer = bench.peer(2);
        assert_eq!(bench.act(|driver, step| driver.connected(step, peer)), ["engine: connected v2"]);
        assert_eq!(bench.act(|driver, step| driver.wire_arrived(step, peer, status())), ["job admit"]);
        let message = Admitted::Status(Status { epoch: Epoch(1), ..Status::default() });
        assert_eq!(admit(&mut bench, peer, Ok(message)), ["engine: received from Some(Position(2))"]);
    }

    #[test]
    fn a_follower_is_no_validator() {
        let mut bench = Bench::new();
        let peer = ed25519::SecretKey::from_seed([50; 32]).public_key();
        assert_eq!(bench.act(|driver, step| driver.connected(step, peer)), [""; 0]);
        bench.act(|driver, step| driver.wire_arrived(step, peer, status()));
        let message = Admitted::Status(Status { epoch: Epoch(1), ..Status::default() });
        assert_eq!(admit(&mut bench, peer, Ok(message)), ["engine: received from None"]);
    }

    #[test]
    fn a_misdeed_costs_and_being_behind_does_not() {
        let mut bench = Bench::connected(&[1]);
        let peer = bench.peer(1);
        for _ in 0..2 {
            bench.act(|driver, step| driver.wire_arrived(step, peer, status()));
        }
        let bad = Rejection::Malformed { what: "vote", reason: "it is none".into() };
        assert_eq!(admit(&mut bench, peer, Err(bad)), ["penalise v1"]);
        let late = Rejection::WrongEpoch { what: "vote", got: Epoch(2), ours: Epoch(1) };
        assert_eq!(admit(&mut bench, peer, Err(late)), [""; 0]);
    }

    #[test]
    fn one_peer_fills_its_own_place_at_the_door_and_no_other() {
        let mut bench = Bench::connected(&[1, 2]);
        let (flooding, other) = (bench.peer(1), bench.peer(2));
        for _ in 0..MAX_AT_DOOR {
            bench.act(|driver, step| driver.wire_arrived(step, flooding, status()));
        }
        assert_eq!(bench.act(|driver, step| driver.wire_arrived(step, flooding, status())), [""; 0]);
        assert_eq!(bench.act(|driver, step| driver.wire_arrived(step, other, status())), ["job admit"]);
        admit(&mut bench, flooding, Ok(Admitted::Status(Status::default())));
        assert_eq!(bench.act(|driver, step| driver.wire_arrived(step, flooding, status())), ["job admit"]);
    }

    #[test]
    fn many_peers_together_fill_their_own_places_at_the_door_and_no_others() {
        let mut bench = Bench::connected(&[1]);
        let many: Vec<Peer> =
            (50..90).map(|seed| ed25519::SecretKey::from_seed([seed; 32]).public_key()).collect();
        for peer in &many {
            bench.act(|driver, step| driver.connected(step, *peer));
        }
        for peer in &many {
            for _ in 0..MAX_AT_DOOR {
                bench.act(|driver, step| driver.wire_arrived(step, *peer, status()));
            }
        }
        let other = bench.peer(1);
        assert_eq!(bench.act(|driver, step| driver.wire_arrived(step, other, status())), ["job admit"]);
    }

    #[test]
    fn questions_are_answered_a_few_at_a_time() {
        let mut bench = Bench::connected(&[1]);
        let peer = bench.peer(1);
        let ask = |bench: &mut Bench, id| {
            let request = Request::Blocks { from: Height(1) };
            bench.act(|driver, step| driver.asked(step, peer, id, request))
        };
        for id in 0..MAX_SERVED as u64 {
            assert_eq!(ask(&mut bench, id), ["job serve"]);
        }
        assert_eq!(ask(&mut bench, 8), ["reply 8: not here"]);
        let served =
            bench.act(|driver, step| driver.served(step, peer, 0, Response::Transactions(Vec::new())));
        assert_eq!(served, ["reply 0"]);
        assert_eq!(ask(&mut bench, 9), ["job serve"]);
    }

    #[test]
    fn pending_transactions_straight_from_a_peer_are_rationed() {
        let mut bench = Bench::connected(&[1]);
        let peer = bench.peer(1);
        let send = |bench: &mut Bench, name: &str| {
            let wire = Wire::Transactions(vec![name.as_bytes().into()]);
            bench.act(|driver, step| driver.wire_arrived(step, peer, wire));
            bench.driver.mempool().in_flight()
        };
        assert_eq!(send(&mut bench, "a"), 1);
        assert_eq!(send(&mut bench, "b"), 1, "too soon");
        bench.pass(100);
        assert_eq!(send(&mut bench, "b"), 2);
    }

    #[test]
    fn nothing_is_sent_to_whom_no_connection_leads() {
        let mut bench = Bench::connected(&[1]);
        let message = Message::Status(Status::default());
        let send = |bench: &mut Bench, to| {
            let message = message.clone();
            bench.act(|driver, step| driver.send(step, Position(to), message))
        };
        assert_eq!(send(&mut bench, 1), ["send v1"]);
        assert_eq!(send(&mut bench, 2), [""; 0]);
        let peer = bench.peer(1);
        bench.driver.disconnected(bench.now.mono, &peer);
        assert_eq!(send(&mut bench, 1), [""; 0]);
    }
}
