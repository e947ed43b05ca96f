//! Bytes that nobody meant, wherever they can come from.

use super::snapshots::feed;
use crate::conformance::chain::Chain;
use crate::conformance::garbage::Garbage;
use crate::conformance::instance::{Seen, ensure, fail};
use crate::conformance::samples::{BlockSample, KINDS};
use crate::conformance::trial::Trial;
use crate::{AppHash, Bytes, CheckKind, InitChain, Misbehaviour, Query, Snapshot};

pub(super) fn hostile_transactions(trial: &Trial<'_>) -> Seen {
    let mut garbage = Garbage::new("transactions");
    let mut txs = garbage.senseless();
    txs.extend(garbage.changed(&trial.samples.txs(), 12));
    let chain = Chain::begun(&trial.samples)?;
    let verdicts = chain.app.precheck(&txs)?;
    for tx in &txs {
        for kind in [CheckKind::New, CheckKind::Recheck] {
            let _verdict = chain.app.check_tx(tx, kind)?;
        }
    }
    // A block has only what passes precheck; a node with a fault might bring any.
    let passing = txs.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_ok()).map(|(tx, _)| tx.clone());
    let first = &trial.samples.blocks[0];
    let possible = BlockSample { txs: passing.collect(), ..first.clone() };
    match chain.app.finalize_block(&possible)? {
        Ok(finalized) => ensure(finalized.tx_results.len() == possible.txs.len(), || {
            let (results, txs) = (finalized.tx_results.len(), possible.txs.len());
            format!("finalize_block of hostile transactions gave {results} results for {txs}")
        })?,
        Err(error) => fail(format!("hostile transactions that pass precheck fail the block: {error}"))?,
    }
    if chain.app.finalize_block(&BlockSample { txs, ..first.clone() })?.is_ok() {
        return (0..trial.blocks.len())
            .try_for_each(|nth| chain.execute(trial, nth, "after hostile transactions"));
    }
    chain.restarted()?.go_on(trial, 0, "after hostile transactions and a restart")
}

