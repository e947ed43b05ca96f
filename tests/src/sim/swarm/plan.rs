//! What a seed decides before the run: the cluster, and which kinds of faults it will see.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use althing_consensus::{ConsensusParams, Micros};
use althing_crypto::bls::BLS;
use althing_mempool::Limits;

use super::super::byzantine::{self, Behaviour};
use super::super::cluster::Options;
use super::super::disk::Database;
use super::super::network::Network;
use super::super::random::Random;
use super::super::trace::Trace;

/// A kind of fault that comes and goes during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Directed links carry nothing.
    Cut,
    /// The cluster falls into two parts.
    Partition,
    /// Links hold everything back for a while.
    Clog,
    /// Connections end and come back.
    Reconnect,
    /// A node ends at a write or sync.
    Burn,
    /// A node ends by itself, or with its power.
    Kill,
    /// A node stands still.
    Pause,
    /// A clock jumps.
    Skew,
    /// A disk is full.
    Full,
    /// A bit of a safety file flips.
    RotSafety,
    /// Bits of chain data flip.
    RotData,
    /// A disk is lost.
    Wipe,
    /// A disk is set back to a backup.
    Restore,
}

const FAULTS: [Fault; 13] = [
    Fault::Cut,
    Fault::Partition,
    Fault::Clog,
    Fault::Reconnect,
    Fault::Burn,
    Fault::Kill,
    Fault::Pause,
    Fault::Skew,
    Fault::Full,
    Fault::RotSafety,
    Fault::RotData,
    Fault::Wipe,
    Fault::Restore,
];

/// Clocks are off by so much at most, and may refuse blocks that are so far ahead.
const MAX_SKEW_MS: u64 = 3_000;

/// A run, as decided beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    seed: u64,
    powers: Vec<u64>,
    params: ConsensusParams,
    real_signatures: bool,
    database: Database,
    delay: (Micros, Micros),
    loss: u64,
    duplicates: u64,
    replays: u64,
    work: (Micros, Micros),
    execution: Micros,
    max_skew_ms: u64,
    limits: Limits,
    byzantine: Vec<usize>,
    twins: Vec<usize>,
    /// Kinds of faults.
    pub(super) faults: Vec<Fault>,
    /// How long there are faults.
    pub(super) faulty_for: Micros,
    /// From one fault to the next, at most.
    pub(super) gap: Micros,
    /// From one transaction to the next.
    pub(super) submit_every: Micros,
    /// How long messages take once all is healed.
    pub(super) healed_delay: (Micros, Micros),
    /// Nodes that may become validators; with them validators, powers, keys and parameters change during the run.
    pub(super) spares: usize,
    /// From one change to the next.
    pub(super) change_every: Micros,
    /// What the network and the members draw during the run.
    random: Random,
    /// What the mishaps draw.
    pub(super) random_of_mishaps: Random,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let r = &mut random;
        let validators = validators(r);
        let powers = powers(r, validators);
        let small = validators <= 7;
        let real_signatures = validators <= 5 && r.percent(2);
        let database =
            if small && !real_signatures && r.percent(8) { Database::Redb } else { Database::Tables };
        let delay = delay(r);
        let (byzantine, twins) = traitors(r, &powers);
        let faults: Vec<Fault> = FAULTS.into_iter().filter(|_| r.percent(30)).collect();
        // What a run costs grows with the square of its members.
        let seconds = match validators {
            _ if real_signatures => r.between(2, 4),
            _ if database == Database::Redb => r.between(4, 8),
            0..=4 => r.between(10, 30),
            5..=7 => r.between(8, 16),
            8..=13 => r.between(5, 10),
            14..=31 => r.between(3, 6),
            _ => r.between(2, 3),
        };
        let sometimes =
            |r: &mut Random, percent, most| if r.percent(percent) { r.between(1, most) } else { 0 };
        let mut plan = Self {
            seed,
            params: params(r),
            real_signatures,
            database,
            loss: sometimes(r, 40, 30),
            duplicates: sometimes(r, 25, 20),
            replays: sometimes(r, 25, 10),
            work: (Micros(0), Micros::from_millis(sometimes(r, 40, 20))),
            max_skew_ms: if faults.contains(&Fault::Skew) { r.between(1, MAX_SKEW_MS) } else { 0 },
            limits: limits(r),
            byzantine,
            twins,
            faults,
            faulty_for: Micros::from_millis(1_000 * seconds),
            gap: Micros::from_millis(r.between(200, 2_000)),
            submit_every: Micros::from_millis(if small { r.between(10, 100) } else { r.between(50, 300) }),
            healed_delay: (Micros::from_millis(1), Micros::from_millis(r.between(2, 25))),
            delay,
            powers,
            random: r.fork(),
            random_of_mishaps: r.fork(),
            // Drawn last, so that all else is as it was before there were changes.
            spares: spares(r, small),
            change_every: Micros::from_millis(r.between(1_000, 5_000)),
            execution: Micros(0),
        };
        // Members to come may be Byzantine, too: their power counts from the change on that gives it to them.
        if plan.spares > 0 && r.percent(20) {
            plan.byzantine.push(validators + r.index(plan.spares));
        }
        // Leaders wait for what execution takes.
        plan.execution = Micros::from_millis(sometimes(r, 15, 250));
        plan
    }

    /// How many validators.
    pub fn validators(&self) -> usize {
        self.powers.len()
    }

    /// Whether a member is correct at first.
    pub(super) fn is_correct(&self, member: usize) -> bool {
        !self.byzantine.contains(&member) && !self.twins.contains(&member)
    }

    /// The members that are never correct, and these.
    pub(super) fn faulty_with(&self, further: &[usize]) -> Vec<usize> {
        let all: BTreeSet<usize> = self.byzantine.iter().chain(&self.twins).chain(further).copied().collect();
        all.into_iter().collect()
    }

    /// The powers at first: those of the nodes that are no validators yet are 0.
    pub(super) fn first_powers(&self) -> Vec<u64> {
        let spares = std::iter::repeat_n(0, self.spares);
        self.powers.iter().copied().chain(spares).collect()
    }

    /// The cluster.
    pub(super) fn options(&self, trace: Trace) -> Options {
        let mut random = self.random.clone();
        let mut network = Network::constant(self.delay.0, random.word());
        network.delay = self.delay;
        (network.loss, network.duplicates, network.replays) = (self.loss, self.duplicates, self.replays);
        network.replay_within = Micros::from_millis(5_000);
        let mut options = Options::new(0, self.params.clone(), network);
        if self.real_signatures {
            options.scheme = &BLS;
        }
        options.powers.clone_from(&self.powers);
        options.database = self.database;
        options.spares = self.spares;
        options.work = self.work;
        options.execution = self.execution;
        options.max_skew_ms = self.max_skew_ms;
        options.limits = self.limits.clone();
        options.byzantine = self.behaviours(&mut random);
        options.twins.clone_from(&self.twins);
        options.random = random.fork();
        options.trace = trace;
        options
    }

    fn behaviours(&self, random: &mut Random) -> BTreeMap<usize, Vec<Box<dyn Behaviour>>> {
        let mut several = |_: &usize| (0..random.between(1, 3)).map(|_| byzantine::choose(random)).collect();
        self.byzantine.iter().map(|member| (*member, several(member))).collect()
    }
}

