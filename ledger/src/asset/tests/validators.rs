//! Who validates the chain: what members can change of it, when, and what the node is told.

use super::*;

pub(super) fn identity(n: u8) -> PublicKey {
    key(100 + n).public_key()
}

pub(super) fn update(n: u8, power: u64, key: Option<u8>) -> ValidatorUpdate {
    ValidatorUpdate { identity: *identity(n).as_bytes(), power, vote_key: key.map(vote_key) }
}

pub(super) fn params() -> ParamUpdates {
    ParamUpdates {
        max_block_bytes: Some(1 << 20),
        max_tx_bytes: Some(64 << 10),
        timeout_min_ms: Some(500),
        timeout_base_max_ms: Some(4_000),
        timeout_max_ms: Some(16_000),
        heartbeat_ms: Some(0),
        ..ParamUpdates::default()
    }
}

/// Validators 1, 2, 3 with powers 1, 2, 3, for which the members 1, 2, 3 vote. Two members decide on roles.
pub(super) fn init() -> InitChain {
    let mut genesis = genesis_with(&[]);
    let validator =
        |n: u8| GenesisValidator { identity: identity(n), name: format!("v{n}"), account: Some(address(n)) };
    genesis.validators = [1, 2, 3].map(validator).to_vec();
    let validators = [1, 2, 3].map(|n| update(n, n.into(), Some(n))).to_vec();
    InitChain { validators, params: params(), ..init_of(&genesis) }
}

pub(super) fn by(n: u8, sequence: u64, instruction: Instruction) -> Bytes {
    Transaction::sign(CHAIN, &key(n), sequence, 0, vec![instruction], "").encode()
}

pub(super) fn propose(n: u8, sequence: u64, changes: Vec<ValidatorChange>) -> Bytes {
    by(n, sequence, Instruction::Propose { change: Change::Validators { changes } })
}

pub(super) fn approve(n: u8, sequence: u64, proposal: u64) -> Bytes {
    by(n, sequence, Instruction::Approve { proposal })
}

pub(super) fn add(n: u8, power: u64) -> ValidatorChange {
    let (name, account) = (format!("v{n}"), address(n));
    ValidatorChange::Add { identity: identity(n), vote_key: vote_key(n), power, name, account }
}

pub(super) fn remove(n: u8) -> ValidatorChange {
    ValidatorChange::Remove { identity: identity(n) }
}

pub(super) fn power(n: u8, power: u64) -> ValidatorChange {
    ValidatorChange::Power { identity: identity(n), power }
}

pub(super) fn parameter(parameter: ConsensusParameter, value: u64) -> ValidatorChange {
    ValidatorChange::Parameter { parameter, value }
}

pub(super) fn codes(done: &FinalizedBlock) -> Vec<u32> {
    done.tx_results.iter().map(|result| result.code).collect()
}

pub(super) fn validators(chain: &Chain) -> Vec<ValidatorView> {
    chain.ask::<Page<ValidatorView, PublicKey>>(&Question::Validators { after: None, limit: MAX_LIMIT }).items
}

#[test]
fn more_than_two_thirds_of_the_power_decide() {
    let chain = Chain::begin(&init());
    let change = vec![add(4, 5), parameter(ConsensusParameter::HeartbeatMs, 1_000)];
    // Of a total of 6, powers 1 and 3 are not enough, though two members are for a role.
    let done = chain.block(&[propose(1, 0, change), approve(3, 0, 1)]);
    assert_eq!((codes(&done), done.validator_updates.len()), (vec![0, 0], 0));
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open[0].approvals, [address(1), address(3)]);
    assert_eq!((open[0].counted, open[0].power), (2, Some(PowerView { approved: 4, of: 6 })));

    // One who takes the approval back counts no more; 2 and 3 are more than two thirds.
    let done = chain.block(&[by(1, 1, Instruction::Approve { proposal: 1 }), approve(2, 0, 1)]);
    assert_eq!(codes(&done), [Code::AlreadyApproved.number(), 0]);
    assert_eq!(done.validator_updates, [update(4, 5, Some(4))]);
    let told = ParamUpdates { heartbeat_ms: Some(1_000), ..ParamUpdates::default() };
    assert_eq!(done.param_updates, told);
    let said: Vec<_> = done.tx_results[1].events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(said, ["approved", "proposal_enacted", "validator_added", "parameter_set"]);
    let found = validators(&chain);
    let newcomer = found.iter().find(|one| one.identity == identity(4)).unwrap();
    assert_eq!((newcomer.power, newcomer.since, newcomer.member), (5, 2, false));
    assert_eq!((newcomer.name.as_str(), newcomer.account), ("v4", Some(address(4))));
    assert_eq!(chain.ask::<ParamUpdates>(&Question::Consensus {}).heartbeat_ms, Some(1_000));
    // What comes after it is not told again.
    let done = chain.block(&[]);
    assert_eq!((done.validator_updates.len(), done.param_updates), (0, ParamUpdates::default()));
}

