//! What each client uses of what all share, and how much of it is its fair share.
//!
//! Of everything that is held (connections, requests under way, waiting places, subscriptions, bytes) a client may hold what its own
//! limit says, and never more than is still free: one alone can fill half, two a third each, and whoever comes new always finds
//! room (the dynamic threshold of Choudhury and Hahne, "Dynamic queue length thresholds", 1998). The cost of requests is taken
//! from a bucket of the client's and from one of all (of all with a key, of all without, or of connections, of which nobody knows yet whose
//! they are), which fill with time; by the same rule a client may have used of late only as much as is left for all. Who is refused is told when its turn comes, behind all that it was told before, at the rate of its share: a crowd
//! that does as it is told comes as fast as it can be served, and whoever asks too much at once waits behind itself alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{RpcError, budget::Bucket, metrics::RpcMeters, turns::Turns, who::Who};
use crate::config::RpcConfig;

/// Addresses that are kept account of. One that holds nothing and has not asked for a while is forgotten.
const MAX_CLIENTS: usize = 16_384;
/// Where there are keys, such a part of what is held is left to those who show one, however many strangers there are. Of connections, over
/// which no key was shown yet, it is left to addresses that showed one before, to proxies and to this machine.
const KEPT_FOR_KNOWN: u64 = 8;
/// What someone is told who can only wait for others to end.
const RETRY: Duration = Duration::from_millis(500);
/// How often it is counted between how many clients the budget is shared.
const COUNT_EVERY: Duration = Duration::from_millis(500);

/// Something that is held for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections.
    Connections,
    /// Requests under way.
    Requests,
    /// Places among those who wait for something to happen.
    Waiting,
    /// Subscriptions.
    Subscriptions,
    /// Bytes of requests and answers in memory.
    Bytes,
}

impl Kind {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Connections, Self::Requests, Self::Waiting, Self::Subscriptions, Self::Bytes];

    /// Its name in metrics and errors.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
            Self::Waiting => "waiting",
            Self::Subscriptions => "subscriptions",
            Self::Bytes => "bytes",
        }
    }
}

/// A number of each kind.
type Amounts = [u64; Kind::ALL.len()];

/// The accounts of all clients.
pub(crate) struct Clients {
    limits: Limits,
    books: Mutex<Books>,
    meters: RpcMeters,
}

/// What one may hold and spend, and all together.
#[derive(Debug, Clone)]
struct Limits {
    each: Amounts,
    all: Amounts,
    /// Of all, what only those with a key may hold.
    kept: Amounts,
    rate_each: u64,
    rate_all: u64,
}

struct Books {
    held: Amounts,
    known: Pool,
    strangers: Pool,
    arrivals: Pool,
    by_client: BTreeMap<Who, Account>,
    forgot_at: Instant,
    /// Requests refused for being too many, since the start.
    refused: u64,
}

/// From which pool a cost is taken. A crowd of strangers takes nothing of what is there for those with keys, nor of what it takes these to
/// connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purse {
    /// Of those whose keys the operator gave them.
    Known,
    /// Of all others.
    Strangers,
    /// Of connections.
    Arrivals,
}

impl Purse {
    fn of(who: &Who) -> Self {
        if who.is_known() { Self::Known } else { Self::Strangers }
    }
}

/// What clients may spend together.
struct Pool {
    bucket: Bucket,
    /// How many use it, and when that was counted.
    crowd: (u64, Instant),
}

/// What one client holds, the bucket of what it may spend, and its turns at what all share.
#[derive(Debug, Clone)]
struct Account {
    held: Amounts,
    bucket: Bucket,
    turns: Turns,
    /// Whether somebody showed a key over a connection of this client.
    vouched: bool,
}

/// Something held by a client, given back when dropped.
pub(crate) struct Place {
    clients: Arc<Clients>,
    who: Who,
    kind: Kind,
    amount: u64,
}

impl Place {
    /// Holds so much more.
    pub(crate) fn more(&mut self, amount: u64) -> Result<(), RpcError> {
        let mut more = self.clients.take(&self.who, self.kind, amount)?;
        self.amount = self.amount.saturating_add(std::mem::take(&mut more.amount));
        Ok(())
    }

