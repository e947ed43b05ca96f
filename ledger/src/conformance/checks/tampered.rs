//! What was changed on the way must not be believed.

use super::proofs::{provable, verify};
use super::snapshots::{Fed, Taken, feed, take_all};
use crate::conformance::chain::Chain;
use crate::conformance::garbage::Garbage;
use crate::conformance::instance::{Instance, Seen, fail};
use crate::conformance::trial::Trial;
use crate::{AppHash, Bytes, Query, QueryResult};

/// Bits of a part of an answer up to which each is changed; of longer ones one bit of every byte.
const ALL_BITS_OF: usize = 64;

pub(super) fn tampered_proofs_are_refused(trial: &Trial<'_>) -> Seen {
    let provable = provable(trial)?;
    let blocks = trial.blocks.len();
    let hash = trial.hash_after(blocks);
    let chain = Chain::after(&trial.samples, blocks)?;
    let mut answered: Vec<(Query, QueryResult)> = Vec::new();
    for q in provable {
        let (q, answer) = chain.proved(q, 0)?;
        if answer.code == 0 && verify(trial, &q, &answer, hash)?.is_ok() {
            answered.push((q, answer));
        }
    }
    if answered.is_empty() {
        return fail("no answer verifies, so none can be seen to fail");
    }
    for (q, answer) in &answered {
        let refused =
            |changed: &QueryResult, hash: &AppHash, how: &str| match verify(trial, q, changed, hash)? {
                Ok(()) => fail(format!("the answer to {:?} verifies {how}", q.path)),
                Err(_) => Ok(()),
            };
        for (part, of) in parts(answer) {
            let mut changed = answer.clone();
            for tampered in variants(of(&mut changed)) {
                *of(&mut changed) = tampered;
                refused(&changed, hash, &format!("with another {part}"))?;
            }
        }
        let bare = QueryResult { proof: None, proof_ops: Vec::new(), ..answer.clone() };
        refused(&bare, hash, "without a proof")?;
        refused(&QueryResult { code: 1, ..answer.clone() }, hash, "though its code says that it is none")?;
        for other in other_hashes(trial, hash) {
            refused(answer, &other, "under the hash of another state")?;
        }
        for (other, theirs) in answered.iter().filter(|(other, _)| other != q) {
            // The same answer may be true of two questions, and one proof hold both.
            if (&theirs.key, &theirs.value) != (&answer.key, &answer.value)
                && verify(trial, other, answer, hash)?.is_ok()
            {
                return fail(format!(
                    "the answer to {:?} verifies as one to another question, {:?}",
                    q.path, other.path
                ));
            }
        }
    }
    Ok(())
}

type Part = Box<dyn Fn(&mut QueryResult) -> &mut Bytes>;

/// What there is of an answer that its proof must hold together.
fn parts(answer: &QueryResult) -> Vec<(&'static str, Part)> {
    let mut parts: Vec<(&str, Part)> =
        vec![("value", Box::new(|answer| &mut answer.value)), ("key", Box::new(|answer| &mut answer.key))];
    if answer.proof.is_some() {
        parts.push(("proof", Box::new(|answer| answer.proof.get_or_insert_default())));
    }
    for nth in 0..answer.proof_ops.len() {
        parts.push(("step of the proof", Box::new(move |answer| &mut answer.proof_ops[nth].data)));
    }
    parts
}

/// `bytes` with each byte changed, shorter, longer, empty.
fn variants(bytes: &Bytes) -> Vec<Bytes> {
    let mut all = Vec::new();
    for at in 0..bytes.len() {
        let bits = if bytes.len() <= ALL_BITS_OF { 0..8 } else { at % 8..at % 8 + 1 };
        all.extend(bits.map(|bit| {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            changed
        }));
    }
    if !bytes.is_empty() {
        all.extend([bytes[..bytes.len() - 1].to_vec(), Bytes::new()]);
    }
    all.push([bytes.as_slice(), &[0]].concat());
    all
}

/// Hashes of other heights, and changed ones.
fn other_hashes(trial: &Trial<'_>, hash: &AppHash) -> Vec<AppHash> {
    let changed =
        variants(&hash.as_bytes().to_vec()).into_iter().filter_map(|bytes| AppHash::new(bytes).ok());
    let of_heights = (0..trial.blocks.len()).map(|blocks| trial.hash_after(blocks).clone());
    of_heights.chain(changed).filter(|other| other != hash).collect()
}

pub(super) fn tampered_snapshots_are_refused(trial: &Trial<'_>) -> Seen {
    let all = take_all(trial)?;
    let mut garbage = Garbage::new("snapshots");
    let mut chain = Chain::fresh(&trial.samples)?;
    for taken in all.iter().take(1).chain(all.last()) {
        let hash = trial.hash_after(taken.blocks);
        for (how, chunks) in tampered_chunks(taken, &mut garbage) {
            let fed = feed(&chain.app, &taken.snapshot, hash, &chunks)?;
            chain = judge(trial, chain, fed, taken, hash, &how)?;
        }
        for other in other_hashes(trial, hash).into_iter().take(8) {
            let fed = feed(&chain.app, &taken.snapshot, &other, &taken.chunks)?;
            chain = judge(trial, chain, fed, taken, &other, "offered with another hash")?;
        }
        // After all that the true one is as good as ever.
        if let Fed::Refused(what) = feed(&chain.app, &taken.snapshot, hash, &taken.chunks)? {
            return fail(format!("after false chunks the true snapshot is not restored: {what}"));
        }
        chain = Chain::fresh(&trial.samples)?;
    }
    Ok(())
}

/// Fails if all was accepted and the state is not the one offered. Goes on with an application that has no state.
fn judge<'a>(
    trial: &'a Trial<'_>,
    chain: Chain<'a>,
    fed: Fed,
    taken: &Taken,
    offered: &AppHash,
    how: &str,
) -> Seen<Chain<'a>> {
    if let Fed::Accepted = fed {
        let info = chain.app.info()?;
        let (height, found) = (taken.snapshot.height, &info.app_hash);
        if !info.initialised {
            return fail(format!(
                "the snapshot of height {height}, {how}, is accepted to the end and leaves no state"
            ));
        }
        if found != offered {
            let what = format!("the snapshot of height {height}, {how}, is accepted to the end");
            return fail(format!("{what} and makes the state {found}, not {offered}, which was offered"));
        }
    }
    if has_state(&chain.app)? { Chain::fresh(&trial.samples) } else { Ok(chain) }
}

fn has_state(app: &Instance) -> Seen<bool> {
    Ok(app.info()?.initialised)
}

/// The chunks with one of them changed, emptied, or in another's place.
fn tampered_chunks(taken: &Taken, garbage: &mut Garbage) -> Vec<(String, Vec<Bytes>)> {
    let good = &taken.chunks;
    let mut all = Vec::new();
    for nth in 0..good.len() {
        let mut instead = |how: &str, chunk: Bytes| {
            let mut chunks = good.clone();
            chunks[nth] = chunk;
            all.push((format!("chunk {nth} {how}"), chunks));
        };
        for changed in garbage.changed(&good[nth..=nth], 4) {
            instead("changed", changed);
        }
        instead("empty", Bytes::new());
        if let Some(other) = good.get((nth + 1) % good.len()).filter(|other| **other != good[nth]) {
            instead("replaced by another", other.clone());
        }
    }
    all
}
