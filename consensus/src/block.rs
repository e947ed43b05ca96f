//! Headers and blocks. A block names its transactions by hash; their bytes are the driver's business.

use althing_crypto::{BlockHash, Encoding, Hash, TxHash, merkle_root, mutant, sha256_concat};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::notice::read_notices;
use crate::{Epoch, Height, Notice, Position, View, notices_fit, notices_root};

/// Longest chain id, in bytes.
pub const MAX_CHAIN_ID_BYTES: usize = 50;
/// Longest application hash, in bytes.
pub const MAX_APP_HASH_BYTES: usize = 64;

/// An application hash: 0 to 64 bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct AppHash(Vec<u8>);

impl AppHash {
    /// The bytes as an application hash, if they are at most 64.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX_APP_HASH_BYTES).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl BorshDeserialize for AppHash {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let bytes = Vec::deserialize_reader(reader)?;
        let len = bytes.len();
        Self::new(bytes).ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("application hash of {len} bytes, at most {MAX_APP_HASH_BYTES} allowed"),
            )
        })
    }
}

impl std::fmt::Display for AppHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for AppHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AppHash({self})")
    }
}

/// What a header says about execution: four values that a quorum vouches for by voting.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Vouched {
    /// The executed height e.
    pub height: Height,
    /// The application hash after executing it.
    pub app_hash: AppHash,
    /// Merkle root over the [`Execution`] of every height above the parent's e up to this e.
    pub executed_root: Hash,
    /// Hash of the validator set and parameters in force after it.
    pub next_epoch: Hash,
}

/// The outcome of executing one block, as far as consensus vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Execution {
    /// The height executed.
    pub height: Height,
    /// The application hash after it.
    pub app_hash: AppHash,
    /// Merkle root of the transactions' results.
    pub results_root: Hash,
}

impl Execution {
    /// The Merkle root over a run of executed heights: what [`Vouched::executed_root`] holds.
    pub fn root<'a>(run: impl IntoIterator<Item = &'a Self>) -> Hash {
        let leaves: Vec<Vec<u8>> = run.into_iter().map(|one| borsh::to_vec(one).expect("memory")).collect();
        merkle_root(&leaves)
    }
}

/// The outcome of executing one block, with what it means for the validators.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Executed {
    /// What consensus vouches for height by height.
    pub execution: Execution,
    /// The hash of the validator set and parameters in force after it.
    pub next_epoch: Hash,
}

/// A member whose views failed: it is left out of leader election for a while.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Absence {
    /// The member.
    pub member: Position,
    /// The last view it failed in.
    pub last: View,
    /// How many it failed in, since it last made a block.
    pub failures: u32,
}

/// A block's header: what its hash binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The chain.
    pub chain_id: String,
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// Its position in the chain.
    pub height: Height,
    /// The view of its first proposal.
    pub view: View,
    /// The block before it.
    pub parent: BlockHash,
    /// The view of the parent's certificate, 0 on an opening block: kept so that evidence stands alone.
    pub justify_view: View,
    /// Milliseconds since 1970, above the parent's.
    pub time_ms: u64,
    /// Merkle root of the transactions' hashes; of genesis, the genesis document's hash.
    pub payload_root: Hash,
    /// Merkle root of the notices; that of the empty tree where there are none.
    pub evidence_root: Hash,
    /// Members left out of leader election, by position.
    pub absent: Vec<Absence>,
    /// What it says about execution.
    pub vouched: Vouched,
}

impl Encoding for Header {
    const NAME: &'static str = "header";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 16 << 10;
}

impl Header {
    /// The block's hash: SHA-256 of a tag and the versioned encoding.
    pub fn hash(&self) -> BlockHash {
        BlockHash(sha256_concat(&[b"ALTHING/BLOCK", &self.encode()]))
    }
}

/// A header with the hashes of its transactions, and its notices.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions' hashes, in their order of execution.
    pub txs: Vec<TxHash>,
    /// What it carries beside them, in their order.
    #[borsh(deserialize_with = "read_notices")]
    pub notices: Vec<Notice>,
}

impl Encoding for Block {
    const NAME: &'static str = "block";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = 1 << 20;
}

impl Block {
    /// The header's hash.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }

    /// Whether the header's payload root is that of these transactions.
    pub fn payload_matches(&self) -> bool {
        self.header.payload_root == payload_root(&self.txs)
    }

    /// Whether the header's evidence root is that of these notices, and they are within bounds.
    pub fn notices_match(&self) -> bool {
        notices_fit(&self.notices)
            && (self.header.evidence_root == notices_root(&self.notices) || mutant!("notices_root_unchecked"))
    }

    /// Whether it carries anything that is to be executed.
    pub fn is_empty(&self) -> bool {
        self.txs.is_empty() && self.notices.is_empty()
    }
}

/// The Merkle root of transactions' hashes.
pub fn payload_root(txs: &[TxHash]) -> Hash {
    let leaves: Vec<&[u8; 32]> = txs.iter().map(|tx| tx.0.as_bytes()).collect();
    merkle_root(&leaves)
}

/// The evidence root of a block without notices.
pub fn no_evidence() -> Hash {
    merkle_root::<&[u8]>(&[])
}
