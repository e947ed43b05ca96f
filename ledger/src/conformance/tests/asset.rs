//! The asset ledger under the kit.

use althing_crypto::{Encoding, Hash, bls, ed25519::SecretKey, sha256};

use super::*;
use crate::asset::{
    self, Address, COIN, Change, GenesisState, GenesisValidator, Instruction, LockId, Policy, Question, Role,
    Symbol, Transaction, ValidatorChange,
};
use crate::state::MemoryFiles;
use crate::{AssetLedger, ValidatorUpdate, VoteKey};

/// The asset ledger.
pub(super) struct Assets;

#[test]
fn conforms() {
    run(&Assets);
}

const CHAIN: &str = "assets";
const EUR: &str = "EUR";

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn vote_key(n: u8) -> VoteKey {
    let key = bls::SecretKey::from_seed(&bls::BLS, &[n; 32]);
    VoteKey { key: *key.public_key().bytes(), proof: *key.prove_possession().as_bytes() }
}

fn address(n: u8) -> Address {
    Address::of(&key(n).public_key())
}

fn eur() -> Symbol {
    EUR.parse().unwrap()
}

/// An account of two keys, both of which must sign.
fn shared() -> Policy {
    let mut keys = vec![key(1).public_key(), key(2).public_key()];
    keys.sort();
    Policy::new(2, keys).unwrap()
}

fn sign(from: u8, sequence: u64, instructions: Vec<Instruction>) -> Bytes {
    Transaction::sign(CHAIN, &key(from), sequence, 0, instructions, "").encode()
}

fn pay(from: u8, sequence: u64, to: Address, amount: u128) -> Bytes {
    Transaction::transfer(CHAIN, &key(from), sequence, 0, to, amount, "").encode()
}

fn pay_from_shared(sequence: u64) -> Bytes {
    let policy = shared();
    let from = policy.address();
    let transfer = Instruction::Transfer { asset: COIN, from, to: address(3), amount: 4 };
    let mut tx = Transaction::new(CHAIN, from, sequence, vec![transfer]);
    assert!(tx.add_signature(&policy, &key(1)) && tx.add_signature(&policy, &key(2)));
    tx.encode()
}

fn init(amount: u128) -> InitChain {
    let mut genesis = GenesisState::plain(&[address(1), address(2), address(3)], amount);
    let (identity, account) = (key(1).public_key(), Some(address(1)));
    genesis.validators = vec![GenesisValidator { identity, name: "one".into(), account }];
    let app_state = serde_json::to_vec(&genesis).unwrap();
    // Account 1 votes for two thirds and more.
    let validator = |n: u8, power| ValidatorUpdate {
        identity: *key(n).public_key().as_bytes(),
        power,
        vote_key: Some(vote_key(n)),
    };
    let validators = vec![validator(1, 5), validator(2, 1)];
    InitChain { chain_id: CHAIN.into(), initial_height: 1, app_state, validators, ..Default::default() }
}

impl Subject for Assets {
    fn place(&self) -> Place {
        let files = Arc::new(MemoryFiles::new());
        Box::new(move || Ok(Arc::new(AssetLedger::open(files.clone(), 3)?)))
    }

    fn genesis(&self) -> InitChain {
        init(1_000)
    }

    fn other_genesis(&self) -> Option<InitChain> {
        Some(InitChain { chain_id: "other".into(), ..init(1_000) })
    }

    fn blocks(&self) -> Vec<Vec<Bytes>> {
        let create =
            Instruction::CreateAsset { symbol: eur(), decimals: 2, cap: 100, metadata: "euro".into() };
        let issue = |amount| Instruction::Issue { asset: eur(), to: address(3), amount };
        let lock = Instruction::Lock {
            asset: COIN,
            from: address(1),
            to: address(2),
            amount: 5,
            hash: sha256(&[7; 32]),
            refund_height: 50,
        };
        let claim =
            Instruction::Claim { lock: LockId::new(&address(1), 1, 1), preimage: Hash::from_bytes([7; 32]) };
        let freeze = Instruction::Freeze { asset: COIN, account: address(2) };
        let propose =
            Instruction::Propose { change: Change::Grant { role: Role::Member, account: address(4) } };
        let add = ValidatorChange::Add {
            identity: key(3).public_key(),
            vote_key: vote_key(3),
            power: 2,
            name: "three".into(),
            account: address(3),
        };
        let validators = Instruction::Propose { change: Change::Validators { changes: vec![add] } };
        vec![
            // Two that build on one another, one that cannot be paid, one whose turn has not come.
            vec![
                pay(1, 0, shared().address(), 20),
                pay_from_shared(0),
                pay(2, 0, address(3), 5_000),
                pay(3, 9, address(1), 1),
            ],
            vec![sign(1, 1, vec![create, lock]), sign(2, 1, vec![propose])],
            // All or nothing: the second issue exceeds the cap.
            vec![sign(1, 2, vec![issue(60), issue(60)]), sign(2, 2, vec![claim])],
            vec![],
            vec![
                sign(1, 3, vec![issue(60), freeze, validators]),
                pay(2, 3, address(1), 1),
                pay_from_shared(1),
            ],
        ]
    }

    fn questions(&self) -> Vec<Query> {
        let proved = |question: Question| Query { prove: true, ..question.query() };
        vec![
            proved(Question::Balance { asset: COIN, account: address(2) }),
            proved(Question::Account { account: shared().address() }),
            proved(Question::Holders { asset: COIN, after: None, limit: 2 }),
            proved(Question::History { asset: COIN, account: address(1), before: None, limit: 3 }),
            proved(Question::Asset { asset: eur() }),
            proved(Question::Lock { lock: LockId::new(&address(1), 1, 1) }),
            proved(Question::Validators { after: None, limit: 2 }),
            Question::Proposals {}.query(),
            Question::Assets { after: None, limit: 10 }.query(),
        ]
    }

    fn verify(&self, asked: &Query, answer: &QueryResult, app_hash: &AppHash) -> Result<(), String> {
        asset::verify(asked, answer, app_hash).map_err(|error| error.to_string())
    }
}
