//! What this machine can do without a chain: signatures by every crate at hand, votes, the disk, the store.

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use althing_crypto::{
    bls::{self, BLS, VoteScheme},
    ed25519::{Item, SecretKey, verify_batch},
    sha256,
};
use ed25519_dalek::{Signature as DalekSignature, VerifyingKey};
use ed25519_zebra::{Signature as ZebraSignature, VerificationKeyBytes, batch};
use serde::Serialize;

use super::{BenchError, report::rounded};
use crate::storage::{BackendKind, Batch, DataDirectory, Table};

/// Signatures in one call, of as many keys.
const SIGNATURES: usize = 512;
/// Bytes of what is signed: about a transfer.
const MESSAGE_BYTES: usize = 200;
/// How long each thing is tried; the best of so many rounds counts.
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 3;
/// Keys that vote.
const VOTERS: usize = 4;
const BLOCK_BYTES: usize = 4 << 10;
const SYNCS: usize = 200;
const WRITES: usize = 20;
const WRITES_AT_ONCE: usize = 1_000;

/// The machine's own figures.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Processors.
    pub cores: usize,
    /// Ed25519 signatures that one core checks in a second, by who does it.
    pub ed25519_per_s: Vec<Checker>,
    /// A signature of a vote, in milliseconds.
    pub bls_sign_ms: f64,
    /// Checking one.
    pub bls_verify_ms: f64,
    /// Checking the aggregate of four.
    pub bls_aggregate_verify_ms: f64,
    /// The median of 200 writes of 4 KiB into a file of full size, each synced.
    pub fdatasync_ms: f64,
    /// Keys of 40 bytes with values of 100 that the store takes in a second, durable in batches of 1,000.
    pub store_writes_per_s: f64,
}

/// Who checks signatures, and how many.
#[derive(Debug, Clone, Serialize)]
pub struct Checker {
    /// The crate, and how it is asked.
    pub name: &'static str,
    /// In batches, or one by one.
    pub batch: bool,
    /// In a second, on one core.
    pub per_s: f64,
}

impl Machine {
    /// The best batch rate of any crate, of all cores.
    pub(super) fn signatures_per_s(&self) -> f64 {
        let batches = self.ed25519_per_s.iter().filter(|checker| checker.batch);
        batches.map(|checker| checker.per_s).fold(0.0, f64::max) * self.cores as f64
    }
}

/// Measures all of it, with the disk under this directory. Blocks for some seconds.
pub(super) fn measure(directory: &Path, backend: BackendKind) -> Result<Machine, BenchError> {
    let (bls_sign_ms, bls_verify_ms, bls_aggregate_verify_ms) = votes();
    // Beside the homes: on their disk, and under a name that nobody else has.
    let mut scratch = directory.as_os_str().to_owned();
    scratch.push(format!(".machine-{}", std::process::id()));
    let scratch = PathBuf::from(scratch);
    fs::create_dir_all(&scratch)?;
    let disk = sync(&scratch).and_then(|fdatasync_ms| Ok((fdatasync_ms, writes(&scratch, backend)?)));
    fs::remove_dir_all(&scratch)?;
    let (fdatasync_ms, store_writes_per_s) = disk?;
    let (three, whole) = (|value| rounded(value, 3), |value| rounded(value, 0));
    Ok(Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        ed25519_per_s: signatures(),
        bls_sign_ms: three(bls_sign_ms),
        bls_verify_ms: three(bls_verify_ms),
        bls_aggregate_verify_ms: three(bls_aggregate_verify_ms),
        fdatasync_ms: three(fdatasync_ms),
        store_writes_per_s: whole(store_writes_per_s),
    })
}

/// How often something is done in a second of processor time, at best: what others take of it meanwhile does not count.
fn per_second(mut done: impl FnMut() -> usize) -> f64 {
    let mut round = || {
        let (began, mut count) = (processor_time(), 0);
        loop {
            count += done();
            let used = processor_time().saturating_sub(began);
            if used >= ROUND {
                return count as f64 / used.as_secs_f64();
            }
        }
    };
    (0..ROUNDS).map(|_| round()).fold(0.0, f64::max)
}

/// What this thread has used.
fn processor_time() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(used.tv_sec).unwrap_or_default(),
        u32::try_from(used.tv_nsec).unwrap_or_default(),
    )
}

fn signatures() -> Vec<Checker> {
    let messages: Vec<Vec<u8>> = (0..SIGNATURES)
        .map(|index| sha256(&index.to_le_bytes()).as_bytes().repeat(7)[..MESSAGE_BYTES].to_vec())
        .collect();
    let keys: Vec<SecretKey> =
        messages.iter().map(|message| SecretKey::from_seed(*sha256(message).as_bytes())).collect();
    let items: Vec<Item<'_>> = keys
        .iter()
        .zip(&messages)
        .map(|(key, message)| Item { key: key.public_key(), message, signature: key.sign(message) })
        .collect();
    let good = |verdicts: Vec<bool>| verdicts.into_iter().filter(|good| *good).count();
    let ours = per_second(|| good(verify_batch(&items)));
    let mut next = items.iter().cycle();
    let one = per_second(|| {
        next.next().map_or(0, |item| usize::from(item.key.verify(item.message, &item.signature)))
    });
    let zebra = per_second(|| zebra(&items));
    let mut checkers = vec![
        Checker { name: "althing-crypto, batch", batch: true, per_s: rounded(ours, 0) },
        Checker { name: "althing-crypto, one by one", batch: false, per_s: rounded(one, 0) },
        Checker { name: "ed25519-zebra 5, batch", batch: true, per_s: rounded(zebra, 0) },
    ];
    if let Some(dalek) = dalek(&items) {
        checkers.push(Checker {
            name: "ed25519-dalek 3, batch (no cofactor)",
            batch: true,
            per_s: rounded(dalek, 0),
        });
    }
    checkers
}

