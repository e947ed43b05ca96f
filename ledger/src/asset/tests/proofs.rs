//! Every answer to every question is proved, at every kept height, and nothing else is.

use super::*;

/// By identity.
fn all_validators() -> Vec<GenesisValidator> {
    let validator = |n: u8| GenesisValidator {
        identity: key(n).public_key(),
        name: format!("v{n}"),
        account: (n == 1).then(|| address(n)),
    };
    let mut all = [1, 2].map(validator).to_vec();
    all.sort_by_key(|one| one.identity);
    all
}

/// A ledger of some heights with something of everything.
fn lively() -> Chain {
    let mut genesis = genesis_with(&[(1, 1_000), (2, 500), (3, 20), (4, 1)]);
    genesis.validators = all_validators();
    let validator = |n: u8| ValidatorUpdate {
        identity: *key(n).public_key().as_bytes(),
        power: n.into(),
        vote_key: Some(vote_key(n)),
    };
    let validators = [1, 2].map(validator).to_vec();
    let params = ParamUpdates { heartbeat_ms: Some(5), ..ParamUpdates::default() };
    let chain = Chain::begin(&InitChain { validators, params, ..init_of(&genesis) });
    let sign = |n: u8, sequence, instructions| {
        Transaction::sign(CHAIN, &key(n), sequence, 0, instructions, "").encode()
    };
    let from = address(1);
    let lock = |amount, refund_height| Instruction::Lock {
        asset: COIN,
        from,
        to: address(2),
        amount,
        hash: sha256(&[7; 32]),
        refund_height,
    };
    let create = |name: &str| Instruction::CreateAsset {
        symbol: name.parse().unwrap(),
        decimals: 2,
        cap: 1_000,
        metadata: format!("asset {name}"),
    };
    let propose =
        |n| Instruction::Propose { change: Change::Grant { role: Role::Issuer, account: address(n) } };
    let changes = vec![ValidatorChange::Power { identity: key(1).public_key(), power: 9 }];
    let power = Instruction::Propose { change: Change::Validators { changes } };
    let results = [
        chain.block(&[pay(1, 0, 2, 10), pay(2, 0, 5, 1)]),
        chain.block(&[sign(1, 1, vec![create("EUR"), create("GOLD"), lock(5, 50), lock(6, 60)])]),
        chain.block(&[sign(
            1,
            2,
            vec![
                Instruction::Issue { asset: "EUR".parse().unwrap(), to: address(3), amount: 9 },
                Instruction::Freeze { asset: COIN, account: address(4) },
                Instruction::Claim { lock: LockId::new(&from, 1, 2), preimage: Hash::from_bytes([7; 32]) },
                propose(4),
                propose(5),
                power,
            ],
        )]),
        chain.block(&[pay(2, 1, 1, 3), pay(1, 3, 2, 4)]),
        chain.block(&[]),
        chain.block(&[pay(1, 4, 2, 4)]),
    ];
    let codes: Vec<_> = results.iter().flat_map(|done| &done.tx_results).map(|result| result.code).collect();
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
    chain
}

/// Every question in several forms: what is there, what is not, first and later pages.
fn questions() -> Vec<Question> {
    let (eur, none): (Symbol, Symbol) = ("EUR".parse().unwrap(), "NONE".parse().unwrap());
    let (open, settled) = (LockId::new(&address(1), 1, 3), LockId::new(&address(1), 1, 2));
    let mut all = vec![Question::Governance {}, Question::Proposals {}, Question::Parameters {}];
    all.push(Question::Consensus {});
    let first = all_validators()[0].identity;
    all.extend([None, Some(first)].map(|after| Question::Validators { after, limit: 1 }));
    for account in [address(1), address(2), address(4), address(9)] {
        all.push(Question::Account { account });
        all.push(Question::Balances { account, after: None, limit: MAX_LIMIT });
        all.push(Question::Balances { account, after: Some(eur), limit: 1 });
        all.extend([None, Some(settled)].map(|after| Question::Locks { account, after, limit: 1 }));
        for asset in [COIN, eur, none] {
            all.push(Question::Balance { asset, account });
            for (before, limit) in [(None, 1), (None, 2), (None, MAX_LIMIT), (Some(4), 2)] {
                all.push(Question::History { asset, account, before, limit });
            }
        }
    }
    for asset in [COIN, eur, none] {
        all.push(Question::Asset { asset });
        all.push(Question::Supply { asset });
        all.extend([1, MAX_LIMIT].map(|limit| Question::Holders { asset, after: None, limit }));
        all.push(Question::Holders { asset, after: Some(address(2)), limit: 2 });
    }
    all.extend([1, MAX_LIMIT].map(|limit| Question::Assets { after: Some(COIN), limit }));
    all.push(Question::Assets { after: None, limit: 2 });
    all.extend([open, settled, LockId::from_bytes([9; 29])].map(|lock| Question::Lock { lock }));
    all.extend(Role::ALL.map(|role| Question::Roles { role, after: None, limit: 2 }));
    all.push(Question::Roles { role: Role::Member, after: Some(address(1)), limit: 1 });
    all
}

