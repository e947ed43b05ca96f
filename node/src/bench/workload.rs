//! The transactions of each workload.

use std::{
    collections::VecDeque,
    time::{SystemTime, UNIX_EPOCH},
};

use althing_crypto::{Encoding, TxHash};
use althing_ledger::{
    asset::{COIN, Instruction, Transaction},
    kv,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    Workload,
    accounts::{Account, in_parallel},
};

/// Bytes of an opaque transaction, as in the prototypes of others.
pub(super) const OPAQUE_BYTES: usize = 512;
/// Bytes of a value of the key-value workload, and how many in a hundred transactions insert a key.
const VALUE_BYTES: usize = 100;
const INSERTS: u64 = 5;
/// Opaque transactions are pieces of so much, which is more than the longest.
const NOISE_BYTES: usize = 256 << 10;
/// One in so many accounts of the bank is a teller's.
const TELLERS: usize = 10;
/// How uneven keys are chosen: the constant of YCSB.
const ZIPF: f64 = 0.99;

/// A transaction as it is handed in.
#[derive(Clone)]
pub(super) struct Tx {
    /// In base64.
    pub(super) text: Box<str>,
    /// The first bytes of its hash, by which it is found in a block.
    pub(super) id: u64,
    /// To which node it goes.
    pub(super) lane: usize,
    /// It was handed in before, to a node that may or may not have passed it on.
    pub(super) resent: bool,
}

/// The first eight bytes of a hash.
pub(super) fn id_of(hash: &[u8]) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|index| hash.get(index).copied().unwrap_or_default()))
}

impl Tx {
    fn new(bytes: &[u8], lane: usize) -> Self {
        Self {
            text: BASE64.encode(bytes).into(),
            id: id_of(TxHash::of(bytes).as_bytes()),
            lane,
            resent: false,
        }
    }
}

/// Random enough, and the same each time.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Xorshift, Marsaglia 2003.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % (bound.max(1) as u64)) as usize
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Where transactions come from. Those of an account all go to one node, so that their sequences arrive about in order.
pub(super) struct Source {
    make: Make,
    lanes: usize,
    ready: VecDeque<Tx>,
    made: u64,
    random: Random,
}

enum Make {
    Transfers { chain_id: String, accounts: Vec<Account> },
    Bank { chain_id: String, accounts: Vec<Account> },
    Keys { zipf: Zipf, keys: u64, value: usize },
    Opaque { noise: Vec<u8>, bytes: usize },
}

/// Made at once, up to so many, where nothing is signed.
const CHUNK: usize = 256;

