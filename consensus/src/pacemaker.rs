//! How long a view may take (rule T1): an adaptive base, doubled with each view left by a TC, up to a cap.

use althing_crypto::mutant;

use crate::{ConsensusParams, Micros};

/// The view timer's length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pacemaker {
    /// The longest recent time from a proposal's arrival to its QC, decaying.
    round: Micros,
    /// Views left by a TC since progress was last seen.
    failures: u32,
}

impl Pacemaker {
    pub(crate) fn new() -> Self {
        Self { round: Micros(0), failures: 0 }
    }

    /// A proposal's QC came so long after the proposal.
    pub(crate) fn observe(&mut self, round: Micros) {
        let decayed = self.round.0 - self.round.0 / 8;
        self.round = Micros(decayed.max(round.0));
    }

    /// A view was left by a TC.
    pub(crate) fn failed(&mut self) {
        if !mutant!("timer_never_doubles") {
            self.failures = self.failures.saturating_add(1);
        }
    }

    /// A block that shows progress was committed.
    pub(crate) fn progressed(&mut self) {
        if !mutant!("timer_never_shrinks") {
            self.failures = 0;
        }
    }

    /// How long the current view may take. A leader that failed in its last turn is not waited for so long: a third of the usual multiple of
    /// a round is enough for most that are back, and one that is not costs less, again and again. But only where a round was measured: the lower
    /// bound says nothing of how far away it is.
    pub(crate) fn timeout(&self, params: &ConsensusParams, leader_failed: bool) -> Micros {
        let millis = |n: u64| Micros::from_millis(n).0;
        let low = millis(params.timeout_min_ms);
        let base = (self.round.0.saturating_mul(12)).clamp(low, millis(params.timeout_base_max_ms));
        let base = match leader_failed && self.round > Micros(0) {
            true => (self.round.0.saturating_mul(4)).clamp(low / 8, base),
            false => base,
        };
        let doubled = base.saturating_mul(1 << self.failures.min(32));
        Micros(doubled.min(millis(params.timeout_max_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_slowest_recent_round_within_bounds_and_doubles_to_the_cap() {
        let params = ConsensusParams::default();
        let mut pacemaker = Pacemaker::new();
        type Row = (&'static str, fn(&mut Pacemaker), u64);
        let table: &[Row] = &[
            ("nothing seen: the lower bound", |_| {}, 500),
            ("12 times a round of 100 ms", |p| p.observe(Micros::from_millis(100)), 1_200),
            ("a quicker round decays it by an eighth", |p| p.observe(Micros::from_millis(1)), 1_050),
            ("a failure doubles", Pacemaker::failed, 2_100),
            ("and again", Pacemaker::failed, 4_200),
            ("progress returns to the base", Pacemaker::progressed, 1_050),
            ("the base is capped", |p| p.observe(Micros::from_millis(60_000)), 4_000),
            ("so is the doubling", |p| (0..90).for_each(|_| p.failed()), 16_000),
        ];
        for (what, change, expected) in table {
            change(&mut pacemaker);
            assert_eq!(pacemaker.timeout(&params, false), Micros::from_millis(*expected), "{what}");
        }
    }

    #[test]
    fn a_leader_that_failed_before_is_waited_for_four_rounds_and_doubling_outgrows_that_too() {
        let params = ConsensusParams::default();
        let mut pacemaker = Pacemaker::new();
        let timeout = |pacemaker: &Pacemaker| pacemaker.timeout(&params, true);
        assert_eq!(timeout(&pacemaker), Micros::from_millis(500), "no round is known yet");
        pacemaker.observe(Micros::from_millis(1));
        assert_eq!(timeout(&pacemaker), Micros(62_500), "an eighth of the lower bound at least");
        pacemaker.observe(Micros::from_millis(100));
        assert_eq!(timeout(&pacemaker), Micros::from_millis(400));
        pacemaker.failed();
        assert_eq!(timeout(&pacemaker), Micros::from_millis(800));
        pacemaker.observe(Micros::from_millis(60_000));
        assert_eq!(timeout(&pacemaker), Micros::from_millis(8_000), "never longer than for others");
        (0..90).for_each(|_| pacemaker.failed());
        assert_eq!(timeout(&pacemaker), Micros::from_millis(16_000));
    }
}