fn proved(chain: &Chain, question: &Question, height: u64) -> (Query, QueryResult) {
    let query = Query { prove: true, height, ..question.query() };
    let answer = chain.ledger.query(&query);
    assert_eq!(answer.code, 0, "{question:?}: {}", answer.log);
    (query, answer)
}

fn hash_at(chain: &Chain, height: u64) -> AppHash {
    AppHash::from(chain.ledger.state.at(height).unwrap().root())
}

#[test]
fn every_answer_is_proved_at_every_kept_height() {
    let mut chain = lively();
    for restarted in [false, true] {
        if restarted {
            chain.restart();
        }
        for height in 1..=6 {
            for question in questions() {
                let (query, answer) = proved(&chain, &question, height);
                verify(&query, &answer, &hash_at(&chain, height))
                    .unwrap_or_else(|error| panic!("{question:?}: {error}"));
                // The state of height 5 is that of 4.
                for other in (1..=6).filter(|other| {
                    *other != height && [*other, height] != [4, 5] && [*other, height] != [5, 4]
                }) {
                    let refused = verify(&query, &answer, &hash_at(&chain, other));
                    assert!(matches!(refused, Err(VerifyError::OtherState { .. })), "{question:?}");
                }
            }
        }
    }
}

/// Each bit of answer, key and proof, flipped.
#[test]
fn no_bit_of_an_answer_or_its_proof_can_be_changed() {
    let chain = lively();
    let hash = hash_at(&chain, 6);
    for question in questions() {
        let (query, answer) = proved(&chain, &question, 0);
        verify(&query, &answer, &hash).unwrap();
        let parts: [fn(&mut QueryResult) -> &mut Vec<u8>; 3] =
            [|one| &mut one.value, |one| &mut one.key, |one| one.proof.as_mut().unwrap()];
        for (which, part) in parts.iter().enumerate() {
            let mut changed = answer.clone();
            let len = part(&mut changed).len();
            // All bits of a proof take long where nothing is optimised: there, each byte has one of its bits tried.
            let one_of_each = which == 2 && cfg!(debug_assertions);
            for bit in (0..8 * len).filter(|bit| !one_of_each || bit % 8 == bit / 8 % 8) {
                part(&mut changed)[bit / 8] ^= 1 << (bit % 8);
                assert!(verify(&query, &changed, &hash).is_err(), "{question:?}: bit {bit} of part {which}");
                part(&mut changed)[bit / 8] ^= 1 << (bit % 8);
            }
            let mut shorter = answer.clone();
            part(&mut shorter).pop();
            assert!(verify(&query, &shorter, &hash).is_err());
            part(&mut shorter).extend([0, 0]);
            assert!(verify(&query, &shorter, &hash).is_err());
        }
    }
}

#[test]
fn a_proof_answers_its_own_question_alone() {
    let chain = lively();
    let hash = hash_at(&chain, 6);
    let all: Vec<_> = questions().iter().map(|question| proved(&chain, question, 0)).collect();
    for (asked, _) in &all {
        for (given, answer) in &all {
            let same = asked.path == given.path && asked.data == given.data;
            // Two questions may have one answer: that of nothing is known of a pair of others.
            if !same && verify(asked, answer, &hash).is_ok() {
                let honest = chain.ledger.query(asked);
                assert_eq!((honest.value, honest.key), (answer.value.clone(), answer.key.clone()));
            }
        }
    }
}

