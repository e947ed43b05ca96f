//! The mempool before an application that says yes: what is admitted, kept, chosen and bounded.

use althing_crypto::TxHash;
use althing_mempool::{Action, Admission, CheckedTx, Input, Limits, Mempool, Outcome, Source, Status};

use super::Verdict;

/// One sender's transaction: the bytes name the sender and the sequence.
fn tx(sender: u8, sequence: u8) -> Vec<u8> {
    vec![sender, sequence]
}

fn hash(sender: u8, sequence: u8) -> TxHash {
    TxHash::of(&tx(sender, sequence))
}

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// A pool and an application at which every sender's next sequence is `next`.
struct Bench {
    pool: Mempool,
    next: u64,
    expiry: Option<u64>,
    log: Vec<Action>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self { pool: Mempool::new(limits, 0), next: 0, expiry: None, log: Vec::new() }
    }

    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            for action in self.pool.step(input) {
                match &action {
                    Action::Precheck(txs) => {
                        let results = txs.iter().map(|(hash, tx)| {
                            let admission = Admission {
                                sender: Some(vec![tx[0]]),
                                sequence: u64::from(tx[1]),
                                priority: 0,
                                expiry_height: self.expiry,
                            };
                            (*hash, Ok(admission))
                        });
                        inputs.push(Input::Prechecked { results: results.collect() });
                    }
                    Action::Check(hash, _) | Action::Recheck(hash, _) => {
                        let result = Ok(CheckedTx { next_sequence: Some(self.next) });
                        inputs.insert(0, Input::Checked { results: vec![(*hash, result)] });
                    }
                    _ => {}
                }
                self.log.push(action);
            }
        }
    }

    fn submit(&mut self, sender: u8, sequences: &[u8]) {
        for sequence in sequences {
            let txs = vec![tx(sender, *sequence).into()];
            self.step(Input::Submit { source: Source::Local { ticket: u64::from(*sequence) }, txs });
        }
    }

    fn batch(&self) -> Vec<TxHash> {
        self.pool.batch(usize::MAX, usize::MAX, &|_| false).into_iter().map(|(hash, _)| hash).collect()
    }
}

/// All rules.
pub(super) fn mempool() -> Verdict {
    the_committed_stay_out()?;
    what_follows_the_committed_stays()?;
    the_expired_go()?;
    nothing_overtakes_a_gap()?;
    ancestors_transactions_are_not_chosen()?;
    a_sender_has_a_bound()?;
    a_peer_has_a_bound()
}

fn the_committed_stay_out() -> Verdict {
    let mut bench = Bench::new(Limits::default());
    bench.submit(1, &[0]);
    bench.step(Input::Committed { height: 1, txs: vec![hash(1, 0)] });
    bench.log.clear();
    bench.submit(1, &[0]);
    let told =
        |action: &Action| matches!(action, Action::Answer { outcome: Outcome::Committed { height: 1 }, .. });
    must(bench.log.iter().any(told) && bench.pool.is_empty(), "a committed transaction is admitted again")
}

fn what_follows_the_committed_stays() -> Verdict {
    let mut bench = Bench::new(Limits::default());
    bench.submit(1, &[0, 1, 2]);
    bench.next = 1;
    bench.step(Input::Committed { height: 1, txs: vec![hash(1, 0)] });
    bench.step(Input::Executed { height: 1 });
    must(bench.batch() == [hash(1, 1), hash(1, 2)], "a pending transaction is lost when another is committed")
}

fn the_expired_go() -> Verdict {
    let mut bench = Bench::new(Limits::default());
    bench.expiry = Some(5);
    bench.submit(1, &[0]);
    bench.step(Input::Committed { height: 5, txs: vec![hash(9, 0)] });
    must(bench.pool.is_empty(), "an expired transaction is kept")?;
    must(matches!(bench.pool.status(&hash(1, 0)), Status::Dropped(_)), "nobody is told that it expired")
}

fn nothing_overtakes_a_gap() -> Verdict {
    let mut bench = Bench::new(Limits::default());
    bench.submit(1, &[2, 3]);
    must(bench.batch().is_empty(), "transactions behind a gap are chosen")?;
    bench.submit(1, &[0]);
    must(bench.batch() == [hash(1, 0)], "transactions behind a gap are chosen")?;
    bench.submit(1, &[1]);
    must(bench.batch() == [0, 1, 2, 3].map(|sequence| hash(1, sequence)), "a closed gap still holds back")
}

fn ancestors_transactions_are_not_chosen() -> Verdict {
    let mut bench = Bench::new(Limits::default());
    bench.submit(1, &[0, 1]);
    let carried = |one: &TxHash| *one == hash(1, 0);
    let chosen = bench.pool.batch(usize::MAX, usize::MAX, &carried);
    must(chosen.iter().all(|(one, _)| !carried(one)), "a transaction that an ancestor carries is chosen")?;
    must(chosen.len() == 1, "what follows it is not chosen")
}

fn a_sender_has_a_bound() -> Verdict {
    let mut bench = Bench::new(Limits { max_txs_per_sender: 2, ..Limits::default() });
    bench.submit(1, &[0, 1, 2, 3]);
    must(bench.pool.len() == 2, "one sender has more than its share")
}

fn a_peer_has_a_bound() -> Verdict {
    let limits = Limits { max_in_flight_txs: 2, ..Limits::default() };
    let mut pool = Mempool::new(limits, 0);
    for sequence in 0..9 {
        pool.step(Input::Submit { source: Source::Peer { id: 1 }, txs: vec![tx(1, sequence).into()] });
    }
    must(pool.in_flight() == 2, "one peer has more in flight than its share")?;
    pool.step(Input::Submit { source: Source::Peer { id: 2 }, txs: vec![tx(2, 0).into()] });
    must(pool.in_flight() == 3, "one peer takes another's share")
}
