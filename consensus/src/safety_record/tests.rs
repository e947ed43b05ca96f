use althing_crypto::bls;

use super::*;
use crate::testing::{CHAIN, Chain, EPOCH, OPENING, Unchecked, block};
use crate::{
    Absence, AppHash, Certificate, Height, MAX_APP_HASH_BYTES, MAX_CHAIN_ID_BYTES, Phase, Signers,
    ValidatorSet,
};

const MEMBERS: u16 = ValidatorSet::MAX_MEMBERS as u16;

fn everyone() -> Signers {
    (0..MEMBERS).map(Position).collect()
}

fn largest_qc(phase: Phase) -> QuorumCertificate {
    QuorumCertificate {
        phase,
        epoch: EPOCH,
        view: View(1),
        block: OPENING,
        signers: everyone(),
        signature: bls::Signature::from_bytes([1; 96]),
    }
}

fn largest_tc() -> TimeoutCertificate {
    TimeoutCertificate {
        epoch: EPOCH,
        view: View(2),
        signers: everyone(),
        high_views: vec![View(1); usize::from(MEMBERS)],
        high_qc: Some(largest_qc(Phase::Vote)),
        signature: bls::Signature::from_bytes([1; 96]),
    }
}

fn largest() -> SafetyRecord {
    let chain = Chain::new(&Unchecked, &[1]);
    let mut block = block(3, None, 0);
    block.header.chain_id = "x".repeat(MAX_CHAIN_ID_BYTES);
    block.header.vouched.app_hash = AppHash::new(vec![1; MAX_APP_HASH_BYTES]).expect("at the bound");
    block.header.absent =
        (0..MEMBERS).map(|member| Absence { member: Position(member), last: View(1), failures: 1 }).collect();
    block.header.height = Height(1);
    assert!(block.header.encode().len() <= crate::Header::MAX_BYTES);
    block.txs.clear();
    let (qc, commit) = (Some(largest_qc(Phase::Vote)), Some(largest_qc(Phase::Commit)));
    let proposal = chain.proposal(0, block, qc.clone(), Some(largest_tc()), commit.clone());
    let entry = Some(Certificate::Timeout(largest_tc()));
    SafetyRecord {
        chain_id: "x".repeat(MAX_CHAIN_ID_BYTES),
        epoch: EPOCH,
        epoch_hash: Hash::ZERO,
        opening: OPENING,
        signer: Position(0),
        vote_key: *chain.keys[0].public_key().bytes(),
        floor: View(0),
        proposal: Some(proposal),
        vote: Some(chain.vote(0, Phase::Vote, 3, OPENING)),
        commit_vote: Some(chain.vote(0, Phase::Commit, 1, OPENING)),
        timeout: Some(chain.timeout(0, 3, qc.clone(), entry)),
        high_qc: qc,
        tc: Some(largest_tc()),
        commit,
    }
}

#[test]
fn the_largest_record_fits_its_bound_and_comes_back() {
    let record = largest();
    let bytes = record.encode();
    assert!(bytes.len() <= SafetyRecord::MAX_BYTES, "{} bytes", bytes.len());
    assert_eq!(SafetyRecord::decode(&bytes), Ok(record));
}

#[test]
fn a_record_cut_short_or_of_another_version_is_no_record() {
    let chain = Chain::new(&Unchecked, &[1]);
    let small = SafetyRecord {
        chain_id: CHAIN.to_owned(),
        proposal: None,
        timeout: Some(chain.timeout(0, 1, None, None)),
        high_qc: None,
        tc: None,
        commit: None,
        ..largest()
    };
    let bytes = small.encode();
    for len in 0..bytes.len() {
        assert!(SafetyRecord::decode(&bytes[..len]).is_err(), "{len} of {} bytes", bytes.len());
    }
    for (what, changed) in
        [("version", [&[1], &bytes[1..]].concat()), ("one byte more", [&bytes[..], &[0]].concat())]
    {
        assert!(SafetyRecord::decode(&changed).is_err(), "{what}");
    }
}

#[test]
fn its_views_are_those_of_its_messages() {
    let record = largest();
    let views =
        [record.proposed(), record.voted(), record.commit_voted(), record.timed_out(), record.high_view()];
    assert_eq!(views, [3, 3, 1, 3, 1].map(View));
}
