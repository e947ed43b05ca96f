use althing_consensus::{AppHash, Executed, Execution, Height};
use althing_crypto::Hash;
use althing_mempool::Refusal;

use super::super::testing::{Bench, admission, tx};
use super::*;

const LEADER: Position = Position(1);

fn check(bench: &mut Bench, body: &Body) -> Vec<String> {
    bench.act(|driver, step| driver.check_payload(step, body.block.clone(), LEADER))
}

fn matched(bench: &mut Bench, from: u16, body: &Body, txs: Result<Vec<TxBytes>, String>) -> Vec<String> {
    let (from, hash) = (bench.peer(from), body.block.hash());
    let txs = txs.map(|txs| txs.into_iter().map(|tx| (TxHash::of(&tx), tx)).collect());
    bench.act(|driver, step| driver.matched(step, from, hash, txs))
}

fn prechecked(bench: &mut Bench, body: &Body, verdicts: &[(&str, bool)]) -> Vec<String> {
    let hash = body.block.hash();
    let refusal = || Refusal { code: 3, codespace: "test".into(), log: "no".into() };
    let verdict = |good: bool| if good { Ok(admission()) } else { Err(refusal()) };
    let results = verdicts.iter().map(|(name, good)| (TxHash::of(name.as_bytes()), verdict(*good))).collect();
    bench.act(|driver, step| driver.payload_prechecked(step, hash, results))
}

fn one_block(bench: &Bench, txs: &[&str]) -> Arc<Body> {
    bench.bodies(vec![txs.iter().map(|name| tx(name)).collect()]).remove(0)
}

#[test]
fn what_the_mempool_has_needs_nobody() {
    let mut bench = Bench::new();
    let body = one_block(&bench, &["a", "b"]);
    bench.pend(&tx("a"));
    bench.pend(&tx("b"));
    assert_eq!(check(&mut bench, &body), ["engine: payload good"]);
    assert_eq!(bench.driver.bodies.get(&body.block.hash()), Some(&body), "at hand for the vote");
    assert_eq!(check(&mut bench, &body), ["engine: payload good"], "asked again");
}

#[test]
fn an_empty_payload_is_good() {
    let mut bench = Bench::new();
    let body = one_block(&bench, &[]);
    assert_eq!(check(&mut bench, &body), ["engine: payload good"]);
}

#[test]
fn what_is_missing_comes_from_the_proposer_and_is_prechecked() {
    let mut bench = Bench::connected(&[1, 2]);
    let body = one_block(&bench, &["a", "b", "c"]);
    bench.pend(&tx("b"));
    assert_eq!(check(&mut bench, &body), ["#1 ask v1 for 2 txs"]);
    assert_eq!(check(&mut bench, &body), [""; 0], "under way");
    assert_eq!(bench.answer(1, Ok(Response::Transactions(vec![tx("a"), tx("c")]))), ["job match 2 txs"]);
    let lines = matched(&mut bench, 1, &body, Ok(vec![tx("a"), tx("c")]));
    assert_eq!(lines, ["job precheck payload of 2 txs"]);
    assert_eq!(prechecked(&mut bench, &body, &[("a", true), ("c", true)]), ["engine: payload good"]);
    assert_eq!(bench.driver.bodies.get(&body.block.hash()), Some(&body));
}

#[test]
fn who_does_not_give_is_followed_by_a_pause_and_everyone() {
    let mut bench = Bench::connected(&[1, 2]);
    let body = one_block(&bench, &["a"]);
    check(&mut bench, &body);
    assert_eq!(bench.answer(1, Err("timed out".into())), [""; 0]);
    assert_eq!(bench.act(Driver::schedule), ["wake 200 ms"]);
    bench.pass(200);
    assert_eq!(bench.act(Driver::woken), ["#2 ask v1 for 1 txs"], "the proposer first");
    assert_eq!(bench.answer(2, Ok(Response::NotHere)), ["#3 ask v2 for 1 txs"]);
    bench.answer(3, Ok(Response::Transactions(vec![tx("x")])));
    let lines = matched(&mut bench, 2, &body, Err("not that transaction".into()));
    assert_eq!(lines, ["penalise v2"]);
    bench.pend(&tx("a"));
    bench.pass(200);
    assert_eq!(bench.act(Driver::woken), ["engine: payload good"], "gossip brought it meanwhile");
}

