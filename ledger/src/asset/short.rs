//! Byte strings that are mostly short: kept in place, so that the many keys and values of a block need no memory of their own each.

use std::{io, ops::Deref};

use althing_crypto::Encoding;

/// Bytes; up to `N` of them in place.
#[derive(Clone, Debug)]
pub(super) enum Short<const N: usize> {
    Here(u8, [u8; N]),
    Heap(Vec<u8>),
}

/// A record's key: those of accounts and balances are in place.
pub(super) type Key = Short<38>;
/// A record's value: those of accounts and balances are in place.
pub(super) type Value = Short<62>;

impl<const N: usize> Short<N> {
    /// No bytes yet.
    pub(super) const EMPTY: Self = Self::Here(0, [0; N]);

    /// These, one after the other.
    #[inline]
    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut all = Self::EMPTY;
        parts.iter().for_each(|part| all.extend(part));
        all
    }

    /// The encoding of a record.
    pub(super) fn encoded<T: Encoding>(record: &T) -> Self {
        let mut bytes = Self::of(&[&[T::VERSION]]);
        record.serialize(&mut bytes).expect("memory takes it");
        bytes
    }

    #[inline]
    fn extend(&mut self, part: &[u8]) {
        match self {
            Self::Here(len, bytes) => {
                let start = usize::from(*len);
                match bytes.get_mut(start..start + part.len()) {
                    Some(place) => {
                        place.copy_from_slice(part);
                        // At most `N`, which fits.
                        *len += part.len() as u8;
                    }
                    None => *self = Self::Heap([&bytes[..start], part].concat()),
                }
            }
            Self::Heap(bytes) => bytes.extend_from_slice(part),
        }
    }
}

impl<const N: usize> From<Vec<u8>> for Short<N> {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= N { Self::of(&[&bytes]) } else { Self::Heap(bytes) }
    }
}

impl<const N: usize> Deref for Short<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Here(len, bytes) => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

impl<const N: usize> io::Write for Short<N> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.extend(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_wherever_they_lie() {
        for len in [0, 1, 7, 8, 9, 300] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            for cut in 0..=bytes.len() {
                let short = Short::<8>::of(&[&bytes[..cut], &bytes[cut..]]);
                assert_eq!(*short, *bytes);
                assert_eq!(matches!(short, Short::Here(..)), len <= 8);
            }
        }
    }
}
