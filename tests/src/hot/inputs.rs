//! What several paths work on: signed transfers, a block of them, what executing it gave.

use std::sync::{Arc, LazyLock};

use althing_consensus::{
    Block, ConsensusParams, Epoch, Execution, Height, Phase, Position, QuorumCertificate, View, payload_root,
};
use althing_crypto::ed25519::{PublicKey, SecretKey};
use althing_crypto::{Encoding, Hash, TxHash, bls, sha256};
use althing_ledger::asset::{Address, GenesisState, Transaction};
use althing_ledger::state::MemoryFiles;
use althing_ledger::{Application, AssetLedger, FinalizeBlock, FinalizedBlock, InitChain};
use althing_node::body::Body;
use althing_node::storage::StoredResults;

use crate::bare::Setup;

pub(super) const CHAIN_ID: &str = "hot";
/// Transactions of a block.
pub(super) const BLOCK: usize = 500;
/// Signed transfers that there are, each of another sender.
const TRANSFERS: usize = 512;
/// Accounts with a balance; the first of them have signed.
const ACCOUNTS: usize = 10_000;
const FUNDS: u128 = 1_000_000;

static TRANSFERS_SIGNED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let transfer = |index: usize| {
        let to = address((index * 7_919 + 1_000) % ACCOUNTS);
        Transaction::transfer(CHAIN_ID, &key(index), 0, 100, to, 1, "memo").encode()
    };
    (0..TRANSFERS).map(transfer).collect()
});

static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| {
    let signer = |index| Address::of(&key(index).public_key());
    // Any bytes are a key until a signature is checked.
    let other = |index: usize| Address::of(&PublicKey::from_bytes(*sha256(&index.to_be_bytes()).as_bytes()));
    (0..TRANSFERS).map(signer).chain((TRANSFERS..ACCOUNTS).map(other)).collect()
});

fn address(index: usize) -> Address {
    ADDRESSES[index]
}

fn seed(index: usize) -> [u8; 32] {
    *sha256(&[b"hot", &index.to_be_bytes()[..]].concat()).as_bytes()
}

/// The key of one who signs.
pub(super) fn key(index: usize) -> SecretKey {
    SecretKey::from_seed(seed(index))
}

/// The key that a validator votes with.
pub(super) fn vote_key(index: usize) -> bls::SecretKey {
    bls::SecretKey::from_seed(&bls::BLS, &seed(index))
}

/// The first so many signed transfers, at most 512.
pub(super) fn transfers(count: usize) -> Vec<Vec<u8>> {
    TRANSFERS_SIGNED[..count].to_vec()
}

/// An asset ledger in memory in which ten thousand accounts hold units, before its first block.
pub(super) fn ledger() -> AssetLedger {
    let ledger = AssetLedger::open(Arc::new(MemoryFiles::new()), 100).expect("memory");
    let state = GenesisState::plain(&ADDRESSES, FUNDS);
    let init = InitChain {
        chain_id: CHAIN_ID.to_owned(),
        initial_height: 1,
        app_state: serde_json::to_vec(&state).expect("it has no maps with other keys than text"),
        ..Default::default()
    };
    ledger.init_chain(&init).expect("a sound genesis");
    ledger
}

/// Executes these as the first block.
pub(super) fn execute(ledger: &AssetLedger, txs: &[Vec<u8>]) -> FinalizedBlock {
    let txs: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
    let block = FinalizeBlock { height: 1, time_ms: 1, hash: Hash::ZERO, txs: &txs, ..Default::default() };
    ledger.finalize_block(&block).expect("the next block")
}

/// Block 0 of a chain of four, and block 1 with 500 transfers.
pub(super) fn blocks() -> [Body; 2] {
    let setup = Setup::new(&[1; 4], ConsensusParams::default());
    let genesis = setup.genesis().clone();
    let txs = transfers(BLOCK);
    let hashes: Vec<_> = txs.iter().map(|tx| TxHash::of(tx)).collect();
    let mut header = genesis.header.clone();
    (header.epoch, header.height, header.view) = (Epoch(1), Height(1), View(1));
    (header.parent, header.payload_root) = (genesis.hash(), payload_root(&hashes));
    let block = Block { header, txs: hashes, notices: Vec::new() };
    let first = Body { block, txs: txs.into_iter().map(Into::into).collect() };
    [Body { block: genesis, txs: Vec::new() }, first]
}

/// A certificate of this block of its full size, signed by nobody.
pub(super) fn certificate(phase: Phase, block: &Block) -> QuorumCertificate {
    QuorumCertificate {
        phase,
        epoch: block.header.epoch,
        view: block.header.view,
        block: block.hash(),
        signers: (0..3).map(Position).collect(),
        signature: bls::Signature::from_bytes([3; 96]),
    }
}

/// What executing block 1 gave, and the senders of its transactions.
pub(super) fn results(body: &Body) -> (StoredResults, Vec<Option<String>>) {
    let ledger = ledger();
    let done = execute(&ledger, &transfers(BLOCK));
    assert!(done.tx_results.iter().all(|result| result.code == 0), "each has funds and its sequence");
    let execution = Execution { height: Height(1), app_hash: Default::default(), results_root: Hash::ZERO };
    let senders = body.txs.iter().map(|tx| ledger.sender(tx)).collect();
    let next_epoch = body.block.header.vouched.next_epoch;
    let stored = StoredResults { execution, next_epoch, tx_results: done.tx_results, events: done.events };
    (stored, senders)
}
