//! Rule R9: whoever shows that it is behind is helped, not more often than it can use.

use std::collections::BTreeMap;

use althing_crypto::mutant;

use crate::engine::{Action, Engine, Step};
use crate::{Certificate, Memory, Message, Micros, Position, Status, View, view_of};

/// The shortest time between two answers to one peer.
const HELP_INTERVAL: Micros = Micros::from_millis(200);

impl Engine {
    /// Where this node stands.
    pub fn status(&self) -> Status {
        Status {
            epoch: self.config.epoch,
            view: self.view,
            committed: self.committed().height,
            high_view: self.high_view(),
            tc_view: self.tc.as_ref().map_or(View(0), |tc| tc.view),
            commit_view: view_of(self.commit.as_deref()),
            resuming: self.config.me.is_some() && !self.resume.is_over(),
        }
    }

    /// A new connection: where this node stands, and what it has signed of late, which the peer may have missed.
    pub(super) fn greet(&mut self, step: &mut Step, peer: Position) {
        step.act(Action::Send(peer, Message::Status(self.status())));
        for message in self.newest_own() {
            step.act(Action::Send(peer, message));
        }
    }

    pub(super) fn status_arrived(&mut self, step: &mut Step, peer: Position, status: Status) {
        step.act(Action::PeerStatus(peer, status.clone()));
        if status.epoch != self.config.epoch {
            return;
        }
        let resuming = status.resuming && due(&mut self.reminded, step, peer);
        self.help_on(step, peer, &status, resuming);
        // Last: by then it should hold the certificates, which count for rule S7, too.
        if resuming {
            let memory = self.memories.get(&peer).cloned().unwrap_or_default();
            let memory = Memory { epoch: self.config.epoch, ..memory };
            step.act(Action::Send(peer, Message::Memory(Box::new(memory))));
        }
    }

    fn help_on(&mut self, step: &mut Step, peer: Position, status: &Status, resuming: bool) {
        let own = self.status();
        let behind = status.high_view < own.high_view
            || status.commit_view < own.commit_view
            || (status.tc_view < own.tc_view && status.view <= own.tc_view);
        let ahead = status.view > own.view || status.committed > own.committed;
        if (behind || ahead) && (due(&mut self.helped, step, peer) || resuming) {
            if behind {
                self.help(step, peer, status);
            }
            if ahead {
                step.act(Action::Send(peer, Message::Status(own)));
            }
        }
    }

    /// What this peer lacks.
    fn help(&self, step: &mut Step, peer: Position, status: &Status) {
        if mutant!("no_help_for_the_late") {
            return;
        }
        let high = self.high_qc.as_ref().filter(|qc| qc.view > status.high_view);
        let commit = self.commit.as_ref().filter(|qc| qc.view > status.commit_view);
        let tc = self.tc.as_ref().filter(|tc| tc.view > status.tc_view && tc.view >= status.view);
        let mut certificates: Vec<Certificate> = high
            .into_iter()
            .chain(commit)
            .map(|qc| Certificate::Quorum(qc.clone().into_inner()))
            .chain(tc.map(|tc| Certificate::Timeout(tc.clone().into_inner())))
            .collect();
        certificates.dedup();
        for certificate in certificates {
            step.act(Action::Send(peer, Message::Certificate(Box::new(certificate))));
        }
    }

    /// A peer still in view `view` is shown what ended it.
    pub(super) fn help_from(&mut self, step: &mut Step, peer: Position, view: View) {
        let behind = Some(peer) != self.config.me && view < self.view;
        if behind && due(&mut self.helped, step, peer) {
            let status = Status { epoch: self.config.epoch, view, ..Status::default() };
            self.help(step, peer, &status);
        }
    }
}

/// Whether this peer may have another answer, which is noted as given.
fn due(answered: &mut BTreeMap<Position, Micros>, step: &Step, peer: Position) -> bool {
    let now = step.now.mono;
    let due = answered.get(&peer).is_none_or(|at| at.after(HELP_INTERVAL) <= now);
    if due {
        answered.insert(peer, now);
    }
    due
}
