//! Events as queries see them: under keys of kind and name.

use althing_ledger::Event;

/// The key of a transaction's height.
pub const TX_HEIGHT: &str = "tx.height";
/// The key of a transaction's hash, in upper-case hexadecimal digits.
pub const TX_HASH: &str = "tx.hash";
/// The key of a transaction's sender, as the application writes it.
pub const TX_SENDER: &str = "tx.sender";
/// The key of a block's height.
pub const BLOCK_HEIGHT: &str = "block.height";

/// Every attribute as (kind and name, value). Without a kind or a name there is no key, and so nothing to ask for.
pub fn attributes(events: &[Event]) -> impl Iterator<Item = (String, &str)> {
    all(events).map(|(key, value, _)| (key, value))
}

/// As [`attributes`], of those that the application wants indexed. Its word for heights, hashes and senders, which the node knows by
/// itself, does not count.
pub fn indexed_attributes(events: &[Event]) -> impl Iterator<Item = (String, &str)> {
    let own = [TX_HEIGHT, TX_HASH, TX_SENDER, BLOCK_HEIGHT];
    let indexed = all(events).filter(move |(key, _, index)| *index && !own.contains(&key.as_str()));
    indexed.map(|(key, value, _)| (key, value))
}

fn all(events: &[Event]) -> impl Iterator<Item = (String, &str, bool)> {
    let named = events.iter().filter(|event| !event.kind.is_empty());
    named.flat_map(|event| {
        let named = event.attributes.iter().filter(|attribute| !attribute.key.is_empty());
        named.map(|one| (format!("{}.{}", event.kind, one.key), one.value.as_str(), one.index))
    })
}
