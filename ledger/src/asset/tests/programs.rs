//! Random programs on the ledger and on the model, few accounts and assets, so that lists get in each other's way.
//!
//! `ALTHING_LISTS=100000 cargo test --release -p althing-ledger random_programs` says how many lists to run. Failures name the
//! program: `ALTHING_PROGRAM=17` runs that one alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    lists::{Dice, list},
    model::{BAD_KEYS, ISSUER, List, MEMBER, Model, Motion, Op, Seat, Turn, Validator, Who},
    *,
};
use crate::{
    asset::role::{GOVERNANCE_KEY, Governance},
    state::Records,
};

pub(super) const ACCOUNTS: usize = 7;
const ASSETS: [&str; 4] = ["COIN", "EUR", "GOLD-9", "X.1"];
/// Identities that are or can become validators.
pub(super) const SEATS: usize = 7;
/// The account of several keys.
const SHARED: Who = 6;

/// What the model's small numbers stand for.
struct Names {
    accounts: Vec<Address>,
    keys: Vec<SecretKey>,
    policy: Policy,
    identities: Vec<PublicKey>,
    /// The last one with the proof of another.
    vote_keys: Vec<VoteKey>,
}

impl Names {
    fn new() -> Self {
        let keys: Vec<_> = (0..SHARED as u8).map(key).collect();
        let policy = Policy::new(2, keys[..3].iter().map(SecretKey::public_key).collect()).unwrap();
        let own = keys.iter().map(|key| Address::of(&key.public_key()));
        let identities = (0..SEATS as u8).map(|n| key(100 + n).public_key()).collect();
        let mut vote_keys: Vec<_> = (0..=BAD_KEYS as u8).map(vote_key).collect();
        vote_keys[BAD_KEYS].proof = vote_keys[0].proof;
        Self { accounts: own.chain([policy.address()]).collect(), keys, policy, identities, vote_keys }
    }

    fn role(role: u8) -> Role {
        Role::ALL[usize::from(role)]
    }

    fn lock(&self, (sender, sequence, index): model::LockName) -> LockId {
        LockId::new(&self.accounts[sender], sequence, index)
    }

    fn change(&self, motion: Motion) -> Change {
        match motion {
            Motion::Grant(role, who) => Change::Grant { role: Self::role(role), account: self.accounts[who] },
            Motion::Revoke(role, who) => {
                Change::Revoke { role: Self::role(role), account: self.accounts[who] }
            }
            Motion::Threshold(approvals) => Change::Threshold { approvals },
            Motion::Validators(turns) => {
                Change::Validators { changes: turns.into_iter().map(|turn| self.turn(turn)).collect() }
            }
        }
    }

    fn turn(&self, turn: Turn) -> ValidatorChange {
        let of = |seat: Seat| self.identities[seat];
        let key = |key: usize| self.vote_keys[key].clone();
        match turn {
            Turn::Add { seat, key: voting, power, account } => ValidatorChange::Add {
                identity: of(seat),
                vote_key: key(voting),
                power,
                name: format!("validator {seat}"),
                account: self.accounts[account],
            },
            Turn::Remove(seat) => ValidatorChange::Remove { identity: of(seat) },
            Turn::Power(seat, power) => ValidatorChange::Power { identity: of(seat), power },
            Turn::Key(seat, voting) => ValidatorChange::VoteKey { identity: of(seat), vote_key: key(voting) },
            Turn::Identity(seat, to) => ValidatorChange::Identity { identity: of(seat), to: of(to) },
            Turn::Account(seat, account) => {
                ValidatorChange::Account { identity: of(seat), account: self.accounts[account] }
            }
            Turn::Reinstate(seat) => ValidatorChange::Reinstate { identity: of(seat) },
            Turn::Heartbeat(value) => {
                ValidatorChange::Parameter { parameter: ConsensusParameter::HeartbeatMs, value }
            }
        }
    }

    /// What a node begins the chain with.
    fn init(&self, model: &Model, genesis: &GenesisState) -> InitChain {
        let validator = |(seat, one): (&Seat, &Validator)| ValidatorUpdate {
            identity: *self.identities[*seat].as_bytes(),
            power: one.power,
            vote_key: Some(self.vote_keys[one.key].clone()),
        };
        InitChain {
            validators: model.validators.iter().map(validator).collect(),
            params: ParamUpdates { heartbeat_ms: Some(model.heartbeat), ..ParamUpdates::default() },
            ..init_of(genesis)
        }
    }

