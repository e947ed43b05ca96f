//! The mempool's way in and out: submissions, the application's verdicts, gossip.

use std::collections::{BTreeSet, VecDeque};

use althing_consensus::{Height, Input as EngineInput, Micros, Position};
use althing_crypto::{TxHash, mutant};
use althing_mempool::{Action, CheckedTx, Input, Mempool, Refusal, Source, Tx, TxBytes};

use super::{CheckJob, Driver, Effect, Job, Peer, PrecheckJob, Prechecked, Step};
use crate::wire::{Gossip, Wire};

/// Transactions in one job. Those of a precheck are few enough that a queue spreads over the threads, and enough that their signatures
/// are checked together.
const PRECHECK_BATCH: usize = 512;
/// Precheck jobs under way: twice as many as the node has threads for at most.
const MAX_PRECHECKS: usize = 16;
/// A batch that is not full goes only while fewer are under way, else what comes meanwhile joins it.
const MAX_SMALL_PRECHECKS: usize = 2;
const CHECK_BATCH: usize = 512;
/// Gossip goes out at most this often, the first at once: it costs per message, not per byte. Straight to all,
const GOSSIP_INTERVAL: Micros = Micros::from_millis(5);
/// and by way of others, where each message is passed on and comes to everyone several times.
const INDIRECT_INTERVAL: Micros = Micros::from_millis(10);
/// Bytes in one message of gossip, beyond one transaction.
const GOSSIP_BYTES: usize = 128 << 10;
/// Transactions of one's own clients of which a peer hears when it comes, if they are still pending: the oldest, as others wait for them,
const MAX_GOSSIPED: usize = 1_024;
/// and so many bytes of them, beyond one transaction: whoever starts hears them from all at once.
const GOSSIPED_BYTES: usize = 512 << 10;
/// Gossip whose verdict is awaited; further messages are taken in but not passed on.
const MAX_UNDECIDED: usize = 1_024;
/// Transactions in it.
const MAX_UNDECIDED_TXS: usize = 65_536;

/// The mempool, with what waits to go to the application and to the peers. Bounded by the mempool's limits on what is in flight.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    inner: Mempool,
    to_precheck: VecDeque<(TxHash, TxBytes)>,
    to_check: VecDeque<(TxHash, TxBytes, bool)>,
    /// The precheck jobs under way, from the oldest, which has this number, with those verdicts that came before an older job's. The
    /// mempool takes them in the order of submission: a sender's later transactions never overtake its earlier ones.
    prechecks: VecDeque<Option<Vec<Prechecked>>>,
    oldest_precheck: u64,
    /// One check runs at a time; what comes meanwhile goes into the next one.
    checking: bool,
    outbox: Vec<TxBytes>,
    outbox_bytes: usize,
    /// Gossip rests until then.
    rests_until: Micros,
    /// What this node was the first to gossip and was pending after the newest block, the oldest of it: peers that come later have not
    /// heard it.
    gossiped: VecDeque<TxHash>,
    /// Gossip with transactions that await their precheck, in the order it came.
    undecided: VecDeque<(u64, Vec<TxHash>)>,
    undecided_txs: usize,
}

impl Pool {
    pub(super) fn new(mut inner: Mempool, recent: Vec<(Height, Vec<TxHash>)>) -> Self {
        for (height, txs) in recent {
            inner.step(Input::Committed { height: height.0, txs });
        }
        Self {
            inner,
            to_precheck: VecDeque::new(),
            to_check: VecDeque::new(),
            prechecks: VecDeque::new(),
            oldest_precheck: 0,
            checking: false,
            outbox: Vec::new(),
            outbox_bytes: 0,
            rests_until: Micros(0),
            gossiped: VecDeque::new(),
            undecided: VecDeque::new(),
            undecided_txs: 0,
        }
    }

    pub(super) fn inner(&self) -> &Mempool {
        &self.inner
    }

    /// What waits: transactions for the application, transactions to be gossiped, gossip for verdicts.
    pub(super) fn waiting(&self) -> (usize, usize, usize) {
        (self.to_precheck.len() + self.to_check.len(), self.outbox.len(), self.undecided.len())
    }

