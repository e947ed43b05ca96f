use std::collections::BTreeSet;

use althing_crypto::{BlockHash, Hash};

use super::*;
use crate::testing::{CHAIN, Chain, Counting, EPOCH};
use crate::{Door, Phase};

const BLOCK: BlockHash = BlockHash(Hash::from_bytes([3; 32]));

fn setup(powers: &[u64]) -> (&'static Counting, Chain) {
    let scheme = Counting::leaked();
    (scheme, Chain::new(scheme, powers))
}

fn votes(chain: &Chain, signers: impl IntoIterator<Item = u16>) -> Vec<Vote> {
    signers.into_iter().map(|signer| chain.vote(signer, Phase::Vote, 5, BLOCK)).collect()
}

/// The certificate and the culprits.
fn votes_of(aggregated: Aggregated) -> (Option<QuorumCertificate>, Vec<u16>) {
    let Aggregated::Votes { phase: _, view: View(5), block: BLOCK, certificate, bad } = aggregated else {
        panic!("of the votes asked for: {aggregated:?}")
    };
    (certificate.map(Verified::into_inner), bad.into_iter().map(|Position(at)| at).collect())
}

fn door(chain: &Chain) -> Door {
    Door::new(CHAIN.to_owned(), EPOCH, chain.set.clone(), &Default::default(), None)
}

#[test]
fn good_votes_cost_one_check_and_make_the_same_certificate_in_any_order() {
    let (scheme, chain) = setup(&[1; 7]);
    for phase in [Phase::Vote, Phase::Commit] {
        let mut votes: Vec<Vote> = [0, 2, 3, 5, 6].map(|signer| chain.vote(signer, phase, 5, BLOCK)).into();
        scheme.take();
        let aggregated = aggregate_votes(&chain.set, CHAIN, votes.clone());
        assert_eq!(scheme.take(), 2, "one check is a pairing for the message and one for the signature");
        let (certificate, bad) = votes_of(aggregated.clone());
        assert_eq!(certificate, Some(chain.qc(phase, 5, BLOCK, &[0, 2, 3, 5, 6])));
        assert!(bad.is_empty());
        votes.reverse();
        assert_eq!(aggregate_votes(&chain.set, CHAIN, votes), aggregated);

        let door = door(&chain);
        door.verify_quorum(&certificate.unwrap()).expect("the door takes it");
    }
}

#[test]
fn powers_decide_what_a_quorum_is() {
    let (_, chain) = setup(&[5, 1, 1, 1]);
    let (without, bad) = votes_of(aggregate_votes(&chain.set, CHAIN, votes(&chain, [1, 2, 3])));
    assert_eq!((without, bad), (None, vec![]), "3 of 8");
    let (with, _) = votes_of(aggregate_votes(&chain.set, CHAIN, votes(&chain, [0, 1])));
    assert_eq!(with, Some(chain.qc(Phase::Vote, 5, BLOCK, &[0, 1])), "6 of 8");
}

/// Ways to spoil a vote: with a signature of something else, and with no signature at all.
fn spoil(chain: &Chain, vote: &mut Vote, way: usize) {
    vote.signature = match way % 4 {
        0 => chain.vote(vote.signer.0, Phase::Commit, 5, BLOCK).signature,
        1 => chain.vote((vote.signer.0 + 1) % 16, Phase::Vote, 5, BLOCK).signature,
        2 => bls::Signature::from_bytes([0xff; 96]),
        _ => {
            let mut infinity = [0; 96];
            infinity[0] = 0xc0;
            bls::Signature::from_bytes(infinity)
        }
    };
}

#[test]
fn halving_finds_every_culprit_and_keeps_the_rest() {
    let (scheme, chain) = setup(&[1; 16]);
    let good = votes(&chain, 0..16);
    // culprits, and the most checks that finding them may take: the whole twice, and two for each halving on the way to one
    let table: [(&[u16], usize); 7] = [
        (&[0], 2 + 8),
        (&[9], 2 + 8),
        (&[15], 2 + 8),
        (&[3, 12], 2 + 2 + 12),
        (&[6, 7], 2 + 8),
        (&[0, 4, 8, 12, 15], 2 + 30),
        (&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], 2 + 30),
    ];
    for (culprits, checks) in table {
        let mut votes = good.clone();
        for (way, culprit) in culprits.iter().enumerate() {
            spoil(&chain, &mut votes[usize::from(*culprit)], way);
        }
        scheme.take();
        let (certificate, bad) = votes_of(aggregate_votes(&chain.set, CHAIN, votes));
        assert!(scheme.take() <= 2 * checks, "{culprits:?}");
        assert_eq!(bad, culprits);
        let rest: Vec<u16> = (0..16).filter(|signer| !culprits.contains(signer)).collect();
        let expected = (rest.len() >= 11).then(|| chain.qc(Phase::Vote, 5, BLOCK, &rest));
        assert_eq!(certificate, expected, "{culprits:?}");
    }
}

