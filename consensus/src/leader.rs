//! Leader election (rules L1–L3): turns in proportion to power, failed members left out, from the header chain alone.

use std::collections::BTreeSet;

use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::{mutant, sha256};

use crate::{Absence, Epoch, Position, ValidatorSet, View};

/// Every so many views the leader does not depend on the chain, so that validators whose high QCs differ agree on it.
const UNCONDITIONAL_EVERY: u64 = 1024;

/// A member that fails again and again is left out for twice as long each time, so often.
pub(crate) const LONGEST_REST: u32 = 8;

/// What election reads besides the header: the same for all views of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Election<'a> {
    /// The chain.
    pub chain_id: &'a str,
    /// The epoch.
    pub epoch: Epoch,
    /// Its validators.
    pub set: &'a ValidatorSet,
    /// Leaders that a test has given views 1, 2, …; none on a real chain.
    pub given: &'a [Position],
}

impl Election<'_> {
    /// L1: the member whose turn view `v` is, in proportion to power.
    fn turn(&self, view: View) -> Position {
        if mutant!("turns_ignore_power") {
            return Position((view.0 % self.set.len() as u64) as u16);
        }
        let x = view.0.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.member_at(scale(x, self.set.total().0), &BTreeSet::new())
    }

    /// The member, among those not left out, in whose interval of cumulative power `target` lies.
    fn member_at(&self, target: u64, left_out: &BTreeSet<Position>) -> Position {
        let mut below = 0;
        for (index, member) in self.set.members().iter().enumerate() {
            let position = Position(index as u16);
            if left_out.contains(&position) {
                continue;
            }
            below += member.power.0;
            if target < below {
                return position;
            }
        }
        unreachable!("target {target} lies below the power of the members not left out")
    }

    /// L2: members left out in view `v`, by a chain whose header lists `absent`; together less than a third of the power.
    fn excluded(&self, absent: &[Absence], view: View) -> BTreeSet<Position> {
        let mut order: Vec<&Absence> = absent.iter().collect();
        order.sort_by(|a, b| {
            b.failures.cmp(&a.failures).then(b.last.cmp(&a.last)).then(a.member.cmp(&b.member))
        });
        let span = 4 * self.set.len() as u64;
        let (mut power, mut members) = (0, BTreeSet::new());
        for one in order {
            let rests = span << (one.failures.saturating_sub(1)).min(LONGEST_REST);
            let with = power + self.set.power(one.member).0;
            if view.0.saturating_sub(one.last.0) <= rests
                && (3 * u128::from(with) < u128::from(self.set.total().0) || mutant!("a_third_left_out"))
            {
                power = with;
                members.insert(one.member);
            }
        }
        members
    }

    /// L3: the leader of view `v` on a block whose header lists `absent` (empty for an epoch's opening block).
    pub fn leader(&self, view: View, absent: &[Absence]) -> Position {
        if let Some(given) = self.given(view) {
            return given;
        }
        let member = self.turn(view);
        if view.0.is_multiple_of(UNCONDITIONAL_EVERY) {
            return member;
        }
        let left_out = self.excluded(absent, view);
        if !left_out.contains(&member) {
            return member;
        }
        let seed = sha256(&sign_bytes(Domain::Leader, self.chain_id, self.epoch.0, view.0, &[]));
        let (first, _) = seed.as_bytes().split_first_chunk::<8>().expect("32 bytes");
        let rest = self.set.total().0 - self.set.power_of(left_out.iter().copied()).0;
        self.member_at(scale(u64::from_be_bytes(*first), rest), &left_out)
    }

    fn given(&self, view: View) -> Option<Position> {
        self.given.get(usize::try_from(view.0.checked_sub(1)?).ok()?).copied()
    }

    /// L4: the absent list of a new block of view `v` on a block certified in view `q` whose header lists `absent`.
    pub(crate) fn absent_after(&self, absent: &[Absence], q: View, view: View) -> Vec<Absence> {
        let mut next = absent.to_vec();
        let last = (view.0 - 1).min(q.0.saturating_add(4 * self.set.len() as u64));
        for failed in (q.0 + 1..=last).map(View) {
            let leader = self.leader(failed, absent);
            match next.binary_search_by_key(&leader, |one| one.member) {
                Ok(at) => {
                    next[at].last = failed;
                    next[at].failures = next[at].failures.saturating_add(1);
                }
                Err(at) => next.insert(at, Absence { member: leader, last: failed, failures: 1 }),
            }
        }
        let proposer = self.leader(view, absent);
        next.retain(|one| one.member != proposer || mutant!("proposer_stays_absent"));
        next
    }
}

