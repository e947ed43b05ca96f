//! Many signatures by one equation: with random z, `8 [-sum(z s)] B + 8 sum([z] R) + 8 sum([z k] A)` is the neutral point if all are
//! good, and else with a chance of one in 2^128 (Bernstein, Duif, Lange, Schwabe, Yang, "High-speed high-security signatures", 2012,
//! section 5; with the cofactor by ZIP-215). Decoding A is a quarter of the work, so a [`Verifier`] keeps those that it has seen sign.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use curve25519_dalek::{
    constants::ED25519_BASEPOINT_POINT,
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
    traits::{IsIdentity, VartimeMultiscalarMul},
};
use sha2::{Digest, Sha512};

use super::{PublicKey, Signature};

/// Signatures per batch equation: beyond them little is saved (`docs/adr/0026-one-equation-of-our-own.md`).
pub(super) const BATCH: usize = 512;
/// Where they are not all good: few enough that one bad signature spoils little.
pub(super) const PART: usize = 128;
/// Keys kept in each of two generations, of some 250 bytes each.
const KEPT_KEYS: usize = 16_384;

/// A signature to check, of `message` by `key`.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// Who is said to have signed.
    pub key: PublicKey,
    /// What is said to be signed.
    pub message: &'a [u8],
    /// The signature.
    pub signature: Signature,
}

