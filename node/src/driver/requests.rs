//! Questions put to peers, by the number that their answers come back under.

use std::collections::BTreeMap;

use althing_consensus::{Height, Micros};
use althing_crypto::{BlockHash, TxHash};

use super::{Driver, Effect, Peer, Step};
use crate::wire::{Request, Response};

/// What an answer is for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// A block wanted by hash.
    Fetch(BlockHash),
    /// Transactions of a proposal.
    Gather { block: BlockHash, txs: Vec<TxHash> },
    /// Committed blocks from this height.
    Sync(Height),
}

/// Those under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    last: u64,
    under_way: BTreeMap<u64, (Peer, Purpose)>,
}

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }
}

impl Driver {
    pub(super) fn ask(&mut self, step: &mut Step, to: Peer, purpose: Purpose, timeout: Micros) {
        self.requests.last += 1;
        let id = self.requests.last;
        let request = match &purpose {
            Purpose::Fetch(block) => Request::Block(*block),
            Purpose::Gather { block, txs } => Request::Transactions { block: *block, txs: txs.clone() },
            Purpose::Sync(from) => Request::Blocks { from: *from },
        };
        self.requests.under_way.insert(id, (to, purpose));
        step.act(Effect::Request { id, to, request, timeout });
    }

    /// An answer, or why there is none. One of another kind than the question's is a misdeed.
    pub(super) fn answered(&mut self, step: &mut Step, id: u64, response: Result<Response, String>) {
        let Some((from, purpose)) = self.requests.under_way.remove(&id) else { return };
        let response = response.ok().filter(|response| !matches!(response, Response::NotHere));
        let fits = match (&purpose, &response) {
            (_, None) => true,
            (Purpose::Fetch(_), Some(Response::Block(_)))
            | (Purpose::Gather { .. }, Some(Response::Transactions(_)))
            | (Purpose::Sync(_), Some(Response::Run { .. })) => true,
            (_, Some(_)) => false,
        };
        if !fits {
            let reason = "answered a request with something else than what was asked for".to_owned();
            step.act(Effect::Penalise { peer: from, reason });
        }
        let response = response.filter(|_| fits);
        match purpose {
            Purpose::Fetch(block) => self.fetch_answered(step, from, block, response),
            Purpose::Gather { block, txs } => self.gather_answered(step, from, block, txs, response),
            Purpose::Sync(first) => self.sync_answered(step, from, first, response),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn an_answer_of_another_kind_is_a_misdeed_and_no_answer() {
        let mut bench = Bench::connected(&[1]);
        let peer = bench.peer(1);
        let lines = bench.act(|driver, step| driver.ask(step, peer, Purpose::Sync(Height(1)), Micros(1)));
        assert_eq!(lines, ["#1 ask v1 for blocks from 1"]);
        assert_eq!(bench.answer(1, Ok(Response::Transactions(Vec::new()))), ["penalise v1"]);
        assert_eq!(bench.answer(1, Ok(Response::NotHere)), [""; 0], "answered once");
        assert_eq!(bench.answer(7, Ok(Response::NotHere)), [""; 0], "never asked");
    }
}