    /// Makes one of two of the same client and kind.
    pub(crate) fn join(&mut self, mut other: Self) {
        debug_assert!(self.who == other.who && self.kind == other.kind, "they are given back together");
        self.amount = self.amount.saturating_add(std::mem::take(&mut other.amount));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut books = self.clients.lock();
        let index = self.kind as usize;
        books.held[index] = books.held[index].saturating_sub(self.amount);
        if let Some(account) = books.by_client.get_mut(&self.who) {
            account.held[index] = account.held[index].saturating_sub(self.amount);
        }
    }
}

impl Clients {
    /// Accounts within these limits.
    pub(crate) fn new(config: &RpcConfig) -> Arc<Self> {
        let now = Instant::now();
        let limits = Limits::new(config);
        let pool = || Pool { bucket: Bucket::full(limits.rate_all, now), crowd: (1, now) };
        let (known, strangers, arrivals) = (pool(), pool(), pool());
        let books = Books {
            held: Amounts::default(),
            known,
            strangers,
            arrivals,
            by_client: BTreeMap::new(),
            forgot_at: now,
            refused: 0,
        };
        Arc::new(Self { limits, books: Mutex::new(books), meters: RpcMeters::default() })
    }

    /// Takes an amount of something that is held.
    pub(super) fn take(self: &Arc<Self>, who: &Who, kind: Kind, amount: u64) -> Result<Place, RpcError> {
        let mut books = self.lock();
        let (index, name) = (kind as usize, kind.name());
        let held = books.held[index];
        let account = books.account(who, &self.limits)?;
        let free = self.limits.all_for(who, kind, account.vouched).saturating_sub(held);
        let wanted = account.held[index].saturating_add(amount);
        let reason = match wanted {
            _ if wanted > self.limits.of(who, kind) => {
                format!("this client has {} of {} {name}", account.held[index], self.limits.of(who, kind))
            }
            _ if wanted > free => {
                format!("{free} {name} are left for all clients, and this one has its share")
            }
            _ => {
                account.held[index] = wanted;
                books.held[index] = books.held[index].saturating_add(amount);
                return Ok(Place { clients: Arc::clone(self), who: who.clone(), kind, amount });
            }
        };
        books.refused += 1;
        Err(RpcError::busy(RETRY, reason))
    }

    /// Takes a cost from the client's bucket and that of all.
    pub(super) fn spend(&self, who: &Who, cost: u32) -> Result<(), RpcError> {
        self.spend_from(Purse::of(who), who, cost)
    }

    /// As [`Self::spend`], what it costs to connect.
    pub(super) fn arrive(&self, who: &Who, cost: u32) -> Result<(), RpcError> {
        let vouched = self.lock().by_client.get(who).is_some_and(|account| account.vouched);
        self.spend_from(if vouched { Purse::Known } else { Purse::Arrivals }, who, cost)
    }

    /// Somebody showed a key over a connection of this client: its next ones are not those of a stranger.
    pub(super) fn vouch(&self, who: &Who) {
        if let Some(account) = self.lock().by_client.get_mut(who) {
            account.vouched = true;
        }
    }

    fn spend_from(&self, purse: Purse, who: &Who, cost: u32) -> Result<(), RpcError> {
        let now = Instant::now();
        let mut books = self.lock();
        let (all, crowd) = books.pool_at(purse, now);
        let own = &mut books.account(who, &self.limits)?.bucket;
        own.fill(now);
        let cost = u64::from(cost).saturating_mul(1000);
        let (wait, reason) = if own.left < cost {
            (
                own.time_for(cost.saturating_add(own.owed) - own.left),
                "this client asks for more than rpc.client_cost_per_s",
            )
        } else if own.used().saturating_add(cost) > all.left {
            let lacking = own.used().saturating_add(cost) - all.left;
            (all.time_for(lacking), "all clients together ask for more than rpc.cost_per_s")
        } else {
            own.left -= cost;
            books.pool(purse).bucket.left -= cost;
            return Ok(());
        };
        let takes = own.time_for(cost).max(all.time_for(cost.saturating_mul(crowd)));
        let wait = wait.max(own.turn(now, takes));
        books.refused += 1;
        Err(RpcError::busy(wait, reason))
    }

    /// Takes a cost that shows only when all is done. A client that has less owes the rest, and may ask for nothing before it has come
    /// in; what all have is not owed: others find room at once.
    pub(super) fn charge(&self, who: &Who, cost: u32) {
        if cost == 0 {
            return;
        }
        let (now, cost) = (Instant::now(), u64::from(cost).saturating_mul(1000));
        let mut books = self.lock();
        let all = &mut books.pool(Purse::of(who)).bucket;
        all.fill(now);
        all.left = all.left.saturating_sub(cost);
        if let Some(account) = books.by_client.get_mut(who) {
            account.bucket.fill(now);
            account.bucket.charge(cost);
        }
    }