#[test]
fn a_transaction_that_fails_its_precheck_makes_the_block_bad() {
    let mut bench = Bench::connected(&[1]);
    let body = one_block(&bench, &["a"]);
    check(&mut bench, &body);
    bench.answer(1, Ok(Response::Transactions(vec![tx("a")])));
    matched(&mut bench, 1, &body, Ok(vec![tx("a")]));
    let bad = prechecked(&mut bench, &body, &[("a", false)]);
    assert_eq!(bad.len(), 1);
    assert!(bad[0].contains("payload bad") && bad[0].contains("fails the application's precheck"), "{bad:?}");
    assert!(bench.driver.bodies.get(&body.block.hash()).is_none());

    // The verdict is remembered: no second precheck.
    check(&mut bench, &body);
    bench.answer(2, Ok(Response::Transactions(vec![tx("a")])));
    let again = matched(&mut bench, 1, &body, Ok(vec![tx("a")]));
    assert!(again[0].contains("payload bad"), "{again:?}");
}

#[test]
fn a_payload_beyond_the_chains_limits_is_bad() {
    let mut bench = Bench::with(|params| params.max_tx_bytes = 3);
    bench.connect(&[1]);
    let body = one_block(&bench, &["long"]);
    check(&mut bench, &body);
    bench.answer(1, Ok(Response::Transactions(vec![tx("long")])));
    let lines = matched(&mut bench, 1, &body, Ok(vec![tx("long")]));
    assert_eq!(lines, ["engine: payload bad: a transaction of 4 bytes, at most 3 are allowed"]);
}

#[test]
fn where_ordering_waits_for_execution_the_application_may_refuse_a_block() {
    let mut bench = Bench::with(|params| params.max_unexecuted_blocks = 0);
    bench.pend(&tx("a"));
    bench.pend(&tx("b"));
    let bodies = bench.bodies(vec![vec![tx("a")], vec![tx("b")]]);
    assert_eq!(check(&mut bench, &bodies[0]), ["job process"]);
    assert_eq!(check(&mut bench, &bodies[1]), [""; 0], "its parent is not executed");
    let hash = bodies[0].block.hash();
    // It could not be asked: nothing is held against the block, and a later view asks again.
    assert_eq!(bench.act(|driver, step| driver.processed(step, hash, None)), [""; 0]);
    assert_eq!(check(&mut bench, &bodies[0]), ["job process"]);
    let lines = bench.act(|driver, step| driver.processed(step, hash, Some(Err("no".into()))));
    assert_eq!(lines, ["engine: payload bad: no"]);

    bench.driver.stored(Height(1));
    let execution = Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
    let lines =
        bench.act(|driver, step| driver.executed(step, Executed { execution, next_epoch: Hash::ZERO }));
    assert!(lines.contains(&"job process".to_owned()), "{lines:?}");
    let hash = bodies[1].block.hash();
    let lines = bench.act(|driver, step| driver.processed(step, hash, Some(Ok(()))));
    assert_eq!(lines, ["engine: payload good"]);
}

#[test]
fn a_committed_block_waits_for_no_execution_as_that_may_wait_for_its_payload() {
    let mut bench = Bench::with(|params| params.max_unexecuted_blocks = 0);
    bench.pend(&tx("a"));
    bench.pend(&tx("b"));
    let bodies = bench.bodies(vec![vec![tx("a")], vec![tx("b")]]);
    check(&mut bench, &bodies[1]);
    let blocks: Vec<Block> = bodies.iter().map(|body| body.block.clone()).collect();
    let certificate = bench.certificate(&blocks[1]);
    bench.act(|driver, step| driver.body_at_hand(step, blocks[0].hash(), &bodies[0]));
    let lines = bench.act(|driver, step| driver.commit(step, blocks, certificate));
    assert_eq!(lines, ["engine: pending false", "engine: payload good"]);
    assert_eq!(bench.act(Driver::store_next), ["job commit 1 2"]);
}

#[test]
fn what_is_gathered_at_once_is_bounded() {
    let mut bench = Bench::connected(&[1]);
    for view in 1..=MAX_GATHERING as u64 + 1 {
        let body = bench.chain.body(&bench.genesis, view, vec![tx("a")]);
        check(&mut bench, &body);
    }
    let views: Vec<u64> =
        bench.driver.payloads.gathering.values().map(|one| one.block.header.view.0).collect();
    assert_eq!(views.len(), MAX_GATHERING);
    assert!(!views.contains(&1), "the oldest went");
}

