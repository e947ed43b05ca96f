//! Members that do what they like, within f: each is a real node whose words are changed on their way out.
//!
//! One small file per [`Behaviour`]; `forge` signs, `notes` remembers, `circle` says for whom a lie is, `retold` makes votes follow
//! blocks that left in another form, `spells` lets it come and go.

mod bad_signature;
mod bait;
mod bygone;
mod cancelling;
mod circle;
mod copycat;
mod double_vote;
mod early;
mod equivocate;
mod false_memory;
mod flood;
mod forge;
mod forged_tc;
mod lying_sync;
mod mutate_block;
mod mutate_words;
mod notes;
mod replay;
mod retold;
mod scramble;
mod secret_txs;
mod selective;
mod silent;
mod slow;
mod spells;
#[cfg(test)]
mod stage;
mod stale;
mod two_faced;
mod withhold;
mod zombie;

use althing_consensus::{Epoch, Micros, Position, ValidatorSet};
use althing_crypto::{bls, ed25519};
use althing_mempool::TxBytes;
use althing_node::driver::Driver;
use althing_node::wire::{Request, Response, Wire};

use super::random::Random;
use super::world::World;

/// What a Byzantine member has at hand.
pub struct Traitor<'a> {
    /// The run.
    pub world: &'a World,
    /// Its node.
    pub node: usize,
    /// The epoch that it speaks in: the newest that its node has entered as a member; if it never was one, the node's.
    pub epoch: Epoch,
    /// Who votes there.
    pub set: &'a ValidatorSet,
    /// Its place there; behind all others if it has none.
    pub position: Position,
    /// Its vote key there.
    pub key: &'a bls::SecretKey,
    /// Its identity's key, which stays.
    pub identity: &'a ed25519::SecretKey,
    /// The one that it had before, or may have later.
    pub other_key: &'a bls::SecretKey,
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

    /// The node would send this to this member: what is sent instead, and to which ones (nodes).
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

/// Draws the parameters of a behaviour.
type Draw = fn(&mut Random) -> Box<dyn Behaviour>;

/// All behaviours, by name.
const ALL: [(&str, Draw); 24] = [
    ("bad-signature", bad_signature::BadSignature::draw),
    ("bait", bait::Bait::draw),
    ("bygone", bygone::Bygone::draw),
    ("cancelling", cancelling::Cancelling::draw),
    ("copycat", copycat::Copycat::draw),
    ("early", early::Early::draw),
    ("false-memory", false_memory::FalseMemory::draw),
    ("flood", flood::Flood::draw),
    ("forged-tc", forged_tc::ForgedTc::draw),
    ("lying-sync", lying_sync::LyingSync::draw),
    ("mutate-block", mutate_block::MutateBlock::draw),
    ("mutate-words", mutate_words::MutateWords::draw),
    ("replay", replay::Replay::draw),
    ("scramble", scramble::Scramble::draw),
    ("secret-txs", secret_txs::SecretTxs::draw),
    ("selective", selective::Selective::draw),
    ("silent", silent::Silent::draw),
    ("slow", slow::Slow::draw),
    ("stale-justify", stale::StaleJustify::draw),
    ("two-blocks", equivocate::TwoBlocks::draw),
    ("two-faced", two_faced::TwoFaced::draw),
    ("two-votes", double_vote::TwoVotes::draw),
    ("withhold", withhold::Withholder::draw),
    ("zombie", zombie::Zombie::draw),
];

/// The names of all behaviours.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The behaviour of this name, always active, with parameters drawn at random.
pub fn named(name: &str, random: &mut Random) -> Option<Box<dyn Behaviour>> {
    ALL.iter().find(|(known, _)| *known == name).map(|(_, draw)| draw(random))
}

/// A behaviour, its parameters, and when it shows itself, all chosen at random.
pub fn choose(random: &mut Random) -> Box<dyn Behaviour> {
    let (_, draw) = ALL[random.index(ALL.len())];
    let inner = draw(random);
    Box::new(spells::Spells::draw(inner, random))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_behaviour_is_known_by_its_name_and_chosen_at_times() {
        let mut random = Random::new(1);
        for name in names() {
            assert_eq!(named(name, &mut random).map(|one| one.name()), Some(name));
        }
        let chosen: BTreeSet<&str> = (0..1_000).map(|_| choose(&mut random).name()).collect();
        assert_eq!(chosen.len(), names().count());
    }
}
