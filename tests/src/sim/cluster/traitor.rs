//! Where the words of a Byzantine member are changed on their way out.

use std::sync::Arc;

use althing_consensus::{Epoch, Micros, Position, ValidatorSet};
use althing_crypto::Encoding;
use althing_mempool::TxBytes;
use althing_node::wire::{Request, Response, Wire};

use super::Cluster;
use super::queue::Happening;
use crate::sim::byzantine::{Behaviour, Traitor};
use crate::sim::random::Random;
use crate::sim::world::World;

/// How often a Byzantine member may speak unasked.
pub(super) const TICK: Micros = Micros::from_millis(50);

/// What a Byzantine member is up to.
pub(super) struct Treason {
    behaviours: Vec<Box<dyn Behaviour>>,
    random: Random,
    /// So many words it may still say of itself until the next tick.
    breath: usize,
}

impl Treason {
    pub(super) fn new(behaviours: Vec<Box<dyn Behaviour>>, random: Random) -> Self {
        Self { behaviours, random, breath: 0 }
    }
}

/// Where a traitor speaks from: its place in the newest epoch up to this one that has it among its members. So who was removed goes on
/// in the epoch that it knew, and who is still to come speaks before its time, from no place.
fn seat(world: &World, node: usize, epoch: Epoch) -> (Epoch, &Arc<ValidatorSet>, Position) {
    let known = || world.sets.range(..=epoch).rev();
    let held = known().find_map(|(epoch, set)| Some((*epoch, set, world.place(*epoch, node)?)));
    held.unwrap_or_else(|| {
        let (epoch, set) = known().next().expect("the first epoch");
        (*epoch, set, Position(set.len() as u16))
    })
}

impl Cluster {
    /// Lets each behaviour of a Byzantine member act in turn. Nothing, if the node is down or is no traitor.
    fn conspire<T>(
        &mut self,
        node: usize,
        begin: T,
        mut act: impl FnMut(&mut dyn Behaviour, &mut Traitor<'_>, T) -> T,
    ) -> T {
        let slot = &mut self.slots[node];
        let (Some(up), Some(treason)) = (&slot.node, &mut slot.treason) else { return begin };
        let (epoch, set, position) = seat(&self.world, slot.member, up.driver.validators().0);
        let [key, other_key] = self.members[slot.member].keys_at(set, position);
        let mut me = Traitor {
            world: &self.world,
            node: slot.member,
            epoch,
            set,
            position,
            key,
            identity: &self.members[slot.member].identity,
            other_key,
            now: self.now,
            driver: &up.driver,
            random: &mut treason.random,
        };
        treason.behaviours.iter_mut().fold(begin, |so_far, one| act(&mut **one, &mut me, so_far))
    }

    fn held_back(&mut self, node: usize, member: usize) -> Micros {
        self.conspire(node, Micros(0), |one, me, held| held.after(one.delay(me, member)))
    }

    /// What is said instead of a message.
    pub(super) fn say_otherwise(&mut self, node: usize, member: usize, wire: &Wire) {
        let words = vec![(member, wire.clone())];
        let words = self.conspire(node, words, |one, me, words| {
            words.into_iter().flat_map(|(to, wire)| one.send(me, to, wire)).collect()
        });
        self.utter(node, words);
    }

    /// Whatever cannot be decoded is lost on the way: the network would refuse it.
    fn utter(&mut self, node: usize, words: Vec<(usize, Wire)>) {
        for (member, wire) in words {
            if member != self.slots[node].member
                && let Ok(wire) = Wire::decode(&wire.encode())
            {
                let held = self.held_back(node, member);
                self.trace.line(self.now, node, format_args!("traitor -> {member} {wire:?}"));
                self.transmit(node, member, held, &wire);
            }
        }
    }

    /// What a member says of itself, cut to what its link carries: those that pass on what they hear would else feed one another
    /// without end.
    fn volunteer(&mut self, node: usize, mut words: Vec<(usize, Wire)>) {
        if let Some(treason) = &mut self.slots[node].treason {
            words.truncate(treason.breath);
            treason.breath -= words.len();
        }
        self.utter(node, words);
    }

    pub(super) fn overhear(&mut self, node: usize, from: usize, wire: &Wire) {
        let words = self.conspire(node, Vec::new(), |one, me, mut words| {
            words.extend(one.hear(me, from, wire));
            words
        });
        self.volunteer(node, words);
    }

    pub(super) fn tick(&mut self, node: usize) {
        self.queue.schedule(self.now.after(TICK), Happening::Tick { node });
        let n = self.members.len();
        if let Some(treason) = &mut self.slots[node].treason {
            treason.breath = (16 * n).max(4_000 / n);
        }
        let words = self.conspire(node, Vec::new(), |one, me, mut words| {
            words.extend(one.tick(me));
            words
        });
        self.volunteer(node, words);
    }

    /// What is gossiped, and how long it is held back.
    pub(super) fn gossiped(
        &mut self,
        node: usize,
        member: usize,
        txs: Vec<TxBytes>,
    ) -> (Vec<TxBytes>, Micros) {
        let txs = self.conspire(node, txs, |one, me, txs| one.gossip(me, member, txs));
        (txs, self.held_back(node, member))
    }

    /// What is answered to a request, and how long it is held back.
    pub(super) fn answered_with(
        &mut self,
        node: usize,
        asker: usize,
        request: &Request,
        response: Response,
    ) -> Option<(Response, Micros)> {
        let member = self.slots[asker].member;
        let response = self
            .conspire(node, Some(response), |one, me, response| one.reply(me, member, request, response?))?;
        Some((response, self.held_back(node, member)))
    }
}