impl Source {
    /// None where there are no transactions.
    pub(super) fn new(
        workload: Workload,
        chain_id: &str,
        accounts: Vec<Account>,
        keys: usize,
        lanes: usize,
        bytes: Option<usize>,
    ) -> Option<Self> {
        // Another begin for each run: a chain that is joined may have seen the last one's.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut random = Random::new(u64::try_from(now.as_nanos()).unwrap_or(1));
        let chain_id = chain_id.to_owned();
        let make = match workload {
            Workload::Transfer => Make::Transfers { chain_id, accounts },
            Workload::Smallbank => Make::Bank { chain_id, accounts },
            Workload::Kv => {
                Make::Keys { zipf: Zipf::new(keys), keys: keys as u64, value: bytes.unwrap_or(VALUE_BYTES) }
            }
            Workload::Opaque => {
                let noise = (0..NOISE_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
                Make::Opaque { noise, bytes: bytes.unwrap_or(OPAQUE_BYTES) }
            }
            Workload::Empty => return None,
        };
        let made = u64::try_from(now.as_micros()).unwrap_or_default() << 8;
        Some(Self { make, lanes, ready: VecDeque::new(), made, random })
    }

    /// Whether its transactions are signed, and have to be made before they are due.
    pub(super) fn is_signed(&self) -> bool {
        matches!(self.make, Make::Transfers { .. } | Make::Bank { .. })
    }

    /// Has so many ready, on all processors.
    pub(super) fn prepare(&mut self, count: usize) {
        let wanted = count.saturating_sub(self.ready.len());
        if !self.is_signed() || wanted == 0 {
            return;
        }
        let plans: Vec<_> = (0..wanted).map(|_| self.plan()).collect();
        let (Make::Transfers { chain_id, accounts } | Make::Bank { chain_id, accounts }) = &self.make else {
            return;
        };
        let lanes = self.lanes;
        self.ready.extend(in_parallel(plans.len(), |index| plans[index].sign(chain_id, accounts, lanes)));
    }

    /// The next one; none if too few were prepared.
    pub(super) fn next(&mut self) -> Option<Tx> {
        if self.ready.is_empty() && !self.is_signed() {
            for _ in 0..CHUNK {
                let tx = self.unsigned();
                self.ready.push_back(tx);
            }
        }
        self.ready.pop_front()
    }

    /// Takes those back that were not handed in, the first one first.
    pub(super) fn give_back(&mut self, txs: impl DoubleEndedIterator<Item = Tx>) {
        txs.rev().for_each(|tx| self.ready.push_front(tx));
    }

    fn unsigned(&mut self) -> Tx {
        self.made += 1;
        let lane = (self.made % self.lanes as u64) as usize;
        match &mut self.make {
            Make::Opaque { noise, bytes } => {
                let from = self.random.below(noise.len() - *bytes);
                let mut bytes = noise[from..from + *bytes].to_vec();
                bytes[..8].copy_from_slice(&self.made.to_le_bytes());
                bytes[8..16].copy_from_slice(&self.random.next().to_le_bytes());
                Tx::new(&bytes, lane)
            }
            Make::Keys { zipf, keys, value } => {
                let insert = self.random.next() % 100 < INSERTS;
                let key = if insert {
                    *keys += 1;
                    *keys
                } else {
                    zipf.pick(&mut self.random)
                };
                let value: Vec<u8> = (0..value.div_ceil(8))
                    .flat_map(|_| self.random.next().to_le_bytes())
                    .take(*value)
                    .collect();
                let operation = kv::Operation::Set(value);
                let key = format!("user{key:012}").into_bytes();
                Tx::new(&kv::Transaction { nonce: self.made, key, operation }.encode(), lane)
            }
            Make::Transfers { .. } | Make::Bank { .. } => {
                unreachable!("these are signed before they are due")
            }
        }
    }

    fn plan(&mut self) -> Plan {
        self.made += 1;
        let (place, random) = (self.made as usize, &mut self.random);
        match &mut self.make {
            Make::Transfers { accounts, .. } => {
                let from = place % accounts.len();
                let to = (from + 1 + random.below(accounts.len() - 1)) % accounts.len();
                Plan::new(accounts, from, vec![(from, to)])
            }
            Make::Bank { accounts, .. } => bank(accounts, random),
            Make::Keys { .. } | Make::Opaque { .. } => unreachable!("these are not signed"),
        }
    }
}

/// One transaction of SmallBank, each of the writing kinds as often as the others. The tellers' accounts come first; every other two
/// are a customer's, for payments and for savings.
fn bank(accounts: &mut [Account], random: &mut Random) -> Plan {
    let tellers = (accounts.len() / TELLERS).max(1);
    let customers = (accounts.len() - tellers) / 2;
    let customer = |random: &mut Random| tellers + 2 * random.below(customers);
    let (teller, one) = (random.below(tellers), customer(random));
    let mut other = customer(random);
    if other == one {
        other = tellers + (one - tellers + 2) % (2 * customers);
    }
    let (checking, savings) = (one, one + 1);
    match random.below(5) {
        // DepositChecking
        0 => Plan::new(accounts, teller, vec![(teller, checking)]),
        // TransactSavings
        1 => Plan::new(accounts, teller, vec![(teller, savings)]),
        // WriteCheck
        2 => Plan::new(accounts, checking, vec![(checking, teller)]),
        // SendPayment
        3 => Plan::new(accounts, checking, vec![(checking, other)]),
        // Amalgamate
        _ => Plan::new(accounts, checking, vec![(checking, other), (savings, other)]),
    }
}

/// A transaction to be signed: transfers of one unit, in order.
struct Plan {
    sender: usize,
    sequence: u64,
    transfers: Vec<(usize, usize)>,
}

impl Plan {
    fn new(accounts: &mut [Account], sender: usize, transfers: Vec<(usize, usize)>) -> Self {
        let sequence = accounts[sender].sequence;
        accounts[sender].sequence += 1;
        Self { sender, sequence, transfers }
    }

