//! Bad input, one row each: every instruction with each wrong role, amount, asset, account, approval, lock or proposal; its
//! code, and words that its sentence must have. What is malformed is in ledger/vectors/.

use std::collections::BTreeSet;

use super::*;

const EUR: Symbol = Symbol::literal("EUR");
const NONE: Symbol = Symbol::literal("NONE");
const BIG: Symbol = Symbol::literal("BIG");

/// 1 issues and administers; 1 to 3 are members, two of whom approve; 4 issues BIG; 5 is frozen in COIN, 6 issues nothing.
/// Locks at sequence 1 of account 1: 0 open until 90, 1 claimed, 2 over at height 5, 3 refunded. Proposal 1 is open (by 2), 2 is
/// closed. The next block is of height 6.
fn ledger() -> Chain {
    let genesis = genesis_with(&[(1, 1_000), (2, 100), (5, 50)]);
    let issuer = |symbol, issuer, cap| GenesisAsset {
        symbol,
        decimals: 0,
        cap,
        metadata: String::new(),
        issuer: address(issuer),
    };
    let mut genesis = GenesisState { proposal_lifetime: 3, ..genesis };
    genesis.assets.extend([issuer(EUR, 1, 10), issuer(BIG, 4, 0), issuer(Symbol::literal("LOST"), 6, 0)]);
    let all = |account| GenesisBalance { asset: BIG, account, amount: u128::MAX - 5 };
    genesis.balances.push(all(address(4)));
    genesis.roles.issuers.push(address(4));
    let chain = Chain::begin(&init_of(&genesis));
    let secret = Hash::from_bytes([7; 32]);
    let id = |index| LockId::new(&address(1), 1, index);
    for txs in [
        vec![by(1, 0, vec![Instruction::Freeze { asset: COIN, account: address(5) }])],
        vec![by(1, 1, [90, 90, 5, 3].map(|until| lock(COIN, 1, 10, until)).to_vec())],
        vec![
            by(
                1,
                2,
                vec![
                    Instruction::Claim { lock: id(1), preimage: secret },
                    Instruction::Refund { lock: id(3) },
                ],
            ),
            by(2, 0, vec![propose(Change::Threshold { approvals: 1 })]),
        ],
        vec![by(
            2,
            1,
            vec![propose(Change::Threshold { approvals: 3 }), Instruction::Withdraw { proposal: 2 }],
        )],
        vec![],
    ] {
        let done = chain.block(&txs);
        assert!(done.tx_results.iter().all(|result| result.code == 0), "{:?}", done.tx_results);
    }
    chain
}

fn by(sender: u8, sequence: u64, instructions: Vec<Instruction>) -> Bytes {
    Transaction::sign(CHAIN, &key(sender), sequence, 0, instructions, "").encode()
}

fn lock(asset: Symbol, from: u8, amount: u128, refund_height: u64) -> Instruction {
    let hash = sha256(&[7; 32]);
    Instruction::Lock { asset, from: address(from), to: address(2), amount, hash, refund_height }
}

fn propose(change: Change) -> Instruction {
    Instruction::Propose { change }
}

