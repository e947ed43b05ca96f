//! Members that do what they like, within f: each is a real node whose words are changed on their way out.

use althing_consensus::{Micros, Position};
use althing_crypto::bls;
use althing_mempool::TxBytes;
use althing_node::driver::Driver;
use althing_node::wire::{Request, Response, Wire};

use super::random::Random;
use super::world::World;

/// What a Byzantine member has at hand.
pub struct Traitor<'a> {
    /// The run.
    pub world: &'a World,
    /// Its place.
    pub position: Position,
    /// Its vote key.
    pub key: &'a bls::SecretKey,
    /// The time.
    pub now: Micros,
    /// Its state, as that of an honest node would be.
    pub driver: &'a Driver,
    /// Where its choices come from.
    pub random: &'a mut Random,
}

/// One way of misbehaving. Members may combine several: each changes what the one before lets through. What `hear` and `tick`
/// give goes out as it is, through no other behaviour, but for `delay`.
pub trait Behaviour {
    /// Its name, for traces.
    fn name(&self) -> &'static str;

    /// A direct message came in, from a member or another: what is sent at once because of it, before the node sees it.
    fn hear(&mut self, _me: &mut Traitor<'_>, _from: usize, _wire: &Wire) -> Vec<(usize, Wire)> {
        Vec::new()
    }

    /// The node would send this to this member: what is sent instead, and to whom (positions).
    fn send(&mut self, _me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        vec![(to, wire)]
    }

    /// The node would gossip these to this member: what is gossiped instead.
    fn gossip(&mut self, _me: &mut Traitor<'_>, _to: usize, txs: Vec<TxBytes>) -> Vec<TxBytes> {
        txs
    }

    /// The node would answer this request so: the answer given, none for silence.
    fn reply(
        &mut self,
        _me: &mut Traitor<'_>,
        _to: usize,
        _request: &Request,
        response: Response,
    ) -> Option<Response> {
        Some(response)
    }

    /// How long whatever leaves for this member now (messages, gossip, answers) is held back before the wire gets it. Those of
    /// several behaviours add up.
    fn delay(&mut self, _me: &mut Traitor<'_>, _to: usize) -> Micros {
        Micros(0)
    }

    /// Called every 50 simulated milliseconds: what is sent unasked.
    fn tick(&mut self, _me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        Vec::new()
    }
}

/// A behaviour of this kind, chosen at random.
pub fn choose(_random: &mut Random) -> Option<Box<dyn Behaviour>> {
    None
}
