//! From one epoch to the next, and what is said across.
//!
//! Once the block that ends the epoch is committed, the engine is closed. When that block is stored and what it vouches for is
//! executed, the safety rules enter the next epoch, and engine and driver go on there. Messages of an older epoch are answered with
//! what ended it; those of the next one wait for a while, as members do not enter it at the same instant.

use std::collections::{BTreeMap, VecDeque};

use althing_consensus::engine::EpochEntered;
use althing_consensus::{Certificate, Epoch, Input, Message, Micros, Position, QuorumCertificate, Status};
use althing_crypto::mutant;

use super::{Driver, Effect, Job, Peer, SafetyJob, Step, StoreJob};

/// Messages of one peer that wait for the next epoch, and proposals among them, which may be large.
const MAX_EARLY: usize = 16;
const MAX_EARLY_PROPOSALS: usize = 1;
/// The shortest time between two answers to one peer.
const ANSWER_INTERVAL: Micros = Micros::from_millis(200);

/// Where the epoch's ends are dealt with.
#[derive(Clone, Debug)]
pub(super) struct Boundary {
    /// This node has safety rules, member or not.
    signs: bool,
    /// What committed the epoch's opening block; none in the first epoch.
    opened_by: Option<QuorumCertificate>,
    /// The next epoch is being entered.
    entering: bool,
    /// Messages of the next epoch.
    early: BTreeMap<Peer, VecDeque<Box<Message>>>,
    /// When whom was last answered.
    answered: BTreeMap<Peer, Micros>,
}

impl Boundary {
    pub(super) fn new(signs: bool, opened_by: Option<QuorumCertificate>) -> Self {
        let (early, answered) = (BTreeMap::new(), BTreeMap::new());
        Self { signs, opened_by, entering: false, early, answered }
    }

    fn may_answer(&mut self, peer: Peer, now: Micros) -> bool {
        let due = self.answered.get(&peer).is_none_or(|at| at.after(ANSWER_INTERVAL) <= now);
        if due {
            self.answered.insert(peer, now);
        }
        due
    }

    /// Messages that wait for the next epoch.
    pub(super) fn early(&self) -> usize {
        self.early.values().map(VecDeque::len).sum()
    }
}

impl Driver {
    /// When the end of the epoch is stored, and what it vouches for executed, which the next set follows from.
    pub(super) fn enter_next_epoch(&mut self, step: &mut Step) {
        if self.boundary.entering || self.engine.is_halted() || !self.engine.is_closed() {
            return;
        }
        let end = self.engine.committed();
        if self.commits.stored() < end.height || self.execution.executed() < end.vouched.height {
            return;
        }
        self.boundary.entering = true;
        let next = Epoch(self.config.epoch.0 + 1);
        step.act(Effect::Job(match self.boundary.signs {
            true => Job::Safety(SafetyJob::EnterEpoch(next)),
            false => Job::Store(StoreJob::EnterEpoch(next)),
        }));
    }

    /// The record that says so is durable: nothing of the old epoch is of use any more.
    pub(super) fn epoch_entered(
        &mut self,
        step: &mut Step,
        next: Box<EpochEntered>,
        certificate: QuorumCertificate,
    ) {
        let before = std::mem::replace(&mut self.config, next.config.clone());
        self.boundary.entering = false;
        self.boundary.opened_by = Some(certificate.clone());
        self.boundary.answered.clear();
        self.peers.seat(&self.config.set);
        let peers = &self.peers;
        self.sessions.keep(|peer| peers.place(peer) != Position::NONE || peers.is_connected(peer));
        self.sync.seat(|peer| peers.place(peer));
        self.bodies.clear();
        self.payloads.clear();
        self.pace.clear();
        self.fetches.clear();
        self.set_max_tx_bytes(step, self.config.params.max_tx_bytes);
        step.act(Effect::Members { now: self.config.set.clone(), before: before.set });
        step.tell(Input::EpochEntered(next));
        self.drop_notices(step);
        // Whoever is late learns of the end of the old epoch; the members of the new one say themselves when they are there.
        if !mutant!("end_of_the_epoch_not_told") {
            step.act(Effect::Broadcast(closing(certificate).into()));
        }
        for (peer, messages) in std::mem::take(&mut self.boundary.early) {
            messages.into_iter().for_each(|message| self.bring_to_door(step, peer, message));
        }
    }

    /// A message of an epoch that has ended here: its sender is told so. Certificates are no question.
    pub(super) fn older_arrived(&mut self, step: &mut Step, from: Peer, epoch: Epoch, message: &Message) {
        if !matches!(message, Message::Certificate(_) | Message::Memory(_)) {
            self.tell_end(step, from, epoch);
        }
    }

    /// A message of an epoch that this node is not in yet: it may be about to enter it; else it asks.
    pub(super) fn newer_arrived(&mut self, step: &mut Step, from: Peer, epoch: Epoch, message: Box<Message>) {
        let proposal = |one: &Message| matches!(one, Message::Proposal(_));
        if epoch.0 == self.config.epoch.0 + 1 {
            let early = self.boundary.early.entry(from).or_default();
            let proposals = early.iter().filter(|one| proposal(one)).count();
            if early.len() < MAX_EARLY && !(proposal(&message) && proposals >= MAX_EARLY_PROPOSALS) {
                early.push_back(message);
            }
        }
        if !self.engine.is_closed() && self.boundary.may_answer(from, step.now.mono) {
            self.say_where(step, from);
        }
    }

    /// What a status tells apart from what the engine makes of it: who has blocks, and who is in an older epoch.
    pub(super) fn status_arrived(&mut self, step: &mut Step, from: Peer, status: &Status) {
        let own = self.engine.committed().height;
        self.sync.heard((self.peers.place(&from), from), status.committed, own, step.now.mono);
        if status.epoch < self.config.epoch {
            self.tell_end(step, from, status.epoch);
        }
    }

