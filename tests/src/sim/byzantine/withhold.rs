//! A block that only a bare quorum sees, certified by its maker alone, who lets the certificate out when it likes and the block
//! never.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{
    Certificate, Message, Micros, Phase, Position, QuorumCertificate, Signers, View, Vote,
};
use althing_crypto::BlockHash;
use althing_node::wire::{Request, Response, Wire};

use super::circle::Circle;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As many of its own blocks are remembered.
const KEPT: usize = 16;

/// Proposes to a bare quorum, keeps its vote to itself, gives the QC to some, later.
pub(super) struct Withholder {
    keeps_vote: bool,
    to: Circle,
    after: Micros,
    blocks: BTreeMap<(View, BlockHash), Withheld>,
}

/// What came of a block of its own.
#[derive(Default)]
struct Withheld {
    votes: BTreeMap<Position, Vote>,
    certified: Option<(Micros, QuorumCertificate)>,
    released: bool,
}

impl Withholder {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            keeps_vote: random.percent(70),
            to: Circle::draw_or_all(random, 3),
            after: Micros::from_millis([0, 100, 1_000, 5_000][random.index(4)]),
            blocks: BTreeMap::new(),
        })
    }

    fn propose(
        &mut self,
        me: &Traitor<'_>,
        to: usize,
        view: View,
        block: BlockHash,
        wire: Wire,
    ) -> Vec<(usize, Wire)> {
        self.blocks.entry((view, block)).or_default();
        if self.blocks.len() > KEPT {
            self.blocks.pop_first();
        }
        if bare_quorum(me, view).contains(&me.place_of(to)) { vec![(to, wire)] } else { Vec::new() }
    }

    /// Takes a vote for a block of its own; with a quorum it holds the QC before anyone else can.
    fn count(&mut self, me: &Traitor<'_>, vote: &Vote) {
        let Some(block) = self.blocks.get_mut(&(vote.view, vote.block)) else { return };
        block.votes.insert(vote.signer, vote.clone());
        let set = me.set;
        if block.certified.is_none() && set.is_quorum(set.power_of(block.votes.keys().copied())) {
            let shares: Vec<_> = block.votes.values().map(|vote| vote.signature).collect();
            let signature = set.scheme().aggregate(&shares).expect("a quorum is not empty");
            let signers: Signers = block.votes.keys().copied().collect();
            let (phase, epoch, view) = (Phase::Vote, vote.epoch, vote.view);
            let qc = QuorumCertificate { phase, epoch, view, block: vote.block, signers, signature };
            block.certified = Some((me.now, qc));
        }
    }

    fn withholds(&self, block: &BlockHash) -> bool {
        self.blocks.keys().any(|(_, own)| own == block)
    }
}

/// Just enough members, it among them; others in every view.
fn bare_quorum(me: &Traitor<'_>, view: View) -> BTreeSet<Position> {
    let set = me.set;
    let len = set.len();
    let mut members = BTreeSet::from([me.position]);
    for step in 0..len {
        if set.is_quorum(set.power_of(members.iter().copied())) {
            break;
        }
        members.insert(Position(((step + view.0 as usize) % len) as u16));
    }
    members
}

impl Behaviour for Withholder {
    fn name(&self) -> &'static str {
        "withhold"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        if let Wire::Consensus(Message::Vote(vote)) = wire
            && vote.phase == Phase::Vote
        {
            self.count(me, vote);
        }
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if let Some(proposal) = me.own_proposal(&wire) {
            let (view, block) = (proposal.view, proposal.block.hash());
            return self.propose(me, to, view, block, wire);
        }
        if let Some(vote) = me.own_vote(&wire).filter(|vote| vote.phase == Phase::Vote) {
            self.count(me, vote);
            let kept = self.keeps_vote && self.withholds(&vote.block);
            return if kept { Vec::new() } else { vec![(to, wire)] };
        }
        let hidden = match &wire {
            Wire::Consensus(Message::Certificate(certificate)) => match &**certificate {
                Certificate::Quorum(qc) => {
                    self.blocks.get(&(qc.view, qc.block)).is_some_and(|block| !block.released)
                }
                Certificate::Timeout(_) => false,
            },
            _ => false,
        };
        if hidden { Vec::new() } else { vec![(to, wire)] }
    }

    fn reply(
        &mut self,
        _: &mut Traitor<'_>,
        _: usize,
        request: &Request,
        response: Response,
    ) -> Option<Response> {
        let asked = match request {
            Request::Block(block) | Request::Transactions { block, .. } => self.withholds(block),
            Request::Blocks { .. } => false,
        };
        (!asked).then_some(response)
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        let mut let_out = Vec::new();
        for block in self.blocks.values_mut().filter(|block| !block.released) {
            if let Some((since, qc)) = &block.certified
                && since.after(self.after) <= me.now
            {
                block.released = true;
                let message = Message::Certificate(Box::new(Certificate::Quorum(qc.clone())));
                let_out.extend(me.to_all(&message).into_iter().filter(|(to, _)| self.to.has(*to)));
            }
        }
        let_out
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn the_qc_comes_out_when_it_likes_and_the_block_never() {
        let mut stage = Stage::new();
        let after = Micros::from_millis(100);
        let mut liar = Withholder { keeps_vote: true, to: Circle::ALL, after, blocks: BTreeMap::new() };
        let genesis = stage.genesis();
        let proposal = stage.proposal(0, 1, &genesis, None);
        let block = proposal.block.hash();
        assert_eq!(stage.sent(&mut liar, Message::Proposal(Box::new(proposal))).len(), 2, "with it a quorum");
        let own = stage.vote(0, Phase::Vote, 1, block);
        assert_eq!(stage.sent(&mut liar, Message::Vote(own)), []);
        for signer in [1, 2] {
            let vote = stage.vote(signer, Phase::Vote, 1, block);
            stage.hears(&mut liar, Message::Vote(vote));
        }
        let qc = liar.blocks[&(View(1), block)].certified.clone().expect("three of four voted").1;
        let message = Message::Certificate(Box::new(Certificate::Quorum(qc)));
        assert_eq!(stage.sent(&mut liar, message.clone()), [], "not yet");
        assert_eq!(stage.ticked(&mut liar, 1), []);
        stage.now = after;
        let released = stage.ticked(&mut liar, 1);
        assert_eq!(released, (1..4).map(|to| (to, message.clone().into())).collect::<Vec<_>>());
        assert!(stage.admit(&released[0].1).is_ok());
        assert_eq!(stage.sent(&mut liar, message).len(), 3);
        let request = Request::Block(block);
        assert_eq!(liar.reply(&mut stage.me(), 3, &request, Response::NotHere), None);
    }
}
