use althing_crypto::{BlockHash, Hash, bls, ed25519};

use super::*;
use crate::{AppHash, Header, Height, Phase, Position, TimeoutStatement, View, Vote, Vouched};

fn vote(epoch: u64, signer: u16) -> Vote {
    Vote {
        phase: Phase::Vote,
        epoch: Epoch(epoch),
        view: View(5),
        block: BlockHash::ZERO,
        signer: Position(signer),
        signature: bls::Signature::from_bytes([1; 96]),
    }
}

fn evidence(epoch: u64, signer: u16) -> Notice {
    Notice::Evidence(Evidence::Votes(vote(epoch, signer), vote(epoch, signer)))
}

/// Evidence of the largest kind, with a header that has so many absent members.
fn large(signer: u16, absent: u16) -> Notice {
    let absent =
        (0..absent).map(|member| crate::Absence { member: Position(member), last: View(1), failures: 1 });
    let header = Header {
        chain_id: "x".repeat(50),
        epoch: Epoch(1),
        height: Height(1),
        view: View(1),
        parent: BlockHash::ZERO,
        justify_view: View(0),
        time_ms: 0,
        payload_root: Hash::ZERO,
        evidence_root: Hash::ZERO,
        absent: absent.collect(),
        vouched: Vouched {
            height: Height(0),
            app_hash: AppHash::new(vec![0; 64]).unwrap(),
            executed_root: Hash::ZERO,
            next_epoch: Hash::ZERO,
        },
    };
    let timeout = TimeoutStatement {
        epoch: Epoch(1),
        view: View(6),
        signer: Position(signer),
        high_view: View(0),
        signature: bls::Signature::from_bytes([1; 96]),
    };
    Notice::Evidence(Evidence::VoteAndTimeout(vote(1, signer), Box::new(header), timeout))
}

fn registration(epoch: u64, key: u16, sponsor: u8) -> Notice {
    let mut vote_key = [0; 48];
    vote_key[..2].copy_from_slice(&key.to_be_bytes());
    Notice::Registration(Box::new(Registration {
        epoch: Epoch(epoch),
        identity: ed25519::PublicKey::from_bytes([9; 32]),
        vote_key,
        proof: ProofOfPossession::from_bytes([0; 96]),
        signature: ed25519::Signature::from_bytes([0; 64]),
        sponsor: ed25519::PublicKey::from_bytes([sponsor; 32]),
        sponsor_signature: ed25519::Signature::from_bytes([0; 64]),
    }))
}

#[test]
fn a_notice_is_small_whatever_it_carries() {
    let widest = large(0, 1_024);
    let bytes = widest.encode();
    assert!(bytes.len() <= Notice::MAX_BYTES, "{} bytes of the largest set's header", bytes.len());
    assert_eq!(Notice::decode(&bytes).unwrap(), widest);
    let registration = registration(1, 1, 1);
    assert_eq!(Notice::decode(&registration.encode()).unwrap(), registration);
    assert!(!notices_fit(&[large(0, 2_000)]), "of a header that no block has");
}

#[test]
fn a_block_takes_so_many_and_so_many_bytes() {
    let small: Vec<Notice> = (0..20).map(|signer| evidence(1, signer)).collect();
    assert!(notices_fit(&small[..MAX_NOTICES]) && !notices_fit(&small[..=MAX_NOTICES]));
    assert_eq!(fitting(&small), small[..MAX_NOTICES]);
    let wide: Vec<Notice> = (0..5).map(|signer| large(signer, 1_024)).collect();
    assert!(notices_fit(&wide[..4]) && !notices_fit(&wide));
    let mixed: Vec<Notice> = wide.iter().chain(&small).cloned().collect();
    let chosen = fitting(&mixed);
    assert!(notices_fit(&chosen));
    assert_eq!(chosen[..4], wide[..4], "in order");
    assert_eq!(chosen[4], small[0], "what is too large does not keep out what fits");

    let read = |notices: &[Notice]| read_notices(&mut &borsh::to_vec(notices).unwrap()[..]);
    assert_eq!(read(&mixed[..4]).unwrap(), mixed[..4]);
    assert!(read(&wide).unwrap_err().to_string().contains("65536 bytes"));
    assert!(read(&small).unwrap_err().to_string().contains("20 notices"));
}