fn rows() -> Vec<(u8, Instruction, Code, &'static str)> {
    use Instruction::*;
    let a = address;
    let transfer = |asset, from, amount| Transfer { asset, from: a(from), to: a(2), amount };
    let create =
        |symbol, metadata: &str| CreateAsset { symbol, decimals: 0, cap: 0, metadata: metadata.into() };
    let metadata = |asset, text: &str| SetMetadata { asset, metadata: text.into() };
    let issue = |asset, amount| Issue { asset, to: a(2), amount };
    let burn = |asset, from, amount| Burn { asset, from: a(from), amount };
    let hand = |asset, to| HandOver { asset, to: a(to) };
    let id = |index| LockId::new(&a(1), 1, index);
    let claim = |index, secret| Claim { lock: id(index), preimage: Hash::from_bytes([secret; 32]) };
    let grant = |role, account| Change::Grant { role, account: a(account) };
    let revoke = |role, account| Change::Revoke { role, account: a(account) };
    let long = "x".repeat(257);
    let lost = Symbol::literal("LOST");
    vec![
        (1, transfer(COIN, 1, 0), Code::ZeroAmount, "at least 1"),
        (1, transfer(NONE, 1, 1), Code::UnknownAsset, "no asset NONE"),
        (1, transfer(COIN, 1, 971), Code::InsufficientBalance, "holds 970 COIN and would pay 971"),
        (9, transfer(COIN, 9, 1), Code::InsufficientBalance, "holds 0 COIN"),
        (1, transfer(COIN, 2, 1), Code::MissingApproval, "has not approved"),
        (5, transfer(COIN, 5, 1), Code::Frozen, "its issuer must unfreeze it"),
        (1, create(COIN, ""), Code::AssetExists, "choose another symbol"),
        (2, create(NONE, ""), Code::NotIssuer, "does not have the role issuer"),
        (1, create(NONE, &long), Code::MetadataTooLong, "257 bytes"),
        (
            1,
            CreateAsset { symbol: NONE, decimals: 39, cap: 0, metadata: String::new() },
            Code::TooManyDecimals,
            "39",
        ),
        (1, metadata(NONE, ""), Code::UnknownAsset, "no asset NONE"),
        (4, metadata(COIN, ""), Code::NotIssuerOfAsset, "is not the issuer of COIN"),
        (6, metadata(lost, ""), Code::NotIssuer, "role issuer"),
        (1, metadata(COIN, &long), Code::MetadataTooLong, "shorten"),
        (1, issue(COIN, 0), Code::ZeroAmount, "0 units"),
        (1, issue(NONE, 1), Code::UnknownAsset, "NONE"),
        (1, issue(BIG, 1), Code::NotIssuerOfAsset, "is not the issuer of BIG"),
        (6, issue(lost, 1), Code::NotIssuer, "role issuer"),
        (1, issue(EUR, 11), Code::CapExceeded, "cap of 10"),
        (4, issue(BIG, 6), Code::Overflow, "2^128 - 1"),
        (1, burn(COIN, 1, 0), Code::ZeroAmount, "0 units"),
        (1, burn(NONE, 1, 1), Code::UnknownAsset, "NONE"),
        (1, burn(COIN, 1, 971), Code::InsufficientBalance, "would pay 971"),
        (1, burn(COIN, 2, 1), Code::MissingApproval, "let it sign"),
        (5, burn(COIN, 5, 1), Code::Frozen, "frozen in COIN"),
        (1, Freeze { asset: NONE, account: a(2) }, Code::UnknownAsset, "NONE"),
        (2, Freeze { asset: COIN, account: a(1) }, Code::NotIssuerOfAsset, "COIN"),
        (6, Freeze { asset: lost, account: a(1) }, Code::NotIssuer, "role issuer"),
        (1, Freeze { asset: COIN, account: a(5) }, Code::AlreadyFrozen, "already"),
        (1, Unfreeze { asset: NONE, account: a(2) }, Code::UnknownAsset, "NONE"),
        (5, Unfreeze { asset: COIN, account: a(5) }, Code::NotIssuerOfAsset, "COIN"),
        (6, Unfreeze { asset: lost, account: a(1) }, Code::NotIssuer, "role issuer"),
        (1, Unfreeze { asset: COIN, account: a(2) }, Code::NotFrozen, "is not frozen"),
        (1, hand(NONE, 4), Code::UnknownAsset, "NONE"),
        (4, hand(COIN, 4), Code::NotIssuerOfAsset, "COIN"),
        (6, hand(lost, 4), Code::NotIssuer, "role issuer"),
        (1, hand(COIN, 2), Code::RecipientNotIssuer, "grant it first"),
        (1, lock(COIN, 1, 0, 90), Code::ZeroAmount, "0 units"),
        (1, lock(NONE, 1, 1, 90), Code::UnknownAsset, "NONE"),
        (1, lock(COIN, 1, 971, 90), Code::InsufficientBalance, "would pay 971"),
        (1, lock(COIN, 2, 1, 90), Code::MissingApproval, "let it sign"),
        (5, lock(COIN, 5, 1, 90), Code::Frozen, "frozen"),
        (1, lock(COIN, 1, 1, 6), Code::RefundHeightPast, "refund height 6 is not after this one, 6"),
        (9, claim(9, 7), Code::UnknownLock, "check its id"),
        (9, claim(0, 8), Code::WrongPreimage, "is not the lock's hash"),
        (9, claim(1, 7), Code::LockSettled, "claimed at height 3"),
        (9, claim(3, 7), Code::LockSettled, "refunded at height 3"),
        (9, claim(2, 7), Code::LockExpired, "its refund height is 5"),
        (9, Refund { lock: id(9) }, Code::UnknownLock, "check its id"),
        (9, Refund { lock: id(0) }, Code::LockNotExpired, "from height 90 on, this is 6"),
        (9, Refund { lock: id(1) }, Code::LockSettled, "claimed"),
        (1, Grant { role: Role::Issuer, account: a(2) }, Code::NeedsProposal, "the role issuer"),
        (1, Revoke { role: Role::Member, account: a(2) }, Code::NeedsProposal, "the role member"),
        (2, Grant { role: Role::Submitter, account: a(2) }, Code::NotAdministrator, "role administrator"),
        (2, Revoke { role: Role::Submitter, account: a(2) }, Code::NotAdministrator, "role administrator"),
        (
            1,
            Revoke { role: Role::Submitter, account: a(2) },
            Code::RoleNotHeld,
            "does not have the role submitter",
        ),
        (4, propose(grant(Role::Issuer, 5)), Code::NotMember, "role member"),
        (1, propose(Change::Threshold { approvals: 0 }), Code::BadThreshold, "at least 1"),
        (4, Approve { proposal: 1 }, Code::NotMember, "role member"),
        (2, Approve { proposal: 1 }, Code::AlreadyApproved, "others must"),
        (1, Approve { proposal: 0 }, Code::UnknownProposal, "no proposal 0"),
        (1, Approve { proposal: 3 }, Code::UnknownProposal, "the newest is 2"),
        (1, Approve { proposal: 2 }, Code::ProposalClosed, "is over"),
        (4, Withdraw { proposal: 1 }, Code::NotMember, "role member"),
        (1, Withdraw { proposal: 1 }, Code::NotApproved, "nothing to withdraw"),
        (1, Withdraw { proposal: 3 }, Code::UnknownProposal, "newest is 2"),
        (1, Withdraw { proposal: 2 }, Code::ProposalClosed, "is over"),
        (1, propose(revoke(Role::Administrator, 1)), Code::LastAdministrator, "no administrator"),
        (1, propose(grant(Role::Member, 2)), Code::RoleHeld, "has the role member already"),
        (1, propose(revoke(Role::Issuer, 2)), Code::RoleNotHeld, "does not have the role issuer"),
        (1, propose(Change::Threshold { approvals: 4 }), Code::BadThreshold, "with 3 members"),
    ]
}

