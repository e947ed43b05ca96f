//! What clients hand in: transactions, addresses, questions to the ledger; and proofs that others hand out.

use std::sync::LazyLock;

use althing_crypto::ed25519::PublicKey;
use althing_crypto::{Encoding, Hash, MerkleProof, TxHash, merkle_proof, merkle_root};
use althing_ledger::asset::{
    AccountView, Address, Approval, AssetView, BalanceView, COIN, GenesisState, Instruction, LockId,
    LockView, Page, Question, Symbol, Transaction,
};
use althing_ledger::{Application, AssetLedger, CheckKind, FinalizeBlock, Query, kv};
use serde::de::DeserializeOwned;

use super::chain::{ACCOUNTS, CHAIN, CHAIN_ID, account_key, fresh_ledger};
use super::laws::decode;
use super::script::Script;

/// The ledger after genesis, only ever asked.
static LEDGER: LazyLock<AssetLedger> = LazyLock::new(|| fresh_ledger(&CHAIN.genesis).0);

/// The first byte chooses what the rest is.
pub fn transaction(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => one(rest),
        1 => block(rest),
        2 => text(rest),
        _ => proof(rest),
    }
}

/// One transaction as it came: the verdict on its signature is the same alone and among others.
fn one(bytes: &[u8]) {
    decode::<kv::Transaction>(bytes);
    let read = decode::<Transaction>(bytes);
    let ledger = &*LEDGER;
    let alone = ledger.precheck(&[bytes]);
    let good = Transaction::transfer(CHAIN_ID, &account_key(0), 0, 0, address(1), 1, "").encode();
    let among = ledger.precheck(&[&good, bytes, bytes, &good]);
    assert_eq!(among[1..3], [alone[0].clone(), alone[0].clone()]);
    assert!(among[0].is_ok() && among[3].is_ok());
    let checked = ledger.check_tx(bytes, CheckKind::New);
    let (Some(read), Ok(admission)) = (read, &alone[0]) else {
        assert!(alone[0].is_err(), "what does not decode is no transaction");
        return;
    };
    let approvers: Vec<Address> = read.approvals.iter().map(Approval::account).collect();
    assert_eq!(approvers, read.approvers());
    for approval in &read.approvals {
        if let Approval::Key { key, signature } = approval {
            assert!(key.verify(&read.sign_bytes(), signature));
        }
    }
    assert_eq!((&read.chain_id[..], admission.sequence), (CHAIN_ID, read.sequence));
    if checked.is_ok() {
        assert!(!read.instructions.is_empty());
    }
}

/// A block of transactions made from the script, some signed anew by funded accounts. Whatever they are, the balances and open locks
/// of each asset make its supply, and each account's sequence counts its transactions that executed.
fn block(bytes: &[u8]) {
    let (ledger, _) = fresh_ledger(&CHAIN.genesis);
    let mut script = Script::new(bytes);
    let mut known: Vec<Address> = (0..ACCOUNTS).map(address).collect();
    for height in 1..=3 {
        let txs: Vec<Vec<u8>> = (0..script.below(5)).map(|_| made(&mut script, &mut known)).collect();
        let slices: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
        let before: Vec<u64> = known.iter().map(|one| account(&ledger, one).sequence).collect();
        let finalized = finalize(&ledger, height, &slices);
        assert_eq!(finalized, finalize(&ledger, height, &slices), "a block executed again ends otherwise");
        ledger.commit().expect("a finalized block");
        assert_eq!(finalized.tx_results.len(), txs.len());
        conserved(&ledger);
        let after: u64 = known.iter().map(|one| account(&ledger, one).sequence).sum();
        let counted = after - before.iter().sum::<u64>();
        assert!(counted <= txs.len() as u64, "{counted} sequences were used by {} transactions", txs.len());
        let good = finalized.tx_results.iter().filter(|result| result.code == 0).count();
        assert!(good as u64 <= counted, "{good} transactions succeeded, {counted} sequences were used");
        assert_eq!(ledger.info().expect("it is in memory").app_hash, finalized.app_hash);
    }
}

fn finalize(ledger: &AssetLedger, height: u64, txs: &[&[u8]]) -> althing_ledger::FinalizedBlock {
    let block = FinalizeBlock { height, time_ms: height, hash: Hash::ZERO, txs, ..Default::default() };
    ledger.finalize_block(&block).expect("the next height")
}