    fn sign(&self, chain_id: &str, accounts: &[Account], lanes: usize) -> Tx {
        let transfer = |(from, to): &(usize, usize)| Instruction::Transfer {
            asset: COIN,
            from: accounts[*from].address,
            to: accounts[*to].address,
            amount: 1,
        };
        let instructions = self.transfers.iter().map(transfer).collect();
        let mut tx = Transaction::new(chain_id, accounts[self.sender].address, self.sequence, instructions);
        let mut approvers: Vec<usize> = self.transfers.iter().map(|(from, _)| *from).collect();
        approvers.push(self.sender);
        approvers.sort_unstable();
        approvers.dedup();
        for approver in approvers {
            tx = tx.approved_by(&accounts[approver].key);
        }
        Tx::new(&tx.encode(), self.sender % lanes)
    }
}

/// Numbers of which small ones come more often: Gray and others, "Quickly generating billion-record synthetic databases", 1994.
struct Zipf {
    count: f64,
    zeta: f64,
    alpha: f64,
    eta: f64,
}

impl Zipf {
    fn new(count: usize) -> Self {
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-ZIPF)).sum();
        let two = 1.0 + 0.5_f64.powf(ZIPF);
        let count = count as f64;
        let eta = (1.0 - (2.0 / count).powf(1.0 - ZIPF)) / (1.0 - two / zeta);
        Self { count, zeta, alpha: 1.0 / (1.0 - ZIPF), eta }
    }

    fn pick(&self, random: &mut Random) -> u64 {
        let unit = random.unit();
        let scaled = unit * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5_f64.powf(ZIPF) {
            return 1;
        }
        (self.count * (self.eta * unit - self.eta + 1.0).powf(self.alpha)) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::accounts::derived, *};

    #[test]
    fn sequences_of_an_account_have_no_gap_and_one_lane() {
        for workload in [Workload::Transfer, Workload::Smallbank] {
            let mut source = Source::new(workload, "c", derived(30), 30, 4, None).unwrap();
            source.prepare(200);
            let txs: Vec<_> = std::iter::from_fn(|| source.next()).collect();
            assert_eq!(txs.len(), 200);
            let mut next = std::collections::BTreeMap::new();
            for tx in &txs {
                let decoded = Transaction::decode(&BASE64.decode(&*tx.text).unwrap()).unwrap();
                let (sequence, lane) = next.entry(decoded.sender).or_insert((0, tx.lane));
                assert_eq!((decoded.sequence, tx.lane), (*sequence, *lane));
                assert_eq!(decoded.approvers().len(), decoded.approvals.len());
                *sequence += 1;
            }
            let ids: BTreeSet<_> = txs.iter().map(|tx| tx.id).collect();
            assert_eq!(ids.len(), 200, "each is another");
            source.give_back(txs.into_iter());
            source.prepare(201);
            assert_eq!(
                std::iter::from_fn(|| source.next()).count(),
                201,
                "what came back comes first, one is new"
            );
        }
    }

    #[test]
    fn unsigned_ones_are_made_when_they_are_wanted() {
        let mut source = Source::new(Workload::Opaque, "c", Vec::new(), 0, 4, None).unwrap();
        let txs: Vec<_> = (0..600).filter_map(|_| source.next()).collect();
        assert!(txs.iter().all(|tx| BASE64.decode(&*tx.text).unwrap().len() == OPAQUE_BYTES));
        assert_eq!(txs.iter().map(|tx| tx.id).collect::<BTreeSet<_>>().len(), 600);
        let mut source = Source::new(Workload::Kv, "c", Vec::new(), 1_000, 4, None).unwrap();
        let keys: Vec<_> = (0..2_000)
            .map(|_| {
                kv::Transaction::decode(&BASE64.decode(&*source.next().unwrap().text).unwrap()).unwrap().key
            })
            .collect();
        let first = keys.iter().filter(|key| *key == b"user000000000000").count();
        assert!((100..500).contains(&first), "{first} of 2000 are the most frequent one");
        assert!(Source::new(Workload::Empty, "c", Vec::new(), 0, 4, None).is_none());
    }
}
