//! Every order of requests over three views, with a crash at every point: before a record is written, after it but before the
//! message leaves, after the message left. What left must never contradict itself. The oracle restates, in its own words, what
//! convicts a validator.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use althing_crypto::{Encoding, sha256};

use super::*;

/// A signed message, as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Fact {
    Proposal { view: u64, block: BlockHash },
    Vote { view: u64, block: BlockHash, justify: u64 },
    Commit { view: u64, block: BlockHash },
    Timeout { view: u64, high: u64 },
}

/// Whether no correct validator signs both.
fn contradict(one: Fact, other: Fact) -> bool {
    use Fact::{Commit, Proposal, Timeout, Vote};
    match (one, other) {
        (Proposal { view, block }, Proposal { view: v, block: b })
        | (Commit { view, block }, Commit { view: v, block: b })
        | (Vote { view, block, .. }, Vote { view: v, block: b, .. }) => view == v && block != b,
        (Commit { view, .. }, Timeout { view: given_up, high }) => given_up >= view && high < view,
        (Vote { view, justify, .. }, Timeout { view: given_up, high }) => given_up >= view && high < justify,
        (Timeout { view, high }, Timeout { view: v, high: h }) => view < v && high > h,
        _ => false,
    }
}

/// What may be asked for, in any order, and the justify view of each block.
struct World {
    chain: Chain,
    /// Of every kind but proposals,
    requests: Vec<SignRequest>,
    /// which exclude only one another, so that they are explored by themselves.
    proposals: Vec<SignRequest>,
    notes: Vec<Newest>,
    justify: BTreeMap<BlockHash, u64>,
}

impl World {
    fn new() -> Self {
        let chain = chain();
        let (b1, b1x) = (block(1, None, 0), block(1, None, 1));
        let (qc1, qc1x) = (qc_of(&chain, &b1), qc_of(&chain, &b1x));
        let (tc1, tc2, tc2of1) =
            (tc_of(&chain, 1, None), tc_of(&chain, 2, None), tc_of(&chain, 2, Some(&qc1)));
        let (b2, b2x) = (child(2, &qc1, 0), block(2, None, 1));
        let qc2 = qc_of(&chain, &b2);
        let (b3, b3x, b3y) = (child(3, &qc2, 0), child(3, &qc1, 1), block(3, None, 2));
        let certified = |qc: &Qc| Some(Verified::<Certificate>::from(qc.clone()));
        let given_up = |tc: &Tc| Some(Verified::<Certificate>::from(tc.clone()));
        let requests = vec![
            vote(&chain, &b1, None, None),
            vote(&chain, &b1x, None, None),
            vote(&chain, &b2, Some(&qc1), None),
            vote(&chain, &b2x, None, Some(&tc1)),
            vote(&chain, &b3, Some(&qc2), None),
            vote(&chain, &b3x, Some(&qc1), Some(&tc2of1)),
            vote(&chain, &b3y, None, Some(&tc2)),
            commit_vote(&qc1),
            commit_vote(&qc1x),
            commit_vote(&qc2),
            time_out(1, None, None),
            time_out(2, None, given_up(&tc1)),
            time_out(2, Some(&qc1), given_up(&tc1)),
            time_out(3, None, given_up(&tc2)),
            time_out(3, Some(&qc1), given_up(&tc2of1)),
            time_out(3, Some(&qc2), certified(&qc2)),
        ];
        let proposals = vec![
            propose(&b1, None, None),
            propose(&b1x, None, None),
            propose(&b2, Some(&qc1), None),
            propose(&b2x, None, Some(&tc1)),
            vote(&chain, &b1, None, None),
        ];
        let notes = vec![Newest { high_qc: Some(qc1), ..Newest::default() }];
        let justify = [(&b1, 0), (&b1x, 0), (&b2, 1), (&b2x, 0), (&b3, 2), (&b3x, 1), (&b3y, 0)];
        let justify = justify.into_iter().map(|(block, view)| (block.hash(), view)).collect();
        Self { chain, requests, proposals, notes, justify }
    }

    fn fact(&self, signed: &Signed) -> Fact {
        match signed {
            Signed::Proposal(proposal) => {
                Fact::Proposal { view: proposal.view.0, block: proposal.block.hash() }
            }
            Signed::Vote(vote) => {
                Fact::Vote { view: vote.view.0, block: vote.block, justify: self.justify[&vote.block] }
            }
            Signed::CommitVote(vote) => Fact::Commit { view: vote.view.0, block: vote.block },
            Signed::Timeout(timeout) => Fact::Timeout { view: timeout.view.0, high: timeout.high_view().0 },
        }
    }