/// The same with a second member's approval where it takes one.
fn enacting(sender: u8, instruction: &Instruction) -> bool {
    sender == 1
        && matches!(instruction, Instruction::Propose { change } if *change != Change::Threshold { approvals: 0 })
}

#[test]
fn each_wrong_instruction_gets_its_code_and_sentence_and_changes_nothing() {
    let chain = ledger();
    let sequence = |n| chain.account(n).1;
    for (sender, instruction, code, words) in rows() {
        let enacts = enacting(sender, &instruction);
        let tx = by(sender, sequence(sender), vec![instruction.clone()]);
        let txs =
            if enacts { vec![tx, by(3, 0, vec![Instruction::Approve { proposal: 3 }])] } else { vec![tx] };
        let done = chain.finalize(6, &txs).unwrap();
        let refused = done.tx_results.last().unwrap();
        let said = (refused.code, refused.codespace.as_str());
        assert_eq!(said, (code.number(), CODESPACE), "{sender} {instruction:?}: {}", refused.log);
        let of_form = !refused.log.starts_with("instruction 0: ") && code != Code::MissingApproval;
        assert!(refused.log.contains(words) && !of_form, "{instruction:?}: {}", refused.log);
        assert!(refused.events.is_empty());
        if !enacts {
            let checked = chain.ledger.check_tx(&txs[0], CheckKind::New).unwrap_err();
            assert_eq!((checked.code, &checked.log), (refused.code, &refused.log), "{instruction:?}");
        }
    }
}