    fn instruction(&self, op: &Op) -> Instruction {
        let who = |one: Who| self.accounts[one];
        match *op {
            Op::Transfer(asset, from, to, amount) => {
                Instruction::Transfer { asset: symbol(asset), from: who(from), to: who(to), amount }
            }
            Op::Create(asset, decimals, cap, metadata) => {
                let metadata = "m".repeat(metadata);
                Instruction::CreateAsset { symbol: symbol(asset), decimals, cap, metadata }
            }
            Op::Metadata(asset, metadata) => {
                Instruction::SetMetadata { asset: symbol(asset), metadata: "m".repeat(metadata) }
            }
            Op::Issue(asset, to, amount) => Instruction::Issue { asset: symbol(asset), to: who(to), amount },
            Op::Burn(asset, from, amount) => {
                Instruction::Burn { asset: symbol(asset), from: who(from), amount }
            }
            Op::Freeze(asset, account) => Instruction::Freeze { asset: symbol(asset), account: who(account) },
            Op::Unfreeze(asset, account) => {
                Instruction::Unfreeze { asset: symbol(asset), account: who(account) }
            }
            Op::HandOver(asset, to) => Instruction::HandOver { asset: symbol(asset), to: who(to) },
            Op::Lock { asset, from, to, amount, secret, refund_height } => Instruction::Lock {
                asset: symbol(asset),
                from: who(from),
                to: who(to),
                amount,
                hash: sha256(&[secret; 32]),
                refund_height,
            },
            Op::Claim(lock, secret) => {
                Instruction::Claim { lock: self.lock(lock), preimage: Hash::from_bytes([secret; 32]) }
            }
            Op::Refund(lock) => Instruction::Refund { lock: self.lock(lock) },
            Op::Grant(role, account) => Instruction::Grant { role: Self::role(role), account: who(account) },
            Op::Revoke(role, account) => {
                Instruction::Revoke { role: Self::role(role), account: who(account) }
            }
            Op::Propose(ref motion) => Instruction::Propose { change: self.change(motion.clone()) },
            Op::Approve(proposal) => Instruction::Approve { proposal },
            Op::Withdraw(proposal) => Instruction::Withdraw { proposal },
        }
    }

    /// The list as bytes. Executing checks no signatures, so these are none.
    fn encode(&self, list: &List) -> Bytes {
        let none = Signature::from_bytes([0; 64]);
        let instructions = list.ops.iter().map(|op| self.instruction(op)).collect();
        let approval = |&who: &Who| match self.keys.get(who) {
            Some(key) => Approval::Key { key: key.public_key(), signature: none },
            None => Approval::Multi { policy: self.policy.clone(), signatures: vec![(0, none), (2, none)] },
        };
        let mut approvals: Vec<_> = list.approvals.iter().map(approval).collect();
        approvals.sort_by_key(Approval::account);
        let tx = Transaction::new(CHAIN, self.accounts[list.sender], list.sequence, instructions);
        let expiry_height = list.expiry;
        Transaction { expiry_height, idempotency_key: list.key.clone(), approvals, ..tx }.encode()
    }
}

fn symbol(asset: usize) -> Symbol {
    ASSETS[asset].parse().unwrap()
}

