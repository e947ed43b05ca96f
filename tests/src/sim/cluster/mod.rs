//! The cluster: nodes, the wire between them, and time.

mod effects;
mod mishaps;
mod queue;
mod traitor;
mod wire;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_consensus::{AppHash, ConsensusParams, Epoch, Height, Micros, Now, ValidatorSet};
use althing_crypto::TxHash;
use althing_crypto::bls::VoteScheme;
use althing_genesis::Genesis;
use althing_ledger::ValidatorUpdate;
use althing_mempool::{Limits, Outcome, Status};
use althing_node::driver::{Driver, Event, Peer};
use althing_node::wire::Request;

pub use self::mishaps::Backup;
use self::queue::{Happening, Queue};
use self::traitor::Treason;
use super::byzantine::Behaviour;
use super::checkers::{Checker, Seen, Violation};
use super::disk::{Database, Disk};
use super::load::Place;
use super::network::Network;
use super::node::{CHAIN_ID, GENESIS_TIME_MS, Member, Node, genesis};
use super::random::Random;
use super::record::Record;
use super::trace::Trace;
use super::world::{Standing, World};
use crate::cheap_votes::CHEAP_VOTES;

/// What a cluster is made of.
pub struct Options {
    /// The power of each validator.
    pub powers: Vec<u64>,
    /// Their consensus parameters.
    pub params: ConsensusParams,
    /// The wire between them.
    pub network: Network,
    /// Nodes that only follow at first; changes of the set may make them validators.
    pub spares: usize,
    /// How votes are signed.
    pub scheme: &'static dyn VoteScheme,
    /// What lies on their disks.
    pub database: Database,
    /// How long a job takes at least and at most.
    pub work: (Micros, Micros),
    /// How long executing a block takes at most, if that is longer.
    pub execution: Micros,
    /// How far clocks may be off, in milliseconds.
    pub max_skew_ms: u64,
    /// Members that do what they like, and how.
    pub byzantine: BTreeMap<usize, Vec<Box<dyn Behaviour>>>,
    /// Members of whose keys two nodes run.
    pub twins: Vec<usize>,
    /// The bounds of their mempools.
    pub limits: Limits,
    /// Who looks on.
    pub checkers: Vec<Box<dyn Checker>>,
    /// What everything random comes from.
    pub random: Random,
    /// Where the trace goes.
    pub trace: Trace,
}

/// More things than this never happen at one instant, but in a circle.
const AT_ONCE: u32 = 200_000;

impl Options {
    /// So many equal and correct validators, on whom all checkers look.
    pub fn new(validators: usize, params: ConsensusParams, network: Network) -> Self {
        Self {
            powers: vec![1; validators],
            params,
            network,
            spares: 0,
            scheme: &CHEAP_VOTES,
            database: Database::Tables,
            work: (Micros(0), Micros(0)),
            execution: Micros(0),
            max_skew_ms: 0,
            byzantine: BTreeMap::new(),
            twins: Vec::new(),
            limits: Limits::default(),
            checkers: super::checkers::all(),
            random: Random::new(1),
            trace: Trace::new(false),
        }
    }
}

/// A node, or its disk while it is down.
struct Slot {
    member: usize,
    disk: Disk,
    node: Option<Node>,
    /// Counts its starts and ends.
    run: u64,
    /// Counts the times that its timer was set.
    wake: u64,
    /// By ordered lane: until when it is busy.
    lanes: [Micros; work::LANES],
    paused_until: Micros,
    skew_ms: i64,
    /// Its disk has gone bad in a way that the node may notice at any time.
    rotten: bool,
    treason: Option<Treason>,
}

/// A request being answered.
struct Asked {
    node: usize,
    run: u64,
    id: u64,
    request: Request,
}

/// Nodes on one simulated clock.
pub struct Cluster {
    now: Micros,
    queue: Queue,
    world: World,
    members: Vec<Member>,
    places: BTreeMap<Peer, usize>,
    genesis: Arc<Genesis>,
    slots: Vec<Slot>,
    /// By the number that they were given on the wire.
    asked: BTreeMap<u64, Asked>,
    answered: BTreeSet<(usize, u64, u64)>,
    tickets: u64,
    work: (Micros, Micros),
    execution: Micros,
    limits: Limits,
    checkers: Vec<Box<dyn Checker>>,
    violation: Option<Violation>,
    random: Random,
    trace: Trace,
    /// How long a node that a disk has ended stays down.
    pub restart_after: Micros,
    /// The wire.
    pub network: Network,
    /// What happened.
    pub record: Record,
    /// What was answered to each submitted transaction.
    pub answers: BTreeMap<TxHash, Outcome>,
    /// What a node had no room for, since somebody last took it from here.
    pub refused: BTreeSet<TxHash>,
    /// The places of what clients handed in.
    submitted: BTreeMap<TxHash, Place>,
    /// Who told a client that it has a transaction, and has not ended or dropped it since.
    promises: BTreeSet<(TxHash, usize)>,
    /// Whom correct nodes have penalised, and for what.
    pub penalties: Vec<String>,
}

