//! The pace of blocks: a leader lets transactions come together for as long as the block before is younger than this.
//!
//! A block costs the same votes whatever it carries. Were one made as soon as it may be, a chain of few transactions would spend all its
//! processors on votes, and each step of every transaction would wait for them. So a block waits a little; and where execution is what
//! holds the chain up, it waits longer, as a larger block is executed with less work for each transaction: until execution had half of
//! the time since the block before (`docs/adr/0031-blocks-grow-with-execution.md`). Where a round of messages takes longer it makes no
//! difference, a block that would be full does not wait, and empty blocks have a pace of their own (`heartbeat_ms`).

use althing_consensus::Micros;
use althing_consensus::engine::BuildPayload;

use super::{Driver, Step};

/// From the time in one block's header to the next block's choice of transactions, at least,
const PACE_MS: u64 = 20;
/// and at most, however long execution takes.
const MAX_PACE_MS: u64 = 300;

/// A payload that is asked for and not yet due.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Option<(Micros, BuildPayload)>);

impl Pace {
    /// Nothing of the epoch before is of use.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When it is due.
    pub(super) fn due_at(&self) -> Option<Micros> {
        self.0.as_ref().map(|(at, _)| *at)
    }
}

impl Driver {
    /// The engine asks for a payload: of an earlier question the view is over.
    pub(super) fn payload_asked(&mut self, step: &mut Step, build: BuildPayload) {
        // A parent whose proposer's clock is ahead is waited for no longer.
        let age = step.now.unix_ms.saturating_sub(build.parent_time_ms);
        let pace = (2 * self.execution.took().0 / 1_000).clamp(PACE_MS, MAX_PACE_MS);
        let rest = Micros::from_millis(pace.saturating_sub(age)).min(build.patience);
        if rest == Micros(0) || self.would_be_full(&build) {
            self.pace.clear();
            return self.build_payload(step, build);
        }
        self.pace = Pace(Some((step.now.mono.after(rest), build)));
    }

    /// By what is pending on the whole, less what waits for others and what its ancestors carry.
    fn would_be_full(&self, build: &BuildPayload) -> bool {
        let (pool, params) = (self.mempool(), &self.config.params);
        let free = pool.len().saturating_sub(pool.held() + build.exclude.len());
        let bytes = free * (pool.bytes() / pool.len().max(1));
        free >= params.max_block_txs as usize || bytes >= params.max_block_bytes as usize
    }

