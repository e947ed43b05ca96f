//! What a node asks for, performed.

use althing_consensus::Position;
use althing_consensus::engine::{Event as EngineEvent, Halt};
use althing_mempool::{Code, Outcome};
use althing_node::driver::{Effect, Event};

use super::Cluster;
use super::queue::Happening;
use crate::sim::checkers::Seen;

impl Cluster {
    pub(super) fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Job(_) => unreachable!("jobs are begun elsewhere"),
            Effect::Send { to, wire } => self.say(node, Some(self.places[&to]), wire),
            Effect::Broadcast(wire) => self.say(node, None, wire),
            Effect::Gossip(gossip) => self.gossip(node, &gossip),
            Effect::Request { id, to, request, timeout } => {
                self.ask(node, id, self.places[&to], request, timeout)
            }
            Effect::Reply { id, response } => self.reply(node, id, response),
            Effect::Answer { hash, outcome, .. } => {
                if let Outcome::Accepted { .. } = outcome {
                    self.promises.insert((hash, node));
                    let place = self.submitted.get(&hash).copied();
                    self.see(node, &Seen::Acknowledged { tx: hash, place });
                }
                if has_no_room(&outcome) {
                    self.refused.insert(hash);
                }
                self.answers.insert(hash, outcome);
            }
            Effect::Dropped { hash, refusal } => {
                self.promises.remove(&(hash, node));
                self.see(node, &Seen::Dropped { tx: hash, refusal: &refusal });
            }
            Effect::WakeAt(at) => {
                self.slots[node].wake += 1;
                let wake = self.slots[node].wake;
                if let Some(at) = at {
                    self.queue.schedule(at.max(self.now), Happening::Wake { to: node, wake });
                }
            }
            Effect::Penalise { peer, reason } => self.penalised(node, self.places[&peer], &reason),
            Effect::Emit(event) => self.emitted(node, &event),
            Effect::Halted(halt) => self.halted(node, &halt),
            Effect::Superseded(other) => self.object("halt", format!("node {node} is superseded: {other:?}")),
            Effect::GossipVerdict { .. }
            | Effect::NoticeAnswer { .. }
            | Effect::Members { .. }
            | Effect::Executed(_)
            | Effect::Warn(_) => {}
        }
    }

    fn penalised(&mut self, node: usize, peer: usize, reason: &str) {
        if self.world.is_correct(node) {
            let what = format!("node {node} penalises node {peer}: {reason}");
            if self.world.is_correct(peer) {
                self.object("penalty", what.clone());
            }
            self.penalties.push(what);
        }
    }

    fn emitted(&mut self, node: usize, event: &EngineEvent) {
        self.trace.line(self.now, node, format_args!("{event:?}"));
        self.record.emitted(self.now, node, event);
        if let EngineEvent::Misbehaviour(evidence) = event {
            self.see(node, &Seen::Convicted { evidence });
        }
    }

    fn halted(&mut self, node: usize, halt: &Halt) {
        let slot = &self.slots[node];
        if slot.rotten {
            return self.ended_by_disk(node, &format!("{halt:?}"));
        }
        let position = Position(slot.member as u16);
        if slot.treason.is_none() && slot.member == node {
            self.object("halt", format!("node {node} (position {position}) halts: {halt:?}"));
        }
    }

    /// A node's connections to another end and come back.
    pub fn reconnect(&mut self, a: usize, b: usize) {
        if self.slots[a].node.is_none()
            || self.slots[b].node.is_none()
            || self.slots[a].member == self.slots[b].member
        {
            return;
        }
        for (at, of) in [(a, b), (b, a)] {
            let peer = self.peer(of);
            self.hand(at, self.now, Event::PeerDisconnected(peer));
            self.hand(at, self.now, Event::PeerConnected(peer));
            self.hand(at, self.now, Event::PeerListens(peer));
        }
    }
}

/// Whether it was refused for want of room: it may find some later.
fn has_no_room(outcome: &Outcome) -> bool {
    let Outcome::Refused(refusal) = outcome else { return false };
    let code = refusal.own_code();
    matches!(code, Some(Code::Busy | Code::Full | Code::HeldFull | Code::SenderFull | Code::SequenceGap))
}
