//! Rule R7: giving up the current view.

use std::collections::BTreeMap;

use althing_crypto::mutant;

use crate::engine::{Action, Engine, Event, Misdeed, Step};
use crate::{Position, SignRequest, TimeoutCertificate, TimeoutVote, Verified, View};

/// Timeout votes of the current view, one slot per validator: the one that names the highest QC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct TimeoutPool {
    votes: BTreeMap<Position, TimeoutVote>,
    /// Members whose timeout vote had a bad signature, with the QC view it named.
    banned: BTreeMap<Position, View>,
    in_flight: bool,
}

impl TimeoutPool {
    /// Whether it took its slot.
    fn add(&mut self, vote: &TimeoutVote) -> bool {
        let higher = self.votes.get(&vote.signer).is_none_or(|held| held.high_view() < vote.high_view());
        let clean = self.banned.get(&vote.signer).is_none_or(|bad| *bad < vote.high_view());
        if higher && clean {
            self.votes.insert(vote.signer, vote.clone());
        }
        higher && clean
    }

    pub(super) fn len(&self) -> usize {
        self.votes.len()
    }

    fn signers(&self) -> impl Iterator<Item = Position> + '_ {
        self.votes.keys().copied()
    }
}

impl Engine {
    pub(super) fn timeout_arrived(&mut self, step: &mut Step, from: Option<Position>, vote: TimeoutVote) {
        if vote.epoch != self.config.epoch {
            return;
        }
        self.remember_timeout(&vote);
        if let Some(entry) = &vote.entry {
            self.take_certificate(step, Verified::trust(entry.clone()));
        }
        if let Some(qc) = vote.high_qc.clone().filter(|_| !self.halted) {
            self.take_qc(step, Verified::trust(qc));
        }
        if self.halted {
            return;
        }
        self.accuse_timeout(step, &vote);
        if vote.view < self.view {
            if let Some(peer) = from {
                self.help_from(step, peer, vote.view);
            }
            return;
        }
        if vote.view == self.view && self.timeouts.add(&vote) {
            self.timeout_pooled(step);
        }
    }

    fn timeout_pooled(&mut self, step: &mut Step) {
        let set = &self.config.set;
        let power = set.power_of(self.timeouts.signers());
        if set.is_one_honest(power) && !mutant!("timeouts_of_others_not_joined") {
            self.give_up(step);
        }
        if self.config.set.is_quorum(power) && !self.timeouts.in_flight {
            self.timeouts.in_flight = true;
            step.act(Action::AggregateTimeouts(self.timeouts.votes.values().cloned().collect()));
        }
    }

    pub(super) fn timeouts_aggregated(
        &mut self,
        step: &mut Step,
        view: View,
        certificate: Option<Verified<TimeoutCertificate>>,
        bad: &[Position],
    ) {
        for signer in bad {
            step.act(Action::Penalise(*signer, Misdeed::BadSignature));
        }
        if view == self.view {
            self.timeouts.in_flight = false;
            for signer in bad {
                if let Some(vote) = self.timeouts.votes.remove(signer) {
                    self.timeouts.banned.insert(*signer, vote.high_view());
                }
            }
        }
        match certificate {
            Some(tc) => self.take_tc(step, tc),
            None if view == self.view => self.timeout_pooled(step),
            None => {}
        }
    }

    /// The view timer fired.
    pub(super) fn view_timer_fired(&mut self, step: &mut Step) {
        step.emit(Event::TimedOut { view: self.view });
        self.give_up(step);
    }

    /// R7: a timeout vote for the current view; for the same view again only with a higher high QC.
    pub(super) fn give_up(&mut self, step: &mut Step) {
        let first = self.asked.timeout < self.view;
        let higher = self.asked.timeout == self.view && self.asked.timeout_high < self.high_view();
        if !self.may_sign() || !(first || higher) {
            return;
        }
        self.asked.timeout = self.view;
        self.asked.timeout_high = self.high_view();
        let request = SignRequest::Timeout {
            view: self.view,
            high_qc: self.high_qc.clone(),
            entry: self.entry.clone(),
        };
        self.sign(step, request);
    }
}