    /// Who is one epoch behind gets the certificate of its end; who is further behind has to fetch blocks, and learns that there are some.
    fn tell_end(&mut self, step: &mut Step, to: Peer, epoch: Epoch) {
        if mutant!("end_of_the_epoch_not_told") || !self.boundary.may_answer(to, step.now.mono) {
            return;
        }
        let end = self.boundary.opened_by.clone().filter(|end| end.epoch == epoch);
        if let Some(end) = end {
            step.act(Effect::Send { to, wire: closing(end).into() });
        }
        self.say_where(step, to);
    }

    fn say_where(&self, step: &mut Step, to: Peer) {
        step.act(Effect::Send { to, wire: Message::Status(self.engine.status()).into() });
    }
}

fn closing(certificate: QuorumCertificate) -> Message {
    Message::Certificate(Box::new(Certificate::Quorum(certificate)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_consensus::engine::EngineConfig;
    use althing_consensus::{Height, Phase, Position, ValidatorSet, View, Vote};
    use althing_crypto::{BlockHash, bls};

    use super::super::testing::Bench;
    use super::*;
    use crate::wire::Wire;

    fn vote(epoch: u64) -> Wire {
        let signature = bls::Signature::from([0; 96]);
        let (epoch, view, signer) = (Epoch(epoch), View(1), Position(1));
        Message::Vote(Vote { phase: Phase::Vote, epoch, view, block: BlockHash::ZERO, signer, signature })
            .into()
    }

    fn hear(bench: &mut Bench, from: u16, wire: Wire) -> Vec<String> {
        let peer = bench.peer(from);
        bench.act(|driver, step| driver.wire_arrived(step, peer, wire))
    }

    fn status(bench: &mut Bench, from: u16, epoch: u64) -> Vec<String> {
        let peer = bench.peer(from);
        let status = Status { epoch: Epoch(epoch), committed: Height(9), ..Status::default() };
        bench.act(|driver, step| driver.status_arrived(step, peer, &status))
    }

    /// Into epoch 2, with the same members in another order, on what commits this block of epoch 1.
    fn enter(bench: &mut Bench) -> Vec<String> {
        let body = bench.bodies(vec![vec![]]).remove(0);
        let certificate = (*bench.certificate(&body.block)).clone();
        let before = bench.driver.config.clone();
        let mut members = before.set.members().to_vec();
        members.reverse();
        let set = ValidatorSet::new(before.set.scheme(), members).expect("the same members");
        let config = EngineConfig { epoch: Epoch(2), set: Arc::new(set), me: Some(Position(3)), ..before };
        let next = Box::new(EpochEntered { config, record: None, resumed: true });
        bench.act(|driver, step| driver.epoch_entered(step, next, certificate))
    }

    #[test]
    fn what_is_of_the_next_epoch_waits_within_bounds_and_its_sender_is_asked() {
        let mut bench = Bench::connected(&[1, 2]);
        assert_eq!(hear(&mut bench, 1, vote(2)), ["send v1"], "asks by its own status");
        for _ in 0..2 * MAX_EARLY {
            assert_eq!(hear(&mut bench, 1, vote(2)), [""; 0], "not again at once");
        }
        assert_eq!(bench.driver.boundary.early(), MAX_EARLY);
        assert_eq!(hear(&mut bench, 2, vote(3)), ["send v2"]);
        assert_eq!(bench.driver.boundary.early(), MAX_EARLY, "what lies further ahead is not kept");

        let lines = enter(&mut bench);
        let admitted = lines.iter().filter(|line| *line == "job admit").count();
        assert_eq!(
            (&lines[..3], admitted),
            (
                &["engine: entered epoch 2".to_owned(), "members".into(), "broadcast message".into()][..],
                MAX_EARLY
            )
        );
        assert_eq!(bench.driver.boundary.early(), 0);
        assert_eq!(bench.driver.peers.place(&bench.peer(0)), Position(3), "members have other places");
        assert_eq!(hear(&mut bench, 1, vote(2)), ["job admit"]);
    }

    #[test]
    fn who_speaks_of_an_older_epoch_is_told_of_its_end_at_no_high_rate() {
        let mut bench = Bench::connected(&[1, 2]);
        enter(&mut bench);
        assert_eq!(
            hear(&mut bench, 1, vote(1)),
            ["send v1", "send v1"],
            "its end, and where this node stands"
        );
        assert_eq!(hear(&mut bench, 1, vote(1)), [""; 0]);
        assert_eq!(status(&mut bench, 2, 1), ["send v2", "send v2"]);
        bench.pass(200);
        assert_eq!(hear(&mut bench, 1, vote(0)), ["send v1"], "two epochs behind: blocks are to be fetched");
        let certificate = bench.driver.boundary.opened_by.clone().expect("entered");
        assert_eq!(hear(&mut bench, 2, closing(certificate).into()), [""; 0], "a certificate is no question");
        assert_eq!(status(&mut bench, 1, 2), [""; 0]);
    }

    #[test]
    fn what_the_old_epoch_left_behind_is_dropped() {
        let mut bench = Bench::connected(&[1]);
        let body = bench.bodies(vec![vec![]]).remove(0);
        bench.act(|driver, step| driver.body_at_hand(step, body.block.hash(), &body));
        bench.act(|driver, step| driver.fetch_wanted(step, BlockHash::ZERO, &[Position(1)]));
        enter(&mut bench);
        let sizes = bench.driver.pool_sizes();
        assert_eq!((sizes.bodies, sizes.gathered, sizes.fetched), (0, 0, 0));
    }
}