/// Codes that belong to no single instruction.
#[test]
fn each_wrong_transaction_gets_its_code() {
    let mut genesis = genesis_with(&[(1, 10_000), (2, 200), (5, 3_000)]);
    genesis.submission = Submission::Closed;
    genesis.roles.submitters = vec![address(5)];
    genesis.idempotency_window = 2;
    genesis.fees = Some(Fees { asset: COIN, per_byte: 1, per_instruction: 50, collector: address(7) });
    let chain = Chain::begin(&init_of(&genesis));
    let keyed = |sequence, idempotency: &[u8]| {
        let transfer = Instruction::Transfer { asset: COIN, from: address(5), to: address(6), amount: 1 };
        let tx = Transaction::new(CHAIN, address(5), sequence, vec![transfer]);
        Transaction { idempotency_key: Some(idempotency.to_vec()), ..tx }.approved_by(&key(5)).encode()
    };
    let fee = |tx: &Bytes| tx.len() as u128 + 50;
    let code = |done: &FinalizedBlock| done.tx_results.iter().map(|one| one.code).collect::<Vec<_>>();

    // 9 has no role; 2 is a member, and cannot pay 51 for itself and the bytes.
    let done =
        chain.block(&[pay(9, 0, 1, 1), pay(2, 0, 1, 1), pay(1, 1, 2, 1), keyed(0, b"a"), keyed(1, b"a")]);
    let expected = [Code::NotSubmitter, Code::FeeNotCovered, Code::WrongSequence].map(Code::number);
    assert_eq!(code(&done)[..3], expected);
    assert_eq!(code(&done)[3..], [0, Code::DuplicateIdempotencyKey.number()]);
    assert!(done.tx_results[1].log.contains("the fee is"), "{}", done.tx_results[1].log);
    assert!(done.tx_results[4].log.starts_with("a transaction with idempotency key \"a\" has succeeded"));
    assert_eq!((chain.account(9).1, chain.account(2)), (0, (200, 0)), "nothing for who cannot pay");
    let paid = fee(&keyed(0, b"a"));
    assert_eq!((chain.account(5), chain.account(7).0), ((3_000 - 1 - paid, 2), paid));

    // Another key, and another sender's, are free; the same one is again after two heights.
    for (height, expected) in
        [(2, Code::DuplicateIdempotencyKey.number()), (3, Code::DuplicateIdempotencyKey.number()), (4, 0)]
    {
        assert_eq!(code(&chain.block(&[keyed(height, b"a")])), [expected], "height {height}");
    }
    assert_eq!(code(&chain.block(&[keyed(5, b"b")])), [0]);
    for _ in 0..4 {
        chain.block(&[]);
    }
    let left = chain.ledger.state.newest();
    for prefix in [(b"i/", b"i0"), (b"x/", b"x0")] {
        assert!(
            crate::state::Records::range(&left, prefix.0, prefix.1, 9).unwrap().is_empty(),
            "keys are forgotten"
        );
    }
}

