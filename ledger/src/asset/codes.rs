//! Why the asset ledger refuses: one number for each reason, the same for ever. `docs/codes.md` lists them.

use std::fmt;

use crate::{QueryResult, TxError, TxResult};

/// The codespace of all codes here.
pub const CODESPACE: &str = "ledger";

/// A reason for refusing a transaction or a query. Numbers are never reused or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Code {
    /// The bytes are not a transaction.
    Malformed = 1,
    /// More bytes than a transaction may have.
    TooLarge = 2,
    /// Signed for another chain.
    WrongChain = 3,
    /// The signature is not the sender's over these bytes.
    BadSignature = 4,
    /// It asks for nothing.
    NoInstructions = 5,
    /// It asks for too much at once.
    TooManyInstructions = 6,
    /// The memo has too many bytes.
    MemoTooLong = 7,
    /// A transfer of nothing.
    ZeroAmount = 8,
    /// A sum is past what a number can hold.
    Overflow = 9,
    /// The sender has no account.
    UnknownAccount = 10,
    /// The sequence is not the sender's next.
    WrongSequence = 11,
    /// The sender's balance is less than what it transfers.
    InsufficientBalance = 12,
    /// The chain is past the last height at which it may execute.
    Expired = 13,
    /// The chain has no state yet.
    NotInitialised = 14,
    /// The store failed; a fault of the node asked, not of the transaction.
    StateUnavailable = 15,
    /// No such query.
    UnknownPath = 20,
    /// The query's argument is not what its path takes.
    BadArgument = 21,
    /// The height asked for is not the newest.
    HeightUnavailable = 22,
    /// A proof was asked for.
    ProofNotOffered = 23,
}

impl Code {
    /// All codes, by number.
    pub const ALL: [Code; 19] = [
        Code::Malformed,
        Code::TooLarge,
        Code::WrongChain,
        Code::BadSignature,
        Code::NoInstructions,
        Code::TooManyInstructions,
        Code::MemoTooLong,
        Code::ZeroAmount,
        Code::Overflow,
        Code::UnknownAccount,
        Code::WrongSequence,
        Code::InsufficientBalance,
        Code::Expired,
        Code::NotInitialised,
        Code::StateUnavailable,
        Code::UnknownPath,
        Code::BadArgument,
        Code::HeightUnavailable,
        Code::ProofNotOffered,
    ];

    /// The number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Malformed => "malformed",
            Code::TooLarge => "too_large",
            Code::WrongChain => "wrong_chain",
            Code::BadSignature => "bad_signature",
            Code::NoInstructions => "no_instructions",
            Code::TooManyInstructions => "too_many_instructions",
            Code::MemoTooLong => "memo_too_long",
            Code::ZeroAmount => "zero_amount",
            Code::Overflow => "overflow",
            Code::UnknownAccount => "unknown_account",
            Code::WrongSequence => "wrong_sequence",
            Code::InsufficientBalance => "insufficient_balance",
            Code::Expired => "expired",
            Code::NotInitialised => "not_initialised",
            Code::StateUnavailable => "state_unavailable",
            Code::UnknownPath => "unknown_path",
            Code::BadArgument => "bad_argument",
            Code::HeightUnavailable => "height_unavailable",
            Code::ProofNotOffered => "proof_not_offered",
        }
    }

    /// A refusal for this reason, in these words.
    pub(super) fn refusal(self, log: impl Into<String>) -> TxError {
        TxError { code: self.number(), codespace: CODESPACE.to_owned(), log: log.into() }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<TxError> for TxResult {
    fn from(error: TxError) -> Self {
        TxResult { code: error.code, codespace: error.codespace, log: error.log, ..TxResult::default() }
    }
}

impl From<TxError> for QueryResult {
    fn from(error: TxError) -> Self {
        QueryResult { code: error.code, codespace: error.codespace, log: error.log, ..QueryResult::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table that people read and the numbers that nodes send are one.
    #[test]
    fn the_documented_table_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes.md");
        let text = std::fs::read_to_string(path).unwrap();
        let documented: Vec<(u32, String)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| ledger | "))
            .map(|row| {
                let mut cells = row.split(" | ");
                let number = cells.next().unwrap().trim().parse().unwrap();
                (number, cells.next().unwrap().trim().trim_matches('`').to_owned())
            })
            .collect();
        let ours: Vec<_> = Code::ALL.iter().map(|code| (code.number(), code.name().to_owned())).collect();
        assert_eq!(documented, ours);
    }
}
