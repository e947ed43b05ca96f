//! What is executed is found by who sent it and by what it did.

use althing_ledger::asset::Address;

use super::*;
use crate::query::Query;
use crate::search::{Direction, Search};
use crate::storage::Indexing;

#[test]
fn executed_transactions_are_found_by_their_sender_as_the_ledger_writes_it() {
    let mut bench = Bench::new();
    bench.chain = bench.chain.clone().indexed(Indexing::On);
    let body = bench.test.body(&bench.genesis, 1, vec![bench.test.transfer(0), bench.test.transfer(1)]);
    let certificate = bench.test.certificate(body.block.hash(), 1);
    bench.chain.commit(&[body], &certificate).unwrap();
    let epochs = bench.test.epochs(&bench.chain);
    let executor = Executor::new(epochs, bench.chain.clone(), bench.application.clone());
    executor.run(ExecuteJob::Block(Height(1))).unwrap();

    let sender = Address::of(&bench.test.account.public_key());
    let found = |text: String| {
        let query = Query::parse(&text).unwrap();
        let mut search = Search::txs(&bench.chain, &query, Height(1), Direction::Ascending, 0..9).unwrap();
        while !search.step(&bench.chain).unwrap() {}
        search.total()
    };
    assert_eq!(found(format!("tx.sender = '{sender}'")), 2);
    assert_eq!(found(format!("tx.sender = '{sender}' AND transfer.sender = '{sender}'")), 2);
    assert_eq!(found("tx.sender = 'somebody'".to_owned()), 0);
}
