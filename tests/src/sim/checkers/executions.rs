//! One history of execution: every node gets the same application hash and results from every height, and what headers vouch for is
//! just that (V7, V9).

use std::collections::{BTreeMap, VecDeque};

use althing_consensus::{Execution, Header, Height, Micros, Vouched};
use althing_crypto::merkle_root;

use super::chain::Chain;
use super::{Checker, Seen};
use crate::sim::world::World;

/// What came of every height. A node that lost everything executes from the first one again, so none is forgotten.
#[derive(Default)]
pub(super) struct Executions {
    chain: Chain,
    /// By height, and who executed it first.
    executed: BTreeMap<Height, (Execution, usize)>,
    /// What the newest committed header vouches for.
    vouched: Option<Vouched>,
    /// Heights of headers that vouch for what nobody has told of yet, with the height that their parents vouch for.
    pending: VecDeque<(Height, Vouched, Height)>,
}

impl Executions {
    fn executed(&mut self, node: usize, execution: &Execution) -> Result<(), String> {
        let height = execution.height;
        let (held, first) = self.executed.entry(height).or_insert_with(|| (execution.clone(), node));
        if held == execution {
            return Ok(());
        }
        Err(format!(
            "node {node} executes height {height} to {} with results {}, node {first} to {} with results {}",
            execution.app_hash, execution.results_root, held.app_hash, held.results_root
        ))
    }

    fn header(&mut self, header: &Header) -> Result<(), String> {
        let (height, new) = (header.height, &header.vouched);
        let before = self.vouched.replace(new.clone());
        let low = before.as_ref().map_or(Height(0), |before| before.height);
        if new.height < low || new.height >= height {
            return Err(format!("block {height} vouches for height {}, its parent for {low}", new.height));
        }
        if new.height == low {
            return match before {
                Some(before) if before != *new => Err(format!(
                    "block {height} vouches otherwise than its parent for height {low}: {new:?}, {before:?}"
                )),
                _ => Ok(()),
            };
        }
        self.pending.push_back((height, new.clone(), low));
        Ok(())
    }

    /// Compares what headers vouch for with what was executed, as far as that is known.
    fn compare(&mut self) -> Result<(), String> {
        while let Some((header, vouched, low)) = self.pending.front() {
            let run: Vec<&Execution> = self
                .executed
                .range(low.next()..=vouched.height)
                .map(|(_, (execution, _))| execution)
                .collect();
            if run.len() as u64 != vouched.height.0 - low.0 {
                break;
            }
            let leaves: Vec<Vec<u8>> = run.iter().map(|one| borsh::to_vec(one).expect("memory")).collect();
            let (root, app_hash) = (merkle_root(&leaves), &run[run.len() - 1].app_hash);
            if (root, app_hash) != (vouched.executed_root, &vouched.app_hash) {
                return Err(format!(
                    "block {header} vouches for {} and root {} at height {}, executed to {app_hash} and root {root}",
                    vouched.app_hash, vouched.executed_root, vouched.height
                ));
            }
            self.pending.pop_front();
        }
        Ok(())
    }
}

impl Checker for Executions {
    fn name(&self) -> &'static str {
        "executions"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Executed { execution } => self.executed(node, execution)?,
            Seen::Committed { .. } => {
                for body in self.chain.grow(seen) {
                    self.header(&body.block.header)?;
                }
            }
            _ => return Ok(()),
        }
        self.compare()
    }

    fn finished(&mut self, _: &World, _: Micros) -> Result<(), String> {
        let Some((header, vouched, _)) = self.pending.front() else { return Ok(()) };
        Err(format!("block {header} vouches for height {}, which nobody has executed", vouched.height))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_crypto::sha256;
    use althing_node::body::Body;

    use super::super::testing::{Bench, found};
    use super::*;

    fn executes(
        bench: &Bench,
        checker: &mut Executions,
        node: usize,
        height: u64,
        state: &str,
    ) -> Result<(), String> {
        bench.see(checker, node, &Seen::Executed { execution: &bench.execution(height, state) })
    }

    /// Two blocks, and a third that vouches for both, changed somehow.
    fn chain(bench: &Bench, change: impl FnOnce(&mut Vouched)) -> [Arc<Body>; 3] {
        let one = bench.body(None, &["a"]);
        let two = bench.body(Some(&one), &["b"]);
        let run = [bench.execution(1, "one"), bench.execution(2, "two")];
        let three = bench.body_in(Some(&two), 3, &[], |header| {
            let vouched = &mut header.vouched;
            vouched.height = Height(2);
            vouched.app_hash = run[1].app_hash.clone();
            vouched.executed_root = Execution::root(&run);
            change(vouched);
        });
        [one, two, three]
    }

    fn outcome(bench: &Bench, bodies: &[Arc<Body>], executed_first: bool) -> Result<(), String> {
        let mut checker = Executions::default();
        if !executed_first {
            bench.commits(&mut checker, 0, bodies)?;
        }
        executes(bench, &mut checker, 0, 1, "one")?;
        executes(bench, &mut checker, 1, 1, "one")?;
        executes(bench, &mut checker, 1, 2, "two")?;
        if executed_first {
            bench.commits(&mut checker, 0, bodies)?;
        }
        checker.finished(&bench.world, Micros(0))
    }

    #[test]
    fn an_honest_history_passes_in_either_order() {
        let bench = Bench::new();
        for executed_first in [true, false] {
            outcome(&bench, &chain(&bench, |_| {}), executed_first).expect("honest");
        }
    }

    #[test]
    fn two_outcomes_of_one_height_are_found() {
        let (bench, mut checker) = (Bench::new(), Executions::default());
        executes(&bench, &mut checker, 0, 1, "one").expect("the first");
        found(executes(&bench, &mut checker, 3, 1, "uno"), &["node 3", "height 1", "node 0"]);
    }

    #[test]
    fn what_was_not_executed_so_but_vouched_for_is_found() {
        let bench = Bench::new();
        let other = bench.execution(2, "zwei").app_hash;
        let app_hash = chain(&bench, |vouched| vouched.app_hash = other);
        let root = chain(&bench, |vouched| vouched.executed_root = sha256(b"other"));
        for executed_first in [true, false] {
            for bodies in [&app_hash, &root] {
                found(outcome(&bench, bodies, executed_first), &["block 3 vouches", "height 2"]);
            }
        }
    }

    #[test]
    fn vouching_for_less_for_itself_or_otherwise_for_the_same_is_found() {
        let bench = Bench::new();
        found(
            outcome(&bench, &chain(&bench, |v| v.height = Height(3)), true),
            &["block 3 vouches for height 3"],
        );
        let changed = chain(&bench, |vouched| vouched.height = Height(0));
        found(outcome(&bench, &changed, true), &["block 3 vouches otherwise"]);
        let [one, two, three] = chain(&bench, |_| {});
        let less = bench.body_in(Some(&three), 4, &[], |header| header.vouched.height = Height(1));
        found(outcome(&bench, &[one, two, three, less], true), &["block 4 vouches for height 1", "2"]);
    }

    #[test]
    fn vouching_for_what_nobody_executed_is_found_in_the_end() {
        let (bench, mut checker) = (Bench::new(), Executions::default());
        bench.commits(&mut checker, 0, &chain(&bench, |_| {})).expect("not known yet");
        found(checker.finished(&bench.world, Micros(0)), &["block 3", "height 2", "nobody"]);
    }
}
