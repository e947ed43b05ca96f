//! Leader election (rules L1–L3): turns in proportion to power, failed members left out, from the header chain alone.

use std::collections::BTreeSet;

use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::sha256;

use crate::{Absence, Epoch, Position, ValidatorSet, View};

/// Every so many views the leader does not depend on the chain, so that validators whose high QCs differ agree on it.
const UNCONDITIONAL_EVERY: u64 = 1024;

/// What election reads besides the header: the same for all views of an epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Election<'a> {
    pub(crate) chain_id: &'a str,
    pub(crate) epoch: Epoch,
    pub(crate) set: &'a ValidatorSet,
}

impl Election<'_> {
    /// L1: the member whose turn view `v` is, in proportion to power.
    fn turn(&self, view: View) -> Position {
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
            let rests = span << (one.failures.saturating_sub(1)).min(8);
            let with = power + self.set.power(one.member).0;
            if view.0.saturating_sub(one.last.0) <= rests
                && 3 * u128::from(with) < u128::from(self.set.total().0)
            {
                power = with;
                members.insert(one.member);
            }
        }
        members
    }

    /// L3: the leader of view `v` on a block whose header lists `absent` (empty for an epoch's opening block).
    pub(crate) fn leader(&self, view: View, absent: &[Absence]) -> Position {
        let member = self.turn(view);
        if view.0 % UNCONDITIONAL_EVERY == 0 {
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
        next.retain(|one| one.member != proposer);
        next
    }
}

/// `x / 2^64` of `total`.
fn scale(x: u64, total: u64) -> u64 {
    ((u128::from(x) * u128::from(total)) >> 64) as u64
}
