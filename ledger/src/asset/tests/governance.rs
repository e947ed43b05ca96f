//! What some can do together that they could not alone: members, issuers, leaders.

use super::*;

fn act(key: &SecretKey, sequence: u64, instruction: Instruction) -> Bytes {
    Transaction::sign(CHAIN, key, sequence, 0, vec![instruction], "").encode()
}

#[test]
fn however_many_members_come_and_go_a_proposal_can_still_be_read() {
    let mut genesis = genesis_with(&[]);
    genesis.roles.members.push(address(4));
    genesis.threshold = 3;
    let chain = Chain::begin(&init_of(&genesis));
    chain.block(&[act(&key(4), 0, grant_issuer(2))]);
    let mut sequence = 0;
    // Three members together make one change of roles; proposal 1 is the fourth's.
    let mut agree = |change: Change| {
        let proposal = sequence + 2;
        let all = [
            act(&key(1), sequence, Instruction::Propose { change }),
            act(&key(2), sequence, Instruction::Approve { proposal }),
            act(&key(3), sequence, Instruction::Approve { proposal }),
        ];
        sequence += 1;
        all
    };
    for n in 0..500u16 {
        let [low, high] = n.to_be_bytes();
        let passing = SecretKey::from_seed(std::array::from_fn(|i| [low, high, 99][i % 3]));
        let (role, account) = (Role::Member, Address::of(&passing.public_key()));
        let approves = act(&passing, 0, Instruction::Approve { proposal: 1 });
        let [granted, revoked] =
            [Change::Grant { role, account }, Change::Revoke { role, account }].map(&mut agree);
        let txs = [granted.as_slice(), &[approves], &revoked].concat();
        let results = chain.block(&txs).tx_results;
        assert!(results.iter().all(|result| result.code == 0), "{n}: {results:?}");
    }
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open.len(), 1);
    assert!(open[0].approvals.len() <= usize::from(Role::MAX_GOVERNING), "{}", open[0].approvals.len());
}

#[test]
fn the_issuer_of_what_fees_are_paid_in_cannot_silence_the_members() {
    let collector = address(9);
    let fees = Some(Fees { asset: COIN, per_byte: 0, per_instruction: 1, collector });
    let chain = Chain::begin(&init_of(&GenesisState { fees, ..genesis_with(&[(1, 10), (2, 10), (3, 10)]) }));
    let freeze = |n| Instruction::Freeze { asset: COIN, account: address(n) };
    let change = Change::Revoke { role: Role::Issuer, account: address(1) };
    let results = chain.block(&[
        act(&key(1), 0, freeze(2)),
        act(&key(1), 1, freeze(3)),
        act(&key(2), 0, Instruction::Propose { change }),
        act(&key(3), 0, Instruction::Approve { proposal: 1 }),
        act(&key(1), 2, Instruction::Unfreeze { asset: COIN, account: address(2) }),
        pay(3, 1, 2, 1),
    ]);
    let codes: Vec<u32> = results.tx_results.iter().map(|result| result.code).collect();
    assert_eq!(codes, [0, 0, 0, 0, Code::NotIssuer.number(), Code::Frozen.number()]);
    assert_eq!((chain.account(2), chain.account(3), chain.account(9).0), ((9, 1), (9, 2), 4));
}

/// A leader may put into a block what no node admits.
#[test]
fn who_cannot_pay_the_fee_leaves_nothing_in_the_state() {
    let fees = Some(Fees { asset: COIN, per_byte: 0, per_instruction: 1, collector: address(9) });
    let chain = Chain::begin(&init_of(&GenesisState { fees, ..genesis_with(&[(1, 10), (2, 1)]) }));
    let before = chain.ledger.info().unwrap().app_hash;
    let txs: Vec<_> = (100..200u8).map(|n| pay(n, 0, 1, 1)).collect();
    for tx in txs.iter().chain([&pay(100, 1, 1, 1)]) {
        let refusal = chain.ledger.check_tx(tx, CheckKind::New).unwrap_err();
        assert_eq!(refusal.code, Code::FeeNotCovered.number(), "{refusal}");
        assert!(refusal.log.contains("the fee is 1 COIN") && refusal.log.contains("holds 0"), "{refusal}");
    }
    let results = chain.block(&txs).tx_results;
    assert!(results.iter().all(|one| one.code == Code::FeeNotCovered.number()));
    assert_eq!(chain.ledger.info().unwrap().app_hash, before, "100 accounts for nothing");

    // Whose instructions fail needs the fee, pays none and uses the sequence; once funded, what was refused can still come.
    let results = chain.block(&[pay(2, 0, 1, 1), pay(1, 0, 100, 3), pay(100, 0, 1, 1)]).tx_results;
    let codes: Vec<u32> = results.iter().map(|result| result.code).collect();
    assert_eq!(codes, [Code::InsufficientBalance.number(), 0, 0]);
    assert_eq!((chain.account(2), chain.account(100)), ((1, 1), (1, 1)));
}