/// A transaction: as it stands in the script, or decoded and signed by a funded account for this chain.
fn made(script: &mut Script<'_>, known: &mut Vec<Address>) -> Vec<u8> {
    let choice = script.byte();
    let from = account_key(choice >> 2);
    if choice & 3 == 0 {
        let bytes = script.chunk().to_vec();
        if let Ok(tx) = Transaction::decode(&bytes) {
            note(Address::of(&from.public_key()), known);
            let sender = Address::of(&from.public_key());
            let tx = Transaction { chain_id: CHAIN_ID.to_owned(), sender, approvals: Vec::new(), ..tx };
            return tx.approved_by(&from).encode();
        }
        return bytes;
    }
    let to = address(script.byte());
    let amount = u128::from(script.u16()) << (script.byte() % 120);
    let payer = Address::of(&from.public_key());
    let transfer = |amount| Instruction::Transfer { asset: COIN, from: payer, to, amount };
    let instructions = (0..choice & 3).map(|index| transfer(amount >> (8 * index))).collect();
    let sequence = u64::from(script.byte() % 4);
    Transaction::sign(CHAIN_ID, &from, sequence, u64::from(choice >> 6), instructions, "").encode()
}

fn note(sender: Address, known: &mut Vec<Address>) {
    if !known.contains(&sender) {
        known.push(sender);
    }
}

fn address(account: u8) -> Address {
    Address::of(&account_key(account).public_key())
}

fn ask<T: DeserializeOwned>(ledger: &AssetLedger, question: &Question) -> T {
    let answer = ledger.query(&question.query());
    assert_eq!(answer.code, 0, "{}", answer.log);
    serde_json::from_slice(&answer.value).expect("an answer as JSON")
}

fn account(ledger: &AssetLedger, address: &Address) -> AccountView {
    ask(ledger, &Question::Account { account: *address })
}

/// Three blocks of at most five transactions leave few assets, holders and locks: a page of each is all.
fn conserved(ledger: &AssetLedger) {
    let assets: Page<AssetView, Symbol> = ask(ledger, &Question::Assets { after: None, limit: 100 });
    assert_eq!(assets.next, None);
    for AssetView { asset, supply, .. } in assets.items {
        let holders = Question::Holders { asset, after: None, limit: 100 };
        let holders: Page<BalanceView, Address> = ask(ledger, &holders);
        let mut sum: u128 = holders.items.iter().map(|one| one.amount).sum();
        for BalanceView { account, .. } in &holders.items {
            let locks = Question::Locks { account: *account, after: None, limit: 100 };
            let locks: Page<LockView, LockId> = ask(ledger, &locks);
            // Each lock is found with its payer, who holds or held the asset, and again with its recipient.
            let own = locks.items.iter().filter(|one| one.lock.asset == asset && one.lock.from == *account);
            sum += own.map(|one| one.lock.amount).sum::<u128>();
        }
        assert_eq!(sum, supply, "units of {asset} were made or lost");
    }
}

/// Text: an address, a key, a hash, a query, an application's first state.
fn text(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let flags = script.byte();
    let path = String::from_utf8_lossy(script.take(usize::from(flags >> 1 & 15))).into_owned();
    let query =
        Query { path, data: script.rest().to_vec(), height: u64::from(flags >> 5), prove: flags & 1 == 1 };
    let answer = LEDGER.query(&query);
    assert_eq!(answer.code == 0, answer.codespace.is_empty());
    assert!(answer.log.len() < 1_000, "a refusal of {} bytes", answer.log.len());
    if let Ok(state) = GenesisState::from_json(bytes) {
        let text = serde_json::to_vec(&state).expect("text keys");
        assert_eq!(GenesisState::from_json(&text).expect("its own text"), state);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string(), text.to_lowercase(), "one address, two texts");
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string(), text.to_lowercase());
    }
    if let Ok(hash) = text.parse::<TxHash>() {
        assert_eq!(hash.to_string(), text.to_lowercase());
    }
}

/// Of a tree whose size is known a proof convinces only where it is the tree's own. The script: number of leaves, which leaf is
/// claimed, then the proof.
fn proof(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let leaves: Vec<[u8; 1]> = (0..script.below(33)).map(|leaf| [leaf as u8]).collect();
    let (claimed, place) = (script.below(33), script.below(33));
    let root = merkle_root(&leaves);
    let own = merkle_proof(&leaves, place);
    assert_eq!(own.is_some(), place < leaves.len());
    assert!(own.iter().all(|own| own.verify(&root, &leaves[place])));
    let rest = script.rest();
    let claims = [serde_json::from_slice(rest).ok(), borsh::from_slice(rest).ok()];
    for proof in claims.into_iter().flatten() {
        let proof: MerkleProof = proof;
        let index = usize::try_from(proof.index).unwrap_or(usize::MAX);
        let honest = merkle_proof(&leaves, index).as_ref() == Some(&proof) && index == claimed;
        let convinces = proof.verify(&root, &[claimed as u8]);
        if usize::try_from(proof.total) == Ok(leaves.len()) {
            assert_eq!(convinces, honest, "{proof:?} over {} leaves", leaves.len());
        }
        let _ = proof.verify(&Hash::ZERO, &[]);
    }
}