    fn restart(&self, disk: &SafetyRecord) -> SafetyRules {
        let record = SafetyRecord::decode(&disk.encode()).expect("its own bytes");
        let (key, set) = (self.chain.keys[0].clone(), self.chain.set.clone());
        let rules = SafetyRules::recover(Arc::new(identity(0)), key, CHAIN, set, EPOCH_HASH, record);
        let mut rules = rules.expect("its own record");
        assert_eq!(rules.resume(None), None);
        rules
    }

    /// Explores every reachable state; `crash` is what a restart makes of the record on disk. Returns how many states there are and
    /// everything that left in one of them, or the first two messages that contradict each other.
    fn explore(
        &self,
        requests: &[SignRequest],
        crash: impl Fn(SafetyRecord) -> SafetyRecord,
    ) -> Result<(usize, BTreeSet<Fact>), (Fact, Fact)> {
        type State = (SafetyRecord, SafetyRules, BTreeSet<Fact>);
        let start = rules(&self.chain);
        let (mut seen, mut ever) = (HashSet::new(), BTreeSet::new());
        let mut open: Vec<State> = vec![(start.record().clone(), start, BTreeSet::new())];
        let name = |(disk, live, left): &State| {
            (sha256(&disk.encode()), sha256(&live.record().encode()), left.clone())
        };
        while let Some(state) = open.pop() {
            if !seen.insert(name(&state)) {
                continue;
            }
            let (disk, live, left) = state;
            let restarted = self.restart(&crash(disk.clone()));
            open.push((restarted.record().clone(), restarted, left.clone()));
            for note in &self.notes {
                let mut live = live.clone();
                live.note(note);
                open.push((disk.clone(), live, left.clone()));
            }
            let mut attempt = live.clone();
            for request in requests {
                let Ok((record, signed)) = attempt.request(request) else { continue };
                // A refusal changes nothing; a signature does.
                let live = std::mem::replace(&mut attempt, live.clone());
                let fact = self.fact(&signed);
                if record.is_some()
                    && let Fact::Vote { view, .. } | Fact::Commit { view, .. } = fact
                    && let Some(timeout) =
                        left.iter().find(|past| matches!(past, Fact::Timeout { view: v, .. } if *v >= view))
                {
                    return Err((*timeout, fact));
                }
                if let Some(past) =
                    left.iter().find(|past| contradict(**past, fact) || contradict(fact, **past))
                {
                    return Err((*past, fact));
                }
                ever.insert(fact);
                let disk = record.unwrap_or_else(|| disk.clone());
                open.push((disk.clone(), live.clone(), left.clone()));
                let mut left = left.clone();
                left.insert(fact);
                open.push((disk, live, left));
            }
        }
        Ok((seen.len(), ever))
    }
}

#[test]
fn no_order_of_requests_and_crashes_makes_it_contradict_itself() {
    let world = World::new();
    for (requests, messages) in [(&world.requests, 16), (&world.proposals, 5)] {
        let explored = world.explore(requests, |disk| disk);
        let (states, ever) = explored.unwrap_or_else(|(one, other)| panic!("{one:?} and {other:?}"));
        assert!(states > 100, "only {states} states");
        assert_eq!(ever.len(), messages, "each message leaves in some order: {ever:?}");
    }
}

#[test]
fn whatever_the_record_loses_in_a_crash_makes_it_contradict_itself() {
    type Loss = fn(&mut SafetyRecord);
    let world = World::new();
    let explore = |requests: &[SignRequest], lose: Loss| {
        world.explore(requests, |mut disk| {
            lose(&mut disk);
            disk
        })
    };
    let losses: [(&str, Loss); 4] = [
        ("the vote", |disk| disk.vote = None),
        ("the commit vote", |disk| disk.commit_vote = None),
        ("the timeout vote", |disk| disk.timeout = None),
        // A record whose timeout vote names a higher one than it holds is not taken back at all.
        ("the high QC", |disk| {
            if disk.timeout.is_none() && disk.commit_vote.is_none() {
                disk.high_qc = None;
            }
        }),
    ];
    for (what, lose) in losses {
        assert!(explore(&world.requests, lose).is_err(), "{what} was lost, and nobody noticed");
    }
    assert!(explore(&world.proposals, |disk| disk.proposal = None).is_err(), "the proposal was lost");
}
