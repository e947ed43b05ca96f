//! Random histories of the pool beside its model.
//!
//! The world around the pool is an application with one sequence per sender, whose answers come late, in any order and
//! from the state of the moment they were asked, and blocks of anything: batches of the pool, rivals, strangers.

use proptest::prelude::*;

use super::*;
use crate::Seed;

const SENDERS: [&str; 4] = ["", "alice", "bob", "carol"];

#[derive(Clone, Debug)]
enum Op {
    Submit(u8, Vec<Tx>),
    Precheck(prop::sample::Index),
    Check(prop::sample::Index),
    CommitBatch(usize),
    Commit(Vec<Tx>),
    /// Transactions that were seen before, in any order.
    CommitSeen(Vec<prop::sample::Index>),
    Execute,
}

fn any_tx() -> impl Strategy<Value = Tx> {
    let expiry = prop::option::weighted(0.2, 1..12_u64);
    (0..4_usize, 0..9_u64, 0..2_u64, expiry, 0..2_usize).prop_map(
        |(sender, sequence, priority, expiry, pad)| Tx {
            sender: SENDERS[sender],
            sequence,
            priority,
            expiry,
            pad,
        },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let txs = || prop::collection::vec(any_tx(), 1..5);
    prop_oneof![
        4 => (0..4_u8, txs()).prop_map(|(source, txs)| Op::Submit(source, txs)),
        6 => any::<prop::sample::Index>().prop_map(Op::Precheck),
        8 => any::<prop::sample::Index>().prop_map(Op::Check),
        1 => (0..4_usize).prop_map(Op::CommitBatch),
        1 => prop::collection::vec(any_tx(), 0..3).prop_map(Op::Commit),
        1 => prop::collection::vec(any::<prop::sample::Index>(), 1..4).prop_map(Op::CommitSeen),
        2 => Just(Op::Execute),
    ]
}

/// The pool under test, the model, and what is under way between them.
struct World {
    pool: Mempool,
    /// Every action so far.
    log: Vec<Action>,
    model: Model,
    app: App,
    /// Every transaction by its hash.
    txs: BTreeMap<TxHash, Tx>,
    prechecks: Vec<TxHash>,
    prechecked: BTreeSet<TxHash>,
    /// With the verdict of the moment it was asked, and its height.
    checks: Vec<(TxHash, Result<CheckedTx, Refusal>)>,
    rechecks: Vec<(TxHash, Result<CheckedTx, Refusal>, u64)>,
    blocks: Vec<(u64, Vec<Tx>)>,
    /// The pending ones of which the peers were told.
    told: BTreeSet<TxHash>,
    tickets: u64,
    working: bool,
}

impl World {
    fn new(seed: Seed) -> Self {
        World {
            pool: Mempool::new(Limits { seed, ..limits() }, 0),
            log: Vec::new(),
            model: Model::default(),
            app: App::default(),
            txs: BTreeMap::new(),
            prechecks: Vec::new(),
            prechecked: BTreeSet::new(),
            checks: Vec::new(),
            rechecks: Vec::new(),
            blocks: Vec::new(),
            told: BTreeSet::new(),
            tickets: 0,
            working: false,
        }
    }

    /// One step. Actions that only start work are done here; answers and drops are compared with what the model says.
    fn step(&mut self, input: Input, expected: Vec<(u64, TxHash, Outcome)>) {
        let mut answers = Vec::new();
        let mut dropped = Vec::new();
        for action in without_own_sentences(self.pool.step(input)) {
            self.log.push(action.clone());
            match action {
                Action::Precheck(batch) => {
                    for (hash, _) in batch {
                        assert!(self.prechecked.insert(hash), "{hash} is prechecked twice");
                        self.prechecks.push(hash);
                    }
                }
                Action::Check(hash, _) => self.checks.push((hash, self.app.check(&self.txs[&hash]))),
                Action::Recheck(hash, _) => {
                    self.rechecks.push((hash, self.app.check(&self.txs[&hash]), self.model.executed));
                }
                Action::Answer { ticket, hash, outcome } => answers.push((ticket, hash, outcome)),
                Action::Dropped { hash, .. } => dropped.push(hash),
                Action::WorkChanged(working) => {
                    assert_ne!(working, self.working);
                    self.working = working;
                }
                Action::Gossip(_, tx) => {
                    let hash = TxHash::of(&tx);
                    assert!(self.model.pending(&hash).is_some());
                    assert!(self.told.insert(hash), "{hash} is gossiped twice");
                }
                Action::Penalise { .. } => panic!("no transaction of this world fails its precheck"),
            }
        }
        assert_eq!(answers, expected);
        for (_, hash, outcome) in answers {
            let accepted = matches!(outcome, Outcome::Accepted { .. });
            assert!(!accepted || self.told.contains(&hash), "a client was told of {hash}, and no peer");
        }
        let model = &self.model;
        self.told.retain(|hash| model.pending(hash).is_some());
        let (dropped, model): (BTreeSet<_>, BTreeSet<_>) =
            (dropped.into_iter().collect(), self.model.dropped.drain(..).collect());
        assert_eq!(dropped, model);
        // Those without a sender go together.
        let of_senders = self.rechecks.iter().filter(|(hash, ..)| !self.txs[hash].sender.is_empty());
        assert!(of_senders.count() <= limits().max_rechecks_in_flight);
        self.compare();
    }

    fn compare(&self) {
        invariants::check(&self.pool.pool);
        let model = &self.model;
        assert_eq!((self.pool.len(), self.pool.held()), (model.entries.len(), model.held()));
        assert_eq!(self.pool.in_flight(), model.flights.len());
        assert_eq!(self.pool.bytes(), model.entries.iter().map(|(tx, _)| tx.len()).sum::<usize>());
        let batch = self.pool.batch(usize::MAX, usize::MAX, &|_| false);
        let ready: BTreeSet<TxHash> =
            model.entries.iter().filter(|(tx, _)| model.ready(tx)).map(|(tx, _)| tx.hash()).collect();
        assert_eq!(batch.iter().map(|(hash, _)| *hash).collect::<BTreeSet<_>>(), ready);
        assert_eq!(
            (batch.len(), !batch.is_empty(), self.working),
            (ready.len(), self.working, self.pool.has_work())
        );
        for sender in SENDERS {
            let of_sender = batch.iter().map(|(hash, _)| &self.txs[hash]).filter(|tx| tx.sender == sender);
            let order: Vec<u64> = match model.next.get(sender) {
                Some(_) => of_sender.map(|tx| tx.sequence).collect(),
                None => of_sender.map(|tx| u64::MAX - tx.priority).collect(),
            };
            assert!(order.is_sorted(), "{sender}: {order:?}");
        }
    }

    fn submit(&mut self, source: u8, txs: Vec<Tx>) {
        self.tickets += 1;
        let ticket = self.tickets;
        let input_source = match source {
            0 => Source::Local { ticket },
            1 => Source::Returned,
            id => Source::Peer { id: id.into() },
        };
        let max_in_flight = if source == 1 { limits().max_txs } else { limits().max_in_flight_txs };
        let mut expected = Vec::new();
        for tx in &txs {
            let (hash, model) = (tx.hash(), &mut self.model);
            self.txs.insert(hash, tx.clone());
            let gossip = source < 2;
            let full =
                model.entries.len() >= limits().max_txs - if gossip { 0 } else { limits().max_txs / 10 };
            let busy = model.in_flight_of(source) >= max_in_flight;
            if source > 1 && (full || busy) {
                break;
            }
            let outcome = if let Some(height) = model.committed.get(&hash) {
                Outcome::Committed { height: *height }
            } else if model.pending(&hash).is_some() {
                Outcome::Accepted { duplicate: true }
            } else if let Some(place) = model.flight(&hash) {
                if source == 0 && busy {
                    Outcome::Refused(own(Code::Busy))
                } else {
                    model.flights[place].tickets.extend((source == 0).then_some(ticket));
                    model.flights[place].gossip |= gossip;
                    continue;
                }
            } else if busy || full {
                Outcome::Refused(own(if busy { Code::Busy } else { Code::Full }))
            } else {
                let known = model.known.contains(&hash);
                let early = if known { model.pre_judge(tx, gossip) } else { None };
                match early {
                    Some(code) => Outcome::Refused(own(code)),
                    None => {
                        model.flights.push(Flight {
                            tx: tx.clone(),
                            tickets: (source == 0).then_some(ticket).into_iter().collect(),
                            payer: source,
                            gossip,
                            asked: known.then_some(model.executed),
                        });
                        continue;
                    }
                }
            };
            expected.extend((source == 0).then_some((ticket, hash, outcome)));
        }
        let txs = txs.iter().map(|tx| tx.bytes().into()).collect();
        self.step(Input::Submit { source: input_source, txs }, expected);
    }

    fn precheck(&mut self, place: usize) {
        let hash = self.prechecks.remove(place);
        let tx = self.txs[&hash].clone();
        let mut expected = Vec::new();
        match self.model.flight(&hash) {
            Some(place) if self.model.flights[place].asked.is_none() => {
                let code = self.model.pre_judge(&tx, self.model.flights[place].gossip);
                match code {
                    None => self.model.flights[place].asked = Some(self.model.executed),
                    Some(code) => expected = self.refuse(place, own(code)),
                }
            }
            None if self.model.pending(&hash).is_none() => _ = self.model.known.insert(hash),
            _ => {}
        }
        self.step(passed(&[&tx]), expected);
    }

    fn land(&mut self, place: usize, outcome: impl Fn(usize) -> Outcome) -> Vec<(u64, TxHash, Outcome)> {
        let flight = self.model.flights.remove(place);
        let answer = |(index, ticket): (usize, &u64)| (*ticket, flight.tx.hash(), outcome(index));
        flight.tickets.iter().enumerate().map(answer).collect()
    }

    /// Its verdict is remembered: it may come again.
    fn refuse(&mut self, place: usize, refusal: Refusal) -> Vec<(u64, TxHash, Outcome)> {
        self.model.known.insert(self.model.flights[place].tx.hash());
        self.land(place, |_| Outcome::Refused(refusal.clone()))
    }

    fn check(&mut self, place: usize) {
        let (hash, result) = self.checks.remove(place);
        let mut expected = Vec::new();
        let flight = self.model.flight(&hash).map(|place| (place, self.model.flights[place].clone()));
        if let Some((place, Flight { tx, gossip, asked: Some(asked), .. })) = flight {
            match &result {
                Err(_) => expected = self.refuse(place, app_refusal()),
                Ok(checked) => {
                    let next = checked.next_sequence.map(|next| self.model.learn(tx.sender, next, asked));
                    match self.model.judge(&tx, next, gossip) {
                        Some(code) => expected = self.refuse(place, own(code)),
                        None => {
                            expected = self.land(place, |index| Outcome::Accepted { duplicate: index > 0 });
                            self.model.insert(tx, next);
                        }
                    }
                }
            }
        }
        self.step(Input::Checked { results: vec![(hash, result)] }, expected);
    }

    fn recheck(&mut self, place: usize) {
        let (hash, result, asked) = self.rechecks.remove(place);
        if asked == self.model.executed && self.model.pending(&hash).is_some() {
            match &result {
                Err(_) => self.model.drop_tx(&hash),
                Ok(CheckedTx { next_sequence: Some(next) }) => {
                    self.model.learn(self.txs[&hash].sender, *next, asked);
                }
                Ok(_) => {}
            }
        }
        self.step(Input::Checked { results: vec![(hash, result)] }, Vec::new());
    }

    /// Answers to both kinds of checks are told by hash alone: an older one of the other kind goes first.
    fn any_check(&mut self, index: usize) {
        let new = self.checks.len();
        let hash = if index < new { self.checks[index].0 } else { self.rechecks[index - new].0 };
        match self.rechecks.iter().position(|(other, ..)| *other == hash) {
            Some(place) => self.recheck(place),
            None => self.check(index),
        }
    }

    fn commit(&mut self, txs: Vec<Tx>) {
        let height = self.model.height + 1;
        let mut expected = Vec::new();
        for tx in &txs {
            self.txs.insert(tx.hash(), tx.clone());
        }
        self.model.commit(height, &txs);
        for tx in &txs {
            if let Some(place) = self.model.flight(&tx.hash()) {
                expected.extend(self.land(place, |_| Outcome::Committed { height }));
            }
        }
        self.blocks.push((height, txs.clone()));
        self.step(Input::Committed { height, txs: txs.iter().map(Tx::hash).collect() }, expected);
    }

    fn execute(&mut self) {
        if self.blocks.is_empty() {
            return;
        }
        let (height, txs) = self.blocks.remove(0);
        txs.iter().for_each(|tx| self.app.execute(tx));
        self.model.executed = height;
        self.model.ahead.retain(|(ahead, _)| *ahead > height);
        self.step(executed(height), Vec::new());
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Submit(source, txs) => self.submit(source, txs),
            Op::Precheck(index) if !self.prechecks.is_empty() => {
                self.precheck(index.index(self.prechecks.len()))
            }
            Op::Check(index) if !self.checks.is_empty() || !self.rechecks.is_empty() => {
                self.any_check(index.index(self.checks.len() + self.rechecks.len()));
            }
            Op::CommitBatch(count) => {
                let batch = self.pool.batch(usize::MAX, count, &|_| false);
                self.commit(batch.iter().map(|(hash, _)| self.txs[hash].clone()).collect());
            }
            Op::Commit(txs) => self.commit(txs),
            Op::CommitSeen(indices) => {
                let seen: Vec<Tx> = self.txs.values().cloned().collect();
                let chosen = indices.iter().filter(|_| !seen.is_empty());
                self.commit(chosen.map(|index| index.get(&seen).clone()).collect());
            }
            Op::Execute => self.execute(),
            Op::Precheck(_) | Op::Check(_) => {}
        }
    }

    /// Lets everything under way come to its end.
    fn settle(&mut self) {
        while !self.blocks.is_empty() {
            self.execute();
        }
        while !self.prechecks.is_empty() {
            self.precheck(0);
        }
        while !self.checks.is_empty() || !self.rechecks.is_empty() {
            self.any_check(0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_pool_does_what_the_rules_say(ops in prop::collection::vec(any_op(), 1..120)) {
        let mut world = World::new(Seed::new(1));
        let mut other = World::new(Seed::new(u128::MAX / 7));
        for op in ops {
            world.play(op.clone());
            other.play(op);
        }
        world.settle();
        other.settle();
        // A seed moves what lies in memory, and nothing that can be seen.
        prop_assert_eq!(&world.log, &other.log);
        prop_assert_eq!(format!("{:?}", world.pool), format!("{:?}", other.pool));
        // At rest the pool agrees with the application, whatever the history: nothing used stays, nothing waits in vain.
        prop_assert_eq!(world.pool.in_flight(), 0);
        for (tx, _) in &world.model.entries {
            let ordered = !tx.sender.is_empty();
            prop_assert!(!ordered || world.model.next[tx.sender] == world.app.next(tx));
            prop_assert!(tx.sequence >= world.app.next(tx));
        }
    }
}