/// The first state of a program, in both forms.
fn beginning(dice: &mut Dice, names: &Names) -> (Model, GenesisState) {
    let mut model = Model {
        threshold: 1 + dice.below(3) as u16,
        closed: dice.one_in(3),
        lifetime: 1 + dice.below(12) as u64,
        window: dice.below(6) as u64,
        lenient: dice.one_in(8),
        ..Model::default()
    };
    for who in 0..4 {
        model.roles.insert((MEMBER, who));
    }
    for _ in 0..6 {
        model.roles.insert((dice.of(&[0, ISSUER, ISSUER, 3]), dice.below(ACCOUNTS)));
    }
    model.roles.insert((0, dice.below(4)));
    let fees = dice.one_in(3).then(|| (0, dice.of(&[0, 0, 1]), dice.of(&[0, 2]), dice.below(ACCOUNTS)));
    model.fees = fees;
    for asset in 0..2 {
        let cap = dice.of(&[0, 0, 30_000]);
        let issuer = dice.below(4);
        model.assets.insert(asset, model::Asset { issuer, cap, supply: 0, metadata: 3 });
        for who in 0..5 {
            let amount = fees_in(asset, fees) + dice.of(&[0, 5, 100, 400]);
            model.balances.insert((asset, who), (amount, false));
            model.assets.get_mut(&asset).unwrap().supply += amount;
        }
    }
    for seat in 0..1 + dice.below(4) {
        let account = (!dice.one_in(8)).then_some(seat);
        let (power, suspended, admitted) = (1 + dice.below(3) as u64, false, None);
        model.validators.insert(seat, Validator { key: seat, power, account, suspended, admitted });
    }
    let genesis = genesis_of(&model, names);
    (model, genesis)
}

/// Enough for some twenty transactions.
fn fees_in(asset: usize, fees: Option<(usize, u128, u128, Who)>) -> u128 {
    match fees {
        Some((of, per_byte, ..)) if of == asset => 5_000 * per_byte,
        _ => 0,
    }
}

fn genesis_of(model: &Model, names: &Names) -> GenesisState {
    let with = |role: u8| {
        let all = model.roles.iter().filter(|(one, _)| *one == role);
        all.map(|(_, who)| names.accounts[*who]).collect()
    };
    let asset = |(asset, held): (&usize, &model::Asset)| GenesisAsset {
        symbol: symbol(*asset),
        decimals: 2,
        cap: held.cap,
        metadata: "m".repeat(held.metadata),
        issuer: names.accounts[held.issuer],
    };
    let balance = |(&(asset, who), &(amount, _)): (&(usize, Who), &(u128, bool))| GenesisBalance {
        asset: symbol(asset),
        account: names.accounts[who],
        amount,
    };
    let validator = |(seat, one): (&Seat, &Validator)| GenesisValidator {
        identity: names.identities[*seat],
        name: format!("validator {seat}"),
        account: one.account.map(|who| names.accounts[who]),
    };
    GenesisState {
        assets: model.assets.iter().map(asset).collect(),
        balances: model.balances.iter().map(balance).collect(),
        roles: GenesisRoles {
            administrators: with(0),
            issuers: with(1),
            members: with(2),
            submitters: with(3),
        },
        threshold: model.threshold,
        validators: model.validators.iter().map(validator).collect(),
        submission: if model.closed { Submission::Closed } else { Submission::Open },
        proposal_lifetime: model.lifetime,
        idempotency_window: model.window,
        fees: model.fees.map(|(asset, per_byte, per_instruction, collector)| Fees {
            asset: symbol(asset),
            per_byte,
            per_instruction,
            collector: names.accounts[collector],
        }),
        evidence: if model.lenient { OnEvidence::Record } else { OnEvidence::Suspend },
    }
}

/// All records, as they lie in the state.
fn dump(chain: &Chain) -> Vec<(Vec<u8>, Vec<u8>)> {
    chain.ledger.state.newest().range(&[], &[], usize::MAX).unwrap()
}

