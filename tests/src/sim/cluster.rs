//! The cluster: nodes, the wire between them, and time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use althing_consensus::engine::Event as EngineEvent;
use althing_consensus::{ConsensusParams, Height, Micros, Now};
use althing_crypto::{Encoding, TxHash};
use althing_genesis::Genesis;
use althing_mempool::Outcome;
use althing_node::driver::{Driver, Effect, Event, Job, Peer, StoreJob};
use althing_node::wire::{Response, Wire};

use super::disk::Disk;
use super::network::Network;
use super::node::{Member, Node, genesis};
use super::record::{Committed, Record};

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many validators.
    pub validators: usize,
    /// Their consensus parameters.
    pub params: ConsensusParams,
    /// The wire between them.
    pub network: Network,
}

/// Something that will happen.
enum Happening {
    /// A node is handed an event, if it is still the same run of it.
    Event { to: usize, run: u64, event: Box<Event> },
    /// A node's timer fires, if it has not been set anew.
    Wake { to: usize, wake: u64 },
    /// Nobody has answered a request yet.
    TimedOut { asker: usize, run: u64, id: u64 },
    /// A node comes back.
    Restart { node: usize },
}

/// A node, or its disk while it is down.
struct Slot {
    disk: Disk,
    node: Option<Node>,
    /// Counts its starts: what was sent to an earlier run is lost.
    run: u64,
    /// Counts the times that its timer was set.
    wake: u64,
}

/// Nodes on one simulated clock.
pub struct Cluster {
    now: Micros,
    scheduled: u64,
    queue: BTreeMap<(Micros, u64), Happening>,
    members: Vec<Member>,
    genesis: Arc<Genesis>,
    slots: Vec<Slot>,
    /// Requests being answered: who asked under which number, by the number they were given on the wire.
    asked: BTreeMap<u64, (usize, u64, u64)>,
    answered: BTreeSet<(usize, u64, u64)>,
    tickets: u64,
    /// How long a node that a disk has ended stays down.
    pub restart_after: Micros,
    /// The wire.
    pub network: Network,
    /// What happened.
    pub record: Record,
    /// What was answered to each submitted transaction.
    pub answers: BTreeMap<TxHash, Outcome>,
    /// Who was penalised, by whom, for what.
    pub penalties: Vec<String>,
}

impl Cluster {
    /// A fresh chain, every validator started and connected to every other.
    pub fn start(options: Options) -> Self {
        let (members, genesis) = genesis(options.validators, options.params);
        let slot = |_: &Member| Slot { disk: Disk::default(), node: None, run: 0, wake: 0 };
        let mut cluster = Self {
            now: Micros(0),
            scheduled: 0,
            queue: BTreeMap::new(),
            slots: members.iter().map(slot).collect(),
            members,
            genesis,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            tickets: 0,
            restart_after: Micros::from_millis(500),
            network: options.network,
            record: Record::default(),
            answers: BTreeMap::new(),
            penalties: Vec::new(),
        };
        for node in 0..cluster.slots.len() {
            cluster.restart(node);
        }
        cluster
    }

    /// Ends a node at once. It comes back when told to.
    pub fn kill(&mut self, node: usize) {
        if self.slots[node].node.take().is_some() {
            for other in self.others(node) {
                self.hand(other, self.now, Event::PeerDisconnected(self.members[node].peer()));
            }
        }
    }

    /// Starts a node that is down, from its disk.
    pub fn restart(&mut self, node: usize) {
        let slot = &mut self.slots[node];
        if slot.node.is_some() {
            return;
        }
        slot.run += 1;
        match Node::open(&self.members[node], &self.genesis, &slot.disk) {
            Ok(open) => slot.node = Some(open),
            Err(_) if slot.disk.take_burnt() => return self.come_back(node),
            Err(error) => panic!("node {node} does not start: {error}"),
        }
        self.feed(node, Event::Started);
        for other in self.others(node) {
            if self.slots[other].node.is_some() {
                self.hand(node, self.now, Event::PeerConnected(self.members[other].peer()));
                self.hand(other, self.now, Event::PeerConnected(self.members[node].peer()));
            }
        }
    }

