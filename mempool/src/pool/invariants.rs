//! What must hold between any two steps, computed from nothing but the entries.

use std::collections::BTreeMap;

use super::slab::Slot;
use super::{Entry, Pool};
use crate::sender::Sender;
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
        pool.entries.iter().map(|(slot, entry)| ((&entry.hash).into(), slot)).collect();
    assert_eq!(by_hash, pool.by_hash.sorted().into_iter().map(|(key, slot)| (*key, *slot)).collect());
    let ready = |(slot, entry): (Slot, &Entry)| entry.rank.map(|rank| (rank, slot));
    assert_eq!(pool.entries.iter().filter_map(ready).collect::<BTreeMap<_, _>>(), pool.ready);
    let due = |(slot, entry): (Slot, &Entry)| entry.due.map(|due| ((due, entry.arrival), slot));
    assert_eq!(pool.entries.iter().filter_map(due).collect::<BTreeMap<_, _>>(), pool.due);
    let nobodys = |(slot, entry): (Slot, &Entry)| entry.sender.is_none().then_some((entry.arrival, slot));
    assert_eq!(pool.entries.iter().filter_map(nobodys).collect::<BTreeMap<_, _>>(), pool.nobodys);
}

fn counts_are_sums(pool: &Pool) {
    let mut used = Usage::default();
    let mut held = Usage::default();
    let mut senders: BTreeMap<&Sender, Usage> = BTreeMap::new();
    for (_, entry) in pool.entries.iter() {
        used.add(entry.bytes.len());
        if entry.rank.is_none() {
            held.add(entry.bytes.len());
        }
        if let Some(sender) = &entry.sender {
            senders.entry(sender).or_default().add(entry.bytes.len());
        }
    }
    assert_eq!((used, held), (pool.used, pool.held));
    assert_eq!(
        senders,
        pool.senders.sorted().into_iter().map(|(sender, queue)| (sender, queue.used)).collect()
    );
}

fn queues_are_ready_up_to_the_first_gap(pool: &Pool) {
    for (_, queue) in pool.senders.sorted() {
        let mut first_missing = queue.next;
        while queue.ordered.contains_key(&first_missing) {
            first_missing += 1;
        }
        assert_eq!(queue.ready_end, first_missing);
        for (sequence, slot) in &queue.ordered {
            assert_eq!(pool.entries[*slot].sequence, Some(*sequence));
            let ready = (queue.next..queue.ready_end).contains(sequence);
            assert_eq!(pool.entries[*slot].rank.is_some(), ready, "sequence {sequence}");
        }
        for slot in queue.unordered.values() {
            assert!(pool.entries[*slot].sequence.is_none() && pool.entries[*slot].rank.is_some());
        }
    }
}

fn ranks_grow_along_a_sequence(pool: &Pool) {
    for (_, queue) in pool.senders.sorted() {
        let ready = queue.ordered.range(queue.next..queue.ready_end);
        let ranks: Vec<_> = ready.map(|(_, slot)| pool.entries[*slot].rank).collect();
        assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    }
}
