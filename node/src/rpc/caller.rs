//! One who asks: the account that a request is counted on, and what it holds while it is carried out.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    Role, RpcError,
    clients::{Clients, Kind, Place},
    manners::Manners,
    metrics::RpcMeters,
    turns::{Turn, Turns},
    websocket::Errand,
    who::Who,
};

/// One who asks, over one connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Caller {
    who: Who,
    /// None may do nothing.
    role: Option<Role>,
    clients: Arc<Clients>,
    manners: Arc<Manners>,
    gone: Option<watch::Receiver<()>>,
    hands: Arc<Mutex<Hands>>,
    /// The message of a WebSocket that asks, if it is one.
    errand: Option<Arc<Errand>>,
    /// Memory for the body in which the request came.
    _body: Option<Arc<Place>>,
}

/// What a request holds while it is carried out.
#[derive(Default)]
struct Hands {
    /// Its place among those under way, until it waits.
    place: Option<Place>,
    /// The turn in which that was read of which its answer is made, until that is encoded.
    turn: Option<Turn>,
    /// The result, where it is encoded already.
    encoded: Option<Arc<str>>,
}

/// Dropped, the one who asked has gone.
pub(crate) struct Presence {
    _here: watch::Sender<()>,
}

impl Caller {
    /// One who asks over the connection with these manners.
    pub(crate) fn new(who: Who, role: Option<Role>, clients: Arc<Clients>, manners: Arc<Manners>) -> Self {
        Self { who, role, clients, manners, gone: None, hands: Arc::default(), errand: None, _body: None }
    }

    /// The same one, over a connection that is its own from now on, whoever asked over it before.
    pub(crate) fn by_itself(&self) -> Self {
        Self { manners: Arc::new(Manners::instead_of(&self.manners)), ..self.clone() }
    }

    /// The same one, asking by a message of a WebSocket.
    pub(crate) fn on_errand(&self, errand: Arc<Errand>) -> Self {
        Self { errand: Some(errand), ..self.clone() }
    }

    /// The same one, with the memory for what it asks: that counts until all work for it has ended, whether somebody still waits for the
    /// answer or not.
    pub(crate) fn in_body(&self, held: Place) -> Self {
        Self { _body: Some(Arc::new(held)), ..self.clone() }
    }

    /// The message of a WebSocket that asks.
    pub(crate) fn errand(&self) -> Result<&Errand, RpcError> {
        let missing =
            || RpcError::no_method_here("subscriptions are there over a WebSocket only: /websocket");
        self.errand.as_deref().ok_or_else(missing)
    }

    /// Whose budget it is.
    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Whether it may do what takes this role.
    pub(crate) fn may(&self, role: Role) -> Result<(), RpcError> {
        match self.role {
            Some(own) if own >= role => Ok(()),
            own => Err(RpcError::unauthorized(role, own)),
        }
    }

    /// What its requests are counted by.
    pub(super) fn meters(&self) -> &RpcMeters {
        self.clients.meters()
    }

    /// Takes the cost of a request from the budgets, and a place among those under way. The place is to be kept until all work for
    /// it has ended, whether somebody still waits for the answer or not.
    pub(crate) fn begin(&self, cost: u32) -> Result<Place, RpcError> {
        self.spend(cost)?;
        self.take(Kind::Requests, 1)
    }

    /// Takes a cost from the budgets.
    pub(crate) fn spend(&self, cost: u32) -> Result<(), RpcError> {
        self.noted(self.clients.spend(&self.who, cost))
    }

    /// A place among those who wait for something to happen. The one among those under way is given up for it: however many wait,
    /// others can ask.
    pub(crate) fn wait(&self) -> Result<Place, RpcError> {
        let place = self.take(Kind::Waiting, 1)?;
        drop(self.hands().place.take());
        Ok(place)
    }

    /// The turns of this client.
    pub(super) fn turns(&self) -> Result<Turns, RpcError> {
        self.noted(self.clients.turns(&self.who))
    }

    /// Keeps a turn for the request that is carried out.
    pub(super) fn keep(&self, turn: Turn) {
        self.hands().turn = Some(turn);
    }

    /// What the request kept of its turns.
    pub(super) fn kept(&self) -> Option<Turn> {
        self.hands().turn.take()
    }

    /// Gives back what the request kept of its turns.
    pub(super) fn rest(&self) {
        drop(self.kept());
    }

