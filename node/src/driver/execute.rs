//! Stored blocks to the application: one at a time, in the order of their heights, each once.

use althing_consensus::{Executed, Height, Input, Micros};

use super::{Driver, Effect, ExecuteJob, Job, Step};

/// How far execution is.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    executed: Height,
    /// When the block that is being executed was handed on.
    running: Option<Micros>,
    took: Micros,
}

impl Execution {
    pub(super) fn new(executed: Height) -> Self {
        Self { executed, running: None, took: Micros(0) }
    }

    pub(super) fn executed(&self) -> Height {
        self.executed
    }

    /// How long the newest block that this process executed took, from its being handed on to the answer: also what it waited for a
    /// processor and for the disk.
    pub(super) fn took(&self) -> Micros {
        self.took
    }
}

impl Driver {
    /// The height to execute follows from what was executed last, so no block can come twice or out of order.
    pub(super) fn execute_next(&mut self, step: &mut Step) {
        let next = self.execution.executed.next();
        if self.execution.running.is_some() || self.engine.is_halted() || next > self.commits.stored() {
            return;
        }
        self.execution.running = Some(step.now.mono);
        step.act(Effect::Job(Job::Execute(ExecuteJob::Block(next))));
    }

    pub(super) fn executed(&mut self, step: &mut Step, executed: Executed) {
        let height = executed.execution.height;
        assert_eq!(height, self.execution.executed.next(), "the block that was asked for was executed");
        let took =
            self.execution.running.map_or(Micros(0), |since| Micros(step.now.mono.0.saturating_sub(since.0)));
        self.execution = Execution { executed: height, running: None, took };
        step.tell(Input::Executed(executed));
        self.mempool_executed(step, height);
        step.act(Effect::Executed(height));
        self.process_waiting(step);
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{AppHash, Execution as Outcome};
    use althing_crypto::Hash;

    use super::super::testing::Bench;
    use super::*;

    fn executed(bench: &mut Bench, height: u64) -> Vec<String> {
        let execution =
            Outcome { height: Height(height), app_hash: AppHash::default(), results_root: Hash::ZERO };
        bench.act(|driver, step| driver.executed(step, Executed { execution, next_epoch: Hash::ZERO }))
    }

    #[test]
    fn stored_blocks_are_executed_one_by_one_in_order() {
        let mut bench = Bench::new();
        assert_eq!(bench.act(Driver::execute_next), [""; 0], "nothing is stored");
        bench.driver.stored(Height(2));
        assert_eq!(bench.act(Driver::execute_next), ["job execute 1"]);
        assert_eq!(bench.act(Driver::execute_next), [""; 0], "one at a time");
        assert_eq!(executed(&mut bench, 1), ["engine: executed 1", "executed 1"]);
        assert_eq!(bench.act(Driver::execute_next), ["job execute 2"]);
        assert_eq!(executed(&mut bench, 2), ["engine: executed 2", "executed 2"]);
        assert_eq!(bench.act(Driver::execute_next), [""; 0]);
    }

    #[test]
    #[should_panic(expected = "the block that was asked for")]
    fn a_height_cannot_come_twice() {
        let mut bench = Bench::new();
        bench.driver.stored(Height(2));
        executed(&mut bench, 1);
        executed(&mut bench, 1);
    }
}