/// Small enough, in some runs, that clients and peers come to them.
fn limits(r: &mut Random) -> Limits {
    if !r.percent(10) {
        return Limits::default();
    }
    let mut between = |low, high| r.between(low, high) as usize;
    let max_txs = between(20, 400);
    Limits {
        max_txs,
        max_txs_per_sender: between(2, 20),
        max_held_txs: between(1, 40).min(max_txs / 4),
        max_in_flight_txs: between(2, 40),
        max_held_heights: between(5, 100) as u64,
        ..Limits::default()
    }
}

/// In most runs of few members.
fn spares(r: &mut Random, may_be: bool) -> usize {
    let (percent, spares) = (r.percent(70), r.between(1, 3) as usize);
    if may_be && percent { spares } else { 0 }
}

fn validators(r: &mut Random) -> usize {
    let (low, high) = match r.below(1_000) {
        0..650 => (4, 4),
        650..880 => (5, 7),
        880..970 => (8, 13),
        970..996 => (14, 31),
        _ => (32, 100),
    };
    r.between(low, high) as usize
}

fn powers(r: &mut Random, validators: usize) -> Vec<u64> {
    let highest = if r.percent(70) { 1 } else { r.between(2, 1_000) };
    (0..validators).map(|_| r.between(1, highest)).collect()
}

fn delay(r: &mut Random) -> (Micros, Micros) {
    let shortest = r.between(500, 10_000);
    let longest = shortest + [0, 2_000, 20_000, 150_000][r.index(4)];
    (Micros(shortest), Micros(longest))
}

fn params(r: &mut Random) -> ConsensusParams {
    ConsensusParams {
        max_unexecuted_blocks: [0, 1, 8][r.index(3)],
        timeout_min_ms: r.between(200, 800),
        timeout_base_max_ms: r.between(1_000, 3_000),
        timeout_max_ms: r.between(3_000, 6_000),
        repeat_interval_ms: r.between(200, 800),
        // A clock that is set back has to catch up with the times of the blocks before it votes again.
        max_time_ahead_ms: r.between(500, MAX_SKEW_MS),
        heartbeat_ms: if r.percent(15) { r.between(1_000, 5_000) } else { 0 },
        ..ConsensusParams::default()
    }
}

/// Members that do what they like, and members of whose keys two nodes run.
fn traitors(r: &mut Random, powers: &[u64]) -> (Vec<usize>, Vec<usize>) {
    let (mut byzantine, mut twins) = (Vec::new(), Vec::new());
    if r.percent(40) {
        return (byzantine, twins);
    }
    let wanted = r.between(1, (powers.len() as u64 - 1) / 3 + 1);
    for _ in 0..wanted {
        let member = r.index(powers.len());
        let all = byzantine.iter().chain(&twins).copied().chain([member]);
        if byzantine.contains(&member) || twins.contains(&member) || !is_below_third(powers, all) {
            continue;
        }
        if r.percent(25) { twins.push(member) } else { byzantine.push(member) }
    }
    (byzantine, twins)
}

/// Whether members of these powers bear it that these of them are faulty.
pub(super) fn is_below_third(powers: &[u64], members: impl Iterator<Item = usize>) -> bool {
    let faulty: BTreeSet<usize> = members.collect();
    3 * faulty.into_iter().map(|member| powers[member]).sum::<u64>() < powers.iter().sum()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, .. } = self;
        write!(f, "seed {seed}: {self:#?}")
    }
}
