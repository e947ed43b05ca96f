//! Leader election (L1, L2), read anew.

use althing_consensus::{Absence, ConsensusParams, Position, View};

use super::Verdict;
use super::forge::Forge;

/// Turns go by power, and whoever is left out is less than a third.
pub(super) fn leader() -> Verdict {
    let forge = Forge::new(&[1, 2, 3, 4], ConsensusParams::default());
    let mut turns = [0i64; 4];
    (1..=10_000).for_each(|view| turns[usize::from(forge.leader(view, &[]))] += 1);
    let expected = [1_000, 2_000, 3_000, 4_000];
    if turns.iter().zip(expected).any(|(got, expected)| (got - expected).abs() > 50) {
        return Err(format!("turns of members of power 1 to 4: {turns:?}"));
    }
    let forge = Forge::new(&[2, 1, 1, 1, 1], ConsensusParams::default());
    let failed = |member| Absence { member: Position(member), last: View(9), failures: 3 };
    let absent = [failed(0), failed(1), failed(2)];
    let leads = |member| (10..40).any(|view| forge.leader(view, &absent) == member);
    // Power 2 of 6 is a third and stays; the next, of power 1, is out; with the third it would be a third.
    if [0, 2, 3, 4].into_iter().all(leads) && !leads(1) {
        return Ok(());
    }
    let leading: Vec<u16> = (0..5).filter(|member| leads(*member)).collect();
    Err(format!("of powers 2, 1, 1, 1, 1, the first three absent, these lead: {leading:?}"))
}