    /// When the outbox may go.
    pub(super) fn flush_at(&self) -> Option<Micros> {
        (!self.outbox.is_empty()).then_some(self.rests_until)
    }

    fn remember_gossiped(&mut self, hash: TxHash) {
        if self.gossiped.len() < MAX_GOSSIPED {
            self.gossiped.push_back(hash);
        }
    }

    /// The verdicts of the oldest precheck under way, once they are there.
    fn next_prechecked(&mut self) -> Option<Vec<Prechecked>> {
        let results = self.prechecks.front_mut()?.take()?;
        self.prechecks.pop_front();
        self.oldest_precheck += 1;
        Some(results)
    }

    /// The next precheck, if it is worth a job of its own.
    fn next_precheck(&mut self) -> Option<PrecheckJob> {
        let waiting = self.to_precheck.len();
        let max = if waiting < PRECHECK_BATCH { MAX_SMALL_PRECHECKS } else { MAX_PRECHECKS };
        if waiting == 0 || self.prechecks.len() >= max {
            return None;
        }
        let batch = self.oldest_precheck + self.prechecks.len() as u64;
        self.prechecks.push_back(None);
        Some(PrecheckJob { batch, txs: self.to_precheck.drain(..waiting.min(PRECHECK_BATCH)).collect() })
    }

    /// Whether gossip with these transactions may be passed on; none while a precheck is awaited.
    fn verdict(&self, txs: &[TxHash]) -> Option<bool> {
        let mut accept = true;
        for tx in txs {
            match self.inner.prechecked(tx) {
                Some(good) => accept &= good,
                None if self.inner.get(tx).is_some() => return None,
                None => accept = false,
            }
        }
        Some(accept)
    }
}

impl Driver {
    /// Transactions that are larger fit into no block.
    pub(super) fn set_max_tx_bytes(&mut self, step: &mut Step, max: u32) {
        self.tell_mempool(step, Input::MaxTxBytes(max as usize));
    }

    pub(super) fn submitted(&mut self, step: &mut Step, ticket: u64, txs: Vec<Tx>) {
        self.tell_mempool(step, Input::Submit { source: Source::Local { ticket }, txs });
    }

    /// From gossip, which this node passes on only when it would vouch for it, and not where its author has reached everyone.
    pub(super) fn gossip_arrived(&mut self, step: &mut Step, from: Peer, id: u64, gossip: Gossip) {
        if gossip.to_all {
            step.act(Effect::GossipVerdict { id, accept: false });
            return self.transactions_arrived(step, from, gossip.txs.into_iter().map(Tx::from).collect());
        }
        let pool = &self.mempool;
        let room = pool.undecided.len() < MAX_UNDECIDED
            && pool.undecided_txs + gossip.txs.len() <= MAX_UNDECIDED_TXS;
        if !room {
            step.act(Effect::GossipVerdict { id, accept: false });
            return self.transactions_arrived(step, from, gossip.txs.into_iter().map(Tx::from).collect());
        }
        let txs: Vec<Tx> = gossip.txs.into_iter().map(Tx::hashed).collect();
        let hashes: Vec<TxHash> = txs.iter().map(Tx::hash).collect();
        self.transactions_arrived(step, from, txs);
        match self.mempool.verdict(&hashes) {
            Some(accept) => step.act(Effect::GossipVerdict { id, accept }),
            None => {
                self.mempool.undecided_txs += hashes.len();
                self.mempool.undecided.push_back((id, hashes));
            }
        }
    }

    pub(super) fn transactions_arrived(&mut self, step: &mut Step, from: Peer, txs: Vec<Tx>) {
        let source = Source::Peer { id: self.peers.number(from) };
        self.tell_mempool(step, Input::Submit { source, txs });
    }

    /// A job's verdicts: known at once if all older ones are, else kept until then.
    pub(super) fn prechecked(&mut self, step: &mut Step, batch: u64, results: Vec<Prechecked>) {
        let pool = &mut self.mempool;
        let place = batch.checked_sub(pool.oldest_precheck).and_then(|place| usize::try_from(place).ok());
        if let Some(slot) = place.and_then(|place| pool.prechecks.get_mut(place)) {
            *slot = Some(results);
        }
        while let Some(results) = self.mempool.next_prechecked() {
            self.prechecks_known(step, results);
        }
    }

