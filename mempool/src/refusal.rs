//! Why a transaction is not taken: the application's words, or one of the pool's own stable codes.

use std::fmt;

/// The codespace of the pool's own refusals.
pub const CODESPACE: &str = "mempool";

/// Bytes of an application's log and codespace that are kept.
const MAX_LOG_BYTES: usize = 256;
const MAX_CODESPACE_BYTES: usize = 64;

/// A transaction that is not taken, or no longer kept, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// Never 0. Means something only together with the codespace.
    pub code: u32,
    /// Whose code it is: [`CODESPACE`] or one of the application's.
    pub codespace: String,
    /// What is wrong, with what value, and what to do.
    pub log: String,
}

impl Refusal {
    /// One of our own refusals.
    pub fn own(code: Code, log: String) -> Self {
        Refusal { code: code as u32, codespace: CODESPACE.into(), log }
    }

    /// The pool's own code, if this is one of its refusals.
    pub fn own_code(&self) -> Option<Code> {
        let known = |code: &Code| *code as u32 == self.code;
        if self.codespace == CODESPACE { Code::ALL.into_iter().find(known) } else { None }
    }

    /// An application may quote a transaction at length; what is remembered must stay small.
    pub(crate) fn bounded(mut self) -> Self {
        self.log.truncate(self.log.floor_char_boundary(MAX_LOG_BYTES));
        self.codespace.truncate(self.codespace.floor_char_boundary(MAX_CODESPACE_BYTES));
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {} of {})", self.log, self.code, self.codespace)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// The pool's own refusals. The numbers never change and are never used again.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// Every code, in the order of their numbers.
            pub const ALL: [Code; [$($number),*].len()] = [$(Code::$name),*];
        }
    };
}

codes! {
    /// The transaction has no bytes.
    Empty = 1,
    /// The transaction is larger than this node takes.
    TooLarge = 2,
    /// Too many transactions of this source await their verdict.
    Busy = 3,
    /// The pool is full.
    Full = 4,
    /// The sender holds its share of the pool.
    SenderFull = 5,
    /// Another transaction of the sender with the same sequence came first.
    SequenceTaken = 6,
    /// The sequence lies before the sender's next one.
    SequenceUsed = 7,
    /// The sequence lies too far beyond the first one that is missing.
    SequenceGap = 8,
    /// There is no room for more transactions that wait for an earlier sequence.
    HeldFull = 9,
    /// The height up to which the transaction may execute is past.
    Expired = 10,
    /// The transaction waited too long for an earlier sequence.
    HeldTooLong = 11,
    /// The application named a sender with a name too long to keep.
    SenderTooLong = 12,
    /// The transaction is in a block already.
    Committed = 13,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_numbered_from_one_without_holes() {
        let numbers: Vec<u32> = Code::ALL.iter().map(|code| *code as u32).collect();
        assert_eq!(numbers, (1..=13).collect::<Vec<u32>>());
        for code in Code::ALL {
            assert_eq!(Refusal::own(code, String::new()).own_code(), Some(code));
        }
    }

    #[test]
    fn a_code_of_another_codespace_is_not_ours() {
        let refusal = Refusal { code: 1, codespace: "ledger".into(), log: String::new() };
        assert_eq!(refusal.own_code(), None);
    }

    #[test]
    fn what_an_application_says_is_cut_between_characters() {
        let refusal = Refusal { code: 1, codespace: "é".repeat(500), log: "€".repeat(500) }.bounded();
        assert_eq!((refusal.log.len(), refusal.codespace.len()), (255, 64));
        assert!(refusal.log.chars().all(|c| c == '€'));
    }
}
