//! Snapshots: taken by one application, restored by another.

use crate::conformance::chain::Chain;
use crate::conformance::instance::{Instance, Seen, Stop, ensure, fail};
use crate::conformance::trial::Trial;
use crate::{AppHash, Bytes, ChunkApplied, Snapshot, SnapshotOffer};

/// A snapshot with all its chunks, taken after so many blocks.
pub(super) struct Taken {
    pub(super) blocks: usize,
    pub(super) snapshot: Snapshot,
    pub(super) chunks: Vec<Bytes>,
}

/// What an application says of a snapshot that it was brought.
pub(super) enum Fed {
    /// It took the offer and every chunk.
    Accepted,
    /// It did not: which call said what.
    Refused(String),
}

/// All snapshots that one application lists on its way through the blocks.
pub(super) fn take_all(trial: &Trial<'_>) -> Seen<Vec<Taken>> {
    let samples = &trial.samples;
    let chain = Chain::begun(samples)?;
    let mut taken: Vec<Taken> = Vec::new();
    for nth in 0..samples.blocks.len() {
        chain.step(nth)?;
        for snapshot in chain.app.list_snapshots()? {
            let height = snapshot.height;
            let Some(of) = (0..=nth).find(|of| samples.blocks[*of].height == height) else {
                return fail(format!("list_snapshots names height {height}, of which there is no block yet"));
            };
            if taken.iter().all(|one| (one.snapshot.height, one.snapshot.format) != (height, snapshot.format))
            {
                let chunks = chunks(&chain.app, &snapshot)?;
                taken.push(Taken { blocks: of + 1, snapshot, chunks });
            }
        }
    }
    match taken.is_empty() {
        true if samples.subject.makes_snapshots() => fail("it lists no snapshot at any height"),
        true => Err(Stop::NotOffered("it makes no snapshots")),
        false => Ok(taken),
    }
}

fn chunks(app: &Instance, snapshot: &Snapshot) -> Seen<Vec<Bytes>> {
    let Snapshot { height, format, chunks, .. } = *snapshot;
    ensure(chunks > 0, || format!("the snapshot of height {height} has no chunks"))?;
    for (height, format, chunk) in [(height, format, chunks), (height, !format, 0), (u64::MAX, format, 0)] {
        let found = app.load_snapshot_chunk(height, format, chunk)?;
        ensure(found.is_none(), || {
            format!(
                "load_snapshot_chunk gives chunk {chunk} of height {height}, format {format}: there is none"
            )
        })?;
    }
    let load = |nth| match app.load_snapshot_chunk(height, format, nth)? {
        Some(chunk) => Ok(chunk),
        None => {
            fail(format!("chunk {nth} of {chunks} of the listed snapshot of height {height} is not there"))
        }
    };
    (0..chunks).map(load).collect()
}

/// Offers a snapshot and brings chunks until one is not accepted.
pub(super) fn feed(app: &Instance, snapshot: &Snapshot, hash: &AppHash, chunks: &[Bytes]) -> Seen<Fed> {
    match app.offer_snapshot(snapshot, hash)? {
        Ok(SnapshotOffer::Accept) => {}
        other => return Ok(Fed::Refused(format!("offer_snapshot says {other:?}"))),
    }
    for (index, chunk) in (0..).zip(chunks) {
        match app.apply_snapshot_chunk(index, chunk)? {
            Ok(ChunkApplied::Accept) => {}
            other => {
                return Ok(Fed::Refused(format!("apply_snapshot_chunk of chunk {index} says {other:?}")));
            }
        }
    }
    Ok(Fed::Accepted)
}

/// Fails unless the application stands where the snapshot was taken.
fn restored(trial: &Trial<'_>, chain: &Chain<'_>, taken: &Taken, when: &str) -> Seen {
    let info = chain.app.info()?;
    let height = taken.snapshot.height;
    ensure(info.initialised && info.last_height == height, || {
        let (initialised, found) = (info.initialised, info.last_height);
        format!(
            "{when} from the snapshot of height {height}, info says initialised {initialised}, height {found}"
        )
    })?;
    trial.same_hash(taken.blocks, &info.app_hash, when)
}

pub(super) fn snapshots_restore(trial: &Trial<'_>) -> Seen {
    let (all, others) = (take_all(trial)?, take_all(trial)?);
    for (taken, other) in all.iter().zip(&others) {
        let Taken { blocks, snapshot, chunks } = taken;
        let (height, hash) = (snapshot.height, trial.hash_after(*blocks));
        ensure(snapshot == &other.snapshot && chunks == &other.chunks, || {
            format!("two instances make different snapshots of height {height}, format {}", snapshot.format)
        })?;
        let mut chain = Chain::fresh(&trial.samples)?;
        if chunks.len() > 1 {
            // A crash after the first chunk, then all over again; then again without a crash.
            feed(&chain.app, snapshot, hash, &chunks[..1])?;
            chain = chain.restarted()?;
            feed(&chain.app, snapshot, hash, &chunks[..1])?;
        }
        if let Fed::Refused(what) = feed(&chain.app, snapshot, hash, chunks)? {
            return fail(format!(
                "a fresh instance does not restore the snapshot of height {height}: {what}"
            ));
        }
        restored(trial, &chain, taken, "restored")?;
        trial.same_answers(*blocks, &chain.answers()?, "restored")?;
        let chain = if trial.samples.subject.keeps_state() { chain.restarted()? } else { chain };
        restored(trial, &chain, taken, "restored and restarted")?;
        chain.go_on(trial, *blocks, "after a restore")?;
    }
    Ok(())
}
