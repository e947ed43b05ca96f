//! Blocks of transfers as the asset ledger has them, with certificates, results and events of their true size; nobody checks signatures
//! here.

use std::sync::Arc;

use althing_consensus::{
    AppHash, Block, Epoch, Execution, Height, Phase, Position, QuorumCertificate, View, payload_root,
};
use althing_crypto::{Encoding, Hash, TxHash, bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::asset::{Address, Approval, COIN, Instruction, Transaction};
use althing_ledger::{Attribute, Event, TxResult};
use althing_node::body::Body;
use althing_node::new_chain;
use althing_node::storage::StoredResults;

use super::Failure;
use crate::sim::Random;

const CHAIN_ID: &str = "stores";

/// A block with all that is stored of it.
pub struct Committed {
    /// The block with its transactions.
    pub body: Arc<Body>,
    /// The certificate of it.
    pub certificate: QuorumCertificate,
    /// The transactions' hashes, in their order.
    pub hashes: Vec<TxHash>,
    /// Who sent each of them.
    pub senders: Vec<Option<String>>,
    /// What executing it gave.
    pub results: StoredResults,
}

/// A chain of transfers between accounts drawn at random.
pub struct Transfers {
    genesis: Body,
    accounts: u64,
    height: u64,
    sequence: u64,
    random: Random,
}

impl Transfers {
    /// A chain of so many accounts, without a block.
    pub fn new(accounts: u64) -> Result<Self, Failure> {
        let genesis = Body { block: genesis()?, txs: Vec::new() };
        Ok(Self { genesis, accounts, height: 0, sequence: 0, random: Random::new(1) })
    }

    /// Block 0.
    pub fn genesis(&self) -> &Body {
        &self.genesis
    }

    /// The next block, of so many transfers.
    pub fn block(&mut self, txs: u64) -> Committed {
        self.height += 1;
        let height = Height(self.height);
        let transfers: Vec<_> = (0..txs).map(|_| self.transfer()).collect();
        let mut block = self.genesis.block.clone();
        block.txs = transfers.iter().map(|one| TxHash::of(&one.bytes)).collect();
        (block.header.height, block.header.epoch) = (height, Epoch(1));
        block.header.payload_root = payload_root(&block.txs);
        let (certificate, hashes) = (certificate(&block), block.txs.clone());
        let txs = transfers.iter().map(|one| one.bytes.as_slice().into()).collect();
        let senders = transfers.iter().map(|one| Some(one.sender.clone())).collect();
        let tx_results = transfers
            .into_iter()
            .map(|one| TxResult { events: vec![one.event], ..TxResult::default() })
            .collect();
        let execution = Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO };
        let results = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events: Vec::new() };
        Committed { body: Arc::new(Body { block, txs }), certificate, hashes, senders, results }
    }

    /// A transfer as the asset ledger has it, with its event.
    fn transfer(&mut self) -> Transfer {
        let mut account = || address(self.random.below(self.accounts));
        let (from, to) = (account(), account());
        let (from_text, to_text) = (from.to_string(), to.to_string());
        let key = ed25519::PublicKey::from_bytes([9; 32]);
        let signature = ed25519::Signature::from_bytes([1; 64]);
        let instruction = Instruction::Transfer { asset: COIN, from, to, amount: 1 };
        self.sequence += 1;
        let mut tx = Transaction::new(CHAIN_ID, from, self.sequence, vec![instruction]);
        tx.approvals.push(Approval::Key { key, signature });
        let attribute = |key: &str, value: String, index| Attribute { key: key.to_owned(), value, index };
        let attributes = vec![
            attribute("asset", COIN.to_string(), true),
            attribute("sender", from_text.clone(), true),
            attribute("recipient", to_text, true),
            attribute("amount", "1".to_owned(), false),
        ];
        let event = Event { kind: "transfer".to_owned(), attributes };
        Transfer { bytes: tx.encode(), sender: from_text, event }
    }
}

struct Transfer {
    bytes: Vec<u8>,
    sender: String,
    event: Event,
}

/// The address of an account.
pub fn address(account: u64) -> Address {
    let mut bytes = [7; 20];
    bytes[..8].copy_from_slice(&account.to_be_bytes());
    Address::from_bytes(bytes)
}

/// Block 0 of a chain of one validator.
fn genesis() -> Result<Block, Failure> {
    let identity = ed25519::SecretKey::from_seed([1; 32]);
    let vote = bls::SecretKey::from_seed(&bls::BLS, &[1; 32]);
    let validators = vec![new_chain::validator("v", &identity, &vote)];
    let document = new_chain::document(CHAIN_ID, validators, &[address(0)]);
    Ok(Genesis::new(document, &bls::BLS)?.block(AppHash::default()))
}

/// A certificate of its size; nobody checks it here.
fn certificate(block: &Block) -> QuorumCertificate {
    QuorumCertificate {
        phase: Phase::Commit,
        epoch: Epoch(1),
        view: View(block.header.height.0),
        block: block.hash(),
        signers: [Position(0)].into_iter().collect(),
        signature: bls::Signature::from_bytes([3; 96]),
    }
}