/// All in one equation.
fn zebra(items: &[Item<'_>]) -> usize {
    let mut verifier = batch::Verifier::new();
    for item in items {
        let signature = ZebraSignature::from_bytes(item.signature.as_bytes());
        verifier.queue((VerificationKeyBytes::from(*item.key.as_bytes()), signature, item.message));
    }
    let random = getrandom::rand_core::UnwrapErr(getrandom::SysRng);
    if verifier.verify(random).is_ok() { items.len() } else { 0 }
}

/// A yardstick only: its batches and its single checks do not agree on crafted signatures (`docs/adr/0003-ed25519-by-zip-215.md`).
fn dalek(items: &[Item<'_>]) -> Option<f64> {
    let keys: Vec<VerifyingKey> = items
        .iter()
        .map(|item| VerifyingKey::from_bytes(item.key.as_bytes()))
        .collect::<Result<_, _>>()
        .ok()?;
    let signatures: Vec<DalekSignature> =
        items.iter().map(|item| DalekSignature::from_bytes(item.signature.as_bytes())).collect();
    let messages: Vec<&[u8]> = items.iter().map(|item| item.message).collect();
    Some(per_second(|| match ed25519_dalek::verify_batch(&messages, &signatures, &keys) {
        Ok(()) => items.len(),
        Err(_) => 0,
    }))
}

/// Milliseconds of a signature, of checking one, and of checking an aggregate.
fn votes() -> (f64, f64, f64) {
    let keys: Vec<bls::SecretKey> =
        (0..VOTERS).map(|index| bls::SecretKey::from_seed(&BLS, &[index as u8 + 1; 32])).collect();
    let message = [7; 100];
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(&message)).collect();
    let ms = |per_s: f64| 1_000.0 / per_s.max(f64::MIN_POSITIVE);
    let (Some(first), Some(signature)) = (keys.first(), signatures.first()) else { return (0.0, 0.0, 0.0) };
    let sign = per_second(|| usize::from(first.sign(&message) == *signature));
    let verify = per_second(|| usize::from(BLS.verify(first.public_key(), &message, signature)));
    let public: Vec<_> = keys.iter().map(bls::SecretKey::public_key).collect();
    let Ok(aggregate) = BLS.aggregate(&signatures) else { return (ms(sign), ms(verify), 0.0) };
    let groups = [(&message[..], public)];
    let aggregated = per_second(|| usize::from(BLS.verify_aggregate(&groups, &aggregate)));
    (ms(sign), ms(verify), ms(aggregated))
}

/// The median of syncs, in milliseconds.
fn sync(directory: &Path) -> Result<f64, BenchError> {
    let mut file = File::create(directory.join("sync"))?;
    file.write_all(&vec![0; BLOCK_BYTES * SYNCS])?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(SYNCS);
    for index in 0..SYNCS {
        file.seek(SeekFrom::Start((index * BLOCK_BYTES) as u64))?;
        let began = Instant::now();
        file.write_all(&[index as u8; BLOCK_BYTES])?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(SYNCS / 2).copied().unwrap_or_default().as_secs_f64() * 1_000.0)
}

/// Keys in a second.
fn writes(directory: &Path, backend: BackendKind) -> Result<f64, BenchError> {
    let data = DataDirectory::open(&directory.join("home"), backend)?;
    let began = Instant::now();
    for round in 0..WRITES {
        let mut batch = Batch::new();
        for index in 0..WRITES_AT_ONCE {
            let hash = sha256(&(round * WRITES_AT_ONCE + index).to_le_bytes());
            let key = [hash.as_bytes(), &(index as u64).to_be_bytes()[..]].concat();
            batch.put(Table::Index, key, vec![index as u8; 100]);
        }
        data.chain.write(batch)?;
    }
    Ok((WRITES * WRITES_AT_ONCE) as f64 / began.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_finds_good_signatures_good() {
        let directory = tempfile::tempdir().unwrap();
        let machine = measure(&directory.path().join("net"), BackendKind::Redb).unwrap();
        assert_eq!(machine.ed25519_per_s.len(), 4);
        assert!(machine.ed25519_per_s.iter().all(|checker| checker.per_s > 0.0), "{machine:?}");
        assert!(machine.bls_verify_ms > 0.0 && machine.store_writes_per_s > 0.0);
        assert!(machine.signatures_per_s() > 0.0);
        assert!(fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing is left on the disk");
    }
}