    /// How long it takes until a client owes nothing, if it does owe.
    pub(super) fn owes(&self, who: &Who) -> Option<Duration> {
        let mut books = self.lock();
        let bucket = &mut books.by_client.get_mut(who)?.bucket;
        bucket.fill(Instant::now());
        (bucket.owed > 0).then(|| bucket.time_for(bucket.owed))
    }

    /// The turns of a client.
    pub(super) fn turns(&self, who: &Who) -> Result<Turns, RpcError> {
        Ok(self.lock().account(who, &self.limits)?.turns.clone())
    }

    /// What their requests are counted by.
    pub(super) fn meters(&self) -> &RpcMeters {
        &self.meters
    }

    /// The most that all clients together may hold of each kind.
    pub(super) fn limits(&self) -> Amounts {
        self.limits.all
    }

    /// What all clients hold together of each kind.
    pub(super) fn held(&self) -> Amounts {
        self.lock().held
    }

    /// How many clients have an account, and how often one was told to come back later.
    pub(super) fn counts(&self) -> (usize, u64) {
        let books = self.lock();
        (books.by_client.len(), books.refused)
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn account(&mut self, who: &Who, limits: &Limits) -> Result<&mut Account, RpcError> {
        let now = Instant::now();
        // Keys and proxies are as many as the operator wants.
        let may_be_many = matches!(who, Who::Address(_));
        if may_be_many && self.by_client.len() >= MAX_CLIENTS && !self.by_client.contains_key(who) {
            self.forget_idle(now);
            if self.by_client.len() >= MAX_CLIENTS {
                self.refused += 1;
                return Err(RpcError::busy(RETRY, "too many clients ask at once"));
            }
        }
        let fresh = || Account {
            held: Amounts::default(),
            bucket: Bucket::full(limits.rate_each, now),
            turns: Turns::of_one(),
            vouched: false,
        };
        Ok(self.by_client.entry(who.clone()).or_insert_with(fresh))
    }

    fn pool(&mut self, purse: Purse) -> &mut Pool {
        match purse {
            Purse::Known => &mut self.known,
            Purse::Strangers => &mut self.strangers,
            Purse::Arrivals => &mut self.arrivals,
        }
    }

    /// What is in it now, and how many share it; at least one.
    fn pool_at(&mut self, purse: Purse, now: Instant) -> (Bucket, u64) {
        if now.saturating_duration_since(self.pool(purse).crowd.1) >= COUNT_EVERY {
            let beside = |other: &Who| other.is_known() == (purse == Purse::Known);
            let users =
                self.by_client.iter().filter(|(other, own)| beside(other) && own.bucket.is_in_use(now));
            self.pool(purse).crowd = (users.count().max(1) as u64, now);
        }
        let pool = self.pool(purse);
        pool.bucket.fill(now);
        (pool.bucket.clone(), pool.crowd.0)
    }

    /// Looking at all of them is not to be had for each request of a flood.
    fn forget_idle(&mut self, now: Instant) {
        if now.saturating_duration_since(self.forgot_at) < RETRY {
            return;
        }
        self.forgot_at = now;
        self.by_client.retain(|_, account| {
            account.bucket.fill(now);
            account.held != Amounts::default() || account.bucket.used() > 0
        });
    }
}

impl Limits {
    /// What this one may hold. The connections of a trusted proxy are those of many clients: it is kept to its share of all of them.
    fn of(&self, who: &Who, kind: Kind) -> u64 {
        let limits =
            if kind == Kind::Connections && matches!(who, Who::Proxy(_)) { self.all } else { self.each };
        limits[kind as usize]
    }

    /// What all of its sort may hold, with what others hold.
    fn all_for(&self, who: &Who, kind: Kind, vouched: bool) -> u64 {
        let is_kept_for = match (kind, who) {
            (Kind::Connections, Who::Address(address)) => vouched || address.is_loopback(),
            (Kind::Connections, Who::Proxy(_)) => true,
            _ => who.is_known(),
        };
        let (all, kept) = (self.all[kind as usize], self.kept[kind as usize]);
        if is_kept_for { all } else { all - kept }
    }