#[test]
fn power_counts_for_members_only_and_as_it_is_now() {
    let chain = Chain::begin(&init());
    let out = Change::Revoke { role: Role::Member, account: address(3) };
    let done = chain.block(&[
        propose(1, 0, vec![power(2, 9)]),
        by(1, 1, Instruction::Propose { change: out }),
        approve(2, 0, 2),
        // Without 3, who is no member any more, at most 3 of 6 can approve.
        approve(3, 0, 1),
        approve(2, 1, 1),
    ]);
    assert_eq!(codes(&done), [0, 0, 0, Code::NotMember.number(), 0]);
    assert!(done.validator_updates.is_empty());
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open[0].power, Some(PowerView { approved: 3, of: 6 }));
    // Once it is one again, its power counts, and that of who has approved before.
    let back = Change::Grant { role: Role::Member, account: address(3) };
    let again = Instruction::Propose { change: back };
    let done = chain.block(&[by(1, 2, again), approve(2, 2, 3), approve(3, 1, 1)]);
    assert_eq!((codes(&done), done.validator_updates), (vec![0; 3], vec![update(2, 9, Some(2))]));
}

#[test]
fn what_became_impossible_is_refused_when_it_would_be_enacted() {
    let chain = Chain::begin(&init());
    let done = chain.block(&[
        propose(1, 0, vec![add(4, 1)]),
        propose(1, 1, vec![power(1, 7)]),
        propose(2, 0, vec![remove(1)]),
        approve(3, 0, 3),
        propose(2, 1, vec![add(4, 2)]),
        approve(3, 1, 4),
    ]);
    assert_eq!(codes(&done), [0; 6]);
    let done = chain.block(&[approve(2, 2, 2), approve(3, 2, 2), approve(2, 3, 1), approve(3, 3, 1)]);
    let (gone, there) = (Code::UnknownValidator.number(), Code::ValidatorExists.number());
    assert_eq!(codes(&done), [0, gone, 0, there]);
    assert!(done.validator_updates.is_empty());
    assert_eq!(chain.ask::<Vec<ProposalView>>(&Question::Proposals {}).len(), 2, "they can be withdrawn");
}

#[test]
fn several_changes_are_told_as_what_they_come_to() {
    let chain = Chain::begin(&init());
    let swap = |n, with| ValidatorChange::VoteKey { identity: identity(n), vote_key: vote_key(with) };
    let moved = ValidatorChange::Identity { identity: identity(3), to: identity(5) };
    let account = ValidatorChange::Account { identity: identity(5), account: address(1) };
    let changes = vec![swap(1, 2), swap(2, 1), moved, account, add(6, 1), remove(6), power(2, 4)];
    let expected = preview(&validators(&chain), &changes).unwrap();
    let done = chain.block(&[propose(2, 0, changes), approve(3, 0, 1)]);
    assert_eq!(codes(&done), [0, 0]);
    let found = validators(&chain).into_iter().map(|one| ValidatorView { since: 0, ..one });
    let expected: Vec<_> = expected.into_iter().map(|one| ValidatorView { since: 0, ..one }).collect();
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let mut expected =
        vec![update(1, 1, Some(2)), update(2, 4, Some(1)), update(3, 0, None), update(5, 3, Some(3))];
    let by_identity = |one: &ValidatorUpdate| one.identity;
    expected.sort_by_key(by_identity);
    let mut found = done.validator_updates.clone();
    found.sort_by_key(by_identity);
    assert_eq!(found, expected);
    // What was enacted twice in a block is told once.
    let done = chain.block(&[
        propose(1, 0, vec![power(1, 8)]),
        approve(2, 1, 2),
        // Now 1 votes for 11 of 15.
        propose(1, 1, vec![power(1, 9)]),
    ]);
    assert_eq!((codes(&done), done.validator_updates), (vec![0; 3], vec![update(1, 9, Some(2))]));
}

