//! Messages, gossip, requests and their answers, from node to node.

use althing_consensus::Micros;
use althing_crypto::Encoding;
use althing_node::driver::Event;
use althing_node::wire::{Gossip, Request, Response, Wire};

use super::queue::Happening;
use super::{Asked, Cluster};
use crate::sim::checkers::Seen;

impl Cluster {
    /// A node hands a message to the network, for one member or for all.
    pub(super) fn say(&mut self, node: usize, to: Option<usize>, wire: Wire) {
        if let Wire::Consensus(message) = &wire {
            self.record.sent(self.now, node, message);
            if self.slots[node].treason.is_none() && node < self.members.len() {
                let Self { slots, world, checkers, violation, now, .. } = self;
                let up = slots[node].node.as_ref();
                let holds_body = &|block: &_| up.is_some_and(|up| up.holds_body(block));
                super::show(world, checkers, violation, *now, node, &Seen::Sent { message, holds_body });
            }
        }
        let targets: Vec<usize> = match to {
            Some(member) => vec![member],
            None => (0..self.members.len()).filter(|member| *member != self.slots[node].member).collect(),
        };
        if self.slots[node].treason.is_some() {
            return targets.into_iter().for_each(|member| self.say_otherwise(node, member, &wire));
        }
        let encoded = wire.encode();
        let wire = Wire::decode(&encoded).expect("what a node sends decodes");
        for member in targets {
            self.record.bytes += encoded.len() as u64;
            self.transmit(node, member, Micros(0), &wire);
        }
    }

    /// Puts a message on the wire to all nodes of a member.
    pub(super) fn transmit(&mut self, node: usize, member: usize, held: Micros, wire: &Wire) {
        self.record.messages += 1;
        for to in self.nodes_of(member) {
            let from = self.peer(node);
            self.deliver(node, to, held, || Event::Wire { from, wire: wire.clone() });
        }
    }

    pub(super) fn gossip(&mut self, node: usize, gossip: &Gossip) {
        for to in self.others(node) {
            let (txs, held) = self.gossiped(node, self.slots[to].member, gossip.txs.clone());
            let from = self.peer(node);
            if !txs.is_empty() {
                let gossip = Gossip { to_all: gossip.to_all, txs };
                self.deliver(node, to, held, || Event::Gossip { from, id: 0, gossip: gossip.clone() });
            }
        }
    }

    pub(super) fn ask(&mut self, node: usize, id: u64, member: usize, request: Request, timeout: Micros) {
        let (run, from) = (self.slots[node].run, self.peer(node));
        self.queue.schedule(self.now.after(timeout), Happening::TimedOut { asker: node, run, id });
        let to = self.nodes_of(member).next().expect("every member has a node");
        self.tickets += 1;
        let ticket = self.tickets;
        self.asked.insert(ticket, Asked { node, run, id, request: request.clone() });
        let request = Request::decode(&request.encode()).expect("what a node asks decodes");
        self.deliver(node, to, Micros(0), || Event::Request { from, id: ticket, request: request.clone() });
    }

    pub(super) fn reply(&mut self, node: usize, id: u64, response: Response) {
        let Some(Asked { node: asker, run, id, request }) = self.asked.remove(&id) else { return };
        let Some((response, held)) = self.answered_with(node, asker, &request, response) else { return };
        let response = Response::decode(&response.encode()).map_err(|error| error.to_string());
        let [Some(at), _] = self.network.arrivals(self.now.after(held), node, asker) else { return };
        if self.slots[asker].run == run {
            self.answered.insert((asker, run, id));
            self.hand(asker, at, Event::Response { id, response });
        }
    }

    pub(super) fn time_out(&mut self, asker: usize, run: u64, id: u64) {
        if !self.answered.remove(&(asker, run, id)) && self.slots[asker].run == run {
            self.feed(asker, Event::Response { id, response: Err("no answer in time".into()) });
        }
    }

    fn deliver(&mut self, from: usize, to: usize, held: Micros, event: impl Fn() -> Event) {
        if self.slots[to].node.is_none() {
            return;
        }
        for at in self.network.arrivals(self.now.after(held), from, to).into_iter().flatten() {
            self.hand(to, at, event());
        }
    }

    fn nodes_of(&self, member: usize) -> impl Iterator<Item = usize> + use<> {
        let twins: Vec<usize> = (self.members.len()..self.slots.len())
            .filter(|node| self.slots[*node].member == member)
            .collect();
        [member].into_iter().chain(twins)
    }
}