    pub(super) fn prechecks_known(&mut self, step: &mut Step, results: Vec<Prechecked>) {
        self.tell_mempool(step, Input::Prechecked { results });
        while let Some((id, txs)) = self.mempool.undecided.front() {
            let Some(accept) = self.mempool.verdict(txs) else { break };
            step.act(Effect::GossipVerdict { id: *id, accept });
            self.mempool.undecided_txs -= txs.len();
            self.mempool.undecided.pop_front();
        }
    }

    pub(super) fn checked(&mut self, step: &mut Step, results: Vec<(TxHash, Result<CheckedTx, Refusal>)>) {
        self.mempool.checking = false;
        self.tell_mempool(step, Input::Checked { results });
    }

    pub(super) fn mempool_committed(&mut self, step: &mut Step, height: Height, txs: Vec<TxHash>) {
        if !mutant!("mempool_not_told_of_commits") {
            self.tell_mempool(step, Input::Committed { height: height.0, txs });
        }
        let Pool { inner, gossiped, .. } = &mut self.mempool;
        gossiped.retain(|hash| inner.get(hash).is_some());
    }

    pub(super) fn mempool_executed(&mut self, step: &mut Step, height: Height) {
        if !mutant!("no_recheck_after_a_block") {
            self.tell_mempool(step, Input::Executed { height: height.0 });
        }
    }

    /// R8: while the chain is stuck, what a block would hold goes straight to everyone: those admitted first may all be known and wait
    /// for others that are not. R1: a leader gets no more than a message of gossip, as all others may send it theirs at once.
    pub(super) fn send_pending(&mut self, step: &mut Step, leader: Option<Position>) {
        let block = self.config.params.max_block_bytes as usize;
        // One transaction fits in any case: the first would else keep all others back.
        let message = GOSSIP_BYTES.max(self.config.params.max_tx_bytes as usize);
        let max_bytes = if leader.is_some() { block.min(message) } else { block };
        let batch = self.mempool().batch(max_bytes, self.config.params.max_block_txs as usize, &|_| false);
        let txs: Vec<TxBytes> = batch.into_iter().map(|(_, tx)| tx).collect();
        if txs.is_empty() {
            return;
        }
        match leader {
            None => step.act(Effect::Broadcast(Wire::Transactions(txs))),
            Some(leader) => {
                if let Some(to) = self.connected_member(leader) {
                    step.act(Effect::Send { to, wire: Wire::Transactions(txs) });
                }
            }
        }
    }

    /// A peer that gossip reaches from now on gets the first of what was gossiped before it did and is still pending: a transaction that
    /// only one node knows keeps all later ones of its sender back, until the chain is stuck (R8).
    pub(super) fn send_gossiped(&mut self, step: &mut Step, to: Peer) {
        let pool = &self.mempool;
        let mut room = GOSSIPED_BYTES.max(self.config.params.max_tx_bytes as usize);
        let fits = |tx: &TxBytes| {
            let rest = room.checked_sub(tx.len());
            room = rest.unwrap_or(0);
            rest.is_some()
        };
        let txs: Vec<TxBytes> =
            pool.gossiped.iter().filter_map(|hash| pool.inner.get(hash)).take_while(fits).collect();
        if !txs.is_empty() {
            step.act(Effect::Send { to, wire: Wire::Transactions(txs) });
        }
    }

