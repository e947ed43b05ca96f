//! A block together with its payload: what is stored, fetched and executed.

use std::io::{self, Read};

use althing_consensus::{Block, ConsensusParams};
use althing_crypto::{Encoding, TxHash};
use althing_mempool::TxBytes;
use borsh::{BorshDeserialize, BorshSerialize};

/// A block with the bytes of its transactions, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// The header and the transactions' hashes.
    pub block: Block,
    /// The transactions.
    #[borsh(deserialize_with = "transactions")]
    pub txs: Vec<TxBytes>,
}

impl Encoding for Body {
    const NAME: &'static str = "block body";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = MAX_BODY_BYTES;
}

/// Longest encoding of a body: more than the parameters of any chain allow.
pub const MAX_BODY_BYTES: usize = 12 << 20;

/// More transactions than a block of any chain may have.
const MAX_TXS: u32 = 20_000;

/// No transaction of any chain is longer.
const MAX_TX_BYTES: usize = ConsensusParams::MAX_TX_BYTES as usize;

/// Reads transactions: not more than a block has, none of them empty, so that few bytes cannot stand for much work.
pub(crate) fn transactions<R: Read>(reader: &mut R) -> io::Result<Vec<TxBytes>> {
    let fault = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let count = u32::deserialize_reader(reader)?;
    if count > MAX_TXS {
        return fault(format!("{count} transactions at once, at most {MAX_TXS} are read"));
    }
    let (mut txs, mut bytes) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let len = u32::deserialize_reader(reader)? as usize;
        if len == 0 {
            return fault("a transaction without bytes".to_owned());
        }
        if len > MAX_TX_BYTES {
            return fault(format!("a transaction of {len} bytes, at most {MAX_TX_BYTES} are read"));
        }
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        reader.read_exact(&mut bytes[..len])?;
        txs.push(TxBytes::from(&bytes[..len]));
    }
    Ok(txs)
}

impl Body {
    /// Whether the block's roots, its list of hashes, the transactions and the notices belong together, within the chain's limits.
    /// For bodies from elsewhere; says what is wrong.
    pub fn check(&self, params: &ConsensusParams) -> Result<(), String> {
        let (named, here) = (self.block.txs.len(), self.txs.len());
        if named != here {
            return Err(format!("the block names {named} transactions, {here} came with it"));
        }
        if !self.block.payload_matches() {
            return Err("its payload root is not that of its transactions' hashes".to_owned());
        }
        if !self.block.notices_match() {
            return Err("its evidence root is not that of its notices, or these are too many".to_owned());
        }
        within_limits(&self.txs, params)?;
        match self.block.txs.iter().zip(&self.txs).find(|(hash, tx)| TxHash::of(tx) != **hash) {
            Some((hash, _)) => {
                Err(format!("the bytes in the place of transaction {hash} are not that transaction"))
            }
            None => Ok(()),
        }
    }

    /// Bytes of the transactions together.
    pub fn payload_bytes(&self) -> usize {
        self.txs.iter().map(|tx| tx.len()).sum()
    }
}

/// Whether a payload is within the chain's limits of number and size.
pub fn within_limits<'a>(
    txs: impl IntoIterator<Item = &'a TxBytes>,
    params: &ConsensusParams,
) -> Result<(), String> {
    let (max_txs, max_bytes, max_tx) =
        (params.max_block_txs as usize, params.max_block_bytes as usize, params.max_tx_bytes as usize);
    let (mut count, mut bytes, mut largest) = (0, 0, 0);
    for tx in txs {
        (count, bytes, largest) = (count + 1, bytes + tx.len(), largest.max(tx.len()));
    }
    if count > max_txs {
        return Err(format!("{count} transactions, at most {max_txs} are allowed in a block"));
    }
    if largest > max_tx {
        return Err(format!("a transaction of {largest} bytes, at most {max_tx} are allowed"));
    }
    if bytes > max_bytes {
        return Err(format!("transactions of {bytes} bytes, at most {max_bytes} are allowed in a block"));
    }
    Ok(())
}