/// Checks many signatures in about half the time of one by one: `verdicts[i]` is what [`PublicKey::verify`] says of `items[i]`.
///
/// A batch says only that all are good. One that is not is checked in parts, and a part that is not singly; this costs at most nine
/// tenths as much again as never having tried, whatever the number of bad ones, where bisecting would let their sender choose the cost.
pub fn verify_batch(items: &[Item<'_>]) -> Vec<bool> {
    verdicts(items, all_good)
}

/// The same, of keys that sign often: what they decode to is kept, in some 8 MB at most.
#[derive(Default)]
pub struct Verifier(Mutex<Generations>);

impl Verifier {
    /// As [`verify_batch`].
    pub fn verify_batch(&self, items: &[Item<'_>]) -> Vec<bool> {
        verdicts(items, |chunk| {
            let (known, mut learned) = self.lock().known(chunk);
            let good = Equation::of(chunk, &known, &mut learned).is_some_and(Equation::holds);
            if good && !learned.is_empty() {
                self.lock().keep(learned);
            }
            good
        })
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdicts(items: &[Item<'_>], all_good: impl Fn(&[Item<'_>]) -> bool) -> Vec<bool> {
    let mut verdicts = Vec::with_capacity(items.len());
    for chunk in items.chunks(BATCH) {
        let good = |of: &[Item<'_>]| of.len() > 1 && all_good(of);
        if good(chunk) {
            verdicts.resize(verdicts.len() + chunk.len(), true);
            continue;
        }
        for part in chunk.chunks(PART) {
            if chunk.len() > PART && good(part) {
                verdicts.resize(verdicts.len() + part.len(), true);
            } else {
                verdicts.extend(part.iter().map(|item| item.key.verify(item.message, &item.signature)));
            }
        }
    }
    verdicts
}

pub(super) fn all_good(items: &[Item<'_>]) -> bool {
    Equation::of(items, &[], &mut Vec::new()).is_some_and(Equation::holds)
}

/// Keys and what they decode to.
type Points = HashMap<PublicKey, EdwardsPoint>;

/// Keys that signed, in two generations: when the newer one is full the older one is forgotten. A key that is seen in the older one
/// moves to the newer.
#[derive(Default)]
struct Generations {
    newer: Points,
    older: Points,
}

impl Generations {
    /// What each of these signatures' keys decodes to, if it is kept, and those that are to move to the newer generation.
    fn known(&self, items: &[Item<'_>]) -> (Vec<Option<EdwardsPoint>>, Vec<(PublicKey, EdwardsPoint)>) {
        let mut to_move = Vec::new();
        let known = items.iter().map(|item| {
            let newer = self.newer.get(&item.key).copied();
            newer.or_else(|| {
                let point = *self.older.get(&item.key)?;
                to_move.push((item.key, point));
                Some(point)
            })
        });
        (known.collect(), to_move)
    }

    /// Keeps keys of good signatures only: to fill this with others, one must at least sign.
    fn keep(&mut self, points: Vec<(PublicKey, EdwardsPoint)>) {
        for (key, point) in points {
            if self.newer.len() >= KEPT_KEYS && !self.newer.contains_key(&key) {
                self.older = mem::take(&mut self.newer);
            }
            self.newer.insert(key, point);
        }
    }
}

/// One equation over many signatures.
struct Equation {
    scalars: Vec<Scalar>,
    points: Vec<EdwardsPoint>,
}

impl Equation {
    /// That of these signatures; none if one of them is no encoding of points and a scalar. `known` are those of their keys that are
    /// decoded already, each in its signature's place; the others are added to `learned`.
    fn of(
        items: &[Item<'_>],
        known: &[Option<EdwardsPoint>],
        learned: &mut Vec<(PublicKey, EdwardsPoint)>,
    ) -> Option<Self> {
        let mut random = vec![0; 16 * items.len()];
        // Without randomness nothing is said of the batch.
        getrandom::fill(&mut random).ok()?;
        let mut base = Scalar::ZERO;
        let mut equation = Self {
            scalars: Vec::with_capacity(2 * items.len() + 1),
            points: Vec::with_capacity(2 * items.len() + 1),
        };
        // Whoever signed several times has one term.
        let mut places: HashMap<PublicKey, usize> = HashMap::with_capacity(items.len());
        for (index, (item, random)) in items.iter().zip(random.as_chunks().0).enumerate() {
            let (encoded_r, encoded_s) = item.signature.0.split_first_chunk()?;
            let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(encoded_s.try_into().ok()?))?;
            let k = Sha512::new()
                .chain_update(encoded_r)
                .chain_update(item.key.0)
                .chain_update(item.message)
                .finalize();
            let z = Scalar::from(u128::from_le_bytes(*random));
            let of_key = z * Scalar::from_bytes_mod_order_wide(&k.into());
            base -= z * s;
            equation.add(z, CompressedEdwardsY(*encoded_r).decompress()?);
            match places.entry(item.key) {
                Entry::Occupied(place) => {
                    equation.scalars[*place.get()] += of_key;
                    continue;
                }
                Entry::Vacant(place) => _ = place.insert(equation.scalars.len()),
            }
            let point = match known.get(index).copied().flatten() {
                Some(point) => point,
                None => {
                    let point = CompressedEdwardsY(item.key.0).decompress()?;
                    learned.push((item.key, point));
                    point
                }
            };
            equation.add(of_key, point);
        }
        equation.add(base, ED25519_BASEPOINT_POINT);
        Some(equation)
    }

    fn add(&mut self, scalar: Scalar, point: EdwardsPoint) {
        self.scalars.push(scalar);
        self.points.push(point);
    }

    fn holds(self) -> bool {
        EdwardsPoint::vartime_multiscalar_mul(&self.scalars, &self.points).mul_by_cofactor().is_identity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_keys_are_kept_as_two_generations_hold_and_those_in_use_stay() {
        let mut kept = Generations::default();
        let key = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
            PublicKey(bytes)
        };
        let keep = |kept: &mut Generations, number| {
            kept.keep(vec![(key(number), ED25519_BASEPOINT_POINT)]);
        };
        for number in 1..=3 * KEPT_KEYS {
            keep(&mut kept, number);
            keep(&mut kept, 0);
        }
        assert!(kept.newer.len() <= KEPT_KEYS && kept.older.len() <= KEPT_KEYS);
        let knows = |number| kept.newer.contains_key(&key(number)) || kept.older.contains_key(&key(number));
        assert!(knows(0) && knows(3 * KEPT_KEYS) && !knows(1));
    }
}