impl Cluster {
    /// A fresh chain, every validator started and connected to every other.
    pub fn start(options: Options) -> Self {
        let (members, genesis) =
            genesis(options.scheme, &options.powers, options.spares, options.params.clone());
        let mut byzantine = options.byzantine;
        let mut random = options.random;
        let mut standing = vec![Standing::Correct; members.len()];
        for member in byzantine.keys().chain(&options.twins) {
            standing[*member] = Standing::Byzantine;
        }
        let world = World {
            chain_id: CHAIN_ID,
            genesis_time_ms: GENESIS_TIME_MS,
            max_skew_ms: options.max_skew_ms,
            params: options.params,
            epoch: Epoch(1),
            set: genesis.validator_set().clone(),
            sets: [(Epoch(1), genesis.validator_set().clone())].into(),
            identities: members.iter().map(|member| member.peer).collect(),
            standing,
        };
        let places = members.iter().enumerate().map(|(index, member)| (member.peer, index)).collect();
        let mut slot = |member: usize| Slot {
            member,
            disk: Disk::new(options.database),
            node: None,
            run: 0,
            wake: 0,
            lanes: Default::default(),
            paused_until: Micros(0),
            skew_ms: 0,
            rotten: false,
            treason: byzantine.remove(&member).map(|behaviours| Treason::new(behaviours, random.fork())),
        };
        let slots = (0..members.len()).chain(options.twins).map(&mut slot).collect();
        let mut cluster = Self {
            now: Micros(0),
            queue: Queue::default(),
            world,
            members,
            places,
            genesis,
            slots,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            tickets: 0,
            work: options.work,
            execution: options.execution,
            limits: options.limits,
            checkers: options.checkers,
            violation: None,
            random,
            trace: options.trace,
            restart_after: Micros::from_millis(500),
            network: options.network,
            record: Record::default(),
            answers: BTreeMap::new(),
            refused: BTreeSet::new(),
            submitted: BTreeMap::new(),
            promises: BTreeSet::new(),
            penalties: Vec::new(),
        };
        for node in 0..cluster.slots.len() {
            cluster.restart(node);
            if cluster.slots[node].treason.is_some() {
                cluster.queue.schedule(traitor::TICK, Happening::Tick { node });
            }
        }
        cluster
    }

    /// Runs until this instant, or until a checker objects.
    pub fn run_until(&mut self, end: Micros) {
        let mut at_once = 0;
        while self.violation.is_none()
            && let Some((at, happening)) = self.queue.pop_until(end)
        {
            at_once = if at == self.now { at_once + 1 } else { 0 };
            if at_once > AT_ONCE {
                self.object("spins", format!("more than {AT_ONCE} things happen and time stands still"));
            }
            self.now = at;
            let slot = &self.slots[happening.node()];
            if slot.paused_until > at && !matches!(happening, Happening::Restart { .. }) {
                self.queue.schedule(slot.paused_until, happening);
                continue;
            }
            match happening {
                Happening::Event { to, run, event } if slot.run == run => self.feed(to, *event),
                Happening::Job { node, run, job } if slot.run == run => self.finish(node, *job),
                Happening::Wake { to, wake } if slot.wake == wake => self.feed(to, Event::Woken),
                Happening::TimedOut { asker, run, id } => self.time_out(asker, run, id),
                Happening::Restart { node } => self.restart(node),
                Happening::Tick { node } => self.tick(node),
                _ => {}
            }
        }
        self.now = end;
    }

    /// Runs for so long.
    pub fn run_for(&mut self, span: Micros) {
        self.run_until(self.now.after(span));
    }

    /// Runs until this holds no more, or until `span` has passed. Says whether it has stopped holding.
    pub fn run_while(&mut self, span: Micros, mut goes_on: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(span);
        while goes_on(self) {
            let Some(next) = self.queue.next().filter(|at| *at <= end && self.violation.is_none()) else {
                return false;
            };
            self.run_until(next);
        }
        true
    }

    /// Hands a transaction to a node, at an instant.
    pub fn submit(&mut self, at: Micros, node: usize, tx: Vec<u8>) {
        self.tickets += 1;
        self.submitted.extend(Place::of(&tx).map(|place| (TxHash::of(&tx), place)));
        let event = Event::Submit { ticket: self.tickets, tx };
        self.hand(node, at, event);
    }

    /// Whether a correct node that has been up ever since told a client that it has this transaction.
    pub fn is_promised(&self, tx: &TxHash) -> bool {
        let by = self.promises.range((*tx, 0)..=(*tx, usize::MAX));
        by.map(|(_, node)| node).any(|node| self.world.is_correct(*node))
    }

