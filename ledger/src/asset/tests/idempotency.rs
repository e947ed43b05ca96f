//! What idempotency keys leave behind.

use super::*;
use crate::state::Records;

#[test]
fn a_key_is_told_as_text_where_it_is_printable() {
    for (key, expected) in [
        (&b"invoice-17"[..], "\"invoice-17\""),
        (b"a \"b\"", "\"a \\\"b\\\"\""),
        (&[0x61, 0x1b], "611b"),
        ("\u{202e}".as_bytes(), "e280ae"),
        (&[0xff], "ff"),
    ] {
        assert_eq!(idempotency_key_text(key), expected);
    }
}

/// As many transactions as a chain may have in a block at most.
const FULL_BLOCK: u64 = 20_000;

#[test]
fn a_full_block_of_keys_is_forgotten_by_one_block() {
    let genesis = GenesisState { idempotency_window: 0, ..genesis_with(&[(1, 100_000)]) };
    let chain = Chain::begin(&init_of(&genesis));
    let approval = Approval::Key { key: key(1).public_key(), signature: Signature::from_bytes([0; 64]) };
    let keyed = |sequence: u64| {
        let pay = Instruction::Transfer { asset: COIN, from: address(1), to: address(2), amount: 1 };
        let tx = Transaction::new(CHAIN, address(1), sequence, vec![pay]);
        let idempotency_key = Some(sequence.to_be_bytes().to_vec());
        Transaction { idempotency_key, approvals: vec![approval.clone()], ..tx }.encode()
    };
    let before = chain.ledger.state.newest().range(&[], &[], usize::MAX).unwrap().len();
    let done = chain.block(&(0..FULL_BLOCK).map(keyed).collect::<Vec<_>>());
    assert!(done.tx_results.iter().all(|result| result.code == 0));
    let keys = |state: &State| state.newest().range(&[], &[], usize::MAX).unwrap().len() - before;
    // Beside the keys there are now the sender's account and another's balance.
    assert_eq!(keys(&chain.ledger.state), 2 * FULL_BLOCK as usize + 2);
    chain.block(&[]);
    assert_eq!(keys(&chain.ledger.state), 2);
}