/// What the ledger answers is what the model holds; and no unit was made or lost.
fn compare(chain: &Chain, model: &Model, names: &Names) {
    for (who, account) in names.accounts.iter().enumerate() {
        let view: AccountView = chain.ask(&Question::Account { account: *account });
        assert_eq!(view.sequence, model.sequences.get(&who).copied().unwrap_or_default(), "of {who}");
        let roles = (0..4).filter(|role| model.has(*role, who)).map(Names::role).collect::<Vec<_>>();
        assert_eq!(view.roles, roles, "of {who}");
    }
    for asset in 0..ASSETS.len() {
        compare_asset(chain, model, names, asset);
    }
    for (name, lock) in &model.locks {
        let view: Option<LockView> = chain.ask(&Question::Lock { lock: names.lock(*name) });
        let found = view.unwrap().lock;
        let state = match found.state {
            LockState::Open => "open",
            LockState::Claimed { preimage, .. } => {
                assert_eq!(sha256(preimage.as_bytes()), found.hash);
                "claimed"
            }
            LockState::Refunded { .. } => "refunded",
        };
        assert_eq!((found.amount, found.refund_height, state), (lock.amount, lock.refund_height, lock.state));
    }
    let governance: GovernanceView = chain.ask(&Question::Governance {});
    let members = model.roles.iter().filter(|(role, _)| *role == MEMBER).count();
    assert_eq!((governance.threshold, usize::from(governance.members)), (model.threshold, members));
    assert!(governance.members >= governance.threshold && governance.administrators > 0);
    let open: Vec<ProposalView> = chain.ask(&Question::Proposals {});
    assert_eq!(open.len(), governance.open_proposals);
    for (view, (number, proposal)) in open.iter().zip(&model.proposals) {
        let approvals: BTreeSet<Address> =
            proposal.approvals.iter().map(|who| names.accounts[*who]).collect();
        let found =
            (view.number, view.change.clone(), view.expiry_height, view.approvals.iter().copied().collect());
        assert_eq!(found, (*number, names.change(proposal.motion.clone()), proposal.until, approvals));
        let power = matches!(proposal.motion, Motion::Validators(_)).then(|| {
            let members = proposal.approvals.iter().copied().filter(|who| model.has(MEMBER, *who));
            PowerView { approved: model.power_of(&members.collect()), of: model.total() }
        });
        assert_eq!(view.power, power);
        assert!(model.has(MEMBER, proposal.proposer), "a proposal ends with its proposer");
    }
    assert_eq!(open.len(), model.proposals.len());
}

/// The validators that the ledger has are the model's, and those that a node has made of what it was told.
fn compare_validators(chain: &Chain, model: &Model, names: &Names, node: &Node) {
    let validators: Page<ValidatorView, PublicKey> =
        chain.ask(&Question::Validators { after: None, limit: MAX_LIMIT });
    assert!(validators.items.is_sorted_by_key(|one| one.identity));
    let had = |one: &ValidatorView| one.suspended.map(|why| why.power);
    let view = |one: &ValidatorView| (one.identity, one.vote_key.clone(), one.power, one.account, had(one));
    let found: BTreeSet<_> = validators.items.iter().map(|one| format!("{:?}", view(one))).collect();
    let expected = model.validators.iter().map(|(seat, one)| {
        let key = names.vote_keys[one.key].clone();
        let account = one.account.map(|who| names.accounts[who]);
        let had = one.suspended.then_some(one.power);
        format!("{:?}", (names.identities[*seat], key, one.voting(), account, had))
    });
    assert_eq!(found, expected.collect());
    let voting = validators.items.iter().filter(|one| one.suspended.is_none());
    let of_node = voting.map(|one| (*one.identity.as_bytes(), (one.vote_key.key, one.power)));
    assert_eq!(node.set, of_node.collect());
    let pieces: Page<MisbehaviourView, u64> =
        chain.ask(&Question::Misbehaviour { before: None, limit: MAX_LIMIT });
    let found = pieces.items.iter().map(|one| (one.identity, one.outcome.name().to_owned()));
    let expected = model.pieces.iter().rev().take(MAX_LIMIT.into());
    let expected = expected.map(|(seat, outcome)| (names.identities[*seat], (*outcome).to_owned()));
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    let params: ParamUpdates = chain.ask(&Question::Consensus {});
    assert_eq!((params.heartbeat_ms, node.heartbeat), (Some(model.heartbeat), model.heartbeat));
}

/// What a node knows of its validators: it remembers the key that was named last for an identity.
#[derive(Default)]
struct Node {
    set: BTreeMap<[u8; 32], ([u8; 48], u64)>,
    registered: BTreeMap<[u8; 32], [u8; 48]>,
    heartbeat: u64,
}

impl Node {
    /// Takes what a block tells, as the node of this workspace does.
    fn take(&mut self, validators: &[ValidatorUpdate], params: &ParamUpdates) {
        for ValidatorUpdate { identity, power, vote_key } in validators {
            if let Some(VoteKey { key, .. }) = vote_key {
                self.registered.insert(*identity, *key);
            }
            match power {
                0 => assert!(self.set.remove(identity).is_some(), "one is removed who is none"),
                _ => drop(self.set.insert(*identity, (self.registered[identity], *power))),
            }
        }
        let keys: BTreeSet<_> = self.set.values().map(|(key, _)| key).collect();
        assert!(!keys.is_empty() && keys.len() == self.set.len());
        let named: BTreeSet<_> = validators.iter().map(|one| one.identity).collect();
        assert_eq!(named.len(), validators.len(), "one is named twice");
        self.heartbeat = params.heartbeat_ms.unwrap_or(self.heartbeat);
    }
}