#[test]
fn an_own_payload_is_what_the_mempool_has_and_the_application_makes_of_it() {
    let mut bench = Bench::new();
    let build = |exclude: &[&str]| BuildPayload {
        view: View(1),
        height: Height(1),
        parent: BlockHash::ZERO,
        parent_time_ms: 0,
        patience: Micros(0),
        exclude: exclude.iter().map(|name| TxHash::of(name.as_bytes())).collect(),
        noticed: Default::default(),
    };
    let ask = |bench: &mut Bench, build| bench.act(|driver, step| driver.build_payload(step, build));
    assert_eq!(ask(&mut bench, build(&[])), ["engine: built 0 txs"]);
    bench.pend(&tx("a"));
    bench.pend(&tx("b"));
    let lines = ask(&mut bench, build(&["a"]));
    assert_eq!(lines, ["gossip 2 txs", "job prepare 1 txs"], "others should have what the proposal names");
    assert_eq!(ask(&mut bench, build(&["a", "b"])), ["engine: built 0 txs"]);

    let added = tx("added by the application");
    let txs = vec![(TxHash::of(&added), added.clone())];
    let at = (Epoch(1), View(1), BlockHash::ZERO);
    assert_eq!(
        bench.act(|driver, step| driver.prepared(step, at, Ok(txs), Vec::new())),
        ["engine: built 1 txs"]
    );
    assert_eq!(bench.driver.own_payload(&[TxHash::of(&added)]), Some(vec![added]));
    assert_eq!(bench.driver.own_payload(&[TxHash::of(b"unknown")]), None);

    let lines = bench.act(|driver, step| driver.prepared(step, at, Err("too large".into()), Vec::new()));
    assert_eq!(lines[0], "engine: built 0 txs");
    assert!(lines[1].contains("prepare_proposal for view 1 is not used: too large"), "{lines:?}");
}

#[test]
fn a_verdict_on_a_payload_given_up_is_none_on_the_one_begun_anew() {
    let mut bench = Bench::connected(&[1]);
    let body = one_block(&bench, &["a"]);
    let hash = body.block.hash();
    check(&mut bench, &body);
    bench.answer(1, Ok(Response::Transactions(vec![tx("a")])));
    assert_eq!(matched(&mut bench, 1, &body, Ok(vec![tx("a")])), ["job precheck payload of 1 txs"]);
    bench.driver.forget(&[hash]);
    assert_eq!(check(&mut bench, &body), ["#2 ask v1 for 1 txs"]);
    assert_eq!(prechecked(&mut bench, &body, &[("a", true)]), [""; 0], "its bytes have gone");
    assert_eq!(bench.act(|driver, step| driver.processed(step, hash, Some(Ok(())))), [""; 0]);
    bench.answer(2, Ok(Response::Transactions(vec![tx("a")])));
    assert_eq!(matched(&mut bench, 1, &body, Ok(vec![tx("a")])), ["engine: payload good"]);
}

#[test]
fn a_committed_block_proposed_again_costs_nothing() {
    let mut bench = Bench::connected(&[1]);
    let body = one_block(&bench, &["a"]);
    bench.driver.bodies.insert(body.block.hash(), body.clone());
    let certificate = bench.certificate(&body.block);
    bench.act(|driver, step| driver.commit(step, vec![body.block.clone()], certificate));
    assert_eq!(check(&mut bench, &body), [""; 0]);
}

#[test]
fn what_a_proposer_holds_back_of_a_committed_block_is_had_from_others() {
    let mut bench = Bench::connected(&[1, 2]);
    let body = one_block(&bench, &["a"]);
    check(&mut bench, &body);
    let certificate = bench.certificate(&body.block);
    bench.act(|driver, step| driver.commit(step, vec![body.block.clone()], certificate));
    assert_eq!(bench.act(Driver::store_next), [""; 0], "the proposer is asked");
    bench.answer(1, Err("timed out".into()));
    assert_eq!(bench.act(Driver::store_next).len(), 2, "two are asked for the block");
}

#[test]
fn what_is_committed_while_the_application_thinks_about_it_is_stored_whatever_it_says() {
    for (committed, lines) in [(false, ["engine: payload bad: no"]), (true, ["engine: payload good"])] {
        let mut bench = Bench::with(|params| params.max_unexecuted_blocks = 0);
        let body = one_block(&bench, &["a"]);
        bench.pend(&tx("a"));
        assert_eq!(check(&mut bench, &body), ["job process"]);
        let hash = body.block.hash();
        if committed {
            let (blocks, certificate) = (vec![body.block.clone()], bench.certificate(&body.block));
            bench.act(|driver, step| driver.commit(step, blocks, certificate));
        }
        assert_eq!(bench.act(|driver, step| driver.processed(step, hash, Some(Err("no".into())))), lines);
    }
}

#[test]
fn a_committed_block_is_had_from_others_where_its_proposer_keeps_silent() {
    let mut bench = Bench::connected(&[1, 2]);
    let body = one_block(&bench, &["a"]);
    assert_eq!(check(&mut bench, &body), ["#1 ask v1 for 1 txs"]);
    let (blocks, certificate) = (vec![body.block.clone()], bench.certificate(&body.block));
    bench.act(|driver, step| driver.commit(step, blocks, certificate));
    assert_eq!(bench.act(Driver::store_next), [""; 0], "it may come");
    assert_eq!(bench.act(Driver::schedule), ["wake 200 ms"]);
    bench.pass(200);
    assert_eq!(bench.act(Driver::woken), [""; 0]);
    assert_eq!(bench.act(Driver::store_next).len(), 2, "whoever voted has it");
}
