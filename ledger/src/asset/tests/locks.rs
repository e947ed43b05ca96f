//! Locks and freezing: what is locked has left its account.

use super::*;

#[test]
fn a_lock_from_before_a_freeze_can_be_claimed_and_refunded() {
    let chain = Chain::with(&[(5, 100)]);
    let act = |n: u8, sequence, instructions: Vec<Instruction>| {
        Transaction::sign(CHAIN, &key(n), sequence, 0, instructions, "").encode()
    };
    let codes = |done: FinalizedBlock| done.tx_results.iter().map(|one| one.code).collect::<Vec<_>>();
    let lock = |amount, refund_height| Instruction::Lock {
        asset: COIN,
        from: address(5),
        to: address(6),
        amount,
        hash: sha256(&[7; 32]),
        refund_height,
    };
    let freeze = |n| Instruction::Freeze { asset: COIN, account: address(n) };
    let id = |index| LockId::new(&address(5), 0, index);
    assert_eq!(codes(chain.block(&[act(5, 0, vec![lock(30, 4), lock(50, 4)])])), [0]);
    assert_eq!(codes(chain.block(&[act(1, 0, vec![freeze(5), freeze(6)])])), [0]);

    // Claimed for a frozen recipient, of a frozen payer, by anybody: the units arrive, and stay.
    let claim = Instruction::Claim { lock: id(0), preimage: Hash::from_bytes([7; 32]) };
    let frozen = Code::Frozen.number();
    assert_eq!(codes(chain.block(&[act(8, 0, vec![claim]), pay(6, 0, 8, 1)])), [0, frozen]);
    let refund = Instruction::Refund { lock: id(1) };
    assert_eq!(codes(chain.block(&[act(8, 1, vec![refund]), pay(5, 1, 8, 1)])), [0, frozen]);
    assert_eq!(codes(chain.block(&[act(5, 2, vec![lock(1, 90)])])), [frozen], "but no new one");
    for (n, amount) in [(5, 70), (6, 30)] {
        let balance: BalanceView = chain.ask(&Question::Balance { asset: COIN, account: address(n) });
        assert_eq!((balance.amount, balance.frozen), (amount, true));
    }
}
