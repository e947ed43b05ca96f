//! How a transaction that this node acknowledged came to its end, and which refusals are none.

use althing_consensus::Height;
use althing_mempool::{Code, Refusal};
use borsh::{BorshDeserialize, BorshSerialize};

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ending {
    /// It is in a block, whose results are stored.
    Executed {
        /// The block's height.
        height: Height,
        /// Its place in the block.
        index: u32,
        /// 0 if it did what it says.
        code: u32,
    },
    /// This node keeps it no longer, and no block that it has executed holds it.
    Dropped {
        /// Never 0.
        code: u32,
        /// Whose code it is.
        codespace: String,
        /// The reason in words.
        log: String,
    },
}

impl Ending {
    /// The end of what the mempool refuses or drops so.
    pub fn dropped(refusal: &Refusal) -> Self {
        let Refusal { code, codespace, log } = refusal.clone();
        Self::Dropped { code, codespace, log }
    }

    /// The end of what a block holds.
    pub fn executed(height: Height, index: u32, code: u32) -> Self {
        Self::Executed { height, index, code }
    }

    /// In one word: `committed`, `failed`, `expired` or `evicted`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Executed { code: 0, .. } => "committed",
            Self::Executed { .. } => "failed",
            Self::Dropped { code, codespace, .. } => {
                let refusal = Refusal { code: *code, codespace: codespace.clone(), log: String::new() };
                match refusal.own_code() {
                    Some(Code::Expired) => "expired",
                    // The application refuses it, or would: its sequence went to another.
                    None | Some(Code::SequenceUsed) => "failed",
                    // The pool has no room for it, or waited in vain for what must come before it.
                    Some(_) => "evicted",
                }
            }
        }
    }

    /// Whether it is found in a block.
    pub fn is_executed(&self) -> bool {
        matches!(self, Self::Executed { .. })
    }
}

/// Whether a transaction that is refused so may be taken a little later, as it is, or has an end that the chain tells.
pub(super) fn passes_by_itself(refusal: &Refusal) -> bool {
    matches!(
        refusal.own_code(),
        Some(
            Code::Busy
                | Code::Full
                | Code::SenderFull
                | Code::SequenceTaken
                | Code::SequenceGap
                | Code::HeldFull
                | Code::Committed
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_word() {
        let own = |code: Code| Ending::dropped(&Refusal::own(code, String::new())).word();
        assert_eq!(own(Code::Expired), "expired");
        assert_eq!(own(Code::SequenceUsed), "failed");
        assert_eq!([own(Code::HeldTooLong), own(Code::HeldFull), own(Code::TooLarge)], ["evicted"; 3]);
        let theirs = Refusal { code: Code::Expired as u32, codespace: "ledger".into(), log: String::new() };
        assert_eq!(Ending::dropped(&theirs).word(), "failed");
        assert_eq!(Ending::executed(Height(1), 0, 0).word(), "committed");
        assert_eq!(Ending::executed(Height(1), 0, 5).word(), "failed");
    }
}