#[test]
fn errors_that_cancel_each_other_make_a_good_certificate_or_two_culprits() {
    let (_, chain) = setup(&[1; 4]);
    // Two members swap their shares: each is bad alone, the sum is good, and so is every certificate with both.
    let mut swapped = votes(&chain, 0..4);
    let first = swapped[0].signature;
    swapped[0].signature = swapped[1].signature;
    swapped[1].signature = first;
    let (certificate, bad) = votes_of(aggregate_votes(&chain.set, CHAIN, swapped.clone()));
    assert_eq!((certificate, bad), (Some(chain.qc(Phase::Vote, 5, BLOCK, &[0, 1, 2, 3])), vec![]));

    // Beside a third culprit, a good half stays a good half: what is left is a quorum that verifies, or nothing.
    spoil(&chain, &mut swapped[3], 0);
    let (certificate, bad) = votes_of(aggregate_votes(&chain.set, CHAIN, swapped));
    assert_eq!(bad, [3]);
    let certificate = certificate.expect("three of four");
    assert_eq!(certificate, chain.qc(Phase::Vote, 5, BLOCK, &[0, 1, 2]));
    door(&chain).verify_quorum(&certificate).expect("the door takes it");
}

#[test]
fn timeout_votes_are_grouped_by_what_they_name_and_carry_the_highest() {
    let (scheme, chain) = setup(&[1; 7]);
    let qc = |view| chain.qc(Phase::Vote, view, BLOCK, &[0, 1, 2, 3, 4]);
    let entry = chain.tc(8, &[(0, 3), (1, 0), (2, 0), (3, 0), (4, 0)], Some(qc(3)));
    let vote = |signer, high: Option<u64>| {
        chain.timeout(signer, 9, high.map(qc), Some(crate::Certificate::Timeout(entry.clone())))
    };
    let votes = vec![vote(6, Some(3)), vote(0, Some(3)), vote(1, None), vote(3, Some(7)), vote(4, Some(3))];
    scheme.take();
    let aggregated = aggregate_timeouts(&chain.set, CHAIN, votes.clone());
    assert_eq!(scheme.take(), 4, "three messages and the signature");
    let expected = chain.tc(9, &[(0, 3), (1, 0), (3, 7), (4, 3), (6, 3)], Some(qc(7)));
    let certificate = Some(Verified::trust(expected.clone()));
    assert_eq!(aggregated, Aggregated::Timeouts { view: View(9), certificate, bad: vec![] });
    door(&chain).verify_timeout_certificate(&expected).expect("the door takes it");

    // A member that signed another view than it names falls out, and with it the QC that only it named.
    let mut votes = votes;
    votes.push(vote(5, Some(3)));
    votes[3].signature = vote(3, Some(3)).signature;
    let Aggregated::Timeouts { certificate, bad, .. } = aggregate_timeouts(&chain.set, CHAIN, votes.clone())
    else {
        panic!("timeouts")
    };
    assert_eq!(bad, [Position(3)]);
    let expected = chain.tc(9, &[(0, 3), (1, 0), (4, 3), (5, 3), (6, 3)], Some(qc(3)));
    assert_eq!(certificate, Some(Verified::trust(expected)));

    // Below a quorum there is none.
    votes.pop();
    let aggregated = aggregate_timeouts(&chain.set, CHAIN, votes);
    assert_eq!(aggregated, Aggregated::Timeouts { view: View(9), certificate: None, bad: vec![Position(3)] });
}

#[test]
fn a_chain_of_one_certifies_alone() {
    let (_, chain) = setup(&[1]);
    let (certificate, bad) = votes_of(aggregate_votes(&chain.set, CHAIN, votes(&chain, [0])));
    assert_eq!((certificate, bad), (Some(chain.qc(Phase::Vote, 5, BLOCK, &[0])), vec![]));
    let aggregated = aggregate_timeouts(&chain.set, CHAIN, vec![chain.timeout(0, 1, None, None)]);
    let certificate = Some(Verified::trust(chain.tc(1, &[(0, 0)], None)));
    assert_eq!(aggregated, Aggregated::Timeouts { view: View(1), certificate, bad: vec![] });
}

#[test]
fn votes_for_different_things_are_never_aggregated_together() {
    let (_, chain) = setup(&[1; 4]);
    let base = || votes(&chain, 0..3);
    let others = [
        chain.vote(3, Phase::Commit, 5, BLOCK),
        chain.vote(3, Phase::Vote, 6, BLOCK),
        chain.vote(3, Phase::Vote, 5, BlockHash(Hash::ZERO)),
        Vote { epoch: crate::Epoch(2), ..chain.vote(3, Phase::Vote, 5, BLOCK) },
    ];
    let distinct: BTreeSet<_> = others.iter().map(|vote| format!("{vote:?}")).collect();
    assert_eq!(distinct.len(), 4);
    for other in others {
        let mut votes = base();
        votes.push(other.clone());
        let set = chain.set.clone();
        let aggregated = std::thread::spawn(move || aggregate_votes(&set, CHAIN, votes)).join();
        assert!(aggregated.is_err(), "{other:?}");
    }
}