#[test]
fn the_root_binds_each_notice_and_their_order() {
    let (a, b) = (evidence(1, 1), evidence(1, 2));
    assert_eq!(notices_root(&[]), crate::no_evidence());
    let roots = [
        notices_root(&[]),
        notices_root(std::slice::from_ref(&a)),
        notices_root(&[a.clone(), b.clone()]),
        notices_root(&[b, a]),
    ];
    for (index, root) in roots.iter().enumerate() {
        assert!(!roots[..index].contains(root));
    }
}

#[test]
fn evidence_counts_once_an_epoch_validator_and_kind() {
    let (mut below, mut above) = (Counted::default(), Counted::default());
    let may = |below: &Counted, above: &Counted, notice| below.admits(above, &notice, Epoch(3)).is_ok();
    assert!(may(&below, &above, evidence(3, 1)));
    below.count(&evidence(3, 1));
    assert!(!may(&below, &above, evidence(3, 1)), "a committed block carries it");
    let Notice::Evidence(Evidence::Votes(mut first, mut second)) = evidence(3, 1) else { unreachable!() };
    (first.view, second.view) = (View(77), View(77));
    let later = Notice::Evidence(Evidence::Votes(first.clone(), second.clone()));
    assert!(!may(&below, &above, later), "of another view");
    (first.phase, second.phase) = (Phase::Commit, Phase::Commit);
    assert!(may(&below, &above, Notice::Evidence(Evidence::Votes(first, second))), "of another kind");
    above.count(&evidence(3, 2));
    assert!(!may(&below, &above, evidence(3, 2)), "an uncommitted ancestor carries it");
    assert!(may(&below, &above, evidence(2, 1)), "of another epoch");
    assert_eq!((below.len(), above.is_empty()), (1, false));
}

#[test]
fn evidence_comes_in_time_or_not_at_all() {
    let may =
        |of: u64, epoch: u64| Counted::default().admits(&Counted::default(), &evidence(of, 1), Epoch(epoch));
    for (of, epoch, good) in
        [(1, 1, true), (1, 9, true), (1, 10, false), (2, 1, false), (5, 9, true), (0, 1, false)]
    {
        assert_eq!(may(of, epoch).is_ok(), good, "of epoch {of} in epoch {epoch}");
    }
    let mut counted = Counted::default();
    counted.count(&evidence(1, 1));
    counted.count(&registration(1, 1, 1));
    counted.enter(Epoch(2));
    assert_eq!(counted.len(), 1, "a registration is of its own epoch only");
    counted.enter(Epoch(9));
    assert!(counted.holds(&evidence(1, 1).id()));
    counted.enter(Epoch(10));
    assert!(counted.is_empty());
}

#[test]
fn a_sponsor_registers_so_many_an_epoch_and_each_key_once() {
    let (mut below, mut above) = (Counted::default(), Counted::default());
    let may =
        |below: &Counted, above: &Counted, notice: &Notice| below.admits(above, notice, Epoch(2)).is_ok();
    assert!(!may(&below, &above, &registration(1, 1, 1)) && !may(&below, &above, &registration(3, 1, 1)));
    for key in 0..MAX_SPONSORED_AN_EPOCH as u16 {
        let notice = registration(2, key, 1);
        assert!(may(&below, &above, &notice));
        if key % 2 == 0 {
            below.count(&notice)
        } else {
            above.count(&notice)
        }
        assert!(!may(&below, &above, &registration(2, key, 7)), "whoever stands for it");
    }
    assert!(!may(&below, &above, &registration(2, 999, 1)), "one too many");
    assert!(may(&below, &above, &registration(2, 999, 2)), "another sponsor's");
}
