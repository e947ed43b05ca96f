//! Random lists of instructions: mostly such as could succeed, on what the model says is there.

use std::collections::BTreeSet;

use super::{
    model::{BAD_KEYS, ISSUER, List, MEMBER, Model, Motion, Op, Seat, Turn, Who},
    programs::{ACCOUNTS, SEATS},
};

/// Numbers that depend on the seed alone (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

fn amount(dice: &mut Dice) -> u128 {
    match dice.below(80) {
        0 => 0,
        1 => u128::MAX - dice.below(300) as u128,
        2..12 => 150 + dice.below(300) as u128,
        _ => 1 + dice.below(40) as u128,
    }
}

fn metadata(dice: &mut Dice) -> usize {
    if dice.one_in(12) { 257 } else { dice.of(&[0, 3, 256]) }
}

/// Mostly one who can do it.
fn issuer_of(dice: &mut Dice, model: &Model, asset: usize) -> Who {
    match model.assets.get(&asset) {
        Some(found) if !dice.one_in(4) => found.issuer,
        _ => dice.below(ACCOUNTS),
    }
}

fn motion(dice: &mut Dice, model: &Model) -> Motion {
    if dice.one_in(3) {
        let count = if dice.one_in(30) { dice.of(&[0, 17]) } else { dice.of(&[1, 1, 1, 2, 3]) };
        return Motion::Validators((0..count).map(|_| turn(dice, model)).collect());
    }
    let (role, who) = (dice.below(4) as u8, dice.below(ACCOUNTS));
    match dice.below(9) {
        0..4 => Motion::Grant(role, who),
        4..8 => Motion::Revoke(role, who),
        _ => Motion::Threshold(dice.below(6) as u16),
    }
}

/// Mostly one that could be made.
fn turn(dice: &mut Dice, model: &Model) -> Turn {
    let (present, absent): (Vec<Seat>, Vec<Seat>) =
        (0..SEATS).partition(|seat| model.validators.contains_key(seat));
    let any = dice.below(SEATS);
    let seat = if dice.one_in(8) || present.is_empty() { any } else { dice.of(&present) };
    let newcomer = if dice.one_in(8) || absent.is_empty() { any } else { dice.of(&absent) };
    let free: Vec<usize> =
        (0..BAD_KEYS).filter(|key| model.validators.values().all(|one| one.key != *key)).collect();
    let key = match free.as_slice() {
        [] => dice.below(BAD_KEYS),
        _ if dice.one_in(10) => dice.below(BAD_KEYS + 1),
        free => dice.of(free),
    };
    let power = match dice.below(24) {
        0 => 0,
        1 => 1 << 60,
        2 => u64::MAX,
        _ => 1 + dice.below(5) as u64,
    };
    let account = dice.below(ACCOUNTS);
    let suspended: Vec<Seat> = present.into_iter().filter(|seat| model.validators[seat].suspended).collect();
    if !suspended.is_empty() && dice.one_in(3) {
        return Turn::Reinstate(dice.of(&suspended));
    }
    match dice.below(11) {
        0..2 => Turn::Add { seat: newcomer, key, power, account },
        2..4 => Turn::Remove(seat),
        4..6 => Turn::Power(seat, power),
        6 => Turn::Key(seat, key),
        7 => Turn::Identity(seat, newcomer),
        8 => Turn::Account(seat, account),
        9 => Turn::Reinstate(seat),
        _ => Turn::Heartbeat(dice.of(&[0, 500, 1000, 90_000_000])),
    }
}

