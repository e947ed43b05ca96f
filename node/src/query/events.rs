//! Events as queries see them: under keys of kind and name.

use althing_ledger::Event;

/// The key of a transaction's height.
pub const TX_HEIGHT: &str = "tx.height";
/// The key of a transaction's hash, in upper-case hexadecimal digits.
pub const TX_HASH: &str = "tx.hash";
/// The key of a transaction's sender, as the application writes it.
pub const TX_SENDER: &str = "tx.sender";
/// The key of what a subscriber is told of: a block, a transaction, new validators.
pub const TM_EVENT: &str = "tm.event";
/// The key of a block's height.
pub const BLOCK_HEIGHT: &str = "block.height";
/// What the node itself says.
const OWN: [&str; 5] = [TX_HEIGHT, TX_HASH, TX_SENDER, BLOCK_HEIGHT, TM_EVENT];

/// Every attribute as (kind and name, value). Without a kind or a name there is no key, and so nothing to ask for. An application's word
/// for heights, hashes and senders, which the node knows by itself, does not count.
pub fn attributes(events: &[Event]) -> impl Iterator<Item = (String, &str)> {
    all(events).map(|(key, value, _)| (key, value))
}

/// As [`attributes`], of those that the application wants indexed.
pub fn indexed_attributes(events: &[Event]) -> impl Iterator<Item = (String, &str)> {
    all(events).filter(|(_, _, index)| *index).map(|(key, value, _)| (key, value))
}

/// As [`indexed_attributes`], with kind and name apart.
pub(crate) fn indexed_parts(events: &[Event]) -> impl Iterator<Item = (&str, &str, &str)> {
    parts(events).filter(|(.., index)| *index).map(|(kind, key, value, _)| (kind, key, value))
}

fn all(events: &[Event]) -> impl Iterator<Item = (String, &str, bool)> {
    parts(events).map(|(kind, key, value, index)| (format!("{kind}.{key}"), value, index))
}

fn parts(events: &[Event]) -> impl Iterator<Item = (&str, &str, &str, bool)> {
    let named = events.iter().filter(|event| !event.kind.is_empty());
    named.flat_map(|event| {
        let named = event.attributes.iter().filter(|attribute| !attribute.key.is_empty());
        let parts = named.map(|one| (event.kind.as_str(), one.key.as_str(), one.value.as_str(), one.index));
        parts.filter(|(kind, key, ..)| !is_own(kind, key))
    })
}

/// None of them has a point but the one between kind and name.
fn is_own(kind: &str, key: &str) -> bool {
    let mut own = OWN.iter().filter(|own| own.len() == kind.len() + 1 + key.len());
    own.any(|own| own.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) == Some(key))
}

#[cfg(test)]
mod tests {
    use althing_ledger::Attribute;

    use super::*;

    #[test]
    fn an_application_has_no_word_for_what_the_node_says_itself() {
        let event = |kind: &str, key: &str| Event {
            kind: kind.to_owned(),
            attributes: vec![Attribute { key: key.to_owned(), value: "7".to_owned(), index: true }],
        };
        let own = [("tx", "height"), ("tx", "hash"), ("tx", "sender"), ("block", "height"), ("tm", "event")];
        let events: Vec<_> =
            own.into_iter().chain([("tx", "memo")]).map(|(kind, key)| event(kind, key)).collect();
        assert_eq!(attributes(&events).collect::<Vec<_>>(), [("tx.memo".to_owned(), "7")]);
        assert_eq!(indexed_attributes(&events).collect::<Vec<_>>(), [("tx.memo".to_owned(), "7")]);
        assert_eq!(indexed_parts(&events).collect::<Vec<_>>(), [("tx", "memo", "7")]);
    }
}
