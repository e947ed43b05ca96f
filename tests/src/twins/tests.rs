use std::collections::BTreeSet;

use super::*;

#[test]
fn five_instances_split_into_up_to_three_sets_in_41_ways() {
    let space = Space::new(&Cast::new(1), 1);
    // One way to be whole, forty others with three fates; four leaders; two orders.
    assert_eq!(space.size(), 2 * 4 * (1 + 40 * 3));
    let all: Vec<Scenario> = (0..space.size()).filter_map(|number| space.scenario(number)).collect();
    let distinct: BTreeSet<String> = all.iter().map(|scenario| format!("{scenario:?}")).collect();
    assert_eq!(distinct.len() as u128, space.size());
    assert_eq!(space.scenario(space.size()), None);
}

#[test]
fn a_shuffle_is_a_permutation_and_differs_by_seed() {
    let space = Space::new(&Cast::new(1), 1);
    let shuffle =
        |seed| -> Vec<u128> { (0..space.size()).map(|place| space.shuffled(place, seed)).collect() };
    let (one, other) = (shuffle(1), shuffle(2));
    let distinct: BTreeSet<&u128> = one.iter().collect();
    assert_eq!(distinct.len() as u128, space.size());
    assert_ne!(one, other);
    assert!(space.size() == 968 && one.iter().all(|number| *number < 968));
}

#[test]
fn one_member_duplicated_does_no_harm() {
    let twins = Twins::new(1, 6);
    let numbers = (0..300).map(|place| twins.space.shuffled(place, 1));
    let outcomes: Vec<Outcome> = numbers
        .map(|number| twins.play(number).unwrap_or_else(|what| panic!("scenario {number}: {what}")))
        .collect();
    let commits: u64 = outcomes.iter().map(|outcome| outcome.commits).sum();
    assert!(commits > 100, "scenarios that commit nothing show little: {commits} blocks");
}

#[test]
fn a_replay_goes_as_the_play_went_and_tells_of_every_round() {
    let twins = Twins::new(1, 4);
    let number = twins.space.shuffled(3, 9);
    let (outcome, lines) = twins.replay(number);
    assert_eq!(outcome, twins.play(number));
    assert_eq!(lines.iter().filter(|line| line.starts_with("round ")).count(), 4);
}

/// Whether such a violation is among those of the first scenarios.
fn finds(twins: &Twins, violation: &str) -> bool {
    let play = |place| twins.play(twins.space.shuffled(place, 1));
    (0..2_000).filter_map(|place| play(place).err()).any(|found| found.contains(violation))
}

#[test]
fn two_members_duplicated_certify_two_blocks_of_a_view() {
    let twins = Twins::new(2, 4);
    assert!(finds(&twins, "two certificates of view"));
}

#[test]
fn three_members_duplicated_are_found_out_by_the_one_that_is_correct() {
    let twins = Twins::new(3, 4);
    assert!(finds(&twins, "Halted(Fork"));
}
