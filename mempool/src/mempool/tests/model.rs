//! What the rules of the pool say, by a model that knows no index: it keeps a list and computes each answer from the rules.

mod histories;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn limits() -> Limits {
    Limits {
        max_txs: 20,
        max_txs_per_sender: 8,
        max_sequence_gap: 4,
        max_held_txs: 4,
        max_held_heights: 3,
        max_in_flight_txs: 6,
        max_rechecks_in_flight: 2,
        ..Limits::default()
    }
}

/// The application: the next sequence of each sender. Without a sender any order will do, but what lies before is spent.
#[derive(Clone, Debug, Default)]
struct App(BTreeMap<&'static str, u64>);

impl App {
    fn next(&self, tx: &Tx) -> u64 {
        self.0.get(tx.sender).copied().unwrap_or(0)
    }

    fn check(&self, tx: &Tx) -> Result<CheckedTx, Refusal> {
        if tx.sequence < self.next(tx) {
            return Err(app_refusal());
        }
        Ok(CheckedTx { next_sequence: Some(self.next(tx)).filter(|_| !tx.sender.is_empty()) })
    }

    fn execute(&mut self, tx: &Tx) {
        let next = self.0.entry(tx.sender).or_default();
        *next += u64::from(*next == tx.sequence);
    }
}

#[derive(Clone, Debug)]
struct Flight {
    tx: Tx,
    tickets: Vec<u64>,
    payer: u8,
    gossip: bool,
    /// The height executed when the check was asked.
    asked: Option<u64>,
}

/// What the rules say, from lists alone.
#[derive(Debug, Default)]
struct Model {
    /// In order of arrival, with the height at which each is looked at again.
    entries: Vec<(Tx, Option<u64>)>,
    next: BTreeMap<&'static str, u64>,
    flights: Vec<Flight>,
    /// Verdicts that are remembered of what is neither pending nor being checked.
    known: BTreeSet<TxHash>,
    committed: BTreeMap<TxHash, u64>,
    /// Committed and not executed: height and its transactions, `None` for unknown ones.
    ahead: Vec<(u64, Vec<Option<Tx>>)>,
    height: u64,
    executed: u64,
    dropped: Vec<TxHash>,
}

impl Model {
    fn has(&self, sender: &str, sequence: u64) -> bool {
        self.entries.iter().any(|(tx, _)| tx.sender == sender && tx.sequence == sequence)
    }

    fn missing(&self, sender: &str, next: u64) -> u64 {
        (next..).find(|sequence| !self.has(sender, *sequence)).expect("sequences are few")
    }

    fn ready(&self, tx: &Tx) -> bool {
        let Some(next) = self.next.get(tx.sender) else { return true };
        (*next..self.missing(tx.sender, *next)).contains(&tx.sequence)
    }

    fn held(&self) -> usize {
        self.entries.iter().filter(|(tx, _)| !self.ready(tx)).count()
    }

    fn pending(&self, hash: &TxHash) -> Option<usize> {
        self.entries.iter().position(|(tx, _)| tx.hash() == *hash)
    }

    fn flight(&self, hash: &TxHash) -> Option<usize> {
        self.flights.iter().position(|flight| flight.tx.hash() == *hash)
    }

    fn in_flight_of(&self, payer: u8) -> usize {
        let of = |flight: &Flight| {
            let joined = flight.tickets.len() - usize::from(flight.payer == 0);
            usize::from(flight.payer == payer) + if payer == 0 { joined } else { 0 }
        };
        self.flights.iter().map(of).sum()
    }

    fn pre_judge(&self, tx: &Tx, gossip: bool) -> Option<Code> {
        let limits = limits();
        let room = if gossip { limits.max_txs } else { limits.max_txs - limits.max_txs / 10 };
        let of_sender = self.entries.iter().filter(|(other, _)| other.sender == tx.sender).count();
        if tx.expiry.is_some_and(|expiry| expiry <= self.height) {
            Some(Code::Expired)
        } else if self.entries.len() >= room {
            Some(Code::Full)
        } else if tx.sender.is_empty() || of_sender == 0 {
            None
        } else if self.giving_way(tx).is_none() {
            Some(Code::SenderFull)
        } else if self.has(tx.sender, tx.sequence) {
            Some(Code::SequenceTaken)
        } else {
            None
        }
    }

    /// Which of its sender's the transaction displaces, the last first.
    fn giving_way(&self, tx: &Tx) -> Option<Vec<TxHash>> {
        let (limits, of) = (limits(), |(other, _): &&(Tx, Option<u64>)| other.sender == tx.sender);
        let (mut of_sender, mut all) = (self.entries.iter().filter(of).count(), self.entries.len());
        let mut held: Vec<&Tx> =
            self.entries.iter().filter(of).map(|(tx, _)| tx).filter(|tx| !self.ready(tx)).collect();
        held.sort_by_key(|tx| tx.sequence);
        let awaited =
            self.next.get(tx.sender).is_some_and(|next| self.missing(tx.sender, *next) == tx.sequence);
        let mut leaving = Vec::new();
        while of_sender >= (limits.max_txs - all).min(limits.max_txs_per_sender) {
            leaving.push(held.pop().filter(|_| awaited)?.hash());
            (of_sender, all) = (of_sender - 1, all - 1);
        }
        Some(leaving)
    }

    fn judge(&self, tx: &Tx, next: Option<u64>, gossip: bool) -> Option<Code> {
        let code = self.pre_judge(tx, gossip);
        let (None, Some(next)) = (code, next) else { return code };
        let next = self.next.get(tx.sender).copied().unwrap_or(next);
        let missing = self.missing(tx.sender, next);
        if tx.sequence < next {
            Some(Code::SequenceUsed)
        } else if tx.sequence > missing + limits().max_sequence_gap {
            Some(Code::SequenceGap)
        } else if tx.sequence > missing && self.held() >= limits().max_held_txs {
            Some(Code::HeldFull)
        } else {
            None
        }
    }

    fn due(&self, tx: &Tx, height: u64) -> Option<u64> {
        let patience = (!tx.sender.is_empty()).then_some(height + limits().max_held_heights);
        tx.expiry.into_iter().chain(patience).min()
    }

    fn insert(&mut self, tx: Tx, next: Option<u64>) {
        for hash in self.giving_way(&tx).filter(|_| !tx.sender.is_empty()).unwrap_or_default() {
            let place = self.pending(&hash).expect("it gives way");
            self.remove(place);
            self.dropped(&hash);
        }
        if let Some(next) = next {
            self.next.entry(tx.sender).or_insert(next);
        }
        let due = self.due(&tx, self.height);
        self.entries.push((tx, due));
    }

    fn remove(&mut self, place: usize) -> Tx {
        let (tx, _) = self.entries.remove(place);
        if !self.entries.iter().any(|(other, _)| other.sender == tx.sender) {
            self.next.remove(tx.sender);
        }
        tx
    }

    fn drop_tx(&mut self, hash: &TxHash) {
        let Some(place) = self.pending(hash) else { return };
        let tx = self.remove(place);
        self.dropped(hash);
        self.trim(tx.sender);
    }

    /// Its verdict is remembered: it may come again.
    fn dropped(&mut self, hash: &TxHash) {
        self.dropped.push(*hash);
        self.known.insert(*hash);
    }

    fn trim(&mut self, sender: &str) {
        while self.held() > limits().max_held_txs {
            let held = self.entries.iter().filter(|(tx, _)| tx.sender == sender && !self.ready(tx));
            let last = held.max_by_key(|(tx, _)| tx.sequence).map(|(tx, _)| tx.clone());
            let Some(last) = last else { return };
            let place = self.pending(&last.hash()).expect("it was just found");
            self.remove(place);
            self.dropped(&last.hash());
        }
    }

    /// The sender's next sequence after the committed blocks, if the state answers `next`.
    fn learn(&mut self, sender: &'static str, mut next: u64, asked: u64) -> u64 {
        let ahead: Vec<&Option<Tx>> = self.ahead.iter().flat_map(|(_, txs)| txs).collect();
        for tx in ahead.iter().copied().flatten().filter(|tx| tx.sender == sender) {
            next += u64::from(tx.sequence == next);
        }
        let untouched = ahead.iter().all(|tx| tx.as_ref().is_some_and(|tx| tx.sender != sender));
        let Some(known) = self.next.get_mut(sender) else { return next };
        if asked == self.executed && untouched {
            *known = next;
            let used = |(tx, _): &&(Tx, Option<u64>)| tx.sender == sender && tx.sequence < next;
            let used: Vec<TxHash> = self.entries.iter().filter(used).map(|(tx, _)| tx.hash()).collect();
            for hash in used {
                let place = self.pending(&hash).expect("nothing else was removed");
                self.remove(place);
                self.dropped(&hash);
            }
        } else {
            *known = next.max(*known);
        }
        self.trim(sender);
        next
    }

    fn commit(&mut self, height: u64, txs: &[Tx]) {
        self.height = height;
        let mut ahead = Vec::new();
        for tx in txs {
            let hash = tx.hash();
            self.committed.entry(hash).or_insert(height);
            let checked = self.flight(&hash).is_some_and(|place| self.flights[place].asked.is_some());
            let known = self.known.contains(&hash) || self.pending(&hash).is_some() || checked;
            ahead.push(known.then(|| tx.clone()));
            if known && let Some(next) = self.next.get_mut(tx.sender) {
                *next += u64::from(*next == tx.sequence);
            }
            if let Some(place) = self.pending(&hash) {
                self.remove(place);
            }
            if known {
                self.trim(tx.sender);
            }
        }
        self.ahead.push((height, ahead));
        loop {
            let due =
                |(tx, due): &(Tx, Option<u64>)| due.filter(|due| *due <= height).map(|due| (due, tx.hash()));
            let Some((_, hash)) = self.entries.iter().filter_map(due).min_by_key(|(due, _)| *due) else {
                break;
            };
            let place = self.pending(&hash).expect("it was just found");
            let tx = self.entries[place].0.clone();
            if tx.expiry.is_some_and(|expiry| expiry <= height) || !self.ready(&tx) {
                self.drop_tx(&hash);
            } else {
                self.entries[place].1 = self.due(&tx, height + 1);
            }
        }
    }
}
