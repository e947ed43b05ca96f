//! Answers that are not what was asked for: other blocks, runs cut short, other certificates, garbage.

use althing_consensus::{Height, Message, Phase, View};
use althing_crypto::BlockHash;
use althing_mempool::TxBytes;
use althing_node::body::Body;
use althing_node::wire::{Request, Response, Wire};

use super::forge::any_hash;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Answers wrongly; may claim to have much more than it has, so as to be asked.
pub(super) struct LyingSync {
    percent: u64,
    /// So many heights that it does not have.
    boast: u64,
    /// The last body given, to be given for another.
    last: Option<Body>,
}

impl LyingSync {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let boast = [0, 3, 100, 1 << 40][random.index(4)];
        Box::new(Self { percent: random.between(30, 100), boast, last: None })
    }

    fn lie_about_block(&mut self, random: &mut Random, mut body: Body) -> Option<Response> {
        let before = self.last.replace(body.clone());
        match random.below(7) {
            0 => return None,
            1 => return Some(Response::NotHere),
            2 => return Some(Response::Transactions(body.txs)),
            3 => return Some(Response::Block(before.unwrap_or(body))),
            _ => spoil(random, &mut body),
        }
        Some(Response::Block(body))
    }

    fn lie_about_run(&mut self, me: &mut Traitor<'_>, response: Response) -> Option<Response> {
        let Response::Run { mut bodies, mut commit } = response else { return Some(response) };
        // Another of its behaviours may have left nothing of the run.
        if bodies.is_empty() {
            return Some(Response::Run { bodies, commit });
        }
        match me.random.below(9) {
            0 => return None,
            1 => return Some(Response::NotHere),
            // Cut short, with the certificate of what is not there.
            2 => bodies.truncate(bodies.len() / 2),
            3 => drop(bodies.remove(0)),
            4 => bodies.reverse(),
            5 => {
                let at = me.random.index(bodies.len());
                spoil(me.random, &mut bodies[at]);
            }
            // As if votes had committed; of another view; of its own making.
            6 => commit.phase = Phase::Vote,
            7 => commit.view = View(commit.view.0.saturating_add(1)),
            _ => {
                let last = bodies.last_mut().expect("it is not empty");
                last.block.header.time_ms += 1;
                let vote = me.vote(Phase::Commit, commit.view, last.block.hash());
                (commit.block, commit.signature) = (vote.block, vote.signature);
            }
        }
        Some(Response::Run { bodies, commit })
    }
}

/// A body that is not what its hash says, or has other bytes than its block names.
fn spoil(random: &mut Random, body: &mut Body) {
    match random.below(4) {
        0 => body.block.header.parent = BlockHash(any_hash(random)),
        1 => body.block.header.height = Height(body.block.header.height.0.saturating_add(1)),
        2 => spoil_txs(random, &mut body.txs),
        _ => {
            body.txs.pop();
            body.block.txs.pop();
            body.block.header.time_ms += 1;
        }
    }
}

/// Fewer, more, in another order, or other bytes.
fn spoil_txs(random: &mut Random, txs: &mut Vec<TxBytes>) {
    let garbage: TxBytes = random.word().to_be_bytes().to_vec().into();
    match (random.below(4), txs.is_empty()) {
        (0, false) => drop(txs.pop()),
        (1, false) => txs.reverse(),
        (2, false) => txs[0] = garbage,
        _ => txs.push(garbage),
    }
}

impl Behaviour for LyingSync {
    fn name(&self) -> &'static str {
        "lying-sync"
    }

    fn send(&mut self, _me: &mut Traitor<'_>, to: usize, mut wire: Wire) -> Vec<(usize, Wire)> {
        if let Wire::Consensus(Message::Status(status)) = &mut wire {
            status.committed.0 = status.committed.0.saturating_add(self.boast);
            if self.boast > 100 {
                for view in [&mut status.view, &mut status.high_view, &mut status.commit_view] {
                    view.0 = view.0.saturating_add(self.boast);
                }
            }
        }
        vec![(to, wire)]
    }

    fn reply(
        &mut self,
        me: &mut Traitor<'_>,
        _to: usize,
        _request: &Request,
        response: Response,
    ) -> Option<Response> {
        if !me.random.percent(self.percent) {
            return Some(response);
        }
        match response {
            Response::Block(body) => self.lie_about_block(me.random, body),
            Response::Run { .. } => self.lie_about_run(me, response),
            Response::Transactions(mut txs) => {
                spoil_txs(me.random, &mut txs);
                Some(Response::Transactions(txs))
            }
            Response::NotHere => match self.last.clone() {
                Some(body) if me.random.percent(50) => Some(Response::Block(body)),
                _ => Some(Response::NotHere),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Status;
    use althing_crypto::Encoding;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn its_answers_are_wrong_and_can_be_sent() {
        let mut stage = Stage::new();
        let mut liar = LyingSync { percent: 100, boast: 100, last: None };
        let genesis = stage.genesis();
        let one = stage.proposal(1, 1, &genesis, None).block;
        let qc = stage.qc(Phase::Vote, 1, one.hash());
        let two = stage.proposal(2, 2, &one.header, Some(qc)).block;
        let commit = stage.qc(Phase::Commit, 2, two.hash());
        let bodies: Vec<Body> = [one, two].map(|block| Body { block, txs: Vec::new() }).into();
        let answers = [
            Response::Block(bodies[0].clone()),
            Response::Run { bodies, commit },
            Response::Transactions(vec![vec![1].into(), vec![2].into()]),
        ];
        for truth in answers {
            let mut lies = 0;
            for _ in 0..50 {
                let request = Request::Blocks { from: Height(1) };
                let lie = liar.reply(&mut stage.me(), 1, &request, truth.clone());
                if let Some(lie) = &lie {
                    assert_eq!(Response::decode(&lie.encode()).as_ref(), Ok(lie));
                }
                lies += usize::from(lie != Some(truth.clone()));
            }
            assert!(lies > 30, "{lies} of 50: {truth:?}");
        }
        let claimed = stage.sent(&mut liar, Message::Status(Status::default()));
        let Wire::Consensus(Message::Status(claimed)) = &claimed[0].1 else { panic!("{claimed:?}") };
        assert_eq!(claimed.committed, Height(100));
    }
}
