//! A script in which every code comes up, each for its reason.

use althing_crypto::ed25519::Signature;

use super::*;

enum Step {
    Init,
    DiskFails(bool),
    Precheck(Bytes),
    Check(Bytes),
    /// Executes and commits the next block; one outcome per transaction.
    Block(Vec<Bytes>),
    Ask(&'static str, Bytes, u64, bool),
}

/// Runs the step; the codes it gave, 0 for success.
fn run(ledger: &AssetLedger, store: &FaultyStore, step: &Step) -> Vec<(u32, String)> {
    let outcome = |error: Option<TxError>| error.map_or((0, String::new()), |error| (error.code, error.log));
    match step {
        Step::Init => {
            ledger.init_chain(&init_with(&[(1, 100), (2, 50)])).unwrap();
            vec![]
        }
        Step::DiskFails(failing) => {
            store.set_failing(*failing);
            vec![]
        }
        Step::Precheck(tx) => {
            ledger.precheck(&[tx]).into_iter().map(|result| outcome(result.err())).collect()
        }
        Step::Check(tx) => vec![outcome(ledger.check_tx(tx, CheckKind::New).err())],
        Step::Block(txs) => {
            let results = block(ledger, txs).tx_results;
            results.into_iter().map(|result| (result.code, result.log)).collect()
        }
        Step::Ask(path, data, height, prove) => {
            let q = Query { path: (*path).into(), data: data.clone(), height: *height, prove: *prove };
            let answer = ledger.query(&q);
            vec![(answer.code, answer.log)]
        }
    }
}

#[test]
fn every_code_in_a_script() {
    use Step::*;
    let ok = None;
    let code = |code: Code| Some(code);
    let tx = || Transaction::transfer(CHAIN, &key(1), 0, 0, address(2), 1, "");
    let sign = |count: usize, amount: u128, memo: usize| {
        let transfer = Instruction::Transfer { to: address(2), amount };
        Transaction::sign(CHAIN, &key(1), 0, 0, vec![transfer; count], &"x".repeat(memo)).encode()
    };
    let unsigned = || Transaction { signature: Signature::from_bytes([0; 64]), ..tx() }.encode();
    let foreign = || Transaction::transfer("other", &key(1), 0, 0, address(2), 1, "").encode();
    let short = || tx().encode()[1..].to_vec();
    let raw = |n: u8| address(n).as_bytes().to_vec();
    let (stranger, signer) = (address(3).to_string(), key(1).public_key().to_string());
    let mut seen = BTreeSet::new();
    let (store, ledger) = {
        let store = Arc::new(FaultyStore::default());
        (store.clone(), AssetLedger::open(store).unwrap())
    };
    let script: Vec<(Step, Vec<Option<Code>>, &str)> = vec![
        (Precheck(pay(1, 0, 2, 1)), vec![code(Code::NotInitialised)], "no state yet"),
        (Check(pay(1, 0, 2, 1)), vec![code(Code::NotInitialised)], "no state yet"),
        (Ask("supply", vec![], 0, false), vec![code(Code::NotInitialised)], "no state yet"),
        (Init, vec![], ""),
        // Stateless.
        (Precheck(pay(1, 0, 2, 1)), vec![ok], ""),
        (Precheck(sign(16, 1, 256)), vec![ok], ""),
        (Precheck(vec![]), vec![code(Code::Malformed)], "no bytes"),
        (Precheck(short()), vec![code(Code::Malformed)], "docs/transactions.md"),
        (Precheck(vec![1; 65_537]), vec![code(Code::TooLarge)], "65537 bytes, at most 65536"),
        (Precheck(foreign()), vec![code(Code::WrongChain)], "\"other\", this is \"test-chain\""),
        (Precheck(unsigned()), vec![code(Code::BadSignature)], &signer),
        (Precheck(sign(0, 1, 0)), vec![code(Code::NoInstructions)], "at least one"),
        (Precheck(sign(17, 1, 0)), vec![code(Code::TooManyInstructions)], "17 instructions, at most 16"),
        (Precheck(sign(1, 1, 257)), vec![code(Code::MemoTooLong)], "257 bytes, at most 256"),
        (Precheck(sign(1, 0, 0)), vec![code(Code::ZeroAmount)], "instruction 0"),
        (Precheck(sign(2, u128::MAX, 0)), vec![code(Code::Overflow)], "2^128 - 1"),
        // Against the state after genesis: 1 holds 100, 2 holds 50; block 1 is next.
        (Check(pay(1, 0, 2, 100)), vec![ok], ""),
        (Check(pay(1, 9, 2, 100)), vec![ok], ""),
        (Check(pay(1, 0, 2, 101)), vec![code(Code::InsufficientBalance)], "holds 100 and would transfer 101"),
        (Check(sign(16, 7, 0)), vec![code(Code::InsufficientBalance)], "holds 100 and would transfer 112"),
        (Check(pay(3, 0, 1, 1)), vec![code(Code::UnknownAccount)], &stranger),
        (Check(pay_until(1, 1, 0, 2, 1)), vec![ok], ""),
        (Check(short()), vec![code(Code::Malformed)], "docs/transactions.md"),
        // In blocks.
        (
            Block(vec![
                pay(1, 0, 2, 10),
                pay(1, 1, 2, 91),
                pay(1, 2, 3, 90),
                pay(3, 0, 1, 1),
                pay(3, 1, 3, 5),
            ]),
            vec![ok, code(Code::InsufficientBalance), ok, ok, ok],
            "holds 90 and would transfer 91",
        ),
        (Check(pay_until(1, 1, 3, 2, 1)), vec![code(Code::Expired)], "up to height 1, the next block is 2"),
        (Check(pay(1, 2, 2, 1)), vec![code(Code::WrongSequence)], "sequence 2 is already used, expected 3"),
        (Check(pay(1, 3, 2, 1)), vec![ok], ""),
        (Block(vec![pay(1, 0, 2, 10), pay(1, 2, 2, 1)]), vec![code(Code::WrongSequence); 2], "expected 3"),
        (Block(vec![pay(1, 5, 2, 1)]), vec![code(Code::WrongSequence)], "ahead of the sender's next, 3"),
        (Block(vec![pay(9, 0, 2, 1)]), vec![code(Code::UnknownAccount)], "has no account"),
        (
            Block(vec![pay_until(3, 1, 3, 2, 1)]),
            vec![code(Code::Expired)],
            "up to height 3, the next block is 5",
        ),
        (Block(vec![pay_until(6, 1, 3, 2, 1)]), vec![ok], ""),
        (
            Block(vec![short(), vec![], foreign(), sign(0, 1, 0)]),
            vec![
                code(Code::Malformed),
                code(Code::Malformed),
                code(Code::WrongChain),
                code(Code::NoInstructions),
            ],
            "",
        ),
        // Queries. Block 7 was the last.
        (Ask("account", raw(1), 0, false), vec![ok], ""),
        (Ask("/account", address(1).to_string().into_bytes(), 7, false), vec![ok], ""),
        (Ask("supply", vec![], 0, false), vec![ok], ""),
        (Ask("nonsense", vec![], 0, false), vec![code(Code::UnknownPath)], "\"account\" and \"supply\""),
        (Ask("account", vec![], 0, false), vec![code(Code::BadArgument)], "not an address"),
        (Ask("account", b"al1typo".to_vec(), 0, false), vec![code(Code::BadArgument)], "not an address"),
        (Ask("account", vec![255; 21], 0, false), vec![code(Code::BadArgument)], "21 bytes"),
        (
            Ask("supply", vec![], 6, false),
            vec![code(Code::HeightUnavailable)],
            "height 6 is not kept: ask for 7",
        ),
        (Ask("supply", vec![], 8, false), vec![code(Code::HeightUnavailable)], "height 8"),
        (Ask("supply", vec![], 0, true), vec![code(Code::ProofNotOffered)], "prove=false"),
        // The disk of this node.
        (DiskFails(true), vec![], ""),
        (Check(pay(1, 4, 2, 1)), vec![code(Code::StateUnavailable)], "disk on fire"),
        (Ask("account", raw(1), 0, false), vec![code(Code::StateUnavailable)], "disk on fire"),
        (DiskFails(false), vec![], ""),
        (Check(pay(3, 2, 2, 1)), vec![ok], ""),
    ];
    for (index, (step, expected, log)) in script.iter().enumerate() {
        let found = run(&ledger, &store, step);
        let codes: Vec<u32> = found.iter().map(|(code, _)| *code).collect();
        let expected: Vec<u32> = expected.iter().map(|code| code.map_or(0, Code::number)).collect();
        assert_eq!(codes, expected, "step {index}: {found:?}");
        assert!(
            log.is_empty() || found.iter().any(|(_, words)| words.contains(log)),
            "step {index}: {found:?}"
        );
        seen.extend(codes);
    }
    let all: BTreeSet<u32> = Code::ALL.into_iter().map(Code::number).chain([0]).collect();
    assert_eq!(seen, all, "every code has a step");
    assert_eq!((account(&ledger, 1), account(&ledger, 2), account(&ledger, 3)), ((0, 4), (61, 0), (89, 2)));
}
