//! Leader election, written anew from rules L1 to L4: from headers alone.

use althing_consensus::{Absence, Header, Position, View};
use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::sha256;

use crate::sim::world::World;

/// `x` as a share of 2^64, of `total`.
fn share(x: u64, total: u128) -> u128 {
    (u128::from(x) * total) >> 64
}

/// The member in whose interval the target lies, when those that `out` holds have none.
fn member_at(world: &World, target: u128, out: &[Position]) -> Position {
    let mut rest = target;
    for position in world.set.positions().filter(|position| !out.contains(position)) {
        let power = u128::from(world.set.members()[usize::from(position.0)].power.0);
        if rest < power {
            return position;
        }
        rest -= power;
    }
    unreachable!("the target is below the sum of the intervals")
}

/// L2: who is left out in a view, on a block with this absent list.
fn left_out(world: &World, absent: &[Absence], view: View) -> Vec<Position> {
    let power = |position: Position| u128::from(world.set.members()[usize::from(position.0)].power.0);
    let total: u128 = world.set.positions().map(power).sum();
    let mut order: Vec<&Absence> = absent.iter().collect();
    order.sort_by_key(|one| (u32::MAX - one.failures, u64::MAX - one.last.0, one.member));
    let (mut out, mut gone) = (Vec::new(), 0);
    for one in order {
        let doublings = one.failures.max(1) - 1;
        let rests = 4 * world.set.members().len() as u64 * 2u64.pow(doublings.min(8));
        let recent = view.0 <= one.last.0.saturating_add(rests);
        if recent && 3 * (gone + power(one.member)) < total {
            gone += power(one.member);
            out.push(one.member);
        }
    }
    out
}

/// L1 and L3: the leader of a view on a block with this absent list.
pub(super) fn leader(world: &World, view: View, absent: &[Absence]) -> Position {
    let power = |out: &[Position]| -> u128 {
        let others = world.set.positions().filter(|position| !out.contains(position));
        others.map(|position| u128::from(world.set.members()[usize::from(position.0)].power.0)).sum()
    };
    let turn = member_at(world, share(view.0.wrapping_mul(0x9E37_79B9_7F4A_7C15), power(&[])), &[]);
    if view.0.is_multiple_of(1024) {
        return turn;
    }
    let out = left_out(world, absent, view);
    if !out.contains(&turn) {
        return turn;
    }
    let hash = sha256(&sign_bytes(Domain::Leader, world.chain_id, world.epoch.0, view.0, &[]));
    let first = hash.as_bytes()[..8].iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    member_at(world, share(first, power(&out)), &out)
}

/// The absent list that elects on top of a block; none of the opening block's.
pub(super) fn absent_on(parent: Option<&Header>) -> &[Absence] {
    parent.map_or(&[], |header| &header.absent)
}

/// L4: the absent list of a new block of a view on a parent that was certified in view `justify`.
pub(super) fn absent_of(world: &World, parent: &[Absence], justify: View, view: View) -> Vec<Absence> {
    let mut list = parent.to_vec();
    let span = 4 * world.set.members().len() as u64;
    for failed in (justify.0 + 1..view.0).take_while(|failed| failed - justify.0 <= span).map(View) {
        let member = leader(world, failed, parent);
        match list.iter_mut().find(|one| one.member == member) {
            Some(one) => (one.last, one.failures) = (failed, one.failures.saturating_add(1)),
            None => list.push(Absence { member, last: failed, failures: 1 }),
        }
    }
    let proposer = leader(world, view, parent);
    list.retain(|one| one.member != proposer);
    list.sort_by_key(|one| one.member);
    list
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn turns_are_in_proportion_to_power() {
        let bench = Bench::with_powers(&[1, 2, 3, 4]);
        let mut turns = [0i32; 4];
        (1..=10_000).for_each(|view| turns[usize::from(leader(&bench.world, View(view), &[]).0)] += 1);
        for (turns, expected) in turns.into_iter().zip([1_000, 2_000, 3_000, 4_000]) {
            assert!((turns - expected).abs() <= 20, "{turns} turns, {expected} expected");
        }
    }

    #[test]
    fn who_failed_is_left_out_for_four_rounds_and_twice_as_long_each_time() {
        let bench = Bench::new();
        for (failures, span) in [(1, 16), (3, 64), (9, 4_096), (60, 4_096)] {
            let absent = [Absence { member: Position(2), last: View(10), failures }];
            for view in (11..5_000).map(View) {
                let leads = leader(&bench.world, view, &absent) == Position(2);
                let may = view.0 - 10 > span || view.0.is_multiple_of(1024);
                assert!(may || !leads, "view {view}, {failures} failures");
                assert_eq!(leads, may && leader(&bench.world, view, &[]) == Position(2), "view {view}");
            }
        }
    }

    #[test]
    fn less_than_a_third_is_left_out_the_worst_first() {
        let bench = Bench::with_powers(&[1; 7]);
        let one = |member, last, failures| Absence { member: Position(member), last: View(last), failures };
        let out = |absent: &[Absence]| left_out(&bench.world, absent, View(10));
        assert_eq!(out(&[one(1, 9, 1), one(3, 9, 2), one(5, 9, 3)]), [Position(5), Position(3)]);
        assert_eq!(out(&[one(1, 7, 1), one(3, 8, 1), one(5, 9, 1)]), [Position(5), Position(3)]);
        assert_eq!(out(&[one(1, 9, 1), one(3, 9, 1), one(5, 9, 1)]), [Position(1), Position(3)]);
        let heavy = Bench::with_powers(&[5, 1, 1]);
        assert_eq!(left_out(&heavy.world, &[one(0, 9, 1)], View(10)), []);
    }

    #[test]
    fn failed_leaders_are_counted_and_the_proposer_forgotten() {
        let bench = Bench::new();
        assert_eq!(absent_of(&bench.world, &[], View(4), View(5)), []);
        let before = [Absence { member: Position(1), last: View(1), failures: 1 }];
        let list = absent_of(&bench.world, &before, View(4), View(7));
        let failed = [5, 6].map(|view| leader(&bench.world, View(view), &before));
        let proposer = leader(&bench.world, View(7), &before);
        for member in bench.world.set.positions() {
            let counted = list.iter().find(|one| one.member == member).map_or(0, |one| one.failures);
            let failures = failed.iter().filter(|leader| **leader == member).count() as u32;
            let expected = if member == proposer { 0 } else { failures + u32::from(member == Position(1)) };
            assert_eq!(counted, expected, "member {member}");
        }
        let long = absent_of(&bench.world, &[], View(0), View(1 << 40));
        assert!(long.iter().map(|one| one.failures).sum::<u32>() <= 16, "only 4n views count: {long:?}");
    }
}