/// `x / 2^64` of `total`.
fn scale(x: u64, total: u64) -> u64 {
    ((u128::from(x) * u128::from(total)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use althing_crypto::bls::{self, BLS};
    use althing_crypto::ed25519;

    use super::*;
    use crate::{Power, Validator};

    fn set(powers: &[u64]) -> ValidatorSet {
        let member = |(index, power): (usize, &u64)| Validator {
            identity: ed25519::SecretKey::from_seed([index as u8; 32]).public_key(),
            vote_key: bls::PublicKey::opaque([index as u8; 48]),
            power: Power(*power),
        };
        ValidatorSet::new(&BLS, powers.iter().enumerate().map(member).collect()).expect("distinct members")
    }

    fn election(set: &ValidatorSet) -> Election<'_> {
        Election { chain_id: "leader", epoch: Epoch(1), set, given: &[] }
    }

    #[test]
    fn turns_are_in_proportion_to_power() {
        let set = set(&[1, 2, 3, 4]);
        let mut turns = [0; 4];
        for view in 1..=10_000 {
            turns[usize::from(election(&set).leader(View(view), &[]).0)] += 1;
        }
        for (member, expected) in [1_000, 2_000, 3_000, 4_000].into_iter().enumerate() {
            assert!(i32::abs(turns[member] - expected) <= 20, "{turns:?}");
        }
    }

    #[test]
    fn a_failed_member_is_left_out_for_a_span_that_doubles_but_not_in_every_1024th_view() {
        let set = set(&[1; 4]);
        let election = election(&set);
        for (failures, span) in [(1, 16), (2, 32), (3, 64), (9, 4_096), (40, 4_096)] {
            let absent = [Absence { member: Position(2), last: View(10), failures }];
            for view in 11..5_000 {
                let leads = election.leader(View(view), &absent);
                let out = view - 10 <= span && !view.is_multiple_of(UNCONDITIONAL_EVERY);
                assert!(leads != Position(2) || !out, "view {view}, {failures} failures");
                if !out {
                    assert_eq!(leads, election.leader(View(view), &[]), "view {view}");
                }
            }
        }
    }

    #[test]
    fn given_leaders_lead_their_views_and_nothing_else_changes() {
        let set = set(&[1; 4]);
        let elected = election(&set);
        let given = Election { given: &[Position(3), Position(3)], ..elected };
        let absent = [Absence { member: Position(3), last: View(1), failures: 1 }];
        let leaders = [1, 2].map(|view| given.leader(View(view), &absent));
        assert_eq!(leaders, [Position(3), Position(3)]);
        for view in (0..9).filter(|view| !(1..=2).contains(view)) {
            assert_eq!(given.leader(View(view), &absent), elected.leader(View(view), &absent), "view {view}");
        }
    }

    #[test]
    fn those_left_out_stay_below_a_third_and_the_worst_go_first() {
        let set = set(&[1; 7]);
        let one = |member, last, failures| Absence { member: Position(member), last: View(last), failures };
        let table: &[(&[Absence], &[u16])] = &[
            (&[], &[]),
            (&[one(1, 9, 1), one(3, 9, 2), one(5, 9, 3)], &[3, 5]),
            (&[one(1, 7, 1), one(3, 8, 1), one(5, 9, 1)], &[3, 5]),
            (&[one(1, 9, 1), one(3, 9, 1), one(5, 9, 1)], &[1, 3]),
        ];
        for (absent, expected) in table {
            let out: Vec<u16> = election(&set).excluded(absent, View(10)).iter().map(|one| one.0).collect();
            assert_eq!(&out, expected, "{absent:?}");
        }
        assert!(
            election(&self::set(&[5, 1, 1])).excluded(&[one(0, 9, 1)], View(10)).is_empty(),
            "more than a third"
        );
    }

    #[test]
    fn the_absent_list_counts_the_leaders_of_failed_views_and_forgets_the_proposer() {
        let set = set(&[1; 4]);
        let election = election(&set);
        assert_eq!(election.absent_after(&[], View(4), View(5)), [], "no view failed");
        let absent = election.absent_after(&[], View(4), View(7));
        let failed = [5, 6].map(|view| election.leader(View(view), &[]));
        let proposer = election.leader(View(7), &[]);
        for member in set.positions() {
            let expected = failed.iter().filter(|leader| **leader == member).count() as u32;
            let counted = absent.iter().find(|one| one.member == member).map_or(0, |one| one.failures);
            assert_eq!(counted, if member == proposer { 0 } else { expected }, "member {member}");
        }
        assert!(absent.is_sorted_by_key(|one| one.member));
        // However many views failed, those beyond 4n are not counted one by one.
        let long = election.absent_after(&[], View(0), View(1 << 40));
        assert!(long.iter().map(|one| one.failures).sum::<u32>() <= 16, "{long:?}");
    }
}
