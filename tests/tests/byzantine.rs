//! Each Byzantine behaviour alone, in clusters of four with one such member and of seven with two: the correct ones agree, execute
//! everything once, blame no correct one, and need not wait long. The swarm mixes them with one another and with other faults.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{ConsensusParams, Height, Micros};
use althing_crypto::BlockHash;
use althing_tests::sim::{Cluster, Load, Network, Options, Random, byzantine};

/// Transactions, submitted to correct members over five seconds.
const TXS: u64 = 100;
/// All of them are executed everywhere within so many seconds of the last.
const PATIENCE_SECONDS: u64 = 60;

fn cluster(name: Option<&str>, validators: usize, seed: u64) -> Cluster {
    let mut random = Random::new(seed);
    let params = ConsensusParams { max_unexecuted_blocks: [0, 1, 8][random.index(3)], ..Default::default() };
    let mut network = Network::constant(Micros::from_millis(2), random.word());
    network.delay.1 = Micros::from_millis(random.between(4, 40));
    let mut options = Options::new(validators, params, network);
    for member in correct(validators)..validators {
        let behaviour = name.map(|name| byzantine::named(name, &mut random).expect("listed"));
        options.byzantine.extend(behaviour.map(|one| (member, vec![one])));
    }
    options.random = random.fork();
    Cluster::start(options)
}

/// How many are correct: the first ones.
fn correct(validators: usize) -> usize {
    validators - (validators - 1) / 3
}

/// What the correct ones committed, by height; they agree, and nothing is there twice.
fn committed(cluster: &Cluster, correct: usize) -> Vec<usize> {
    let mut chain: BTreeMap<Height, BlockHash> = BTreeMap::new();
    let mut counts = vec![0; correct];
    let mut seen: Vec<BTreeSet<_>> = vec![BTreeSet::new(); correct];
    for one in cluster.record.committed.iter().filter(|one| one.node < correct) {
        let block = chain.entry(one.height).or_insert(one.block);
        assert_eq!(*block, one.block, "two blocks at height {}", one.height);
        counts[one.node] += one.txs.len();
        seen[one.node].extend(one.txs.iter().copied());
    }
    for (count, seen) in counts.iter().zip(&seen) {
        assert_eq!(*count, seen.len(), "a transaction twice");
    }
    counts
}

struct Outcome {
    seconds: u64,
    timeouts: usize,
    penalties: usize,
    messages: u64,
    hash: u64,
}

fn run(name: Option<&str>, validators: usize, seed: u64) -> Outcome {
    let (mut cluster, mut load, correct) =
        (cluster(name, validators, seed), Load::default(), correct(validators));
    let mut ours = BTreeSet::new();
    for index in 0..TXS {
        let tx = load.transfer();
        ours.insert(althing_crypto::TxHash::of(&tx));
        cluster.submit(Micros::from_millis(50 * (1 + index)), index as usize % correct, tx);
    }
    cluster.run_for(Micros::from_millis(50 * TXS));
    let done = |cluster: &Cluster| {
        committed(cluster, correct);
        (0..correct).all(|node| {
            let mine =
                cluster.record.committed.iter().filter(|one| one.node == node).flat_map(|one| &one.txs);
            mine.filter(|tx| ours.contains(tx)).count() == ours.len()
        })
    };
    let mut seconds = 0;
    while !done(&cluster) && cluster.violation().is_none() {
        assert!(seconds < PATIENCE_SECONDS, "{name:?} of {validators}, seed {seed}: {:?}", cluster.heights());
        cluster.run_for(Micros::from_millis(1_000));
        seconds += 1;
    }
    assert_eq!(cluster.finish_run(), None, "{name:?} of {validators}, seed {seed}");
    let timeouts = cluster.record.timed_out.iter().filter(|(_, node, _)| *node < correct).count();
    let (penalties, messages) = (cluster.penalties.len(), cluster.record.messages);
    Outcome { seconds, timeouts, penalties, messages, hash: cluster.trace().hash() }
}

/// How many seeds, from which one, of which behaviour: `ALTHING_SIM_SEEDS`, `ALTHING_SIM_BASE`, `ALTHING_SIM_BEHAVIOUR`.
fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect(name));
    let base = number("ALTHING_SIM_BASE", 1);
    base..base + number("ALTHING_SIM_SEEDS", 1)
}

#[test]
fn each_behaviour_alone_is_outlived() {
    let only = std::env::var("ALTHING_SIM_BEHAVIOUR").ok();
    let runs = || [4, 7].into_iter().flat_map(|validators| seeds().map(move |seed| (validators, seed)));
    let honest: Vec<Outcome> = runs().map(|(validators, seed)| run(None, validators, seed)).collect();
    for name in byzantine::names().filter(|name| only.as_ref().is_none_or(|only| only == name)) {
        let mut differ = false;
        for ((validators, seed), honest) in runs().zip(&honest) {
            let Outcome { seconds, timeouts, penalties, messages, hash } = run(Some(name), validators, seed);
            println!(
                "{name} of {validators}, seed {seed}: {seconds} s ({}), {timeouts} timeouts ({}), {penalties} penalties, \
                 {messages} messages ({})",
                honest.seconds, honest.timeouts, honest.messages
            );
            differ |= hash != honest.hash;
        }
        // Not in every run: some need a view that is given up, or a block that is asked for.
        assert!(differ, "{name} does nothing");
    }
}