/// An instruction, and who had best send it.
fn op(dice: &mut Dice, model: &Model) -> (Op, Who) {
    let (asset, one, other) =
        (dice.of(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 3]), dice.below(ACCOUNTS), dice.below(ACCOUNTS));
    let holders: Vec<_> =
        model.balances.iter().filter(|(_, (held, _))| *held > 0).map(|(key, _)| *key).collect();
    let (asset_held, from) =
        if dice.one_in(6) || holders.is_empty() { (asset, one) } else { dice.of(&holders) };
    let members: Vec<Who> = (0..ACCOUNTS).filter(|who| model.has(MEMBER, *who)).collect();
    let member = if dice.one_in(20) || members.is_empty() { one } else { dice.of(&members) };
    let named = match model.locks.len() {
        0 => (one, 0, 0),
        _ if dice.one_in(8) => (one, dice.below(9) as u64, dice.below(2) as u8),
        n => *model.locks.keys().nth(n - 1 - dice.below(n.min(6))).unwrap(),
    };
    let locked = model.locks.get(&named);
    let proposal = match model.proposals.len() {
        0 => dice.below(4) as u64,
        _ if dice.one_in(6) => dice.below(model.proposed as usize + 3) as u64,
        n => *model.proposals.keys().nth(dice.below(n)).unwrap(),
    };
    // Mostly one who has not approved it yet, and may count.
    let approvals = model.proposals.get(&proposal).map(|one| &one.approvals);
    let others: Vec<Who> =
        members.iter().copied().filter(|who| approvals.is_some_and(|given| !given.contains(who))).collect();
    let approver = if dice.one_in(5) || others.is_empty() { member } else { dice.of(&others) };
    let issuer = issuer_of(dice, model, asset);
    let held = model.balances.get(&(asset_held, from)).map_or(0, |(held, _)| *held);
    let amount = match dice.below(8) {
        0 => amount(dice),
        _ => 1 + u128::from(dice.roll()) % held.clamp(1, 60),
    };
    let issuers: Vec<Who> = (0..ACCOUNTS).filter(|who| model.has(ISSUER, *who)).collect();
    let creator = if dice.one_in(6) || issuers.is_empty() { one } else { dice.of(&issuers) };
    let administrators: Vec<Who> = (0..ACCOUNTS).filter(|who| model.has(0, *who)).collect();
    match dice.below(32) {
        0..8 => (Op::Transfer(asset_held, from, other, amount), from),
        8 => {
            let decimals = dice.of(&[0, 0, 2, 2, 6, 38, 38, 39]);
            (Op::Create(dice.below(4), decimals, dice.of(&[0, 50, 1_000]), metadata(dice)), creator)
        }
        9 => (Op::Metadata(asset, metadata(dice)), issuer),
        10..12 => (Op::Issue(asset, other, amount), issuer),
        12..14 => (Op::Burn(asset_held, from, amount), from),
        14 => (Op::Freeze(asset, other), issuer),
        15..17 => {
            let frozen: Vec<_> = model.balances.iter().filter(|(_, (_, frozen))| *frozen).collect();
            match frozen.first() {
                Some(((asset, who), _)) if !dice.one_in(4) => {
                    (Op::Unfreeze(*asset, *who), issuer_of(dice, model, *asset))
                }
                _ => (Op::Unfreeze(asset, other), issuer),
            }
        }
        17 => (Op::HandOver(asset, other), issuer),
        18..21 => {
            let refund_height = model.height + dice.below(6) as u64;
            let secret = dice.below(4) as u8;
            (Op::Lock { asset: asset_held, from, to: other, amount, secret, refund_height }, from)
        }
        21..23 => {
            let secret = locked.filter(|_| !dice.one_in(5)).map_or(9, |lock| lock.secret);
            (Op::Claim(named, secret), one)
        }
        23..25 => (Op::Refund(named), one),
        25 => (
            Op::Grant(if dice.one_in(9) { 0 } else { 3 }, other),
            dice.of(&[one, *administrators.first().unwrap_or(&one)]),
        ),
        26 => (
            Op::Revoke(if dice.one_in(9) { 2 } else { 3 }, other),
            dice.of(&[one, *administrators.first().unwrap_or(&one)]),
        ),
        27..29 => (Op::Propose(motion(dice, model)), member),
        29..31 => (Op::Approve(proposal), approver),
        _ => (Op::Withdraw(proposal), member),
    }
}

/// A list, mostly of what could succeed.
pub(super) fn list(dice: &mut Dice, model: &Model) -> List {
    let count = if dice.one_in(40) { 16 } else { dice.of(&[1, 1, 1, 1, 2, 2, 3]) };
    let (ops, best): (Vec<_>, Vec<_>) = (0..count).map(|_| op(dice, model)).unzip();
    let sender = if dice.one_in(10) { dice.below(ACCOUNTS) } else { best[0] };
    let mut approvals = BTreeSet::from([sender]);
    for op in &ops {
        if let Op::Transfer(_, from, ..) | Op::Burn(_, from, _) | Op::Lock { from, .. } = op {
            approvals.insert(*from);
        }
    }
    if dice.one_in(25) {
        approvals.remove(&dice.below(ACCOUNTS));
    }
    if dice.one_in(25) {
        approvals.insert(dice.below(ACCOUNTS));
    }
    let next = model.sequences.get(&sender).copied().unwrap_or_default();
    List {
        sender,
        sequence: if dice.one_in(15) { next.saturating_sub(1) + 2 * dice.below(2) as u64 } else { next },
        expiry: if dice.one_in(8) { (model.height + dice.below(3) as u64).saturating_sub(1) } else { 0 },
        key: dice.one_in(4).then(|| vec![dice.below(3) as u8; 1 + dice.below(2)]),
        ops,
        approvals,
        bytes: 0,
    }
}