    /// What a correct node says now of each transaction that it told a client it has.
    fn promised(&self) -> impl Iterator<Item = Status> {
        let correct = self.promises.iter().filter(|(_, node)| self.world.is_correct(*node));
        correct.filter_map(|(tx, node)| Some(self.driver(*node)?.mempool().status(tx)))
    }

    /// Whether a correct node could have a transaction committed now that it told a client it has.
    pub fn has_ready_promises(&self) -> bool {
        self.promised().any(|status| matches!(status, Status::Ready | Status::Checking))
    }

    /// How many transactions wait at correct nodes that told a client of them, whether their turn has come or not.
    pub fn waiting_promises(&self) -> usize {
        let waits =
            |status: &Status| matches!(status, Status::Ready | Status::Checking | Status::Held { .. });
        self.promised().filter(waits).count()
    }

    /// Tells the checkers that the run is over. What any of them objected to, now or before.
    pub fn finish_run(&mut self) -> Option<Violation> {
        for (node, slot) in self.slots.iter().enumerate() {
            let Some(Node { driver, .. }) = &slot.node else { continue };
            let status = |tx: &TxHash| driver.mempool().status(tx);
            let seen = Seen::Rested { status: &status };
            show(&self.world, &mut self.checkers, &mut self.violation, self.now, node, &seen);
        }
        for checker in &mut self.checkers {
            if self.violation.is_some() {
                break;
            }
            if let Err(what) = checker.finished(&self.world, self.now) {
                self.violation = Some(Violation { checker: checker.name(), at: self.now, what });
            }
        }
        self.violation.clone()
    }

    /// What a checker has objected to.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The instant.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// The facts of the run.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// A line of the trace, if somebody reads it.
    pub fn trace_line(&self, node: usize, text: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, node, text);
    }

    /// The trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How many nodes there are, twins among them.
    pub fn nodes(&self) -> usize {
        self.slots.len()
    }

    /// A node's disk.
    pub fn disk(&self, node: usize) -> &Disk {
        &self.slots[node].disk
    }

    /// A node that is up.
    pub fn driver(&self, node: usize) -> Option<&Driver> {
        self.slots[node].node.as_ref().map(|node| &node.driver)
    }

    /// The executed heights of the nodes that are up.
    pub fn heights(&self) -> Vec<Height> {
        (0..self.slots.len()).filter_map(|node| self.driver(node)).map(Driver::executed_height).collect()
    }

    /// Every node's stored outcome of a height, none for those that are down or behind.
    pub fn app_hashes(&self, height: Height) -> Vec<Option<AppHash>> {
        self.slots.iter().map(|slot| slot.node.as_ref()?.app_hash(height)).collect()
    }

    /// A node has entered an epoch with this set: all others must have the same.
    fn entered(&mut self, node: usize, epoch: Epoch, set: &Arc<ValidatorSet>) {
        let known = self.world.sets.entry(epoch).or_insert_with(|| set.clone());
        if known != set {
            self.object("epochs", format!("node {node} enters epoch {epoch} with another set than others"));
        }
    }

    /// The change of a member: its power, and with a new vote key if `rotate` says which of its two.
    pub fn change(&self, member: usize, power: u64, rotate: Option<usize>) -> ValidatorUpdate {
        self.members[member].update(power, rotate)
    }

    /// The nodes that run other keys than this one.
    fn others(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        let member = self.slots[node].member;
        let others: Vec<usize> =
            (0..self.slots.len()).filter(|other| self.slots[*other].member != member).collect();
        others.into_iter()
    }

    fn peer(&self, node: usize) -> Peer {
        self.members[self.slots[node].member].peer
    }

    fn hand(&mut self, to: usize, at: Micros, event: Event) {
        let run = self.slots[to].run;
        self.queue.schedule(at, Happening::Event { to, run, event: Box::new(event) });
    }

    fn clock(&self, node: usize) -> Now {
        let time = self.world.genesis_time_ms + 1 + self.now.0 / 1_000;
        Now { mono: self.now, unix_ms: time.saturating_add_signed(self.slots[node].skew_ms) }
    }

    /// Shows the checkers what a node that is not Byzantine did.
    fn see(&mut self, node: usize, seen: &Seen<'_>) {
        show(&self.world, &mut self.checkers, &mut self.violation, self.now, node, seen);
    }

    fn object(&mut self, checker: &'static str, what: String) {
        self.violation.get_or_insert(Violation { checker, at: self.now, what });
    }
}

/// As [`Cluster::see`], where the cluster is borrowed in parts.
fn show(
    world: &World,
    checkers: &mut [Box<dyn Checker>],
    violation: &mut Option<Violation>,
    at: Micros,
    node: usize,
    seen: &Seen<'_>,
) {
    if violation.is_some() || world.standing.get(node).is_none_or(|one| *one == Standing::Byzantine) {
        return;
    }
    for checker in checkers {
        if let Err(what) = checker.see(world, at, node, seen) {
            *violation = Some(Violation { checker: checker.name(), at, what });
            return;
        }
    }
}
