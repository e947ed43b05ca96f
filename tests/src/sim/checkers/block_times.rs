//! A block's time is above its parent's (V2), and no later than the clocks of those who voted for it when it is committed: they wait
//! for it (R3). A block that came earlier than that was voted for by none of them.

use althing_consensus::{Header, Micros};

use super::chain::Chain;
use super::{Checker, Seen};
use crate::sim::world::World;

/// The time of the newest committed block.
#[derive(Default)]
pub(super) struct BlockTimes {
    chain: Chain,
    newest_ms: Option<u64>,
}

impl BlockTimes {
    fn block(&mut self, world: &World, at: Micros, header: &Header) -> Result<(), String> {
        let (height, time_ms) = (header.height, header.time_ms);
        let parent_ms = self.newest_ms.replace(time_ms).unwrap_or(world.genesis_time_ms);
        if time_ms <= parent_ms {
            return Err(format!("block {height} has time {time_ms} ms, its parent {parent_ms} ms"));
        }
        // A clock that is started a millisecond after genesis, and the rest of a division.
        let latest_ms = world.genesis_time_ms + at.0 / 1_000 + world.max_skew_ms + 2;
        if time_ms > latest_ms {
            return Err(format!(
                "block {height} is committed with time {time_ms} ms, when no clock is past {latest_ms} ms"
            ));
        }
        Ok(())
    }
}

impl Checker for BlockTimes {
    fn name(&self) -> &'static str {
        "block times"
    }

    fn see(&mut self, world: &World, at: Micros, _: usize, seen: &Seen<'_>) -> Result<(), String> {
        let fresh = self.chain.grow(seen);
        fresh.iter().try_for_each(|body| self.block(world, at, &body.block.header))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, found};
    use super::*;

    #[test]
    fn times_that_grow_within_the_clocks_pass() {
        let (bench, mut checker) = (Bench::new(), BlockTimes::default());
        let one = bench.body_in(None, 1, &[], |header| header.time_ms += 100);
        let two = bench.body(Some(&one), &[]);
        bench.commits(&mut checker, 0, &[one, two]).expect("within the skew of 100 ms");
    }

    #[test]
    fn a_time_that_does_not_grow_is_found() {
        let (bench, mut checker) = (Bench::new(), BlockTimes::default());
        let one = bench.body(None, &[]);
        let two = bench.body_in(Some(&one), 2, &[], |header| header.time_ms -= 1);
        found(bench.commits(&mut checker, 0, &[one, two]), &["block 2", "its parent"]);
        let old = bench.body_in(None, 1, &[], |header| header.time_ms = bench.world.genesis_time_ms);
        found(bench.commits(&mut BlockTimes::default(), 0, &[old]), &["block 1", "its parent"]);
    }

    #[test]
    fn a_time_ahead_of_all_clocks_is_found() {
        let (bench, mut checker) = (Bench::new(), BlockTimes::default());
        let early = bench.body_in(None, 1, &[], |header| header.time_ms += 200);
        found(bench.commits(&mut checker, 0, &[early]), &["block 1", "no clock is past"]);
    }
}
