//! The accounts that act: keys anybody can derive, with the sequence each comes to next.

use std::{path::Path, thread};

use althing_crypto::{ed25519::SecretKey, key_file::KeyFile, sha256};
use althing_ledger::asset::Address;

use super::BenchError;
use crate::client::{Client, NodeUrl};

/// An account.
pub(super) struct Account {
    pub(super) key: SecretKey,
    pub(super) address: Address,
    pub(super) sequence: u64,
}

impl Account {
    fn of(key: SecretKey, sequence: u64) -> Self {
        Self { address: Address::of(&key.public_key()), key, sequence }
    }
}

/// The accounts of a chain that is made for a measurement: their keys are no secret.
pub(super) fn derived(count: usize) -> Vec<Account> {
    let one = |index: usize| {
        let seed = sha256(format!("althing bench account {index}").as_bytes());
        Account::of(SecretKey::from_seed(*seed.as_bytes()), 0)
    };
    in_parallel(count, one)
}

/// The accounts of the key files in a directory, where the node says that they stand.
pub(super) async fn of_files(directory: &Path, node: &NodeUrl) -> Result<Vec<Account>, BenchError> {
    let mut client = Client::new(node.clone());
    let mut paths: Vec<_> = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    paths.sort();
    let mut accounts = Vec::new();
    for path in paths {
        let mut account = Account::of(KeyFile::read_account(&path)?, 0);
        account.sequence = client.account(&account.address).await?.sequence;
        accounts.push(account);
    }
    match accounts.len() {
        0 | 1 => Err(BenchError::Options(format!("{} holds less than two *.key files", directory.display()))),
        _ => Ok(accounts),
    }
}

/// `make(0)` to `make(count - 1)`, on all processors.
pub(super) fn in_parallel<T: Send>(count: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = count.div_ceil(threads).max(1);
    let make = &make;
    thread::scope(|scope| {
        let part = |begin: usize| {
            scope.spawn(move || (begin..count.min(begin + share)).map(make).collect::<Vec<_>>())
        };
        let parts: Vec<_> = (0..count).step_by(share).map(part).collect();
        // A panic goes on in the thread that asked.
        let joined = |part: thread::ScopedJoinHandle<'_, Vec<T>>| {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(joined).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_in_parallel_is_in_order() {
        for count in [0, 1, 2, 1_001] {
            assert_eq!(in_parallel(count, |index| index), (0..count).collect::<Vec<_>>());
        }
        let accounts = derived(3);
        assert_ne!(accounts[0].address, accounts[1].address);
        assert_eq!(derived(1)[0].address, accounts[0].address);
    }
}