    /// Answers the request with this JSON, in place of what else is said.
    pub(super) fn answer(&self, encoded: Arc<str>) {
        self.hands().encoded = Some(encoded);
    }

    /// What it is answered with, if that is encoded already.
    pub(super) fn answered(&self) -> Option<Arc<str>> {
        self.hands().encoded.take()
    }

    /// Pays for what a turn came to beyond the request's cost, and owes what it has not.
    pub(super) fn charge(&self, cost: u32) {
        self.clients.charge(&self.who, cost);
    }

    /// How long it takes until this client owes nothing, if it does owe.
    pub(super) fn owes(&self) -> Option<Duration> {
        self.clients.owes(&self.who)
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a subscription.
    pub(crate) fn subscribe(&self) -> Result<Place, RpcError> {
        self.take(Kind::Subscriptions, 1)
    }

    /// Memory for so many bytes of a request, or of an answer until it is sent.
    pub(crate) fn bytes(&self, bytes: usize) -> Result<Place, RpcError> {
        self.take(Kind::Bytes, bytes as u64)
    }

    /// A place of a kind, for as long as it is kept.
    pub(crate) fn take(&self, kind: Kind, amount: u64) -> Result<Place, RpcError> {
        self.noted(self.clients.take(&self.who, kind, amount))
    }

    /// Whether the connection goes on sending although it was told again and again to wait: it is to be closed.
    pub(crate) fn is_greedy(&self) -> bool {
        self.manners.is_greedy()
    }

    /// The same one, who has this place among those under way, and is here as long as the presence is kept.
    pub(crate) fn present(mut self, place: Place) -> (Self, Presence) {
        let (here, gone) = watch::channel(());
        self.gone = Some(gone);
        self.hands = Arc::new(Mutex::new(Hands { place: Some(place), ..Hands::default() }));
        (self, Presence { _here: here })
    }

    /// Ends when nobody waits for the answer any longer.
    pub(crate) async fn gone(&self) {
        match self.gone.clone() {
            // Nothing is ever sent: it ends with the sender.
            Some(mut gone) => while gone.changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }

    fn noted<T>(&self, outcome: Result<T, RpcError>) -> Result<T, RpcError> {
        self.manners.note(outcome.as_ref().err().and_then(|error| error.retry_after));
        outcome
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("who", &self.who).field("role", &self.role).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Default for Caller {
    /// Anyone, where it does not matter who asks.
    fn default() -> Self {
        Self::in_tests(Clients::new(&crate::config::RpcConfig::default()))
    }
}

#[cfg(test)]
impl Caller {
    /// One who may do everything.
    pub(super) fn in_tests(clients: Arc<Clients>) -> Self {
        Self::new(Who::at([127, 0, 0, 1].into()), Some(Role::Admin), clients, Arc::default())
    }

    /// What all clients hold.
    pub(super) fn held(&self, kind: Kind) -> u64 {
        self.clients.held()[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RpcConfig;

    fn caller(config: &RpcConfig, role: Option<Role>) -> Caller {
        let who = Who::at("127.0.0.1".parse().unwrap());
        Caller::new(who, role, Clients::new(config), Arc::default())
    }

    #[test]
    fn a_role_may_what_those_before_it_may() {
        let config = RpcConfig::default();
        let may = |own, role| caller(&config, own).may(role).map_err(|error| error.code);
        assert_eq!(may(Some(Role::Read), Role::Read), Ok(()));
        assert_eq!(may(Some(Role::Admin), Role::Submit), Ok(()));
        assert_eq!(may(Some(Role::Read), Role::Submit), Err(-32001));
        assert_eq!(may(None, Role::Read), Err(-32001));
    }

    #[tokio::test]
    async fn one_is_gone_when_the_presence_is() {
        let caller = caller(&RpcConfig::default(), None);
        let turn = caller.begin(1).unwrap();
        let (caller, presence) = caller.present(turn);
        drop(presence);
        caller.gone().await;
    }

    #[test]
    fn who_waits_is_not_under_way() {
        let caller = caller(&RpcConfig { max_requests: 1, ..RpcConfig::default() }, None);
        let (asking, _presence) = caller.clone().present(caller.begin(1).unwrap());
        assert!(caller.begin(1).is_err());
        let _waiting = asking.wait().unwrap();
        assert!(caller.begin(1).is_ok());
    }
}
