//! Silence: wholly, or towards some, who may then think that it is down while others know better.

use althing_mempool::TxBytes;
use althing_node::wire::{Request, Response, Wire};

use super::circle::Circle;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Says nothing to some, or to anyone.
pub(super) struct Silent {
    towards: Circle,
}

impl Silent {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { towards: Circle::draw_or_all(random, 2) })
    }

    #[cfg(test)]
    pub(super) fn wholly() -> Self {
        Self { towards: Circle::ALL }
    }
}

impl Behaviour for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn send(&mut self, _me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if self.towards.has(to) { Vec::new() } else { vec![(to, wire)] }
    }

    fn gossip(&mut self, _me: &mut Traitor<'_>, to: usize, txs: Vec<TxBytes>) -> Vec<TxBytes> {
        if self.towards.has(to) { Vec::new() } else { txs }
    }

    fn reply(&mut self, _: &mut Traitor<'_>, to: usize, _: &Request, response: Response) -> Option<Response> {
        (!self.towards.has(to)).then_some(response)
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Height, Message, Status};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn some_hear_nothing_and_the_others_everything() {
        let mut stage = Stage::new();
        let mut silent = Silent { towards: Circle::draw(&mut Random::new(3)) };
        let heard = stage.sent(&mut silent, Message::Status(Status::default()));
        let quiet: Vec<usize> = (1..4).filter(|to| silent.towards.has(*to)).collect();
        assert!(!quiet.is_empty() && heard.len() == 3 - quiet.len());
        let request = Request::Blocks { from: Height(1) };
        for to in 1..4 {
            let answered = silent.reply(&mut stage.me(), to, &request, Response::NotHere).is_some();
            let gossiped = !silent.gossip(&mut stage.me(), to, vec![vec![1].into()]).is_empty();
            assert_eq!((answered, gossiped), (!quiet.contains(&to), !quiet.contains(&to)));
        }
    }
}