#[test]
fn absence_is_proved() {
    let chain = lively();
    let nobody = address(9);
    let none: Symbol = "NONE".parse().unwrap();
    for (question, expected) in [
        (Question::Asset { asset: none }, "null".to_owned()),
        (Question::Lock { lock: LockId::from_bytes([9; 29]) }, "null".to_owned()),
        (Question::Holders { asset: none, after: None, limit: 5 }, r#"{"items":[],"next":null}"#.to_owned()),
        (
            Question::Account { account: nobody },
            format!(r#"{{"address":"{nobody}","sequence":"0","roles":[]}}"#),
        ),
        (
            Question::Balance { asset: COIN, account: nobody },
            format!(r#"{{"asset":"COIN","account":"{nobody}","amount":"0","frozen":false,"since":"0"}}"#),
        ),
        (
            Question::History { asset: COIN, account: nobody, before: None, limit: 5 },
            r#"{"changes":[],"complete":true}"#.to_owned(),
        ),
    ] {
        let (query, answer) = proved(&chain, &question, 0);
        assert_eq!(String::from_utf8(answer.value.clone()).unwrap(), expected);
        verify(&query, &answer, &hash_at(&chain, 6)).unwrap();
    }
}

#[test]
fn what_proves_nothing_says_why() {
    let chain = lively();
    let (hash, question) = (hash_at(&chain, 6), Question::Supply { asset: COIN });
    let (query, answer) = proved(&chain, &question, 0);
    let check = |query: &Query, answer: &QueryResult| verify(query, answer, &hash).unwrap_err().to_string();
    assert!(check(&query, &QueryResult { proof: None, ..answer.clone() }).contains("holds no proof"));
    assert!(check(&Query { height: 5, ..query.clone() }, &answer).contains("height 6, not 5"));
    assert!(check(&Query { path: "x".into(), ..query.clone() }, &answer).contains("cannot be asked"));
    let refused = chain.ledger.query(&Query { height: 99, ..query.clone() });
    assert!(check(&query, &refused).contains("did not answer"));
    assert!(check(&query, &QueryResult { proof: Some(vec![]), ..answer.clone() }).contains("cannot be read"));
    let (_, other) = proved(&chain, &Question::Governance {}, 0);
    assert!(check(&query, &QueryResult { proof: other.proof, ..answer.clone() }).contains("does not answer"));
    assert!(check(&query, &QueryResult { value: b"{}".to_vec(), ..answer }).contains("another answer"));
}

#[test]
fn pages_come_to_an_end_and_leave_nothing_out() {
    let chain = lively();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page: Page<BalanceView, Address> = chain.ask(&Question::Holders { asset: COIN, after, limit: 2 });
        assert!(page.items.len() <= 2);
        seen.extend(page.items.iter().map(|one| one.account));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut expected: Vec<Address> = [1, 2, 3, 4, 5].map(address).to_vec();
    expected.sort();
    assert_eq!(seen, expected);
}

#[test]
fn a_history_is_what_each_block_left() {
    let chain = lively();
    let before = |before, limit| Question::History { asset: COIN, account: address(2), before, limit };
    let question = |limit| before(None, limit);
    let all: HistoryView = chain.ask(&question(MAX_LIMIT));
    let changes: Vec<_> = all.changes.iter().map(|one| (one.height, one.amount)).collect();
    // Height 3: the claim of 5. Height 4: 3 paid, 4 received, one change.
    assert_eq!(changes, [(6, 519), (4, 515), (3, 514), (1, 509), (0, 500)]);
    assert!(all.complete);
    let some: HistoryView = chain.ask(&question(2));
    assert_eq!((some.changes.as_slice(), some.complete), (&all.changes[..2], false));
    // The pages after it.
    let next: HistoryView = chain.ask(&before(Some(4), 2));
    assert_eq!((next.changes.as_slice(), next.complete), (&all.changes[2..4], false));
    let last: HistoryView = chain.ask(&before(Some(1), 2));
    assert_eq!((last.changes.as_slice(), last.complete), (&all.changes[4..], true));
    let none: HistoryView = chain.ask(&before(Some(0), 2));
    assert_eq!((none.changes.as_slice(), none.complete), (&[][..], true));
}