fn grant_issuer(n: u8) -> Instruction {
    Instruction::Propose {
        change: Change::Grant { role: Role::Issuer, account: Address::from_bytes([n; 20]) },
    }
}

/// Everybody of the most members there may be has as much open as one may.
#[test]
fn whatever_the_other_members_have_open_each_can_propose() {
    let members: Vec<SecretKey> = (0..100).map(key).collect();
    let mut genesis = genesis_with(&[]);
    genesis.roles.members = members.iter().map(|one| Address::of(&one.public_key())).collect();
    genesis.threshold = 100;
    let chain = Chain::begin(&init_of(&genesis));
    for member in &members {
        let five = (10..15).map(|n| act(member, u64::from(n) - 10, grant_issuer(n))).collect::<Vec<_>>();
        let codes: Vec<u32> = chain.block(&five).tx_results.iter().map(|result| result.code).collect();
        assert_eq!(codes, [0, 0, 0, 0, Code::TooManyProposals.number()]);
    }
    // And some others approve all of them.
    for member in &members[..4] {
        let others = (1..=400).filter(|number| chain.proposer(*number) != Address::of(&member.public_key()));
        let approvals: Vec<_> = others.map(|proposal| Instruction::Approve { proposal }).collect();
        let lists = (5..).zip(approvals.chunks(16));
        let sign = |(sequence, list): (u64, &[Instruction])| {
            Transaction::sign(CHAIN, member, sequence, 0, list.to_vec(), "").encode()
        };
        let done = chain.block(&lists.map(sign).collect::<Vec<_>>());
        assert!(done.tx_results.iter().all(|result| result.code == 0));
    }
    let query = Query { prove: true, ..Question::Proposals {}.query() };
    let answer = chain.ledger.query(&query);
    verify(&query, &answer, &chain.ledger.info().unwrap().app_hash).unwrap();
    let open: Vec<ProposalView> = serde_json::from_slice(&answer.value).unwrap();
    assert_eq!((open.len(), open[16].approvals.len(), open[16].counted), (400, 5, 5));

    // All of one end, and no others, when its time has not come: one can be closed by who made it.
    let withdrawn = act(&members[9], 5, Instruction::Withdraw { proposal: open[36].number });
    let again = act(&members[9], 6, grant_issuer(20));
    let results = chain.block(&[withdrawn, again]).tx_results;
    assert!(results.iter().all(|result| result.code == 0), "{results:?}");
    assert_eq!(chain.ask::<GovernanceView>(&Question::Governance {}).open_proposals, 400);
}

impl Chain {
    /// Who made the open proposal of this number.
    fn proposer(&self, number: u64) -> Address {
        let record = crate::state::Records::get(&self.ledger.state.newest(), &proposal::key(number)).unwrap();
        proposal::Proposal::decode(&record.unwrap()).unwrap().proposer
    }
}

#[test]
fn a_proposal_ends_with_its_proposer() {
    let chain = Chain::with(&[]);
    let out = Change::Revoke { role: Role::Member, account: address(3) };
    let approve = |n: u8, sequence, proposal| act(&key(n), sequence, Instruction::Approve { proposal });
    let results = chain.block(&[
        act(&key(3), 0, grant_issuer(1)),
        act(&key(3), 1, grant_issuer(2)),
        act(&key(2), 0, grant_issuer(3)),
        act(&key(1), 0, Instruction::Propose { change: out }),
        approve(2, 1, 4),
        approve(1, 1, 1),
    ]);
    let codes: Vec<u32> = results.tx_results.iter().map(|result| result.code).collect();
    assert_eq!(codes, [0, 0, 0, 0, 0, Code::ProposalClosed.number()]);
    let said: Vec<_> = results.tx_results[4].events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        said,
        ["approved", "proposal_enacted", "role_revoked", "proposal_closed", "proposal_closed"],
        "what 3 had open went with it"
    );
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open.iter().map(|one| one.number).collect::<Vec<_>>(), [3]);
}