fn compare_asset(chain: &Chain, model: &Model, names: &Names, asset: usize) {
    let view: Option<AssetView> = chain.ask(&Question::Asset { asset: symbol(asset) });
    let Some((found, expected)) = view.as_ref().zip(model.assets.get(&asset)) else {
        assert!(view.is_none() && !model.assets.contains_key(&asset));
        return;
    };
    let expected = (names.accounts[expected.issuer], expected.cap, expected.supply, expected.metadata);
    assert_eq!((found.issuer, found.cap, found.supply, found.metadata.len()), expected);
    let holders = Question::Holders { asset: symbol(asset), after: None, limit: MAX_LIMIT };
    let holders: Page<BalanceView, Address> = chain.ask(&holders);
    let held: BTreeMap<Address, (u128, bool)> =
        holders.items.iter().map(|one| (one.account, (one.amount, one.frozen))).collect();
    let modelled = model.balances.iter().filter(|((one, _), _)| *one == asset);
    assert_eq!(held, modelled.map(|((_, who), held)| (names.accounts[*who], *held)).collect());
    let locked = model.locks.values().filter(|lock| lock.asset == asset && lock.state == "open");
    let locked: u128 = locked.map(|lock| lock.amount).sum();
    let balances: u128 = held.values().map(|(amount, _)| amount).sum();
    assert_eq!(balances + locked, found.supply, "units of {} were made or lost", ASSETS[asset]);
}

/// What a block proves of validators, mostly of present ones; the model hears of it.
fn misbehaviour(dice: &mut Dice, names: &Names, model: &mut Model) -> Vec<Misbehaviour> {
    let count = if dice.one_in(6) { 1 + dice.below(2) } else { 0 };
    let one = |_| {
        let present: Vec<Seat> = model.validators.keys().copied().collect();
        let seat = if dice.one_in(3) { dice.below(SEATS) } else { dice.of(&present) };
        let height = model.height.saturating_sub(dice.below(20) as u64).max(1);
        model.misbehaves(seat, height);
        Misbehaviour {
            kind: MisbehaviourKind::DoubleVote,
            identity: *names.identities[seat].as_bytes(),
            power: 1,
            total_power: 4,
            epoch: 1,
            view: 1,
            height,
            time_ms: 0,
        }
    };
    (0..count).map(one).collect()
}

/// How often each came, by name.
type Counts = BTreeMap<&'static str, u64>;

/// Runs one program; counts codes, and what came of misbehaviour.
fn run(number: u64, codes: &mut Counts, outcomes: &mut Counts) -> u64 {
    let (mut dice, names) = (Dice(number), Names::new());
    let (mut model, genesis) = beginning(&mut dice, &names);
    let init = names.init(&model, &genesis);
    let mut node = Node::default();
    node.take(&init.validators, &init.params);
    // How many heights are kept is each node's choice.
    let (steady, mut shaky) = (Chain::begin(&init), Chain::begin_keeping(2, &init));
    let (mut lists, mut told) = (0, 0);
    for height in 1..=40 {
        model.begin_block(height);
        let proved = misbehaviour(&mut dice, &names, &mut model);
        let (mut txs, mut expected, mut sender) = (vec![], vec![], 0);
        for _ in 0..dice.of(&[0, 1, 1, 4, 8]) {
            let mut list = list(&mut dice, &model);
            let bytes = names.encode(&list);
            list.bytes = bytes.len();
            let code = model.run(&list).err().unwrap_or("ok");
            *codes.entry(code).or_default() += 1;
            expected.push(code);
            txs.push(bytes);
            sender = list.sender;
        }
        lists += txs.len() as u64;
        let alone = txs.len() == 1 && proved.is_empty();
        let before = if alone { dump(&steady) } else { vec![] };
        let done = steady.block_with(&txs, &proved);
        let found: Vec<_> = done.tx_results.iter().map(|result| name_of(result.code)).collect();
        assert_eq!(found, expected, "height {height}: {:?}", done.tx_results);
        node.take(&done.validator_updates, &done.param_updates);
        told += done.validator_updates.len() as u64;
        if alone && expected[0] != "ok" {
            let sequence = model.sequences.get(&sender).copied().unwrap_or_default();
            only_the_sequence(&before, &dump(&steady), height, (names.accounts[sender], sequence));
        }
        if dice.one_in(12) {
            shaky.kept_heights = dice.of(&[1, 2, 5, 100]);
            shaky.restart();
        }
        let again = || shaky.finalize_with(height, &txs, &proved).unwrap();
        assert_eq!(again(), done, "two instances differ at height {height}");
        if dice.one_in(12) {
            shaky.restart();
            let again = shaky.finalize_with(height, &txs, &proved).unwrap();
            assert_eq!(again, done, "after a crash at height {height}");
        }
        shaky.ledger.commit().unwrap();
        if height % 8 == 0 {
            compare(&steady, &model, &names);
            compare_validators(&steady, &model, &names, &node);
        }
    }
    *codes.entry("(updates of validators)").or_default() += told;
    for (_, outcome) in &model.pieces {
        *outcomes.entry(*outcome).or_default() += 1;
    }
    assert_eq!(dump(&steady), dump(&shaky));
    assert_eq!(steady.ledger.info().unwrap(), shaky.ledger.info().unwrap());
    lists
}

