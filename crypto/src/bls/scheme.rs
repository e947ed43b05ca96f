//! The seam between votes and the mathematics of their signatures, and the mathematics.

use std::fmt::Debug;

use blst::{
    BLST_ERROR, Pairing, blst_p1_affine, blst_p2_affine,
    min_pk::{
        AggregatePublicKey, AggregateSignature, PublicKey as KeyPoint, SecretKey as Scalar,
        Signature as Point,
    },
};

use super::{ProofOfPossession, PublicKey, Signature};

const SIGNATURE_DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

/// How votes are signed, aggregated and checked.
pub trait VoteScheme: Send + Sync + Debug {
    /// The public key of a secret.
    fn public_key(&self, secret: &[u8; 32]) -> Result<PublicKey, KeyError>;

    /// The public key with these bytes, checked once and for all.
    fn parse_public_key(&self, bytes: &[u8; 48]) -> Result<PublicKey, KeyError>;

    /// Whether whoever made `proof` knows the secret of `key`.
    fn verify_possession(&self, key: &PublicKey, proof: &ProofOfPossession) -> bool;

    /// Proves possession of a secret that [`public_key`](Self::public_key) takes.
    fn prove_possession(&self, secret: &[u8; 32]) -> ProofOfPossession;

    /// Signs with a secret that [`public_key`](Self::public_key) takes.
    fn sign(&self, secret: &[u8; 32], message: &[u8]) -> Signature;

    /// Whether `sig` is the signature of `message` by `key`.
    fn verify(&self, key: &PublicKey, message: &[u8], sig: &Signature) -> bool;

    /// One signature out of many, each of which must be a finite point of the curve. Says nothing about what they sign, nor whether the sum
    /// is of the group: [`verify_aggregate`](Self::verify_aggregate) tells both, once for all of them.
    fn aggregate(&self, sigs: &[Signature]) -> Result<Signature, AggregateError>;

    /// Whether `sig` is the aggregate of the signatures of each group's message by each of its keys.
    ///
    /// Only for keys whose possession was proven; whether they are distinct, and whether they make a quorum, is for the caller to
    /// know. No groups, a group without keys, or an infinite signature: false. One group is the draft's `FastAggregateVerify`;
    /// several are its `AggregateVerify` of each key with its message, which does not mind that some keys cancel.
    fn verify_aggregate(&self, groups: &[(&[u8], Vec<&PublicKey>)], sig: &Signature) -> bool;
}

/// Why bytes are not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Zero, or not below the order of the group.
    #[error("BLS secret key: not a number from 1 to the group order - 1")]
    SecretOutOfRange,
    /// The infinite point, under which anything is signed by nobody.
    #[error("BLS public key {key}: the point at infinity is nobody's key")]
    Infinity {
        /// The key in hexadecimal.
        key: String,
    },
    /// On the curve, but of another order than keys have.
    #[error("BLS public key {key}: the point is not in the prime-order subgroup")]
    NotInSubgroup {
        /// The key in hexadecimal.
        key: String,
    },
    /// Not the compressed form of a point of the curve.
    #[error("BLS public key {key}: not the compressed encoding of a point of the curve")]
    NotAPoint {
        /// The key in hexadecimal.
        key: String,
    },
}

/// Why signatures have no aggregate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// There are none.
    #[error("no BLS signatures to aggregate")]
    Empty,
    /// One is not a finite point of the curve.
    #[error("BLS signature {index} of those to aggregate ({signature:?}): not a finite point of the curve")]
    NotAPoint {
        /// Its place in the list, from 0.
        index: usize,
        /// The signature.
        signature: Signature,
    },
    /// They add up to infinity, which is refused as a signature: their keys were made to cancel.
    #[error("the BLS signatures to aggregate cancel each other out")]
    Cancelled,
}

/// BLS12-381 by blst: the scheme of every node.
#[derive(Debug, Clone, Copy)]
pub struct Bls;

/// The scheme of every node.
pub static BLS: Bls = Bls;

impl VoteScheme for Bls {
    fn public_key(&self, secret: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let scalar = Scalar::from_bytes(secret).map_err(|_| KeyError::SecretOutOfRange)?;
        Ok(PublicKey::of_point(scalar.sk_to_pk()))
    }

