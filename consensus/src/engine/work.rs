//! What keeps the chain going, and the timers that run while there is some (rules W1, T1).

use althing_crypto::mutant;

use crate::engine::{Engine, Step};
use crate::{Certificate, Message, Micros};

/// How often a node says where it stands.
const STATUS_INTERVAL: Micros = Micros::from_millis(2_000);

/// Deadlines on the monotonic clock, and what has fired in this view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Timers {
    /// The view is given up.
    view: Option<Micros>,
    /// A third of the view timer: a leader with nothing to put into a block makes an empty one.
    empty: Option<Micros>,
    /// Half of it: the high QC goes to all if the leader's proposal has not come.
    share: Option<Micros>,
    /// A leader chooses what it proposes.
    choice: Option<Micros>,
    /// Everything is said again.
    repeat: Option<Micros>,
    /// The first time of a candidate is reached.
    pub(super) clock: Option<Micros>,
    status: Option<Micros>,
    pub(super) last_commit: Micros,
    /// The third has passed.
    pub(super) may_be_empty: bool,
    /// The view timer has fired.
    overdue: bool,
    woken: Option<Micros>,
}

impl Timers {
    /// The view is over, and with it whatever ran for it.
    pub(super) fn leave_view(&mut self) {
        self.stop();
        self.clock = None;
    }

    /// Of several candidates ahead of the clock, the first one's time counts.
    pub(super) fn await_clock(&mut self, at: Micros) {
        self.clock = Some(self.clock.map_or(at, |set| set.min(at)));
    }

    fn stop(&mut self) {
        (self.view, self.empty, self.share, self.choice, self.repeat) = (None, None, None, None, None);
        (self.may_be_empty, self.overdue) = (false, false);
    }

    fn runs(&self) -> bool {
        self.view.is_some() || self.overdue
    }
}

/// Whether a deadline has come; it is gone then.
fn due(deadline: &mut Option<Micros>, now: Micros) -> bool {
    deadline.take_if(|at| *at <= now).is_some()
}

impl Engine {
    /// W1: whether the chain has something to do. Without work it is at rest: no timer runs, no block is made.
    fn has_work(&self, now: Micros) -> bool {
        self.pending
            || !self.tree.is_committed(&self.high_block())
            || self.candidates.values().any(|one| one.stage.is_live())
            || self.newest_work_height().is_some()
            || self.committed().height.0 == 0
            || self.is_heartbeat_due(now)
    }

    /// When a chain at rest makes a block all the same.
    fn heartbeat(&self) -> Option<Micros> {
        let interval = self.config.params.heartbeat_ms;
        (interval > 0 && !self.is_closed())
            .then(|| self.timers.last_commit.after(Micros::from_millis(interval)))
    }

    /// Whether a block is due although there is nothing to put into it.
    pub(super) fn is_heartbeat_due(&self, now: Micros) -> bool {
        self.heartbeat().is_some_and(|at| at <= now)
    }

    /// T1: the view timer starts when there is work in the view, and stops when there is none.
    pub(super) fn update_timers(&mut self, step: &Step) {
        let now = step.now.mono;
        if self.is_closed() || !self.has_work(now) {
            self.timers.stop();
        } else if !self.timers.runs() {
            let timeout = self.pacemaker.timeout(&self.config.params, self.leader_failed());
            self.timers.view = Some(now.after(timeout));
            self.timers.empty = Some(now.after(Micros(timeout.0 / 3)));
            self.timers.choice = Some(now.after(self.patience(timeout)));
            let by_qc = matches!(self.entry.as_deref(), Some(Certificate::Quorum(_)));
            self.timers.share = by_qc.then(|| now.after(Micros(timeout.0 / 2)));
        }
    }

    /// R2: how long into a view its leader may let transactions come together: a third of the shortest timer that others may have. Who was
    /// absent has first to be back in time, though others wait less for it.
    pub(super) fn patience(&self, timeout: Micros) -> Micros {
        let least = Micros::from_millis(self.config.params.timeout_min_ms).0;
        let least = if self.leaders_failures().is_some() { least / 8 } else { least };
        Micros(timeout.0.min(least) / 3)
    }

    /// What is left of it.
    pub(super) fn patience_left(&self, now: Micros) -> Micros {
        Micros(self.timers.choice.map_or(0, |at| at.0.saturating_sub(now.0)))
    }

    pub(super) fn fire_timers(&mut self, step: &mut Step) {
        let now = step.now.mono;
        self.timers.woken = None;
        if due(&mut self.timers.status, now) {
            self.announce(step);
        }
        if due(&mut self.timers.share, now) {
            self.share_high_qc(step);
        }
        if due(&mut self.timers.empty, now) {
            self.timers.may_be_empty = true;
        }
        if due(&mut self.timers.view, now) {
            self.timers.overdue = true;
            self.timers.repeat = Some(now.after(self.repeat_interval()));
            self.view_timer_fired(step);
        }
        if due(&mut self.timers.repeat, now) {
            self.timers.repeat =
                Some(now.after(self.repeat_interval())).filter(|_| !mutant!("repeats_only_once"));
            self.repeat(step);
        }
    }

    fn repeat_interval(&self) -> Micros {
        Micros::from_millis(self.config.params.repeat_interval_ms)
    }

    /// R1: the leader may lack the QC that it is to propose on.
    fn share_high_qc(&self, step: &mut Step) {
        let proposed = self.candidates.values().any(|one| one.stage.is_live());
        if let Some(qc) = self.high_qc.as_ref().filter(|_| !proposed) {
            step.broadcast(Message::Certificate(Box::new(Certificate::Quorum(qc.clone().into_inner()))));
        }
    }

    /// R9: says to all where this node stands, and when it will again.
    pub(super) fn announce(&mut self, step: &mut Step) {
        self.timers.status =
            Some(step.now.mono.after(STATUS_INTERVAL)).filter(|_| !mutant!("status_only_once"));
        step.broadcast(Message::Status(self.status()));
        self.try_commit(step);
    }

    /// Asks to be woken at the next deadline, if that has changed.
    pub(super) fn schedule(&mut self, step: &mut Step) {
        let timers = &self.timers;
        let heartbeat = self.heartbeat().filter(|at| !timers.runs() || *at > step.now.mono);
        let deadlines =
            [timers.view, timers.empty, timers.share, timers.repeat, timers.clock, timers.status, heartbeat];
        let next = deadlines.into_iter().flatten().min();
        if next != timers.woken {
            self.timers.woken = next;
            step.act(super::Action::WakeAt(next));
        }
    }
}
