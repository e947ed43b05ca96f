//! What blocks do to the pool: transactions leave, and what is left is checked again.

use althing_crypto::{TxHash, mutant};

use super::Mempool;
use crate::in_flight::{Flight, Stage};
use crate::rechecks::Group;
use crate::sender::{Origin, Sender, Verdict};
use crate::{Action, CheckedTx, Outcome, Refusal};

impl Mempool {
    /// Takes in the sender's next sequence, told by a check that was asked after the block of height `executed`.
    /// Returns it as it is after all committed blocks.
    pub(super) fn learn_next(&mut self, sender: &Sender, next: u64, executed: u64) -> u64 {
        let exact = executed == self.executed && !self.rechecks.awaits_execution(sender);
        let next = self.rechecks.next_after(sender, next);
        self.pool.learn_next(sender, next, exact);
        next
    }

    pub(super) fn rechecked(
        &mut self,
        hash: TxHash,
        group: Group,
        executed: u64,
        result: Result<CheckedTx, Refusal>,
        out: &mut Vec<Action>,
    ) {
        if executed < self.executed {
            // The verdict is of a state that has passed. Without a sender it says nothing of the others either.
            return match group {
                Some(_) => self.rechecks.again(group),
                None => self.ask_recheck(hash, out),
            };
        }
        let Some(entry) = self.pool.get(&hash) else { return };
        let sender = group.filter(|_| entry.sequence.is_some());
        match (result, sender) {
            (Ok(CheckedTx { next_sequence: Some(next) }), Some(sender)) => {
                let next = if mutant!("pending_lost_on_recheck") { next + 1 } else { next };
                self.learn_next(&sender, next, executed);
            }
            (Ok(_), _) => {}
            (Err(refusal), sender) => {
                self.pool.refuse(&hash, refusal.bounded());
                if let Some(next) = sender.and_then(|sender| self.pool.first_ordered(&sender)) {
                    self.ask_recheck(next, out);
                }
            }
        }
    }

    pub(super) fn commit(&mut self, height: u64, txs: &[TxHash], out: &mut Vec<Action>) {
        self.height = self.height.max(height);
        for hash in txs {
            self.committed.insert_new(*hash, height);
            // What is in the pool is not in flight.
            let origin = self.pool.commit(hash).unwrap_or_else(|| {
                let origin = self.origin(hash);
                self.pool.commit_other(&origin);
                self.land(*hash, Outcome::Committed { height }, out);
                origin
            });
            if height > self.executed && self.may_change(&origin) {
                self.rechecks.touch(height, origin);
            }
        }
        self.pool.pass_height(self.height);
        if !txs.is_empty() {
            self.pool.pass_round();
        }
    }

    /// Whether a block with a transaction of this origin changes the application's verdict on others.
    fn may_change(&self, origin: &Origin) -> bool {
        self.limits().rechecks_senderless || matches!(origin, Origin::Sender(..))
    }

    /// Whose a transaction is that is not in the pool.
    fn origin(&self, hash: &TxHash) -> Origin {
        let verdict = match self.in_flight.get(hash) {
            Some(Flight { stage: Stage::Check { verdict, .. }, .. }) => Some(verdict),
            _ => self.pool.admitted.get(hash),
        };
        match verdict {
            None => Origin::Unknown,
            Some(Verdict { sender: None, .. }) => Origin::Nobody,
            Some(Verdict { sender: Some(sender), sequence, .. }) => {
                Origin::Sender(sender.clone(), Some(*sequence))
            }
        }
    }

    pub(super) fn ask_rechecks(&mut self, out: &mut Vec<Action>) {
        loop {
            let Mempool { pool, rechecks, executed, .. } = self;
            let max = pool.limits().max_rechecks_in_flight;
            let Some(group) = rechecks.next_group(max, || pool.senders()) else {
                return;
            };
            for entry in pool.to_recheck(&group) {
                if rechecks.ask(entry.hash, &group, *executed) {
                    out.push(Action::Recheck(entry.hash, entry.bytes.clone()));
                }
            }
        }
    }

    pub(super) fn ask_recheck(&mut self, hash: TxHash, out: &mut Vec<Action>) {
        if let Some(entry) = self.pool.get(&hash)
            && self.rechecks.ask(hash, &entry.sender, self.executed)
        {
            out.push(Action::Recheck(hash, entry.bytes.clone()));
        }
    }
}