pub(super) fn hostile_questions(trial: &Trial<'_>) -> Seen {
    let mut garbage = Garbage::new("questions");
    let samples = &trial.samples;
    let mut paths: Vec<String> = samples.questions.iter().map(|q| q.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths.extend(["", "/", "//", "\0", "no such question", "é", "%00"].map(str::to_owned));
    paths.push("x".repeat(100_000));
    let known: Vec<Bytes> = samples.questions.iter().map(|q| q.data.clone()).collect();
    let mut data = garbage.changed(&known, 6);
    data.extend(known);
    data.extend(garbage.senseless());
    let chain = Chain::after(samples, samples.blocks.len())?;
    for data in &data {
        for path in &paths {
            let [height, prove] = [garbage.below(6), garbage.below(2)];
            let height = [0, 0, 0, 1, samples.height_after(1), u64::MAX][height];
            chain.app.query(&Query { path: path.clone(), data: data.clone(), height, prove: prove == 1 })?;
        }
    }
    let unborn = Chain::fresh(samples)?;
    for (path, data) in paths.iter().zip(data.iter().cycle()) {
        unborn.app.query(&Query { path: path.clone(), data: data.clone(), ..Query::default() })?;
    }
    unborn.answers()?;
    let last = trial.blocks.len();
    trial.same_hash(last, &chain.app.info()?.app_hash, "after hostile questions")?;
    trial.same_answers(last, &chain.answers()?, "after hostile questions")
}

pub(super) fn hostile_genesis(trial: &Trial<'_>) -> Seen {
    let mut garbage = Garbage::new("genesis");
    let good = &trial.samples.genesis;
    let mut app_states = garbage.senseless();
    app_states.extend(garbage.changed(std::slice::from_ref(&good.app_state), 40));
    let mut all: Vec<InitChain> =
        app_states.into_iter().map(|app_state| InitChain { app_state, ..good.clone() }).collect();
    for chain_id in [String::new(), "x".repeat(51), "x".repeat(100_000), "\0é\u{10ffff}".to_owned()] {
        all.push(InitChain { chain_id, ..good.clone() });
    }
    for n in [0, u64::MAX] {
        all.push(InitChain { initial_height: n, ..good.clone() });
        all.push(InitChain { time_ms: n, ..good.clone() });
    }
    let (mut chain, mut refused) = (Chain::fresh(&trial.samples)?, 0);
    for init in &all {
        let accepted = chain.app.init_chain(init)?.is_ok();
        let info = chain.app.info()?;
        ensure(accepted || !info.initialised, || {
            let (id, first, bytes) = (&init.chain_id, init.initial_height, init.app_state.len());
            let id: String = id.chars().take(60).collect();
            format!(
                "init_chain refused a genesis (chain {id:?}, first height {first}, {bytes} bytes of state) and made a state of it"
            )
        })?;
        // A node ends with an error; so many restarts would take long.
        refused += u32::from(!accepted);
        if accepted {
            chain = Chain::fresh(&trial.samples)?;
        } else if refused % 20 == 0 {
            chain = chain.restarted()?;
        }
    }
    chain.restarted()?.go_on(trial, 0, "after a genesis was refused")
}

pub(super) fn hostile_misbehaviour(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    let first = &trial.samples.blocks[0];
    let known = trial.samples.genesis.validators.iter().map(|one| one.identity);
    let mut all = Vec::new();
    for identity in known.chain([[0; 32], [7; 32], [255; 32]]) {
        for kind in KINDS {
            for n in [0, 1, u64::MAX] {
                let (power, total_power, epoch, view) = (n, n, n, n);
                let numbers =
                    Misbehaviour { kind, identity, power, total_power, epoch, view, height: n, time_ms: n };
                all.push(numbers);
            }
        }
    }
    let alone = all.iter().map(|one| vec![*one]);
    for misbehaviour in alone.chain([all.clone()]) {
        let block = BlockSample { misbehaviour, ..first.clone() };
        if let Err(error) = chain.app.finalize_block(&block)? {
            fail(format!("a block with {} proofs of misbehaviour fails: {error}", block.misbehaviour.len()))?;
        }
    }
    Ok(())
}

pub(super) fn hostile_snapshots(trial: &Trial<'_>) -> Seen {
    let mut garbage = Garbage::new("offers");
    let mut chain = Chain::fresh(&trial.samples)?;
    let chunks = garbage.senseless();
    let first = trial.samples.height_after(1);
    let listed = Chain::after(&trial.samples, trial.blocks.len())?.app.list_snapshots()?;
    let formats: Vec<u32> = listed.iter().map(|one| one.format).chain([0, 1, u32::MAX]).collect();
    for (nth, hash) in
        [AppHash::default(), trial.hash_after(1).clone(), AppHash::from([7; 32])].iter().enumerate()
    {
        // Chunks of nothing that was offered.
        for index in [0, 1, u32::MAX] {
            let _applied = chain.app.apply_snapshot_chunk(index, &chunks[nth])?;
        }
        for height in [0, first, u64::MAX] {
            for format in &formats {
                for number in [0, 1, 2, u32::MAX] {
                    let mut bytes = || chunks[garbage.below(chunks.len())].clone();
                    let (name, metadata, fed) = (bytes(), bytes(), [bytes(), bytes(), bytes()]);
                    let snapshot = Snapshot { height, format: *format, chunks: number, hash: name, metadata };
                    feed(&chain.app, &snapshot, hash, &fed)?;
                    let _applied = chain.app.apply_snapshot_chunk(u32::MAX, &fed[0])?;
                    let info = chain.app.info()?;
                    ensure(!info.initialised || info.app_hash == *hash, || {
                        let found = &info.app_hash;
                        format!(
                            "a hostile snapshot offered with hash {hash:?} made a state with hash {found:?}"
                        )
                    })?;
                    if info.initialised {
                        chain = Chain::fresh(&trial.samples)?;
                    }
                }
            }
        }
    }
    let _chunk = chain.app.load_snapshot_chunk(u64::MAX, u32::MAX, u32::MAX)?;
    Chain::fresh(&trial.samples)?.go_on(trial, 0, "beside an instance that was offered hostile snapshots")
}