#[test]
fn what_is_impossible_is_refused_when_it_is_proposed() {
    let chain = Chain::begin(&init());
    let not_a_point =
        (0..=255u8).map(|n| PublicKey::from_bytes([n; 32])).find(|key| !key.is_point()).unwrap();
    let unproved = VoteKey { proof: vote_key(5).proof, ..vote_key(4) };
    let no_key = VoteKey { key: [0; 48], ..vote_key(4) };
    let with = |vote_key: VoteKey| ValidatorChange::VoteKey { identity: identity(1), vote_key };
    let named = |name: String| match add(4, 1) {
        ValidatorChange::Add { identity, vote_key, power, account, .. } => {
            ValidatorChange::Add { identity, vote_key, power, name, account }
        }
        _ => unreachable!(),
    };
    let moved = |to| ValidatorChange::Identity { identity: identity(1), to };
    let before = chain.ledger.info().unwrap().app_hash;
    for (changes, code, words) in [
        (vec![], Code::NoChanges, "no changes"),
        (vec![power(1, 2); 17], Code::TooManyChanges, "17 changes"),
        (vec![named("x".repeat(65))], Code::NameTooLong, "65 bytes"),
        (vec![add(4, 0)], Code::ZeroPower, "remove it"),
        (vec![moved(not_a_point)], Code::BadIdentity, "no Ed25519 key"),
        (vec![with(unproved)], Code::BadVoteKey, "proof of possession"),
        (vec![with(no_key)], Code::BadVoteKey, "BLS"),
        (vec![with(vote_key(2))], Code::DuplicateVoteKey, "key of another"),
        (vec![remove(9)], Code::UnknownValidator, "althing validator list"),
        (vec![add(3, 1)], Code::ValidatorExists, "already"),
        (vec![moved(identity(2))], Code::ValidatorExists, "already"),
        (vec![remove(1), remove(2), remove(3)], Code::LastValidator, "no validator"),
        (vec![power(1, 1 << 60)], Code::TooMuchPower, "2^60"),
        (vec![power(1, u64::MAX)], Code::TooMuchPower, "2^60"),
        (vec![power(1, 1)], Code::NothingChanges, "that power"),
        (vec![with(vote_key(1))], Code::NothingChanges, "that key"),
        (vec![parameter(ConsensusParameter::HeartbeatMs, 0)], Code::NothingChanges, "heartbeat_ms is 0"),
        (vec![parameter(ConsensusParameter::MaxTxBytes, 1)], Code::BadParameter, "from 8192"),
        (vec![parameter(ConsensusParameter::TimeoutMinMs, 5_000)], Code::BadParameter, "timeout_base_max_ms"),
        (vec![parameter(ConsensusParameter::MaxBlockTxs, u64::MAX)], Code::BadParameter, "from 1 to 20000"),
    ] {
        let about_parameters = changes.iter().any(|one| matches!(one, ValidatorChange::Parameter { .. }));
        if !about_parameters {
            let told = preview(&validators(&chain), &changes).unwrap_err();
            assert_eq!(told.code, code.number(), "{told}");
        }
        let tx = propose(1, 0, changes);
        let refusal = match chain.ledger.precheck(&[&tx])[0].clone() {
            Ok(_) => chain.ledger.check_tx(&tx, CheckKind::New).unwrap_err(),
            Err(refusal) => refusal,
        };
        assert_eq!(refusal.code, code.number(), "{refusal}");
        assert!(refusal.log.contains(words), "{refusal}");
        let done = chain.finalize(1, &[tx]).unwrap();
        assert_eq!((codes(&done), done.validator_updates.len()), (vec![code.number()], 0));
    }
    assert_eq!(chain.ledger.info().unwrap().app_hash, before);
    let stranger = propose(9, 0, vec![power(1, 2)]);
    assert_eq!(chain.ledger.check_tx(&stranger, CheckKind::New).unwrap_err().code, Code::NotMember.number());
}

