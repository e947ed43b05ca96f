//! What the journal's files say, record by record. A later record of a transaction counts more than an earlier one.

use althing_consensus::Height;
use althing_crypto::{Encoding, TxHash};
use althing_mempool::TxBytes;
use borsh::{BorshDeserialize, BorshSerialize};

use super::Ending;

/// Bytes of a client's name that are kept.
pub(super) const MAX_CLIENT_BYTES: usize = 128;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum Record {
    /// The first of a segment: number and length of the one before, as far as it could be read when this one was begun. What of it
    /// is missing later has been lost.
    Opened { before: Option<(u64, u64)> },
    /// A transaction was acknowledged, or is written anew where the segment that held it goes.
    Kept(Kept),
    /// What became of one.
    Ended { tx: TxHash, ended: Ended },
    /// What the blocks up to this height came to is written.
    Followed(Height),
}

/// A transaction that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Kept {
    pub(super) tx: TxHash,
    /// None once a block has it.
    pub(super) bytes: TxBytes,
    /// Who handed it in.
    pub(super) client: String,
    /// No block up to this height holds it.
    pub(super) above: Height,
    pub(super) ended: Option<Ended>,
}

/// An end, and when it was known, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Ended {
    pub(super) at_ms: u64,
    pub(super) how: Ending,
}

impl Encoding for Record {
    const NAME: &'static str = "journal record";
    const VERSION: u8 = 1;
    // The largest transaction that any chain takes fits with room.
    const MAX_BYTES: usize = 64 << 20;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on the disks of nodes must be read by later versions.
    #[test]
    fn encodings_do_not_change() {
        let hex = |record: Record| hex::encode(record.encode());
        assert_eq!(hex(Record::Opened { before: Some((1, 2)) }), "01000101000000000000000200000000000000");
        assert_eq!(hex(Record::Followed(Height(3))), "01030300000000000000");
        let tx = TxHash::of(b"t");
        let ended = Ended { at_ms: 1, how: Ending::executed(Height(2), 3, 4) };
        let name = tx.to_string();
        assert_eq!(
            hex(Record::Ended { tx, ended: ended.clone() }),
            format!("0102{name}01000000000000000002000000000000000300000004000000")
        );
        let kept = Kept {
            tx,
            bytes: b"t".to_vec().into(),
            client: "c".into(),
            above: Height(1),
            ended: Some(ended),
        };
        assert_eq!(
            hex(Record::Kept(kept)),
            format!(
                "0101{name}0100000074010000006301000000000000000101000000000000000002000000000000000300000004000000"
            )
        );
    }
}