/// A failed list alone in its block has changed its sender's sequence, if it used it, and nothing else. What other than lists a
/// block does is to remove what has had its time.
fn only_the_sequence(
    before: &[(Vec<u8>, Vec<u8>)],
    after: &[(Vec<u8>, Vec<u8>)],
    height: u64,
    sender: (Address, u64),
) {
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = before.iter().cloned().collect();
    let its_time = [b"x/".as_slice(), &height.to_be_bytes()].concat();
    expected.retain(|key, _| !key.starts_with(b"x/") || *key >= its_time);
    for (key, _) in before.iter().filter(|(key, _)| key.starts_with(b"x/") && *key < its_time) {
        expected.remove(&[b"i/", &key[its_time.len()..]].concat());
    }
    let governance = Governance::decode(&expected[GOVERNANCE_KEY]).unwrap();
    let (open, over): (Vec<_>, Vec<_>) =
        governance.open.into_iter().partition(|proposal| height <= proposal.expiry_height);
    over.iter().for_each(|proposal| drop(expected.remove(&proposal::key(proposal.number))));
    expected.insert(GOVERNANCE_KEY.to_vec(), Governance { open, ..governance }.encode());
    if let (sender, sequence @ 1..) = sender {
        expected.insert(account::key(&sender).to_vec(), account::Account { sequence }.encode());
    }
    assert_eq!(after.iter().cloned().collect::<BTreeMap<_, _>>(), expected, "a failed list changed more");
}

fn name_of(code: u32) -> &'static str {
    Code::ALL.iter().find(|one| one.number() == code).map_or("ok", |code| code.name())
}

#[test]
fn random_programs_do_what_the_model_does() {
    let (mut codes, mut outcomes) = (Counts::new(), Counts::new());
    if let Ok(program) = std::env::var("ALTHING_PROGRAM") {
        run(program.parse().unwrap(), &mut codes, &mut outcomes);
        return;
    }
    let default = if cfg!(debug_assertions) { 5_000 } else { 100_000 };
    let wanted = std::env::var("ALTHING_LISTS").map_or(default, |lists| lists.parse().unwrap());
    let (mut lists, mut program) = (0, 0);
    while lists < wanted {
        let _replay = Replay(program);
        lists += run(program, &mut codes, &mut outcomes);
        program += 1;
    }
    // Lists that all fail at the door would show nothing.
    assert!(codes["ok"] * 4 > lists, "{codes:?}");
    assert!(codes["(updates of validators)"] * 2_000 > lists, "{codes:?}");
    assert_eq!(outcomes.len(), 6, "{outcomes:?}");
    let met = codes.len();
    assert!(met >= 47, "only {met} outcomes came up: {codes:?}");
}

/// Says at a panic which program it was.
struct Replay(u64);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with ALTHING_PROGRAM={}", self.0);
        }
    }
}
