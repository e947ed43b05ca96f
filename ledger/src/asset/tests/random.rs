//! Random programs against a model of the ledger, and random bytes against the door.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::TxResult;

/// One transaction of a random program, over the accounts 1 to 6, of which the first three exist at genesis.
#[derive(Debug, Clone)]
struct Op {
    sender: u8,
    /// Added to the sender's right sequence.
    skew: i8,
    /// Added to the height for the expiry; `None` never expires.
    expiry: Option<i8>,
    transfers: Vec<(u8, u128)>,
    garbage: bool,
}

fn ops() -> impl Strategy<Value = Op> {
    let amount = prop_oneof![4 => 1u128..60, 1 => Just(u128::MAX), 1 => Just(0)];
    let skew = prop_oneof![6 => Just(0i8), 1 => -1i8..3];
    let expiry = prop_oneof![4 => Just(None), 1 => (-1i8..2).prop_map(Some)];
    (1u8..7, skew, expiry, vec((1u8..7, amount), 1..4), prop::bool::weighted(0.05)).prop_map(
        |(sender, skew, expiry, transfers, garbage)| Op { sender, skew, expiry, transfers, garbage },
    )
}

/// The ledger in ten lines: what a block must do, said anew.
#[derive(Clone)]
struct Model(BTreeMap<u8, (u128, u64)>);

impl Model {
    fn apply(&mut self, op: &Op, sequence: u64, expired: bool) -> bool {
        let sum = op.transfers.iter().try_fold(0u128, |sum, (_, amount)| sum.checked_add(*amount));
        let readable = !op.garbage && sum.is_some() && op.transfers.iter().all(|(_, amount)| *amount > 0);
        match self.0.get_mut(&op.sender) {
            Some((_, next)) if readable && !expired && *next == sequence => *next += 1,
            _ => return false,
        }
        let before = self.clone();
        for (to, amount) in &op.transfers {
            let from = &mut self.0.get_mut(&op.sender).unwrap().0;
            if *from < *amount {
                *self = before;
                return false;
            }
            *from -= amount;
            self.0.entry(*to).or_default().0 += amount;
        }
        true
    }

    fn next(&self, n: u8) -> u64 {
        self.0.get(&n).map_or(0, |(_, next)| *next)
    }
}

fn build(op: &Op, sequence: u64, expiry: u64) -> Bytes {
    let transfer = |&(to, amount): &(u8, u128)| Instruction::Transfer { to: address(to), amount };
    let instructions = op.transfers.iter().map(transfer).collect();
    let mut bytes = Transaction::sign(CHAIN, &key(op.sender), sequence, expiry, instructions, "").encode();
    if op.garbage {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}

fn codes(results: &[TxResult]) -> Vec<bool> {
    results.iter().map(|result| result.code == 0).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// A random program does what the model does, keeps the supply, and gives one answer on a ledger that runs through
    /// and on one that crashes before and after every commit.
    #[test]
    fn random_programs(program in vec(vec(ops(), 0..8), 1..8)) {
        let genesis = [(1u8, 100u128), (2, 50), (3, 0)];
        let (_, steady) = begun(&genesis);
        let (store, mut shaky) = begun(&genesis);
        let mut model = Model(genesis.iter().map(|&(n, balance)| (n, (balance, 0))).collect());
        for (index, ops) in program.iter().enumerate() {
            let height = index as u64 + 1;
            let (mut txs, mut expected) = (vec![], vec![]);
            for op in ops {
                let sequence = model.next(op.sender).saturating_add_signed(op.skew.into());
                let expiry = op.expiry.map_or(0, |offset| height.saturating_add_signed(offset.into()));
                txs.push(build(op, sequence, expiry));
                expected.push(model.apply(op, sequence, expiry != 0 && expiry < height));
            }
            let done = block(&steady, &txs);
            prop_assert_eq!(codes(&done.tx_results), expected);

            prop_assert_eq!(&finalize(&shaky, height, &txs).unwrap(), &done);
            shaky = AssetLedger::open(store.clone()).unwrap();
            prop_assert_eq!(shaky.info().last_height, height - 1);
            prop_assert_eq!(&finalize(&shaky, height, &txs).unwrap(), &done);
            shaky.commit().unwrap();
            shaky = AssetLedger::open(store.clone()).unwrap();
            prop_assert_eq!(shaky.info(), steady.info());

            let held: Vec<_> = (1..7).map(|n| account(&shaky, n)).collect();
            let modelled: Vec<_> = (1..7).map(|n| model.0.get(&n).copied().unwrap_or_default()).collect();
            prop_assert_eq!(&held, &modelled);
            prop_assert_eq!(held.iter().map(|(balance, _)| balance).sum::<u128>(), 150);
            let supply = shaky.query(&Query { path: "supply".into(), ..Query::default() }).value;
            prop_assert_eq!(serde_json::from_slice::<Asset>(&supply).unwrap().supply, 150);
        }
    }

    /// Whatever comes over the boundary is answered.
    #[test]
    fn garbage_never_panics(garbage in vec(vec(any::<u8>(), 0..300), 0..6), path in ".{0,40}", height: u64, prove: bool) {
        let (_, ledger) = begun(&[(1, 100)]);
        let txs: Vec<&[u8]> = garbage.iter().map(Vec::as_slice).collect();
        prop_assert!(ledger.precheck(&txs).iter().all(Result::is_err));
        for tx in &txs {
            prop_assert!(ledger.check_tx(tx, CheckKind::New).is_err());
            let q = Query { path: path.clone(), data: tx.to_vec(), height, prove };
            prop_assert!(ledger.query(&q).code != 0 || !prove);
            ledger.query(&Query { path: "account".into(), data: tx.to_vec(), ..Query::default() });
            let fresh = AssetLedger::open(Arc::new(MemoryStore::new())).unwrap();
            let init = InitChain { app_state: tx.to_vec(), ..init_with(&[]) };
            prop_assert!(fresh.init_chain(&init).is_err());
        }
        let before = ledger.info().app_hash;
        prop_assert_eq!(block(&ledger, &garbage).app_hash, before);
    }
}
