//! The way into the pool: handed in, prechecked, checked, admitted.

use althing_crypto::{TxHash, mutant};

use super::Mempool;
use crate::in_flight::{Flight, Payer, Stage};
use crate::pool::rules::too_large;
use crate::sender::Verdict;
use crate::{
    Action, Admission, CheckedTx, Code, Limits, MAX_SENDER_BYTES, Outcome, Refusal, Source, Tx, TxBytes,
};

impl Mempool {
    pub(super) fn submit(&mut self, source: Source, txs: Vec<Tx>, out: &mut Vec<Action>) {
        let mut batch = Vec::new();
        for tx in txs {
            // A peer gets no answer: where it has no room, nothing is spent on the rest, nor a hash on what was not hashed before.
            if from_peer(source) && !self.may_take_more(source) {
                break;
            }
            let hash = tx.hash();
            let Some(outcome) = self.submit_one(source, hash, tx.bytes(), &mut batch, out) else { continue };
            match (source, outcome) {
                (Source::Local { ticket }, outcome) => {
                    let accepted = matches!(outcome, Outcome::Accepted { .. });
                    out.push(Action::Answer { ticket, hash, outcome });
                    // It came from a peer. This node now owes it to a client, and may be the last that has it.
                    let untold = accepted.then(|| self.pool.tell(&hash)).flatten();
                    out.extend(untold.map(|tx| Action::Gossip(hash, tx)));
                }
                (Source::Peer { id }, Outcome::Refused(refusal)) if self.refused.get(&hash).is_some() => {
                    out.push(Action::Penalise { peer: id, hash, refusal });
                }
                _ => {}
            }
        }
        if !batch.is_empty() {
            out.push(Action::Precheck(batch));
        }
    }

    /// The outcome, where it is known at once.
    fn submit_one(
        &mut self,
        source: Source,
        hash: TxHash,
        bytes: &TxBytes,
        batch: &mut Vec<(TxHash, TxBytes)>,
        out: &mut Vec<Action>,
    ) -> Option<Outcome> {
        if let Some(height) = self.committed.get(&hash).filter(|_| !mutant!("committed_admitted_again")) {
            return Some(Outcome::Committed { height: *height });
        }
        if self.pool.get(&hash).is_some() {
            return Some(Outcome::Accepted { duplicate: true });
        }
        if self.in_flight.get(&hash).is_some() {
            let joined = self.in_flight.join(self.pool.limits(), &hash, source);
            return if joined { None } else { Some(Outcome::Refused(self.busy())) };
        }
        if let Some(refusal) = self.refused.get(&hash) {
            return Some(Outcome::Refused(refusal.clone()));
        }
        if let Err(refusal) = self.may_fly(source, &hash, bytes.len()) {
            return Some(Outcome::Refused(refusal));
        }
        self.in_flight.start(hash, bytes.clone(), source);
        match self.pool.admitted.get(&hash).cloned() {
            Some(verdict) => self.ask_check(hash, verdict, out),
            None => batch.push((hash, bytes.clone())),
        }
        None
    }

    fn may_take_more(&self, source: Source) -> bool {
        self.in_flight.room(self.limits(), source.into(), 0) && self.pool.room(0, from_peer(source)).is_ok()
    }

    fn may_fly(&self, source: Source, hash: &TxHash, len: usize) -> Result<(), Refusal> {
        let max = self.limits().max_tx_bytes;
        if len == 0 {
            return Err(Refusal::own(
                Code::Empty,
                "the transaction has no bytes; send the signed transaction".into(),
            ));
        }
        if len > max {
            return Err(too_large(hash, len, max));
        }
        if !self.in_flight.room(self.limits(), source.into(), len) {
            return Err(self.busy());
        }
        self.pool.room(len, from_peer(source))
    }

    fn busy(&self) -> Refusal {
        let Limits { max_in_flight_txs, max_in_flight_bytes, .. } = self.limits();
        let log = format!(
            "too many transactions await their check: at most {max_in_flight_txs} of {max_in_flight_bytes} bytes at once; \
             send it again in a moment"
        );
        Refusal::own(Code::Busy, log)
    }

    pub(super) fn prechecked_one(
        &mut self,
        hash: TxHash,
        result: Result<Admission, Refusal>,
        out: &mut Vec<Action>,
    ) {
        match result {
            Ok(admission) => {
                let verdict = Verdict::new(admission, self.limits().seed);
                if self.in_flight.get(&hash).is_some() {
                    self.ask_check(hash, verdict, out);
                } else if self.pool.get(&hash).is_none() {
                    self.remember(hash, verdict);
                }
            }
            Err(refusal) => {
                let refusal = refusal.bounded();
                self.refused.insert(hash, refusal.clone());
                if !self.in_flight.get(&hash).is_some_and(|flight| matches!(flight.stage, Stage::Precheck)) {
                    return;
                }
                let Some(flight) = self.in_flight.finish(&hash) else { return };
                if let Payer::Peer(peer) = flight.payer {
                    out.push(Action::Penalise { peer, hash, refusal: refusal.clone() });
                }
                answer(hash, &flight, &Outcome::Refused(refusal), out);
            }
        }
    }