/// A member cannot stop the chain with keys to check.
#[test]
fn a_block_checks_so_many_vote_keys() {
    let chain = Chain::begin(&init());
    let sixteen = || (0..16).map(|n| add(20 + n, 1)).collect::<Vec<_>>();
    let mut txs: Vec<_> = (0..4).map(|sequence| propose(1, sequence, sixteen())).collect();
    txs.push(propose(2, 0, vec![add(4, 1)]));
    txs.push(propose(2, 1, vec![power(1, 2)]));
    assert_eq!(codes(&chain.block(&txs)), [0, 0, 0, 0, Code::TooManyVoteKeys.number(), 0]);
    assert_eq!(codes(&chain.block(&[propose(2, 2, vec![add(4, 1)])])), [0]);
    // Enacting asks for no second proof.
    assert_eq!(chain.block(&[approve(2, 3, 1), approve(3, 0, 1)]).validator_updates.len(), 16);
}

#[test]
fn a_proposal_as_large_as_it_gets_can_be_read() {
    let mut genesis = genesis_with(&[]);
    genesis.roles.members = (0..100).map(address).collect();
    genesis.threshold = 100;
    let chain = Chain::begin(&InitChain { validators: init().validators, ..init_of(&genesis) });
    let full = |n: u8| ValidatorChange::Add {
        identity: identity(n),
        vote_key: vote_key(n),
        power: 1,
        name: "x".repeat(64),
        account: address(n),
    };
    let mut txs = vec![propose(0, 0, (10..26).map(full).collect())];
    txs.extend((1..100).map(|n| approve(n, 0, 1)));
    assert!(codes(&chain.block(&txs)).iter().all(|code| *code == 0));
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!((open[0].approvals.len(), open[0].power), (100, Some(PowerView { approved: 0, of: 6 })));
    let done = chain.block(&[by(5, 1, Instruction::Withdraw { proposal: 1 })]);
    assert_eq!(codes(&done), [0]);
}

#[test]
fn genesis_names_validators_that_are_there() {
    let good = init();
    let begin = |init: &InitChain| Chain::empty().ledger.init_chain(init).map_err(|error| error.to_string());
    assert!(begin(&good).is_ok());
    let mut stranger = genesis_with(&[]);
    stranger.validators =
        vec![GenesisValidator { identity: identity(9), name: String::new(), account: None }];
    let json = |genesis: &GenesisState| serde_json::to_vec(genesis).unwrap();
    let mut twice = stranger.clone();
    twice.validators.push(twice.validators[0].clone());
    let mut long = stranger.clone();
    long.validators[0].name = "x".repeat(65);
    for (init, words) in [
        (InitChain { app_state: json(&stranger), ..good.clone() }, "validators[0].identity: is not one"),
        (InitChain { app_state: json(&twice), ..good.clone() }, "validators[1].identity: "),
        (InitChain { app_state: json(&long), ..good.clone() }, "validators[0].name: a name of 65"),
        (InitChain { validators: vec![update(1, 1, None)], ..init_of(&genesis_with(&[])) }, "vote key"),
        (
            InitChain {
                validators: vec![update(1, 1, Some(1)), update(2, 1, Some(1))],
                ..init_of(&genesis_with(&[]))
            },
            "key of another",
        ),
    ] {
        let error = begin(&init).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