#[test]
fn governance_has_its_bounds() {
    let chain = Chain::with(&[]);
    let propose = |n: u8| propose(Change::Grant { role: Role::Issuer, account: address(n) });
    let four = chain.block(&[by(1, 0, (10..14).map(propose).collect()), by(1, 1, vec![propose(18)])]);
    assert_eq!(four.tx_results[0].code, 0);
    assert_eq!(four.tx_results[1].code, Code::TooManyProposals.number());
    assert_eq!(chain.block(&[by(2, 0, vec![propose(18)])]).tx_results[0].code, 0, "others still can");

    // Two of three must approve; one member goes, none more may.
    let out = |n| Instruction::Propose { change: Change::Revoke { role: Role::Member, account: address(n) } };
    let done = chain.block(&[
        by(2, 1, vec![out(3), out(2)]),
        by(1, 2, vec![Instruction::Approve { proposal: 6 }]),
        by(3, 0, vec![Instruction::Approve { proposal: 7 }]),
        by(1, 3, vec![Instruction::Approve { proposal: 7 }]),
    ]);
    let codes: Vec<_> = done.tx_results.iter().map(|one| one.code).collect();
    assert_eq!(codes, [0, 0, Code::NotMember.number(), Code::TooFewMembers.number()]);

    // Only so many may govern.
    let mut genesis = genesis_with(&[]);
    genesis.roles.members = (0..100).map(|n| Address::from_bytes([n; 20])).chain([]).collect();
    genesis.roles.members[0] = address(1);
    genesis.threshold = 1;
    let chain = Chain::begin(&init_of(&genesis));
    let grant = Instruction::Propose { change: Change::Grant { role: Role::Member, account: address(2) } };
    assert_eq!(chain.block(&[by(1, 0, vec![grant])]).tx_results[0].code, Code::TooManyHolders.number());
}

#[test]
fn a_proposal_ends_with_its_time() {
    let chain = ledger();
    let approve = |sequence| by(1, sequence, vec![Instruction::Approve { proposal: 1 }]);
    assert_eq!(chain.finalize(6, &[approve(3)]).unwrap().tx_results[0].code, 0, "its last height");
    let done = chain.block(&[]);
    assert!(done.events.is_empty());
    let done = chain.block(&[approve(3)]);
    assert_eq!(done.tx_results[0].code, Code::ProposalClosed.number());
    assert_eq!(done.events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["proposal_expired"]);
}

#[test]
fn queries_are_refused_with_their_reason() {
    let chain = ledger();
    let ask = |path: &str, data: &str, height| {
        chain.ledger.query(&Query { path: path.into(), data: data.into(), height, prove: false })
    };
    let someone = address(1);
    let mut seen = BTreeSet::new();
    for (answer, code, words) in [
        (ask("nonsense", "", 0), Some(Code::UnknownPath), "account, balance"),
        (ask("account", "", 0), Some(Code::BadArgument), "not an address"),
        (ask("account", "al1typo", 0), Some(Code::BadArgument), "not an address"),
        (ask("balance", "", 0), Some(Code::BadArgument), "missing field `asset`"),
        (ask("supply", r#"{"asset":"coin"}"#, 0), Some(Code::BadArgument), "A-Z 0-9"),
        (ask("asset", r#"{"asset":"COIN","x":1}"#, 0), Some(Code::BadArgument), "unknown field `x`"),
        (ask("assets", r#"{"limit":0}"#, 0), Some(Code::BadArgument), "say 1 to 100"),
        (ask("assets", r#"{"limit":101}"#, 0), Some(Code::BadArgument), "say 1 to 100"),
        (ask("assets", "{", 0), Some(Code::BadArgument), "not JSON"),
        (ask("governance", "", 6), Some(Code::HeightUnavailable), "from 0 to 5"),
        (ask("governance", "", 5), None, ""),
        (ask("/account", &someone.to_string(), 1), None, ""),
        (ask("account", &format!(r#"{{"account":"{someone}"}}"#), 0), None, ""),
    ] {
        assert_eq!(answer.code, code.map_or(0, Code::number), "{}", answer.log);
        assert!(answer.log.contains(words), "{}", answer.log);
        seen.insert(answer.code);
    }
    assert_eq!(seen.len(), 4);
    let unborn = Chain::empty();
    let refused = unborn.ledger.query(&Question::Governance {}.query());
    assert_eq!(refused.code, Code::NotInitialised.number());
    assert_eq!(unborn.ledger.precheck(&[&[]])[0].as_ref().unwrap_err().code, Code::NotInitialised.number());
    assert_eq!(unborn.ledger.check_tx(&[], CheckKind::New).unwrap_err().code, Code::NotInitialised.number());
    chain.files.set_failing(true);
    // What the state still holds in memory it may answer; what it reads fails with its own code.
    let failed = ask("account", &someone.to_string(), 1);
    assert!([0, Code::StateUnavailable.number()].contains(&failed.code), "{}", failed.log);
}