    fn parse_public_key(&self, bytes: &[u8; 48]) -> Result<PublicKey, KeyError> {
        let key = || hex::encode(bytes);
        KeyPoint::key_validate(bytes).map(PublicKey::of_point).map_err(|error| match error {
            BLST_ERROR::BLST_PK_IS_INFINITY => KeyError::Infinity { key: key() },
            BLST_ERROR::BLST_POINT_NOT_IN_GROUP => KeyError::NotInSubgroup { key: key() },
            _ => KeyError::NotAPoint { key: key() },
        })
    }

    fn verify_possession(&self, key: &PublicKey, proof: &ProofOfPossession) -> bool {
        key.point().is_some_and(|point| verify(POSSESSION_DST, &[(key.bytes(), *point)], proof.as_bytes()))
    }

    fn prove_possession(&self, secret: &[u8; 32]) -> ProofOfPossession {
        let scalar = scalar(secret);
        let key = scalar.sk_to_pk().compress();
        ProofOfPossession::from_bytes(scalar.sign(&key, POSSESSION_DST, &[]).compress())
    }

    fn sign(&self, secret: &[u8; 32], message: &[u8]) -> Signature {
        Signature::from_bytes(scalar(secret).sign(message, SIGNATURE_DST, &[]).compress())
    }

    fn verify(&self, key: &PublicKey, message: &[u8], sig: &Signature) -> bool {
        key.point().is_some_and(|point| verify(SIGNATURE_DST, &[(message, *point)], sig.as_bytes()))
    }

    fn aggregate(&self, sigs: &[Signature]) -> Result<Signature, AggregateError> {
        let mut sum: Option<AggregateSignature> = None;
        for (index, signature) in sigs.iter().enumerate() {
            // Whether each is of the group is no question of its own: their sum is what must be.
            let point = Point::uncompress(signature.as_bytes()).ok().filter(|point| *point != infinity());
            let point = point.ok_or(AggregateError::NotAPoint { index, signature: *signature })?;
            let point = AggregateSignature::from_signature(&point);
            match &mut sum {
                Some(sum) => sum.add_aggregate(&point),
                None => sum = Some(point),
            }
        }
        let sum = sum.ok_or(AggregateError::Empty)?.to_signature();
        if sum == infinity() {
            return Err(AggregateError::Cancelled);
        }
        Ok(Signature::from_bytes(sum.compress()))
    }

    fn verify_aggregate(&self, groups: &[(&[u8], Vec<&PublicKey>)], sig: &Signature) -> bool {
        let sums: Option<Vec<(&[u8], KeyPoint)>> =
            groups.iter().map(|(message, keys)| Some((*message, sum_of_keys(keys)?))).collect();
        sums.is_some_and(|sums| verify(SIGNATURE_DST, &sums, sig.as_bytes()))
    }
}

fn scalar(secret: &[u8; 32]) -> Scalar {
    Scalar::from_bytes(secret).expect("a secret key was checked when it was made")
}

fn infinity() -> Point {
    Point::from(blst_p2_affine::default())
}

/// A finite point of the group. blst takes the canonical encoding only, here as for keys.
fn parse_signature(bytes: &[u8; 96]) -> Option<Point> {
    Point::sig_validate(bytes, true).ok()
}

/// Keys are of the group, as checked when they were parsed; so is their sum.
fn sum_of_keys(keys: &[&PublicKey]) -> Option<KeyPoint> {
    let points: Vec<&KeyPoint> = keys.iter().map(|key| key.point()).collect::<Option<_>>()?;
    Some(AggregatePublicKey::aggregate(&points, false).ok()?.to_public_key())
}

/// `e(G1, sig) = product of e(key, H(message))` as one multi-pairing, in the caller's thread.
///
/// A key here may be a sum, and a sum may be infinite: its owners chose keys that cancel, so their signatures cancel, too, and
/// the pair is worth 1. Refusing it would let them spoil certificates of others by signing correctly. No pairs that count: false.
fn verify(dst: &[u8], pairs: &[(&[u8], KeyPoint)], signature: &[u8; 96]) -> bool {
    let Some(signature) = parse_signature(signature) else { return false };
    let mut pairing = Pairing::new(true, dst);
    for (message, key) in pairs.iter().filter(|(_, key)| *key != KeyPoint::default()) {
        let key: &blst_p1_affine = key.into();
        if pairing.aggregate(key, false, &(), false, message, &[]) != BLST_ERROR::BLST_SUCCESS {
            return false;
        }
    }
    pairing.commit();
    let mut of_signature = Default::default();
    let signature: &blst_p2_affine = (&signature).into();
    Pairing::aggregated(&mut of_signature, signature);
    pairing.finalverify(Some(&of_signature))
}
