//! Why the asset ledger refuses: one number for each reason, the same for ever. `docs/codes.md` lists them.

use std::fmt;

use crate::{QueryResult, TxError, TxResult};

/// The codespace of all codes here.
pub const CODESPACE: &str = "ledger";

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        /// A reason for refusing a transaction or a query. Numbers are never reused or changed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// All codes, by number.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The name, in snake case.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    /// The bytes are not a transaction.
    Malformed = 1 "malformed",
    /// More bytes than a transaction may have.
    TooLarge = 2 "too_large",
    /// Signed for another chain.
    WrongChain = 3 "wrong_chain",
    /// A signature is not that of its key over these bytes.
    BadSignature = 4 "bad_signature",
    /// It asks for nothing.
    NoInstructions = 5 "no_instructions",
    /// It asks for too much at once.
    TooManyInstructions = 6 "too_many_instructions",
    /// The memo has too many bytes.
    MemoTooLong = 7 "memo_too_long",
    /// An amount of nothing.
    ZeroAmount = 8 "zero_amount",
    /// A sum is past what a number can hold.
    Overflow = 9 "overflow",
    /// Not given any more: a sender needs no account from before.
    UnknownAccount = 10 "unknown_account",
    /// The sequence is not the sender's next.
    WrongSequence = 11 "wrong_sequence",
    /// The account holds less than it would pay.
    InsufficientBalance = 12 "insufficient_balance",
    /// The chain is past the last height at which it may execute.
    Expired = 13 "expired",
    /// The chain has no state yet.
    NotInitialised = 14 "not_initialised",
    /// The store failed; a fault of the node asked, not of the transaction.
    StateUnavailable = 15 "state_unavailable",
    /// No such query.
    UnknownPath = 20 "unknown_path",
    /// The query's argument is not what its path takes.
    BadArgument = 21 "bad_argument",
    /// The height asked for is not kept.
    HeightUnavailable = 22 "height_unavailable",
    /// Not given any more: every query has a proof.
    ProofNotOffered = 23 "proof_not_offered",
    /// An account that acts or is debited has not approved.
    MissingApproval = 30 "missing_approval",
    /// An account approves that neither acts nor is debited.
    NeedlessApproval = 31 "needless_approval",
    /// The approvals do not ascend, or one comes twice.
    ApprovalsUnordered = 32 "approvals_unordered",
    /// A multi-signature account's policy is none.
    BadPolicy = 33 "bad_policy",
    /// Not exactly as many signatures as the policy demands, of distinct keys of it, ascending.
    BadSignatureSet = 34 "bad_signature_set",
    /// An idempotency key without bytes or of too many.
    BadIdempotencyKey = 35 "bad_idempotency_key",
    /// The sender's idempotency key had its success already.
    DuplicateIdempotencyKey = 36 "duplicate_idempotency_key",
    /// Submission is closed, and the sender has no role that may submit.
    NotSubmitter = 37 "not_submitter",
    /// The sender holds less than the fee.
    FeeNotCovered = 38 "fee_not_covered",
    /// Not a symbol.
    BadSymbol = 40 "bad_symbol",
    /// Too many bytes of metadata.
    MetadataTooLong = 41 "metadata_too_long",
    /// More decimal places than a number has digits.
    TooManyDecimals = 42 "too_many_decimals",
    /// There is an asset of that symbol.
    AssetExists = 43 "asset_exists",
    /// There is no such asset.
    UnknownAsset = 44 "unknown_asset",
    /// The sender lacks the role of an issuer.
    NotIssuer = 45 "not_issuer",
    /// The sender is not the issuer of this asset.
    NotIssuerOfAsset = 46 "not_issuer_of_asset",
    /// Who shall become an asset's issuer lacks the role.
    RecipientNotIssuer = 47 "recipient_not_issuer",
    /// The supply would be past the asset's cap.
    CapExceeded = 48 "cap_exceeded",
    /// The account is frozen in this asset.
    Frozen = 49 "frozen",
    /// It is frozen already.
    AlreadyFrozen = 50 "already_frozen",
    /// It is not frozen.
    NotFrozen = 51 "not_frozen",
    /// The lock could never be claimed.
    RefundHeightPast = 60 "refund_height_past",
    /// There is no such lock.
    UnknownLock = 61 "unknown_lock",
    /// The lock was claimed or refunded before.
    LockSettled = 62 "lock_settled",
    /// Not what the lock's hash is the hash of.
    WrongPreimage = 63 "wrong_preimage",
    /// The lock can only be refunded now.
    LockExpired = 64 "lock_expired",
    /// The lock cannot be refunded yet.
    LockNotExpired = 65 "lock_not_expired",
    /// The sender is no administrator.
    NotAdministrator = 70 "not_administrator",
    /// The sender is no member.
    NotMember = 71 "not_member",
    /// The role is given and taken by the members together.
    NeedsProposal = 72 "needs_proposal",
    /// The account has the role already.
    RoleHeld = 73 "role_held",
    /// The account does not have the role.
    RoleNotHeld = 74 "role_not_held",
    /// There is no proposal of that number yet.
    UnknownProposal = 75 "unknown_proposal",
    /// The proposal was enacted, withdrawn or has expired.
    ProposalClosed = 76 "proposal_closed",
    /// The sender has approved it before.
    AlreadyApproved = 77 "already_approved",
    /// The sender has not approved it.
    NotApproved = 78 "not_approved",
    /// The sender has as many proposals open as a member may.
    TooManyProposals = 79 "too_many_proposals",
    /// A threshold of none, or of more than there are members.
    BadThreshold = 80 "bad_threshold",
    /// There would be fewer members than must approve.
    TooFewMembers = 81 "too_few_members",
    /// There would be no administrator.
    LastAdministrator = 82 "last_administrator",
    /// As many have the role as may.
    TooManyHolders = 83 "too_many_holders",
    /// A proposal about validators that names no change.
    NoChanges = 90 "no_changes",
    /// A proposal of more changes than one may have.
    TooManyChanges = 91 "too_many_changes",
    /// A validator's name has too many bytes.
    NameTooLong = 92 "name_too_long",
    /// A validator without power is none.
    ZeroPower = 93 "zero_power",
    /// Not an Ed25519 key.
    BadIdentity = 94 "bad_identity",
    /// Not a BLS key, or the proof of possession is not that of its owner.
    BadVoteKey = 95 "bad_vote_key",
    /// Another validator votes with this key.
    DuplicateVoteKey = 96 "duplicate_vote_key",
    /// No validator has this identity.
    UnknownValidator = 97 "unknown_validator",
    /// A validator has this identity already.
    ValidatorExists = 98 "validator_exists",
    /// There would be no validator.
    LastValidator = 99 "last_validator",
    /// The powers would add up to more than may be.
    TooMuchPower = 100 "too_much_power",
    /// There would be more validators, or more would ever have been, than may be.
    TooManyValidators = 101 "too_many_validators",
    /// A consensus parameter would be out of its bounds, or not fit another one.
    BadParameter = 102 "bad_parameter",
    /// A change that leaves its object as it is.
    NothingChanges = 103 "nothing_changes",
    /// As many vote keys have been proposed in this block as a block has time for.
    TooManyVoteKeys = 104 "too_many_vote_keys",
    /// The validator to be reinstated is not suspended.
    NotSuspended = 105 "not_suspended",
    /// The identity is another one of a suspended validator.
    Suspended = 106 "suspended",
    /// The identity is that of a validator that was removed while it was suspended.
    Barred = 107 "barred",
}

impl Code {
    /// The number.
    pub const fn number(self) -> u32 {
        self as u32
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