    fn tell_mempool(&mut self, step: &mut Step, input: Input) {
        let before = self.mempool.inner.len();
        let mut told = false;
        // Once each: one message may hold thousands of bad transactions.
        let mut blamed = BTreeSet::new();
        for action in self.mempool.inner.step(input) {
            match action {
                Action::Precheck(txs) => self.mempool.to_precheck.extend(txs),
                Action::Check(hash, tx) => self.mempool.to_check.push_back((hash, tx, false)),
                Action::Recheck(hash, tx) => self.mempool.to_check.push_back((hash, tx, true)),
                Action::Answer { ticket, hash, outcome } => {
                    step.act(Effect::Answer { ticket, hash, outcome })
                }
                Action::Gossip(hash, tx) => {
                    self.mempool.outbox_bytes += tx.len();
                    self.mempool.outbox.push(tx);
                    self.mempool.remember_gossiped(hash);
                }
                Action::Dropped { hash, refusal } => step.act(Effect::Dropped { hash, refusal }),
                Action::WorkChanged(work) => {
                    told = true;
                    self.tell_work(step, work);
                }
                Action::Penalise { peer, hash, refusal } => {
                    if let Some(peer) = self.peers.of_number(peer).filter(|_| blamed.insert(peer)) {
                        let reason = format!("passed on transaction {hash}, which is not valid: {refusal}");
                        step.act(Effect::Penalise { peer, reason });
                    }
                }
            }
        }
        // A leader whose last choice was empty may choose again.
        if !told && self.mempool.inner.len() > before && self.mempool.inner.has_work() {
            step.tell(EngineInput::Pending(true));
        }
    }

    /// The mempool's word on whether it has something for a block; notices may have, too.
    fn tell_work(&self, step: &mut Step, work: bool) {
        step.tell(EngineInput::Pending(work || self.has_pending()));
    }

    /// Hands the application what waits for it.
    pub(super) fn feed_application(&mut self, step: &mut Step) {
        let pool = &mut self.mempool;
        while let Some(job) = pool.next_precheck() {
            step.act(Effect::Job(Job::Precheck(job)));
        }
        if !pool.checking && !pool.to_check.is_empty() {
            pool.checking = true;
            let count = pool.to_check.len().min(CHECK_BATCH);
            let txs = pool.to_check.drain(..count).collect();
            step.act(Effect::Job(Job::Check(CheckJob(txs))));
        }
    }

    /// Gossips what was admitted: at once if nothing went out of late, else when the interval is over or enough has come together.
    pub(super) fn flush_gossip(&mut self, step: &mut Step) {
        let now = step.now.mono;
        let due = self.mempool.flush_at().is_some_and(|at| at <= now);
        if due || self.mempool.outbox_bytes >= GOSSIP_BYTES {
            self.empty_outbox(step);
        }
    }