    /// When its time has come, or enough has come before.
    pub(super) fn build_what_is_due(&mut self, step: &mut Step) {
        let due = |(at, build): &(Micros, BuildPayload)| *at <= step.now.mono || self.would_be_full(build);
        if !self.pace.0.as_ref().is_some_and(due) {
            return;
        }
        let view = self.engine.view();
        if let Some((_, build)) = self.pace.0.take().filter(|(_, build)| build.view == view) {
            self.build_payload(step, build);
        }
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{AppHash, Executed, Execution, Height, View};
    use althing_crypto::Hash;

    use super::super::testing::{Bench, tx};
    use super::*;

    const PATIENCE_MS: u64 = 2 * MAX_PACE_MS;

    /// A question on a parent of this age.
    fn ask(bench: &mut Bench, age_ms: i64) -> Vec<String> {
        ask_in(bench, 1, age_ms)
    }

    fn ask_in(bench: &mut Bench, view: u64, age_ms: i64) -> Vec<String> {
        let build = BuildPayload {
            view: View(view),
            height: Height(1),
            parent: bench.genesis.hash(),
            parent_time_ms: bench.now.unix_ms.saturating_add_signed(-age_ms),
            patience: Micros::from_millis(PATIENCE_MS),
            exclude: Default::default(),
            noticed: Default::default(),
        };
        bench.act(|driver, step| driver.payload_asked(step, build))
    }

    #[test]
    fn a_block_is_begun_when_the_one_before_is_old_enough() {
        let mut bench = Bench::new();
        bench.pend(&tx("a"));
        assert_eq!(ask(&mut bench, PACE_MS as i64), ["gossip 1 txs", "job prepare 1 txs"]);
        assert_eq!(bench.driver.pace.due_at(), None);
        assert_eq!(ask(&mut bench, 10), [""; 0]);
        assert_eq!(bench.driver.pace.due_at(), Some(Micros::from_millis(PACE_MS - 10)));
        bench.pass(PACE_MS - 11);
        assert_eq!(bench.act(Driver::build_what_is_due), [""; 0]);
        bench.pass(1);
        bench.pend(&tx("b"));
        let lines = bench.act(Driver::build_what_is_due);
        assert_eq!(lines, ["gossip 1 txs", "job prepare 2 txs"], "with what has come meanwhile");
        assert_eq!(bench.act(Driver::build_what_is_due), [""; 0], "once");
        assert_eq!(ask(&mut bench, -60_000), [""; 0], "a clock that is ahead");
        assert_eq!(bench.driver.pace.due_at(), Some(Micros::from_millis(2 * PACE_MS - 10)), "costs no more");
    }

    #[test]
    fn execution_gets_half_of_the_time_between_blocks_within_bounds() {
        for (took, due) in
            [(0, PACE_MS), (PACE_MS / 2 + 1, PACE_MS + 2), (60, 120), (80, 160), (2_000, MAX_PACE_MS)]
        {
            let mut bench = Bench::new();
            bench.pend(&tx("a"));
            bench.driver.stored(Height(1));
            bench.act(Driver::execute_next);
            bench.pass(took);
            let outcome =
                Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
            let executed = Executed { execution: outcome, next_epoch: Hash::ZERO };
            bench.act(|driver, step| driver.executed(step, executed));
            let asked = bench.now.mono;
            assert_eq!(ask(&mut bench, 0), [""; 0]);
            assert_eq!(bench.driver.pace.due_at(), Some(asked.after(Micros::from_millis(due))), "{took} ms");
        }
    }

    #[test]
    fn a_block_that_would_be_full_does_not_wait() {
        let mut bench = Bench::new();
        let max = bench.driver.config.params.max_block_txs;
        for n in 1..max {
            bench.pend(&n.to_be_bytes().to_vec().into());
        }
        assert_eq!(ask(&mut bench, 0), [""; 0]);
        assert_eq!(bench.act(Driver::build_what_is_due), [""; 0], "one is missing");
        bench.pend(&tx("the last"));
        let full = [format!("gossip {max} txs"), format!("job prepare {max} txs")];
        assert_eq!(bench.act(Driver::build_what_is_due), full);
        assert_eq!(ask(&mut bench, 0), [format!("job prepare {max} txs")], "at once");
    }

    #[test]
    fn a_block_may_be_full_by_its_bytes() {
        let mut bench = Bench::new();
        bench.driver.config.params.max_block_bytes = 100;
        bench.pend(&vec![1; 60].into());
        assert_eq!(ask(&mut bench, 0), [""; 0]);
        bench.pend(&vec![2; 60].into());
        assert_eq!(bench.act(Driver::build_what_is_due), ["gossip 2 txs", "job prepare 1 txs"]);
    }

    #[test]
    fn what_was_asked_in_a_view_or_an_epoch_that_is_over_is_not_built() {
        let mut bench = Bench::new();
        bench.pend(&tx("a"));
        assert_eq!(ask_in(&mut bench, 2, 0), [""; 0]);
        bench.pass(PACE_MS);
        assert_eq!(bench.act(Driver::build_what_is_due), [""; 0], "the engine is in view 1");
        assert_eq!(bench.driver.pace.due_at(), None);
        assert_eq!(ask(&mut bench, 0), [""; 0]);
        bench.driver.pace.clear();
        bench.pass(PACE_MS);
        assert_eq!(bench.act(Driver::build_what_is_due), [""; 0]);
    }
}
