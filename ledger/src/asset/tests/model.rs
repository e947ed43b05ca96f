//! The ledger said anew, from docs/transactions.md alone: plain maps, no encoding, a copy of everything for each list.
//! Accounts and assets are small numbers; a refusal is the name of its code.

use std::collections::{BTreeMap, BTreeSet};

pub(super) type Who = usize;
pub(super) type What = usize;
/// An identity of a validator.
pub(super) type Seat = usize;
/// Sender, sequence, index of the instruction.
pub(super) type LockName = (Who, u64, u8);
type Refusal = &'static str;

pub(super) const ADMINISTRATOR: u8 = 0;
pub(super) const ISSUER: u8 = 1;
pub(super) const MEMBER: u8 = 2;
pub(super) const SUBMITTER: u8 = 3;

#[derive(Debug, Clone)]
pub(super) enum Op {
    Transfer(What, Who, Who, u128),
    Create(What, u8, u128, usize),
    Metadata(What, usize),
    Issue(What, Who, u128),
    Burn(What, Who, u128),
    Freeze(What, Who),
    Unfreeze(What, Who),
    HandOver(What, Who),
    Lock { asset: What, from: Who, to: Who, amount: u128, secret: u8, refund_height: u64 },
    Claim(LockName, u8),
    Refund(LockName),
    Grant(u8, Who),
    Revoke(u8, Who),
    Propose(Motion),
    Approve(u64),
    Withdraw(u64),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Motion {
    Grant(u8, Who),
    Revoke(u8, Who),
    Threshold(u16),
    Validators(Vec<Turn>),
}

/// A change of the validators. Keys from [`BAD_KEYS`] on come with the proof of another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Turn {
    Add { seat: Seat, key: usize, power: u64, account: Who },
    Remove(Seat),
    Power(Seat, u64),
    Key(Seat, usize),
    Identity(Seat, Seat),
    Account(Seat, Who),
    Heartbeat(u64),
    Reinstate(Seat),
}

pub(super) const BAD_KEYS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Validator {
    pub(super) key: usize,
    /// What it has, or will have again.
    pub(super) power: u64,
    pub(super) account: Option<Who>,
    pub(super) suspended: bool,
    pub(super) admitted: Option<u64>,
}

impl Validator {
    pub(super) fn voting(&self) -> u64 {
        if self.suspended { 0 } else { self.power }
    }
}

/// What became of an identity that was a validator's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Became(Seat),
    Barred,
}

#[derive(Debug, Clone)]
pub(super) struct List {
    pub(super) sender: Who,
    pub(super) sequence: u64,
    pub(super) expiry: u64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) ops: Vec<Op>,
    /// Who approves.
    pub(super) approvals: BTreeSet<Who>,
    /// Of the encoded transaction.
    pub(super) bytes: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lock {
    pub(super) asset: What,
    pub(super) from: Who,
    pub(super) to: Who,
    pub(super) amount: u128,
    pub(super) secret: u8,
    pub(super) refund_height: u64,
    /// `open`, `claimed` or `refunded`.
    pub(super) state: &'static str,
}

#[derive(Debug, Clone)]
pub(super) struct Asset {
    pub(super) issuer: Who,
    pub(super) cap: u128,
    pub(super) supply: u128,
    pub(super) metadata: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) motion: Motion,
    pub(super) proposer: Who,
    pub(super) until: u64,
    pub(super) approvals: BTreeSet<Who>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) height: u64,
    pub(super) sequences: BTreeMap<Who, u64>,
    pub(super) assets: BTreeMap<What, Asset>,
    pub(super) balances: BTreeMap<(What, Who), (u128, bool)>,
    pub(super) locks: BTreeMap<LockName, Lock>,
    pub(super) roles: BTreeSet<(u8, Who)>,
    pub(super) threshold: u16,
    pub(super) proposals: BTreeMap<u64, Proposal>,
    pub(super) proposed: u64,
    pub(super) keys: BTreeMap<(Who, Vec<u8>), u64>,
    pub(super) validators: BTreeMap<Seat, Validator>,
    pub(super) fates: BTreeMap<Seat, Fate>,
    /// Of each piece of misbehaviour, whose it was and what came of it.
    pub(super) pieces: Vec<(Seat, &'static str)>,
    /// Misbehaviour is recorded only.
    pub(super) lenient: bool,
    pub(super) heartbeat: u64,
    /// Vote keys that proposals of this block have named.
    pub(super) met: u32,
    pub(super) closed: bool,
    pub(super) lifetime: u64,
    pub(super) window: u64,
    /// Asset, per byte, per instruction, collector.
    pub(super) fees: Option<(What, u128, u128, Who)>,
}