    /// Goes on with a transaction that awaited its precheck, if this one did.
    fn ask_check(&mut self, hash: TxHash, verdict: Verdict, out: &mut Vec<Action>) {
        let Some(flight) = self.in_flight.get_mut(&hash) else { return };
        if !matches!(flight.stage, Stage::Precheck) {
            return;
        }
        match self.pool.pre_judge(&verdict, flight.bytes.len(), !flight.gossip, self.height) {
            Ok(()) => {
                flight.stage = Stage::Check { verdict, executed: self.executed };
                out.push(Action::Check(hash, flight.bytes.clone()));
            }
            Err(refusal) => {
                self.remember(hash, verdict);
                self.land(hash, Outcome::Refused(refusal), out);
            }
        }
    }

    /// Keeps the verdict on what is handed in or found in a block later.
    fn remember(&mut self, hash: TxHash, verdict: Verdict) {
        if verdict.sender.as_ref().is_none_or(|sender| sender.len() <= MAX_SENDER_BYTES) {
            self.pool.admitted.insert(hash, verdict);
        }
    }

    /// Ends a flight with an answer to all who await one.
    pub(super) fn land(&mut self, hash: TxHash, outcome: Outcome, out: &mut Vec<Action>) {
        if let Some(flight) = self.in_flight.finish(&hash) {
            answer(hash, &flight, &outcome, out);
        }
    }

    pub(super) fn checked(
        &mut self,
        hash: TxHash,
        result: Result<CheckedTx, Refusal>,
        out: &mut Vec<Action>,
    ) {
        if let Some((group, executed)) = self.rechecks.answered(&hash) {
            return self.rechecked(hash, group, executed, result, out);
        }
        if !self.in_flight.get(&hash).is_some_and(|flight| matches!(flight.stage, Stage::Check { .. })) {
            return;
        }
        let Some(flight) = self.in_flight.finish(&hash) else { return };
        let refused = match result {
            Err(refusal) => Some(refusal.bounded()),
            Ok(checked) => self.admit(hash, &flight, checked.next_sequence, out),
        };
        if let Some(refusal) = refused {
            answer(hash, &flight, &Outcome::Refused(refusal), out);
            if let Stage::Check { verdict, .. } = flight.stage {
                self.remember(hash, verdict);
            }
        }
    }

    /// Takes what has passed its check, or says why not.
    fn admit(
        &mut self,
        hash: TxHash,
        flight: &Flight,
        next: Option<u64>,
        out: &mut Vec<Action>,
    ) -> Option<Refusal> {
        let Stage::Check { verdict, executed } = &flight.stage else { return None };
        let sender = &verdict.sender;
        let next = sender.as_ref().zip(next).map(|(sender, next)| self.learn_next(sender, next, *executed));
        // The bound may be lower than when it came.
        let (len, max) = (flight.bytes.len(), self.limits().max_tx_bytes);
        let fits = if len > max { Err(too_large(&hash, len, max)) } else { Ok(()) };
        let judged = fits.and_then(|()| self.pool.judge(verdict, next, len, !flight.gossip, self.height));
        if let Err(refusal) = judged {
            return Some(refusal);
        }
        self.pool.insert(hash, flight.bytes.clone(), verdict, next, flight.gossip, self.height);
        answer(hash, flight, &Outcome::Accepted { duplicate: false }, out);
        // A block executed while the check was under way, and may have touched what it rests on.
        let stale = *executed < self.executed;
        if flight.gossip {
            out.push(Action::Gossip(hash, flight.bytes.clone()));
        }
        match sender {
            Some(sender) if stale => self.rechecks.again(Some(sender.clone())),
            None if stale && self.limits().rechecks_senderless => self.ask_recheck(hash, out),
            _ => {}
        }
        None
    }
}

fn from_peer(source: Source) -> bool {
    matches!(source, Source::Peer { .. })
}

/// One answer to each ticket. The first to ask is no duplicate.
fn answer(hash: TxHash, flight: &Flight, outcome: &Outcome, out: &mut Vec<Action>) {
    for (index, ticket) in flight.tickets.iter().copied().enumerate() {
        let outcome = match outcome {
            Outcome::Accepted { .. } => Outcome::Accepted { duplicate: index > 0 },
            other => other.clone(),
        };
        out.push(Action::Answer { ticket, hash, outcome });
    }
}
