//! A few seeds of the swarm, each twice: nothing is found, and one seed is one run.

use althing_tests::sim::swarm;

#[test]
fn a_seed_is_one_run_in_which_nothing_is_found() {
    for seed in 1..=3 {
        let first = swarm::run(seed, false);
        assert_eq!(first.violation, None, "seed {seed}");
        assert!(first.commits > 0, "seed {seed}");
        let again = swarm::run(seed, false);
        assert_eq!((first.trace_hash, first.commits), (again.trace_hash, again.commits), "seed {seed}");
    }
    assert_ne!(swarm::run(1, false).trace_hash, swarm::run(2, false).trace_hash);
}