    /// Runs until this instant.
    pub fn run_until(&mut self, end: Micros) {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), happening) = entry.remove_entry();
            self.now = at;
            match happening {
                Happening::Event { to, run, event } if self.slots[to].run == run => self.feed(to, *event),
                Happening::Wake { to, wake } if self.slots[to].wake == wake => self.feed(to, Event::Woken),
                Happening::TimedOut { asker, run, id } => self.time_out(asker, run, id),
                Happening::Restart { node } => self.restart(node),
                _ => {}
            }
        }
        self.now = end;
    }

    /// Runs for so long.
    pub fn run_for(&mut self, span: Micros) {
        self.run_until(self.now.after(span));
    }

    /// Runs until this holds, or until `span` has passed. Says whether it holds.
    pub fn run_while(&mut self, span: Micros, mut goes_on: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now.after(span);
        while goes_on(self) {
            let Some(next) = self.queue.keys().next().map(|(at, _)| *at).filter(|at| *at <= end) else {
                return false;
            };
            self.run_until(next);
        }
        true
    }

    /// Hands a transaction to a node, at an instant.
    pub fn submit(&mut self, at: Micros, node: usize, tx: Vec<u8>) {
        self.tickets += 1;
        let event = Event::Submit { ticket: self.tickets, tx };
        self.hand(node, at, event);
    }

    /// The instant.
    pub fn now(&self) -> Micros {
        self.now
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
        self.slots
            .iter()
            .filter_map(|slot| slot.node.as_ref())
            .map(|node| node.driver.executed_height())
            .collect()
    }

    /// Every node's stored outcome of a height, none for those that are down or behind.
    pub fn app_hashes(&self, height: Height) -> Vec<Option<althing_consensus::AppHash>> {
        self.slots.iter().map(|slot| slot.node.as_ref()?.app_hash(height)).collect()
    }

    fn others(&self, node: usize) -> impl Iterator<Item = usize> + use<> {
        (0..self.slots.len()).filter(move |other| *other != node)
    }

    fn schedule(&mut self, at: Micros, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    fn hand(&mut self, to: usize, at: Micros, event: Event) {
        let run = self.slots[to].run;
        self.schedule(at, Happening::Event { to, run, event: Box::new(event) });
    }

    fn come_back(&mut self, node: usize) {
        let at = self.now.after(self.restart_after);
        self.schedule(at, Happening::Restart { node });
    }

    fn clock(&self) -> Now {
        Now { mono: self.now, unix_ms: self.genesis.time_ms() + 1 + self.now.0 / 1_000 }
    }

    /// Steps a node's driver and performs what it asks for; jobs are done at once.
    fn feed(&mut self, node: usize, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let now = self.clock();
            let Some(up) = &mut self.slots[node].node else { return };
            for effect in up.driver.step(now, event) {
                let Effect::Job(job) = effect else {
                    self.perform(node, effect);
                    continue;
                };
                self.observe(node, &job);
                let Some(up) = &mut self.slots[node].node else { return };
                match up.work(job) {
                    Ok(done) => events.push_back(Event::Done(done)),
                    Err(error) => {
                        assert!(self.slots[node].disk.take_burnt(), "node {node} fails: {error}");
                        self.kill(node);
                        return self.come_back(node);
                    }
                }
            }
        }
    }

    fn observe(&mut self, node: usize, job: &Job) {
        if let Job::Store(StoreJob::Commit { bodies, .. }) = job {
            for body in bodies {
                let header = &body.block.header;
                self.record.committed(Committed {
                    node,
                    at: self.now,
                    height: header.height,
                    view: header.view,
                    block: body.block.hash(),
                    txs: body.block.txs.clone(),
                });
            }
        }
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Job(_) => unreachable!("jobs are done at once"),
            Effect::Send { to, wire } => {
                let to = self.index(&to);
                self.transmit(node, to, &wire);
            }
            Effect::Broadcast(wire) => {
                for to in self.others(node) {
                    self.transmit(node, to, &wire);
                }
            }
            Effect::Gossip(txs) => {
                for to in self.others(node) {
                    self.deliver(
                        node,
                        to,
                        Event::Gossip { from: self.members[node].peer(), id: 0, txs: txs.clone() },
                    );
                }
            }
            Effect::Request { id, to, request, timeout } => {
                let (run, to) = (self.slots[node].run, self.index(&to));
                self.tickets += 1;
                self.asked.insert(self.tickets, (node, run, id));
                self.schedule(self.now.after(timeout), Happening::TimedOut { asker: node, run, id });
                let from = self.members[node].peer();
                self.deliver(node, to, Event::Request { from, id: self.tickets, request });
            }
            Effect::Reply { id, response } => self.reply(node, id, response),
            Effect::Answer { hash, outcome, .. } => {
                self.answers.insert(hash, outcome);
            }
            Effect::WakeAt(at) => {
                self.slots[node].wake += 1;
                let wake = self.slots[node].wake;
                if let Some(at) = at {
                    self.schedule(at.max(self.now), Happening::Wake { to: node, wake });
                }
            }
            Effect::Penalise { peer, reason } => {
                let peer = self.index(&peer);
                self.penalties.push(format!("node {node} penalises node {peer}: {reason}"));
            }
            Effect::Emit(EngineEvent::TimedOut { view }) => {
                self.record.timed_out.push((self.now, node, view))
            }
            Effect::Halted(halt) => panic!("node {node} halts: {halt:?}"),
            Effect::GossipVerdict { .. }
            | Effect::Dropped { .. }
            | Effect::Executed(_)
            | Effect::Emit(_)
            | Effect::Warn(_) => {}
        }
    }

    fn time_out(&mut self, asker: usize, run: u64, id: u64) {
        if !self.answered.remove(&(asker, run, id)) && self.slots[asker].run == run {
            self.feed(asker, Event::Response { id, response: Err("no answer in time".into()) });
        }
    }

    fn reply(&mut self, node: usize, id: u64, response: Response) {
        let Some((asker, run, asked)) = self.asked.remove(&id) else { return };
        let Some(at) = self.network.arrival(self.now, node, asker) else { return };
        self.answered.insert((asker, run, asked));
        let event = Event::Response { id: asked, response: Ok(response) };
        self.schedule(at, Happening::Event { to: asker, run, event: Box::new(event) });
    }

    fn transmit(&mut self, from: usize, to: usize, wire: &Wire) {
        if let Wire::Consensus(message) = wire {
            self.record.sent(self.now, from, message);
        }
        let wire = Wire::decode(&wire.encode()).expect("what a node sends decodes");
        self.deliver(from, to, Event::Wire { from: self.members[from].peer(), wire });
    }

    fn deliver(&mut self, from: usize, to: usize, event: Event) {
        if self.slots[to].node.is_some()
            && let Some(at) = self.network.arrival(self.now, from, to)
        {
            self.hand(to, at, event);
        }
    }

    fn index(&self, peer: &Peer) -> usize {
        self.members.iter().position(|member| member.peer() == *peer).expect("peers are members")
    }
}