type Turned = (BTreeMap<Seat, Validator>, BTreeMap<Seat, Fate>, u64);

fn ensure(holds: bool, refusal: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

impl Model {
    pub(super) fn begin_block(&mut self, height: u64) {
        (self.height, self.met) = (height, 0);
        self.proposals.retain(|_, one| height <= one.until);
    }

    /// A block proves that who had this identity in an epoch contradicted itself; `first` is the first height of that.
    pub(super) fn misbehaves(&mut self, seat: Seat, first: u64) {
        let others = |one: &Seat| self.validators.iter().any(|(seat, held)| seat != one && !held.suspended);
        let outcome = match self.newest(&self.validators, &self.fates, seat) {
            _ if self.lenient => "recorded",
            None => "no_validator",
            Some(now) => match self.validators[&now] {
                Validator { suspended: true, .. } => "already_suspended",
                Validator { admitted: Some(height), .. } if first <= height => "forgiven",
                _ if !others(&now) => "last_validator",
                _ => {
                    self.validators.get_mut(&now).unwrap().suspended = true;
                    "suspended"
                }
            },
        };
        self.pieces.push((seat, outcome));
    }

    /// The validator that has this identity, or took another one in its place.
    fn newest(
        &self,
        validators: &BTreeMap<Seat, Validator>,
        fates: &BTreeMap<Seat, Fate>,
        seat: Seat,
    ) -> Option<Seat> {
        match fates.get(&seat) {
            _ if validators.contains_key(&seat) => Some(seat),
            Some(Fate::Became(next)) => self.newest(validators, fates, *next),
            _ => None,
        }
    }

    pub(super) fn run(&mut self, list: &List) -> Result<(), Refusal> {
        Self::form(list)?;
        ensure(list.expiry == 0 || self.height <= list.expiry, "expired")?;
        let may = [SUBMITTER, MEMBER, ADMINISTRATOR].iter().any(|role| self.has(*role, list.sender));
        ensure(!self.closed || may, "not_submitter")?;
        let next = self.sequences.get(&list.sender).copied().unwrap_or_default();
        ensure(next == list.sequence, "wrong_sequence")?;
        let fee = self.fees.map_or(0, |(_, per_byte, per_op, _)| {
            per_byte * list.bytes as u128 + per_op * list.ops.len() as u128
        });
        let held = self.fees.and_then(|(asset, ..)| self.balances.get(&(asset, list.sender)));
        ensure(held.map_or(0, |(held, _)| *held) >= fee, "fee_not_covered")?;
        self.sequences.insert(list.sender, next + 1);
        let before = self.clone();
        let done = self.perform(list, fee);
        if done.is_err() {
            *self = Self { met: self.met, ..before };
        }
        done
    }

    /// The rules that need no state.
    fn form(list: &List) -> Result<(), Refusal> {
        let mut needed = BTreeSet::from([list.sender]);
        for op in &list.ops {
            match op {
                Op::Transfer(.., 0) | Op::Issue(.., 0) | Op::Burn(.., 0) | Op::Lock { amount: 0, .. } => {
                    return Err("zero_amount");
                }
                Op::Create(_, decimals, _, metadata) => {
                    ensure(*decimals <= 38, "too_many_decimals")?;
                    ensure(*metadata <= 256, "metadata_too_long")?;
                }
                Op::Metadata(_, metadata) => ensure(*metadata <= 256, "metadata_too_long")?,
                Op::Grant(role, _) | Op::Revoke(role, _) => ensure(*role == SUBMITTER, "needs_proposal")?,
                Op::Propose(Motion::Threshold(0)) => return Err("bad_threshold"),
                Op::Propose(Motion::Validators(turns)) => {
                    ensure(!turns.is_empty(), "no_changes")?;
                    ensure(turns.len() <= 16, "too_many_changes")?;
                    let none = |turn: &Turn| matches!(turn, Turn::Add { power: 0, .. } | Turn::Power(_, 0));
                    ensure(!turns.iter().any(none), "zero_power")?;
                }
                _ => {}
            }
            if let Op::Transfer(_, from, ..) | Op::Burn(_, from, _) | Op::Lock { from, .. } = op {
                needed.insert(*from);
            }
        }
        ensure(needed.is_subset(&list.approvals), "missing_approval")?;
        ensure(list.approvals.is_subset(&needed), "needless_approval")
    }

    fn perform(&mut self, list: &List, fee: u128) -> Result<(), Refusal> {
        let me = list.sender;
        if let Some(key) = &list.key {
            let until = self.keys.get(&(me, key.clone()));
            ensure(until.is_none_or(|until| self.height > *until), "duplicate_idempotency_key")?;
        }
        if let Some((asset, .., collector)) = self.fees.filter(|_| fee > 0) {
            self.balances.entry((asset, me)).or_default().0 -= fee;
            self.receive(asset, collector, fee);
        }
        for (index, op) in list.ops.iter().enumerate() {
            self.one((me, list.sequence, index as u8), op)?;
        }
        if let Some(key) = &list.key {
            self.keys.insert((me, key.clone()), self.height + self.window);
        }
        Ok(())
    }

    fn one(&mut self, name: LockName, op: &Op) -> Result<(), Refusal> {
        let me = name.0;
        match op.clone() {
            Op::Transfer(asset, from, to, amount) => {
                self.pay(asset, from, amount)?;
                self.receive(asset, to, amount);
            }
            Op::Create(asset, _, cap, metadata) => {
                ensure(self.has(ISSUER, me), "not_issuer")?;
                ensure(!self.assets.contains_key(&asset), "asset_exists")?;
                self.assets.insert(asset, Asset { issuer: me, cap, supply: 0, metadata });
            }
            Op::Metadata(asset, metadata) => self.own(asset, me)?.metadata = metadata,
            Op::Issue(asset, to, amount) => {
                let own = self.own(asset, me)?;
                own.supply = own.supply.checked_add(amount).ok_or("overflow")?;
                ensure(own.cap == 0 || own.supply <= own.cap, "cap_exceeded")?;
                self.receive(asset, to, amount);
            }
            Op::Burn(asset, from, amount) => {
                self.pay(asset, from, amount)?;
                self.assets.get_mut(&asset).unwrap().supply -= amount;
            }
            Op::Freeze(asset, account) | Op::Unfreeze(asset, account) => {
                self.own(asset, me)?;
                let freeze = matches!(op, Op::Freeze(..));
                let frozen = &mut self.balances.entry((asset, account)).or_default().1;
                ensure(*frozen != freeze, if freeze { "already_frozen" } else { "not_frozen" })?;
                *frozen = freeze;
            }
            Op::HandOver(asset, to) => {
                self.own(asset, me)?;
                ensure(self.has(ISSUER, to), "recipient_not_issuer")?;
                self.own(asset, me)?.issuer = to;
            }
            Op::Lock { asset, from, to, amount, secret, refund_height } => {
                ensure(refund_height > self.height, "refund_height_past")?;
                self.pay(asset, from, amount)?;
                self.locks
                    .insert(name, Lock { asset, from, to, amount, secret, refund_height, state: "open" });
            }
            Op::Claim(name, secret) => {
                let lock = self.open(name)?;
                ensure(self.height < lock.refund_height, "lock_expired")?;
                ensure(secret == lock.secret, "wrong_preimage")?;
                self.settle(name, lock.to, "claimed");
            }
            Op::Refund(name) => {
                let lock = self.open(name)?;
                ensure(self.height >= lock.refund_height, "lock_not_expired")?;
                self.settle(name, lock.from, "refunded");
            }
            Op::Grant(role, account) => {
                ensure(self.has(ADMINISTRATOR, me), "not_administrator")?;
                self.enact(Motion::Grant(role, account))?;
            }
            Op::Revoke(role, account) => {
                ensure(self.has(ADMINISTRATOR, me), "not_administrator")?;
                self.enact(Motion::Revoke(role, account))?;
            }
            Op::Propose(motion) => {
                ensure(self.has(MEMBER, me), "not_member")?;
                if let Motion::Validators(turns) = &motion {
                    self.turned(turns)?;
                    for turn in turns {
                        let (Turn::Add { key, .. } | Turn::Key(_, key)) = turn else { continue };
                        self.met += 1;
                        ensure(self.met <= 64, "too_many_vote_keys")?;
                        ensure(*key < BAD_KEYS, "bad_vote_key")?;
                    }
                }
                let own = self.proposals.values().filter(|one| one.proposer == me).count();
                ensure(own < 4, "too_many_proposals")?;
                self.proposed += 1;
                let until = self.height + self.lifetime;
                let proposal = Proposal { motion, proposer: me, until, approvals: BTreeSet::new() };
                self.proposals.insert(self.proposed, proposal);
                self.approve(self.proposed, me)?;
            }
            Op::Approve(number) => {
                ensure(self.has(MEMBER, me), "not_member")?;
                self.pending(number)?;
                self.approve(number, me)?;
            }
            Op::Withdraw(number) => {
                ensure(self.has(MEMBER, me), "not_member")?;
                let proposal = self.pending(number)?;
                ensure(proposal.approvals.remove(&me), "not_approved")?;
                if proposal.proposer == me {
                    self.proposals.remove(&number);
                }
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, role: u8, who: Who) -> bool {
        self.roles.contains(&(role, who))
    }

    fn pay(&mut self, asset: What, who: Who, amount: u128) -> Result<(), Refusal> {
        ensure(self.assets.contains_key(&asset), "unknown_asset")?;
        let (held, frozen) = self.balances.get(&(asset, who)).copied().unwrap_or_default();
        ensure(!frozen, "frozen")?;
        ensure(held >= amount, "insufficient_balance")?;
        self.balances.insert((asset, who), (held - amount, false));
        Ok(())
    }

    fn receive(&mut self, asset: What, who: Who, amount: u128) {
        self.balances.entry((asset, who)).or_default().0 += amount;
    }

    fn own(&mut self, asset: What, me: Who) -> Result<&mut Asset, Refusal> {
        let issues = self.has(ISSUER, me);
        let found = self.assets.get_mut(&asset).ok_or("unknown_asset")?;
        ensure(found.issuer == me, "not_issuer_of_asset")?;
        ensure(issues, "not_issuer")?;
        Ok(found)
    }

    fn open(&self, name: LockName) -> Result<Lock, Refusal> {
        let lock = self.locks.get(&name).ok_or("unknown_lock")?;
        ensure(lock.state == "open", "lock_settled")?;
        Ok(lock.clone())
    }

    fn settle(&mut self, name: LockName, winner: Who, state: &'static str) {
        let lock = self.locks.get_mut(&name).unwrap();
        lock.state = state;
        let (asset, amount) = (lock.asset, lock.amount);
        self.receive(asset, winner, amount);
    }

    fn pending(&mut self, number: u64) -> Result<&mut Proposal, Refusal> {
        let known = (1..=self.proposed).contains(&number);
        self.proposals.get_mut(&number).ok_or(if known { "proposal_closed" } else { "unknown_proposal" })
    }

    fn approve(&mut self, number: u64, me: Who) -> Result<(), Refusal> {
        let proposal = self.proposals.get_mut(&number).unwrap();
        let new = proposal.approvals.insert(me);
        let (motion, approvals) = (proposal.motion.clone(), proposal.approvals.clone());
        let present: BTreeSet<Who> = approvals.iter().copied().filter(|who| self.has(MEMBER, *who)).collect();
        let enough = match &motion {
            Motion::Validators(_) => 3 * self.power_of(&present) > 2 * self.total(),
            _ => present.len() >= usize::from(self.threshold),
        };
        if enough {
            self.proposals.remove(&number);
            return self.enact(motion);
        }
        ensure(new, "already_approved")?;
        self.proposals.get_mut(&number).unwrap().approvals = present;
        Ok(())
    }

    pub(super) fn total(&self) -> u64 {
        self.validators.values().map(Validator::voting).sum()
    }

    pub(super) fn power_of(&self, accounts: &BTreeSet<Who>) -> u64 {
        let ours =
            self.validators.values().filter(|one| one.account.is_some_and(|who| accounts.contains(&who)));
        ours.map(Validator::voting).sum()
    }

    /// That a validator may come under this identity.
    fn admit(
        &self,
        all: &BTreeMap<Seat, Validator>,
        fates: &BTreeMap<Seat, Fate>,
        seat: Seat,
        instead_of: Option<Seat>,
    ) -> Result<(), Refusal> {
        let mut last = seat;
        while let (false, Some(Fate::Became(next))) = (all.contains_key(&last), fates.get(&last)) {
            last = *next;
        }
        let there = all.get(&last);
        ensure(there.is_some() || fates.get(&last) != Some(&Fate::Barred), "barred")?;
        let elsewhere = last != seat && Some(last) != instead_of;
        ensure(!(elsewhere && there.is_some_and(|one| one.suspended)), "suspended")
    }

    /// The validators, what became of identities, and the heartbeat after these turns.
    fn turned(&self, turns: &[Turn]) -> Result<Turned, Refusal> {
        let (mut all, mut fates, mut heartbeat) =
            (self.validators.clone(), self.fates.clone(), self.heartbeat);
        for turn in turns {
            match *turn {
                Turn::Add { seat, key, power, account } => {
                    self.admit(&all, &fates, seat, None)?;
                    let (suspended, admitted) = (false, Some(self.height));
                    let newcomer = Validator { key, power, account: Some(account), suspended, admitted };
                    ensure(all.insert(seat, newcomer).is_none(), "validator_exists")?;
                    fates.remove(&seat);
                }
                Turn::Remove(seat) => {
                    let gone = all.remove(&seat).ok_or("unknown_validator")?;
                    if gone.suspended {
                        fates.insert(seat, Fate::Barred);
                    }
                }
                Turn::Reinstate(seat) => {
                    let one = all.get_mut(&seat).ok_or("unknown_validator")?;
                    ensure(one.suspended, "not_suspended")?;
                    (one.suspended, one.admitted) = (false, Some(self.height));
                }
                Turn::Identity(seat, to) => {
                    self.admit(&all, &fates, to, Some(seat))?;
                    let one = *all.get(&seat).ok_or("unknown_validator")?;
                    ensure(!all.contains_key(&to), "validator_exists")?;
                    all.remove(&seat);
                    all.insert(to, one);
                    fates.remove(&to);
                    fates.insert(seat, Fate::Became(to));
                }
                Turn::Heartbeat(value) => {
                    ensure(value != heartbeat, "nothing_changes")?;
                    heartbeat = value;
                }
                Turn::Power(seat, _) | Turn::Key(seat, _) | Turn::Account(seat, _) => {
                    let one = all.get_mut(&seat).ok_or("unknown_validator")?;
                    let before = *one;
                    match *turn {
                        Turn::Power(_, power) => one.power = power,
                        Turn::Key(_, key) => one.key = key,
                        Turn::Account(_, who) => one.account = Some(who),
                        _ => unreachable!(),
                    }
                    ensure(*one != before, "nothing_changes")?;
                }
            }
        }
        ensure(all.values().any(|one| !one.suspended), "last_validator")?;
        let total: u128 = all.values().map(|one| u128::from(one.power)).sum();
        ensure(total <= 1 << 60, "too_much_power")?;
        let keys: BTreeSet<usize> = all.values().map(|one| one.key).collect();
        ensure(keys.len() == all.len(), "duplicate_vote_key")?;
        ensure(heartbeat <= 86_400_000, "bad_parameter")?;
        Ok((all, fates, heartbeat))
    }

    fn enact(&mut self, motion: Motion) -> Result<(), Refusal> {
        let count = |role| self.roles.iter().filter(|(one, _)| *one == role).count();
        match motion {
            Motion::Grant(role, account) => {
                ensure(!self.has(role, account), "role_held")?;
                self.roles.insert((role, account));
            }
            Motion::Revoke(role, account) => {
                ensure(self.has(role, account), "role_not_held")?;
                let enough = usize::from(self.threshold);
                ensure(role != ADMINISTRATOR || count(ADMINISTRATOR) > 1, "last_administrator")?;
                ensure(role != MEMBER || count(MEMBER) > enough, "too_few_members")?;
                self.roles.remove(&(role, account));
                if role == MEMBER {
                    self.proposals.retain(|_, one| one.proposer != account);
                }
            }
            Motion::Threshold(approvals) => {
                ensure(approvals > 0 && usize::from(approvals) <= count(MEMBER), "bad_threshold")?;
                self.threshold = approvals;
            }
            Motion::Validators(turns) => {
                (self.validators, self.fates, self.heartbeat) = self.turned(&turns)?;
            }
        }
        Ok(())
    }
}
