//! Transactions for some only: gossip that passes some by, blocks with transactions that nobody else has and that are given to
//! some who ask.

use std::collections::BTreeMap;

use althing_consensus::{Message, Proposal, payload_root};
use althing_crypto::{BlockHash, Encoding, TxHash, ed25519};
use althing_ledger::asset::{Address, Transaction};
use althing_mempool::TxBytes;
use althing_node::body::Body;
use althing_node::wire::{Request, Response, Wire};

use super::circle::Circle;
use super::forge::any_hash;
use super::retold::Retold;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As many bodies are kept to be served.
const KEPT: usize = 16;

/// Gossips to some, adds secret transactions to its blocks, and gives them to some.
pub(super) struct SecretTxs {
    told: Circle,
    /// In so many of its blocks in a hundred.
    percent: u64,
    salt: u64,
    bodies: BTreeMap<(u64, BlockHash), Body>,
    retold: Retold,
}

impl SecretTxs {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            told: Circle::draw(random),
            percent: [0, 50, 100][random.index(3)],
            salt: random.word(),
            bodies: BTreeMap::new(),
            retold: Retold::default(),
        })
    }

    /// The block with a few more transactions: well-formed transfers of an account that owns nothing.
    fn enrich(&self, me: &Traitor<'_>, proposal: &Proposal) -> Option<(Proposal, Vec<TxBytes>)> {
        let header = &proposal.block.header;
        let unexecuted = header.height.0.saturating_sub(1).saturating_sub(header.vouched.height.0);
        let mut random = Random::new(self.salt ^ proposal.view.0);
        if unexecuted > u64::from(me.world.params.max_unexecuted_blocks) || !random.percent(self.percent) {
            return None;
        }
        let mut txs: Vec<TxBytes> = me.driver.pending(usize::MAX);
        txs.retain(|tx| proposal.block.txs.contains(&TxHash::of(tx)));
        // What it built from may have left the pool since.
        if txs.len() != proposal.block.txs.len() {
            return None;
        }
        txs.sort_by_key(|tx| proposal.block.txs.iter().position(|hash| *hash == TxHash::of(tx)));
        for _ in 0..random.between(1, 3) {
            txs.push(secret(me, &mut random));
        }
        let mut rich = proposal.clone();
        rich.block.txs = txs.iter().map(|tx| TxHash::of(tx)).collect();
        rich.block.header.payload_root = payload_root(&rich.block.txs);
        Some((me.signed_proposal(rich), txs))
    }
}

fn secret(me: &Traitor<'_>, random: &mut Random) -> TxBytes {
    let poor = ed25519::SecretKey::from_seed(*any_hash(random).as_bytes());
    let to = Address::of(&poor.public_key());
    Transaction::transfer(me.world.chain_id, &poor, 0, 0, to, 1, "secret").encode().into()
}

impl Behaviour for SecretTxs {
    fn name(&self) -> &'static str {
        "secret-txs"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if matches!(wire, Wire::Transactions(_)) && !self.told.has(to) {
            return Vec::new();
        }
        if let Some(proposal) = me.own_proposal(&wire)
            && let Some((rich, txs)) = self.enrich(me, proposal)
        {
            self.retold.note(proposal.view, proposal.block.hash(), rich.block.hash());
            let body = Body { block: rich.block.clone(), txs };
            self.bodies.insert((proposal.view.0, rich.block.hash()), body);
            if self.bodies.len() > KEPT {
                self.bodies.pop_first();
            }
            return vec![(to, Message::Proposal(Box::new(rich)).into())];
        }
        let retold = self.retold.vote(me, &wire);
        vec![(to, retold.unwrap_or(wire))]
    }

    fn gossip(&mut self, _me: &mut Traitor<'_>, to: usize, txs: Vec<TxBytes>) -> Vec<TxBytes> {
        if self.told.has(to) { txs } else { Vec::new() }
    }

    fn reply(
        &mut self,
        _: &mut Traitor<'_>,
        to: usize,
        request: &Request,
        response: Response,
    ) -> Option<Response> {
        let (Request::Block(block) | Request::Transactions { block, .. }) = request else {
            return Some(response);
        };
        let Some(body) = self.bodies.iter().find(|((_, hash), _)| hash == block).map(|(_, body)| body) else {
            return Some(response);
        };
        let Request::Transactions { txs, .. } = request else {
            return self.told.has(to).then(|| Response::Block(body.clone()));
        };
        let wanted = |hash: &TxHash| body.txs.iter().find(|tx| TxHash::of(tx) == *hash).cloned();
        let found: Option<Vec<TxBytes>> = txs.iter().map(wanted).collect();
        self.told.has(to).then(|| found.map_or(Response::NotHere, Response::Transactions))
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn some_get_the_secret_transactions_and_its_vote_is_for_the_block_with_them() {
        let mut stage = Stage::new();
        let mut liar = SecretTxs {
            told: Circle::draw(&mut Random::new(4)),
            percent: 100,
            salt: 1,
            bodies: BTreeMap::new(),
            retold: Retold::default(),
        };
        let genesis = stage.genesis();
        let proposal = stage.proposal(0, 1, &genesis, None);
        let own = stage.vote(0, Phase::Vote, 1, proposal.block.hash());
        let sent = stage.sent(&mut liar, Message::Proposal(Box::new(proposal)));
        assert!(sent.iter().all(|(_, wire)| *wire == sent[0].1) && stage.admit(&sent[0].1).is_ok());
        let Wire::Consensus(Message::Proposal(rich)) = &sent[0].1 else { panic!("{sent:?}") };
        let (block, txs) = (rich.block.hash(), rich.block.txs.clone());
        assert!(!txs.is_empty());
        let told = stage.vote(0, Phase::Vote, 1, block);
        assert_eq!(stage.sent(&mut liar, Message::Vote(own))[0].1, Message::Vote(told).into());
        let request = Request::Transactions { block, txs: txs.clone() };
        for to in 1..4 {
            match liar.reply(&mut stage.me(), to, &request, Response::NotHere) {
                Some(Response::Transactions(bytes)) => {
                    assert!(liar.told.has(to));
                    assert_eq!(bytes.iter().map(|tx| TxHash::of(tx)).collect::<Vec<_>>(), txs);
                }
                other => assert!(other.is_none() && !liar.told.has(to)),
            }
            let gossip = vec![vec![1].into()];
            assert_eq!(liar.gossip(&mut stage.me(), to, gossip).len(), usize::from(liar.told.has(to)));
        }
    }
}
