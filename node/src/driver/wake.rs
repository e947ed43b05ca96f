//! One timer for all: the engine's, the pace's, the gossip's, the gathering's and the fetching's.

use althing_consensus::{Input, Micros};

use super::{Driver, Effect, Step};

/// When who wants to be woken.
#[derive(Clone, Debug, Default)]
pub(super) struct Wake {
    /// The engine's wish.
    pub(super) engine: Option<Micros>,
    /// What the shell was asked for.
    asked: Option<Micros>,
}

impl Driver {
    pub(super) fn started(&mut self, step: &mut Step) {
        step.tell(Input::Start);
        self.notices_started(step);
    }

    /// The timer has fired: whoever is due gets its turn. Early or late firing does no harm.
    pub(super) fn woken(&mut self, step: &mut Step) {
        self.wake.asked = None;
        let now = step.now.mono;
        if self.wake.engine.take_if(|at| *at <= now).is_some() {
            step.tell(Input::Wake);
        }
        self.retry_gathering(step);
        self.fetches.end_rests(now);
        self.ask_more_for_blocks(step);
    }

    /// At the end of a step: asks for the next instant, if that has changed.
    pub(super) fn schedule(&mut self, step: &mut Step) {
        self.flush_gossip(step);
        let payloads = self.payloads.retry_at(step.now.mono);
        let wishes = [
            self.wake.engine,
            self.pace.due_at(),
            self.mempool.flush_at(),
            payloads,
            self.fetches.retry_at(),
        ];
        let next = wishes.into_iter().flatten().min();
        if next != self.wake.asked {
            self.wake.asked = next;
            step.act(Effect::WakeAt(next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, tx};
    use super::*;

    #[test]
    fn the_earliest_wish_counts_and_is_said_when_it_changes() {
        let mut bench = Bench::new();
        assert_eq!(bench.act(Driver::schedule), [""; 0]);
        bench.driver.wake.engine = Some(Micros::from_millis(500));
        assert_eq!(bench.act(Driver::schedule), ["wake 500 ms"]);
        assert_eq!(bench.act(Driver::schedule), [""; 0], "asked for already");
        bench.pend(&tx("a"));
        assert_eq!(bench.act(Driver::schedule), ["gossip 1 txs"], "the first goes at once");
        bench.pend(&tx("b"));
        assert_eq!(bench.act(Driver::schedule), ["wake 10 ms"]);
        bench.pass(10);
        assert_eq!(bench.act(Driver::woken), [""; 0], "the engine is not due");
        assert_eq!(bench.act(Driver::schedule), ["gossip 1 txs", "wake 500 ms"]);
        bench.pass(490);
        assert_eq!(bench.act(Driver::woken), ["engine: wake"]);
        assert_eq!(bench.act(Driver::schedule), [""; 0]);
    }

    #[test]
    fn woken_too_early_it_asks_again() {
        let mut bench = Bench::new();
        bench.driver.wake.engine = Some(Micros::from_millis(5));
        bench.act(Driver::schedule);
        assert_eq!(bench.act(Driver::woken), [""; 0]);
        assert_eq!(bench.act(Driver::schedule), ["wake 5 ms"]);
    }
}