    fn new(config: &RpcConfig) -> Self {
        let amounts = |connections, requests, waiting, subscriptions, bytes| {
            [connections, requests, waiting, subscriptions, bytes].map(|amount: usize| amount as u64)
        };
        let all = amounts(
            config.max_connections,
            config.max_requests,
            config.max_waiting,
            config.max_subscriptions,
            config.max_bytes,
        );
        let kept = |kind: Kind| match kind == Kind::Connections || config.keys.is_some() {
            true => all[kind as usize] / KEPT_FOR_KNOWN,
            false => 0,
        };
        Self {
            each: amounts(
                config.max_connections_per_client,
                config.max_requests_per_client,
                config.max_waiting_per_client,
                config.max_subscriptions_per_client,
                config.max_bytes_per_client,
            ),
            all,
            kept: Kind::ALL.map(kept),
            rate_each: config.client_cost_per_s,
            rate_all: config.cost_per_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(number: u8) -> Who {
        Who::at([10, 0, 0, number].into())
    }

    #[test]
    fn one_who_takes_all_it_can_leaves_room_for_others() {
        let config = RpcConfig { max_requests: 8, max_requests_per_client: 100, ..RpcConfig::default() };
        let clients = Clients::new(&config);
        let take_all = |who: Who| {
            let take = || clients.take(&who, Kind::Requests, 1).ok();
            std::iter::from_fn(take).collect::<Vec<_>>()
        };
        let first = take_all(who(1));
        let second = take_all(who(2));
        assert_eq!((first.len(), second.len()), (4, 2));
        let third = take_all(who(3));
        assert_eq!(third.len(), 1);
        drop(first);
        assert_eq!(take_all(who(4)).len(), 3, "half of what is free, rounded up");
        drop((second, third));
        assert_eq!(clients.held(), Amounts::default());
    }

    #[test]
    fn nobody_holds_more_than_its_own_limit() {
        let config = RpcConfig { max_waiting_per_client: 2, ..RpcConfig::default() };
        let clients = Clients::new(&config);
        let wait = || clients.take(&who(1), Kind::Waiting, 1);
        let _places = [wait().unwrap(), wait().unwrap()];
        let error = wait().err().unwrap();
        assert_eq!((error.code, error.retry_after), (-32004, Some(RETRY)));
        assert!(clients.take(&who(2), Kind::Waiting, 1).is_ok());
        assert_eq!(clients.counts(), (2, 1));
    }

    #[test]
    fn a_trusted_proxy_has_its_share_of_all_connections() {
        let config = RpcConfig { max_connections: 40, max_connections_per_client: 3, ..RpcConfig::default() };
        let clients = Clients::new(&config);
        let proxy = |number: u8| Who::Proxy([10, 0, 0, number].into());
        let take_all = |who: Who| {
            let take = || clients.take(&who, Kind::Connections, 1).ok();
            std::iter::from_fn(take).collect::<Vec<_>>()
        };
        let (first, second, client) = (take_all(proxy(1)), take_all(proxy(2)), take_all(who(1)));
        assert_eq!((first.len(), second.len(), client.len()), (20, 10, 3));
    }

    #[test]
    fn a_cost_is_paid_by_the_client_and_by_all() {
        let config = RpcConfig { client_cost_per_s: 100, cost_per_s: 150, ..RpcConfig::default() };
        let clients = Clients::new(&config);
        // At once: two seconds' worth, and never more than is left for all.
        let spent = |who: Who| (0..400).take_while(|_| clients.spend(&who, 1).is_ok()).count();
        let first = spent(who(1));
        assert!((150..=160).contains(&first), "half of what all may spend: {first}");
        let second = spent(who(2));
        assert!((70..=85).contains(&second), "half of what was left: {second}");
        let error = clients.spend(&who(2), 50).unwrap_err();
        let wait = error.retry_after.unwrap();
        assert!(wait <= Duration::from_millis(1000), "{wait:?}");
        assert!(clients.spend(&who(3), 1).is_ok(), "whoever comes new finds room");
    }

    #[test]
    fn a_share_is_as_large_as_the_crowd_is_small_and_who_is_refused_waits_behind_itself_alone() {
        let clients =
            Clients::new(&RpcConfig { client_cost_per_s: 100, cost_per_s: 100, ..RpcConfig::default() });
        let refused = |who: Who| loop {
            if let Err(error) = clients.spend(&who, 10) {
                break error.retry_after.unwrap();
            }
        };
        // As many as there are share what comes in a second: of two, each waits twice as long.
        let alone = refused(who(1));
        _ = refused(who(2));
        clients.lock().strangers.crowd.1 -= COUNT_EVERY;
        let turns: Vec<_> = (0..4).map(|_| refused(who(3))).collect();
        assert!(
            turns.is_sorted() && turns[3] - turns[2] >= Duration::from_millis(190),
            "{alone:?} {turns:?}"
        );
        assert!(refused(who(2)) < turns[3]);
    }

    #[test]
    fn what_came_to_more_than_a_client_has_is_owed_by_it_alone() {
        let clients = Clients::new(&RpcConfig { client_cost_per_s: 100, ..RpcConfig::default() });
        assert!(clients.spend(&who(1), 1).is_ok());
        clients.charge(&who(1), 1_000);
        let wait = clients.spend(&who(1), 1).unwrap_err().retry_after.unwrap();
        assert!(wait > Duration::from_secs(7), "800 are owed, of which 100 come in a second: {wait:?}");
        assert!(clients.owes(&who(1)).is_some_and(|wait| wait > Duration::from_secs(7)));
        assert!(clients.spend(&who(2), 100).is_ok() && clients.owes(&who(2)).is_none());
    }

    #[test]
    fn strangers_however_many_leave_something_of_each_kind_to_those_with_keys() {
        let count = |keys: Option<&str>, kind: Kind, known: Who| {
            let limits = RpcConfig { max_requests: 80, max_connections: 80, ..RpcConfig::default() };
            let clients = Clients::new(&RpcConfig { keys: keys.map(Into::into), ..limits });
            drop(clients.take(&who(0), kind, 1));
            clients.vouch(&who(0));
            let held: Vec<_> = (1..=200).map_while(|n| clients.take(&who(n), kind, 1).ok()).collect();
            (held.len(), clients.take(&known, kind, 1).is_ok())
        };
        let key = || Who::Key("exchange".into());
        assert_eq!(count(Some("keys"), Kind::Requests, key()), (70, true));
        assert_eq!(count(None, Kind::Requests, key()), (80, false));
        assert_eq!(count(Some("keys"), Kind::Requests, who(0)), (70, false), "it shows none now");
        for (known, finds) in [
            (who(0), true),
            (Who::at([127, 0, 0, 1].into()), true),
            (Who::Proxy([10, 0, 1, 0].into()), true),
            (who(255), false),
        ] {
            assert_eq!(count(None, Kind::Connections, known.clone()), (70, finds), "{known}");
        }
    }

    #[test]
    fn what_strangers_ask_keeps_nobody_from_connecting() {
        let clients = Clients::new(&RpcConfig { cost_per_s: 100, ..RpcConfig::default() });
        let asked = (0..=u8::MAX).take_while(|n| clients.spend(&who(*n), 1).is_ok()).count();
        assert!((200..255).contains(&asked), "all that is there for strangers: {asked}");
        assert!(clients.arrive(&who(255), 20).is_ok());
        let connected = (0..=u8::MAX).take_while(|n| clients.arrive(&who(*n), 20).is_ok()).count();
        assert!((8..12).contains(&connected), "not without end: {connected}");
        let vouched = (0..=u8::MAX).map(who).find(|who| clients.arrive(who, 20).is_err()).unwrap();
        clients.vouch(&vouched);
        assert!(clients.arrive(&vouched, 20).is_ok(), "it showed a key before");
    }

    #[test]
    fn clients_that_hold_nothing_are_forgotten_when_there_are_too_many() {
        let clients = Clients::new(&RpcConfig::default());
        let address = |number: usize| Who::at(std::net::Ipv4Addr::from_bits(number as u32).into());
        let held = clients.take(&address(0), Kind::Requests, 1);
        for number in 1..MAX_CLIENTS {
            drop(clients.take(&address(number), Kind::Requests, 1));
        }
        clients.lock().forgot_at = Instant::now() + RETRY;
        assert!(clients.take(&address(MAX_CLIENTS), Kind::Requests, 1).is_err());
        assert!(clients.spend(&Who::Key("exchange".into()), 1).is_ok(), "keys are few");
        clients.lock().forgot_at = Instant::now() - RETRY;
        clients.lock().by_client.remove(&Who::Key("exchange".into()));
        assert!(clients.take(&address(MAX_CLIENTS), Kind::Requests, 1).is_ok());
        assert_eq!(clients.counts().0, 2, "the one that holds something, and the new one");
        drop(held);
    }
}
