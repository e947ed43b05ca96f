//! The highest rate that is borne: doubled until one is not, then halved in between.

use std::num::NonZeroU32;

/// What is tried first.
const FIRST: u32 = 500;
/// The answer is this near to what is not borne, in hundredths.
const NEAR: u64 = 5;
/// No rate above is tried.
const HIGHEST: u32 = 1_000_000;

/// A search as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Search {
    borne: u32,
    too_much: Option<u32>,
}

impl Search {
    /// What to try next; none once the answer is near enough.
    pub(super) fn next(&self) -> Option<NonZeroU32> {
        let next = match (self.borne, self.too_much) {
            (0, None) => FIRST,
            (borne, None) => borne.saturating_mul(2),
            (borne, Some(too_much)) => {
                let apart = u64::from(too_much.saturating_sub(borne));
                if apart * 100 <= u64::from(too_much) * NEAR || apart <= 1 {
                    return None;
                }
                borne + (too_much - borne) / 2
            }
        };
        NonZeroU32::new(next).filter(|next| next.get() <= HIGHEST)
    }

    /// This rate was borne, or not.
    pub(super) fn tried(&mut self, rate: NonZeroU32, borne: bool) {
        match borne {
            true => self.borne = self.borne.max(rate.get()),
            false => self.too_much = Some(self.too_much.map_or(rate.get(), |other| other.min(rate.get()))),
        }
    }

    /// The highest rate that was borne; none if not even the lowest was.
    pub(super) fn answer(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.borne)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(limit: u32) -> (Option<u32>, usize) {
        let (mut search, mut tries) = (Search::default(), 0);
        while let Some(rate) = search.next() {
            search.tried(rate, rate.get() <= limit);
            tries += 1;
        }
        (search.answer().map(NonZeroU32::get), tries)
    }

    #[test]
    fn what_is_found_is_borne_and_near_the_limit() {
        for limit in [1, 30, 500, 777, 8_000, 26_999, 120_000] {
            let (answer, tries) = found(limit);
            let answer = answer.unwrap();
            assert!(answer <= limit && u64::from(limit) * 94 / 100 <= u64::from(answer), "{limit}: {answer}");
            assert!(tries < 20, "{limit}: {tries} tries");
        }
        assert_eq!(found(0).0, None);
        assert_eq!(found(u32::MAX).0, Some(512_000));
    }
}
