//! Signatures of transactions, signatures of votes, hashes.

use std::sync::Arc;

use althing_consensus::engine::Aggregated;
use althing_consensus::{
    ConsensusParams, Door, Epoch, Phase, Position, Power, Validator, ValidatorSet, View, Vote,
    aggregate_votes, payload_root, vote_bytes,
};
use althing_crypto::bls::{self, BLS, VoteScheme};
use althing_crypto::ed25519::{Item, PublicKey, Signature, Verifier};
use althing_crypto::{BlockHash, Hash, TxHash, sha256};

use super::inputs::{BLOCK, CHAIN_ID, key, transfers, vote_key};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[
    ("crypto.ed25519_verify_1", verify_one),
    ("crypto.ed25519_verify_64", || verify_batch(64)),
    ("crypto.ed25519_verify_512", || verify_batch(512)),
    ("crypto.bls_sign", bls_sign),
    ("crypto.bls_verify", bls_verify),
    ("crypto.bls_aggregate_4", bls_aggregate),
    ("crypto.make_certificate_4", make_certificate),
    ("crypto.verify_certificate_4", verify_certificate),
    ("crypto.hash_500_txs", hash_txs),
    ("crypto.payload_root_500", root_of_500),
];

/// Bytes of what is signed: about a transfer.
const MESSAGE_BYTES: usize = 200;

type Signed = (PublicKey, [u8; MESSAGE_BYTES], Signature);

fn signed(count: usize) -> Vec<Signed> {
    let one = |index: usize| {
        let (key, message) = (key(index), [index as u8; MESSAGE_BYTES]);
        (key.public_key(), message, key.sign(&message))
    };
    (0..count).map(one).collect()
}

fn verify_one() -> Run {
    let [(key, message, signature)] = signed(1).try_into().expect("one");
    run(move || assert!(key.verify(&message, &signature)))
}

fn item(key: PublicKey, message: &[u8], signature: Signature) -> Item<'_> {
    Item { key, message, signature }
}

/// By a node that has seen the keys before, as those of accounts that are in use.
fn verify_batch(count: usize) -> Run {
    let (signed, verifier) = (signed(count), Verifier::default());
    let check = |verifier: &Verifier, signed: &[Signed]| {
        let items: Vec<_> =
            signed.iter().map(|(key, message, signature)| item(*key, message, *signature)).collect();
        assert!(verifier.verify_batch(&items).into_iter().all(|good| good));
    };
    check(&verifier, &signed);
    run(move || {
        check(&verifier, &signed);
        (verifier, signed)
    })
}

const BLOCK_HASH: BlockHash = BlockHash(Hash::from_bytes([7; 32]));

fn message() -> Vec<u8> {
    vote_bytes(CHAIN_ID, Phase::Vote, Epoch(1), View(9), BLOCK_HASH)
}

fn bls_sign() -> Run {
    let (key, message) = (vote_key(0), message());
    run(move || key.sign(&message))
}

fn bls_verify() -> Run {
    let (key, message) = (vote_key(0), message());
    let signature = key.sign(&message);
    run(move || assert!(BLS.verify(key.public_key(), &message, &signature)))
}

fn bls_aggregate() -> Run {
    let message = message();
    let signatures: Vec<bls::Signature> = (0..4).map(|index| vote_key(index).sign(&message)).collect();
    run(move || BLS.aggregate(&signatures).expect("sound points"))
}

fn members() -> Arc<ValidatorSet> {
    let member = |index| Validator {
        identity: key(index).public_key(),
        vote_key: vote_key(index).public_key().clone(),
        power: Power(1),
    };
    Arc::new(ValidatorSet::new(&BLS, (0..4).map(member).collect()).expect("distinct members with power"))
}

fn votes() -> Vec<Vote> {
    let vote = |index: u16| Vote {
        phase: Phase::Vote,
        epoch: Epoch(1),
        view: View(9),
        block: BLOCK_HASH,
        signer: Position(index),
        signature: vote_key(index.into()).sign(&message()),
    };
    (0..4).map(vote).collect()
}

/// Four votes to a certificate, verified as a whole.
fn make_certificate() -> Run {
    let (set, votes) = (members(), votes());
    run(move || aggregate_votes(&set, CHAIN_ID, votes))
}

/// By a node that sees it for the first time.
fn verify_certificate() -> Run {
    let set = members();
    let Aggregated::Votes { certificate: Some(qc), .. } = aggregate_votes(&set, CHAIN_ID, votes()) else {
        panic!("four good votes of four are a certificate");
    };
    let door = Door::new(CHAIN_ID.to_owned(), Epoch(1), set, &ConsensusParams::default(), None);
    run(move || {
        assert!(door.verify_quorum(&qc).is_ok());
        (door, qc)
    })
}

fn hash_txs() -> Run {
    let txs = transfers(BLOCK);
    run(move || (txs.iter().map(|tx| TxHash::of(tx)).collect::<Vec<_>>(), txs))
}

fn root_of_500() -> Run {
    let hashes: Vec<_> = (0..BLOCK).map(|index| TxHash(sha256(&index.to_be_bytes()))).collect();
    run(move || payload_root(&hashes))
}