    /// Gossips all that was admitted: also before a proposal, which names transactions that others should have by then.
    pub(super) fn empty_outbox(&mut self, step: &mut Step) {
        if self.mempool.outbox.is_empty() {
            return;
        }
        self.mempool.outbox_bytes = 0;
        let to_all = self.peers.all_connected(self.config.me);
        let interval = if to_all { GOSSIP_INTERVAL } else { INDIRECT_INTERVAL };
        self.mempool.rests_until = step.now.mono.after(interval);
        let (mut txs, mut bytes) = (Vec::new(), 0);
        for tx in std::mem::take(&mut self.mempool.outbox) {
            bytes += tx.len();
            txs.push(tx);
            if bytes >= GOSSIP_BYTES {
                step.act(Effect::Gossip(Gossip { to_all, txs: std::mem::take(&mut txs) }));
                bytes = 0;
            }
        }
        if !txs.is_empty() {
            step.act(Effect::Gossip(Gossip { to_all, txs }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, admission, tx};
    use super::*;

    fn refused(hash: TxHash) -> Prechecked {
        (hash, Err(Refusal { code: 7, codespace: "test".into(), log: "no".into() }))
    }

    fn gossip(bench: &mut Bench, id: u64, txs: &[TxBytes]) -> Vec<String> {
        let from = bench.peer(1);
        let gossip = Gossip { to_all: false, txs: txs.to_vec() };
        bench.act(|driver, step| driver.gossip_arrived(step, from, id, gossip))
    }

    /// Verdicts that came with a block.
    fn verdicts(bench: &mut Bench, results: Vec<Prechecked>) -> Vec<String> {
        bench.act(|driver, step| driver.prechecks_known(step, results))
    }

    fn submit(bench: &mut Bench, names: std::ops::Range<u64>) {
        for n in names {
            bench.act(|driver, step| driver.submitted(step, n, vec![n.to_be_bytes().to_vec().into()]));
        }
    }

    /// The transactions of a batch pass.
    fn passed(names: std::ops::Range<u64>) -> Vec<Prechecked> {
        names.map(|n| (TxHash::of(&n.to_be_bytes()), Ok(admission()))).collect()
    }

    fn prechecked(bench: &mut Bench, batch: u64, results: Vec<Prechecked>) -> Vec<String> {
        bench.act(|driver, step| {
            driver.prechecked(step, batch, results);
            driver.feed_application(step);
        })
    }

    #[test]
    fn what_comes_while_the_application_is_busy_goes_together() {
        let mut bench = Bench::new();
        submit(&mut bench, 0..1);
        assert_eq!(bench.act(Driver::feed_application), ["job precheck #0 of 1 txs"]);
        submit(&mut bench, 1..2);
        assert_eq!(bench.act(Driver::feed_application), ["job precheck #1 of 1 txs"]);
        for n in 2..4 {
            submit(&mut bench, n..n + 1);
            assert_eq!(bench.act(Driver::feed_application), [""; 0]);
        }
        let lines = prechecked(&mut bench, 0, passed(0..1));
        assert_eq!(lines, ["job precheck #2 of 2 txs", "job check 1 txs"]);
        let result = vec![(TxHash::of(&0u64.to_be_bytes()), Ok(CheckedTx::default()))];
        let lines = bench.act(|driver, step| driver.checked(step, result));
        assert_eq!(lines, ["engine: pending true", "answer 0: Accepted { duplicate: false }"]);
    }

    #[test]
    fn a_long_queue_spreads_over_jobs_up_to_a_bound() {
        let mut bench = Bench::new();
        submit(&mut bench, 0..3 * 512 + 10);
        let all = ["job precheck #0 of 512 txs", "job precheck #1 of 512 txs", "job precheck #2 of 512 txs"];
        assert_eq!(bench.act(Driver::feed_application), all, "the rest waits for more");
        submit(&mut bench, 3 * 512 + 10..4_096);
        assert_eq!(bench.act(Driver::feed_application).len(), 5);
        bench.connect(&[1, 2]);
        let arrive = |bench: &mut Bench, from, numbers: std::ops::Range<u64>| {
            let peer = bench.peer(from);
            let txs = numbers.map(|n| TxBytes::from(n.to_be_bytes()).into()).collect();
            bench.act(|driver, step| driver.transactions_arrived(step, peer, txs));
            bench.act(Driver::feed_application)
        };
        assert_eq!(arrive(&mut bench, 1, 4_096..2 * 4_096).len(), MAX_PRECHECKS - 8);
        assert_eq!(arrive(&mut bench, 2, 8_192..8_192 + 600), [""; 0], "enough is under way");
        let lines = prechecked(&mut bench, 0, passed(0..512));
        assert_eq!(lines, ["job precheck #16 of 512 txs", "job check 512 txs"]);
    }

    #[test]
    fn verdicts_are_known_in_the_order_of_submission() {
        let mut bench = Bench::connected(&[1]);
        submit(&mut bench, 0..1_024);
        assert_eq!(bench.act(Driver::feed_application).len(), 2);
        let last = TxBytes::from(1_023u64.to_be_bytes());
        assert_eq!(gossip(&mut bench, 1, &[last]), [""; 0]);
        assert_eq!(prechecked(&mut bench, 1, passed(512..1_024)), [""; 0], "the first batch is awaited");
        assert_eq!(prechecked(&mut bench, 7, passed(0..1)), [""; 0], "no such job");
        let lines = prechecked(&mut bench, 0, passed(0..512));
        assert_eq!(lines, ["gossip 1 good", "job check 512 txs"]);
        assert_eq!(prechecked(&mut bench, 0, passed(0..512)), [""; 0], "no longer under way");
    }

    #[test]
    fn gossip_is_passed_on_when_all_of_it_passed_the_precheck() {
        let mut bench = Bench::connected(&[1]);
        let (a, b) = (tx("a"), tx("b"));
        let (hash_a, hash_b) = (TxHash::of(&a), TxHash::of(&b));
        assert_eq!(gossip(&mut bench, 1, &[a.clone(), b.clone()]), [""; 0]);
        assert_eq!(gossip(&mut bench, 2, std::slice::from_ref(&a)), [""; 0]);
        assert_eq!(verdicts(&mut bench, vec![(hash_a, Ok(admission()))]), [""; 0], "in the order it came");
        assert_eq!(verdicts(&mut bench, vec![(hash_b, Ok(admission()))]), ["gossip 1 good", "gossip 2 good"]);
        assert_eq!(gossip(&mut bench, 3, &[b, a]), ["gossip 3 good"], "known");
        assert_eq!(gossip(&mut bench, 4, &[]), ["gossip 4 good"]);
    }

    #[test]
    fn gossip_that_has_reached_everyone_is_taken_in_and_not_passed_on() {
        let mut bench = Bench::new();
        for peer in 1..=3 {
            bench.pend(&tx(&format!("before {peer}")));
            assert_eq!(bench.act(Driver::empty_outbox), ["gossip 1 txs"], "{peer} does not hear it");
            bench.connect(&[peer]);
        }
        // Whether they listen to gossip, too, or not.
        bench.pend(&tx("all hear it"));
        assert_eq!(bench.act(Driver::empty_outbox), ["gossip 1 txs to all"]);
        let from = bench.peer(1);
        let gossip = Gossip { to_all: true, txs: vec![tx("a")] };
        assert_eq!(bench.act(|driver, step| driver.gossip_arrived(step, from, 1, gossip)), ["gossip 1 bad"]);
        assert_eq!(bench.act(Driver::feed_application), ["job precheck #0 of 5 txs", "job check 4 txs"]);
        bench.act(|driver, _| driver.disconnected(Micros(0), &from));
        bench.pend(&tx("one has gone"));
        assert_eq!(bench.act(Driver::empty_outbox), ["gossip 1 txs"]);
    }

    #[test]
    fn bad_gossip_stops_here_and_costs_who_passed_it_on() {
        let mut bench = Bench::connected(&[1]);
        let bad = tx("bad");
        gossip(&mut bench, 1, std::slice::from_ref(&bad));
        assert_eq!(verdicts(&mut bench, vec![refused(TxHash::of(&bad))]), ["penalise v1", "gossip 1 bad"]);
        assert_eq!(
            gossip(&mut bench, 2, &[bad.clone(), bad]),
            ["penalise v1", "gossip 2 bad"],
            "once a message"
        );
    }

    #[test]
    fn undecided_gossip_is_bounded() {
        let mut bench = Bench::connected(&[1]);
        for id in 0..MAX_UNDECIDED as u64 {
            assert_eq!(gossip(&mut bench, id, &[tx("a")]), [""; 0]);
        }
        assert_eq!(gossip(&mut bench, 9_999, &[tx("a")]), ["gossip 9999 bad"]);
    }

    #[test]
    fn undecided_gossip_is_bounded_in_transactions() {
        let mut bench = Bench::connected(&[1]);
        let awaited = tx("its precheck is awaited");
        let message = |id: u64, txs: u64| -> Vec<TxBytes> {
            let others = (1..txs).map(|n| TxBytes::from((id << 32 | n).to_be_bytes()));
            std::iter::once(awaited.clone()).chain(others).collect()
        };
        for id in 0..3 {
            assert_eq!(gossip(&mut bench, id, &message(id, 20_000)), [""; 0]);
        }
        assert_eq!(gossip(&mut bench, 3, &message(3, 20_000)), ["gossip 3 bad"]);
        let rest = MAX_UNDECIDED_TXS as u64 - 60_000;
        assert_eq!(gossip(&mut bench, 4, &message(4, rest)), [""; 0]);
        assert_eq!(gossip(&mut bench, 5, &message(5, 1)), ["gossip 5 bad"], "not one more");
        assert_eq!(gossip(&mut bench, 6, &[]), ["gossip 6 good"]);
        assert_eq!(bench.driver.mempool.undecided.iter().map(|(_, txs)| txs.len()).sum::<usize>(), 65_536);
        verdicts(&mut bench, vec![refused(TxHash::of(&awaited))]);
        let others: Vec<_> =
            bench.driver.mempool.to_precheck.iter().map(|(hash, _)| refused(*hash)).collect();
        verdicts(&mut bench, others);
        assert_eq!((bench.driver.mempool.undecided.len(), bench.driver.mempool.undecided_txs), (0, 0));
        let next = tx("there is room again");
        assert_eq!(gossip(&mut bench, 7, std::slice::from_ref(&next)), [""; 0]);
        assert_eq!(bench.driver.mempool.undecided_txs, 1);
    }

    #[test]
    fn gossip_by_way_of_others_rests_longer_than_that_straight_to_all() {
        for (peers, ms) in [(&[1, 2, 3][..], 5), (&[1, 2], 10)] {
            let mut bench = Bench::connected(peers);
            bench.pend(&tx("at once"));
            assert_eq!(bench.act(Driver::flush_gossip).len(), 1);
            bench.pend(&tx("later"));
            bench.pass(ms - 1);
            assert_eq!(bench.act(Driver::flush_gossip), [""; 0], "{ms} ms");
            bench.pass(1);
            assert_eq!(bench.act(Driver::flush_gossip).len(), 1, "{ms} ms");
        }
    }

    #[test]
    fn a_full_outbox_goes_in_messages_of_bounded_size() {
        let mut bench = Bench::new();
        bench.pend(&tx("first"));
        bench.act(Driver::flush_gossip);
        for n in 0..5u8 {
            bench.pend(&vec![n; GOSSIP_BYTES / 2].into());
        }
        assert_eq!(bench.act(Driver::flush_gossip), ["gossip 2 txs", "gossip 2 txs", "gossip 1 txs"]);
        assert_eq!(bench.act(Driver::flush_gossip), [""; 0]);
    }

    #[test]
    fn while_the_chain_is_stuck_the_first_go_straight_to_all() {
        let mut bench = Bench::new();
        let to_all = |driver: &mut Driver, step: &mut Step| driver.send_pending(step, None);
        assert_eq!(bench.act(to_all), [""; 0]);
        bench.pend(&tx("a"));
        bench.pend(&tx("b"));
        assert_eq!(bench.act(to_all), ["broadcast 2 txs"]);
    }

    #[test]
    fn a_leader_gets_a_message_of_gossip() {
        let mut bench = Bench::connected(&[1]);
        for n in 0..3u8 {
            bench.pend(&vec![n; GOSSIP_BYTES / 2].into());
        }
        let to = |leader| move |driver: &mut Driver, step: &mut Step| driver.send_pending(step, Some(leader));
        assert_eq!(bench.act(to(Position(1))), ["send v1 2 txs"]);
        assert_eq!(bench.act(to(Position(2))), [""; 0], "not connected");
    }

    #[test]
    fn a_peer_that_comes_hears_what_was_gossiped_before_and_is_still_pending() {
        let mut bench = Bench::connected(&[1]);
        let listens = |driver: &mut Driver, step: &mut Step| {
            let peer = driver.connected_member(Position(1)).expect("connected");
            driver.send_gossiped(step, peer);
        };
        assert_eq!(bench.act(listens), [""; 0]);
        for name in ["a", "b", "c"] {
            bench.pend(&tx(name));
        }
        bench.act(|driver, step| driver.mempool_committed(step, Height(1), vec![TxHash::of(&tx("a"))]));
        assert_eq!(bench.act(listens), ["send v1 2 txs"]);
        for n in 0..8u8 {
            bench.pend(&vec![n; GOSSIPED_BYTES / 8].into());
        }
        assert_eq!(bench.act(listens), ["send v1 9 txs"], "so many bytes");
        for n in 0..MAX_GOSSIPED {
            bench.pend(&n.to_be_bytes().to_vec().into());
        }
        assert_eq!(bench.driver.mempool.gossiped.len(), MAX_GOSSIPED);
        assert_eq!(bench.driver.mempool.gossiped[0], TxHash::of(&tx("b")), "the oldest stay");
        bench.act(|driver, step| driver.mempool_committed(step, Height(2), vec![TxHash::of(&tx("b"))]));
        bench.pend(&tx("d"));
        assert_eq!(bench.driver.mempool.gossiped[0], TxHash::of(&tx("c")), "while they are pending");
    }
}
