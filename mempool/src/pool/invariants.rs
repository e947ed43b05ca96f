//! What must hold between any two steps, computed from nothing but the entries.

use std::collections::{BTreeMap, BTreeSet};

use super::Pool;
use crate::Sender;
use crate::usage::Usage;

pub(crate) fn check(pool: &Pool) {
    indexes_name_exactly_the_entries(pool);
    counts_are_sums(pool);
    queues_are_ready_up_to_the_first_gap(pool);
    ranks_grow_along_a_sequence(pool);
    let limits = &pool.limits;
    assert!(pool.used.txs <= limits.max_txs && pool.used.bytes <= limits.max_bytes);
    assert!(pool.held.txs <= limits.max_held_txs && pool.held.bytes <= limits.max_held_bytes);
    assert!(pool.dropped.is_empty(), "dropped ones are told in the step that drops them");
}

fn indexes_name_exactly_the_entries(pool: &Pool) {
    let by_hash: BTreeMap<_, _> =
        pool.entries.iter().map(|(arrival, entry)| ((&entry.hash).into(), *arrival)).collect();
    assert_eq!(by_hash, pool.by_hash);
    let ready = |(arrival, entry): (&u64, &super::Entry)| entry.rank.map(|rank| (rank, *arrival));
    assert_eq!(pool.entries.iter().filter_map(ready).collect::<BTreeMap<_, _>>(), pool.ready);
    let due = |(arrival, entry): (&u64, &super::Entry)| entry.due.map(|due| (due, *arrival));
    assert_eq!(pool.entries.iter().filter_map(due).collect::<BTreeSet<_>>(), pool.due);
    let nobodys = |(arrival, entry): (&u64, &super::Entry)| entry.sender.is_none().then_some(*arrival);
    assert_eq!(pool.entries.iter().filter_map(nobodys).collect::<BTreeSet<_>>(), pool.nobodys);
}

fn counts_are_sums(pool: &Pool) {
    let mut used = Usage::default();
    let mut held = Usage::default();
    let mut senders: BTreeMap<&Sender, Usage> = BTreeMap::new();
    for entry in pool.entries.values() {
        used.add(entry.bytes.len());
        if entry.rank.is_none() {
            held.add(entry.bytes.len());
        }
        if let Some(sender) = &entry.sender {
            senders.entry(sender).or_default().add(entry.bytes.len());
        }
    }
    assert_eq!((used, held), (pool.used, pool.held));
    assert_eq!(senders, pool.senders.iter().map(|(sender, queue)| (sender, queue.used)).collect());
}

fn queues_are_ready_up_to_the_first_gap(pool: &Pool) {
    for queue in pool.senders.values() {
        let mut first_missing = queue.next;
        while queue.ordered.contains_key(&first_missing) {
            first_missing += 1;
        }
        assert_eq!(queue.ready_end, first_missing);
        for (sequence, arrival) in &queue.ordered {
            assert_eq!(pool.entries[arrival].sequence, Some(*sequence));
            let ready = (queue.next..queue.ready_end).contains(sequence);
            assert_eq!(pool.entries[arrival].rank.is_some(), ready, "sequence {sequence}");
        }
        for arrival in &queue.unordered {
            assert!(pool.entries[arrival].sequence.is_none() && pool.entries[arrival].rank.is_some());
        }
    }
}

fn ranks_grow_along_a_sequence(pool: &Pool) {
    for queue in pool.senders.values() {
        let ready = queue.ordered.range(queue.next..queue.ready_end);
        let ranks: Vec<_> = ready.map(|(_, arrival)| pool.entries[arrival].rank).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }
}
