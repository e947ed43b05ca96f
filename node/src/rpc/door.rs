//! Who may come in at all: what is looked at of a request before anything of it is read.
//!
//! A web page in somebody's browser reaches what listens on that machine. So a node on loopback answers to its own names only (a name
//! of the page's that was made to point at loopback is none), and a request that comes from a page is refused unless
//! `rpc.origins` names that page's origin. What a client is, its address or its key, decides whose budget it uses.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use tokio_rustls::TlsAcceptor;

use super::{
    Role, RpcError, caller::Caller, clients::Clients, keys::Keys, manners::Manners, proxies::Proxies, tls,
    who::Who,
};
use crate::config::RpcConfig;

/// What a wrong key costs: guessing is not to be cheap.
const WRONG_KEY_COST: u32 = 20;

/// Why the door cannot be as the configuration has it.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct DoorError {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is wrong with its value, and what to do.
    pub reason: String,
}

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// To agree on TLS.
    pub(super) handshake: Duration,
    /// To send a request's head; a connection idle for so long is closed, too.
    pub(super) head: Duration,
    /// To send a request's body.
    pub(super) body: Duration,
    /// To take some of an answer.
    pub(super) stall: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let [handshake, head, body, stall] = [10, 60, 30, 30].map(Duration::from_secs);
        Self { handshake, head, body, stall }
    }
}

/// The configured door.
pub(super) struct Door {
    keys: Keys,
    anonymous: Option<Role>,
    origins: Vec<String>,
    /// None: whatever a client calls this node.
    hosts: Option<Vec<String>>,
    proxies: Proxies,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) patience: Patience,
    /// Whether metrics take no role.
    pub(super) open_metrics: bool,
    /// Where the node's files are.
    pub(super) home: PathBuf,
}

/// The connection that a request came over.
#[derive(Clone)]
pub(super) struct Connection {
    /// The other end; none if it is in this process.
    pub(super) peer: Option<IpAddr>,
    pub(super) manners: Arc<Manners>,
}

/// Why a request is not read.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: RpcError,
}

impl Refusal {
    /// Of what passes by itself.
    pub(super) fn busy(error: RpcError) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, error }
    }
}

impl Door {
    /// What the configuration says, with the files that it names, which are relative to the home.
    pub(super) fn new(config: &RpcConfig, home: &Path) -> Result<Self, DoorError> {
        let fault = |key, reason: String| DoorError { key, reason };
        let keys = match &config.keys {
            Some(path) => {
                let path = home.join(path);
                let of = |reason| fault("rpc.keys", format!("{}: {reason}", path.display()));
                Keys::read(&path).map_err(of)?
            }
            None => Keys::default(),
        };
        let tls = match &config.tls {
            Some(files) => {
                let acceptor = tls::acceptor(&home.join(&files.certificate), &home.join(&files.key));
                Some(acceptor.map_err(|reason| fault("rpc.tls", reason))?)
            }
            None => None,
        };
        let loopback = config.listen.ip().to_canonical().is_loopback();
        let anonymous = config.anonymous.role();
        if !loopback && anonymous == Some(Role::Admin) {
            let reason = format!(
                "{} can be reached from other machines, and without a key everyone there would have the role admin: set rpc.anonymous \
                 to \"submit\", \"read\" or \"none\" (and give roles to keys by rpc.keys), or listen on loopback",
                config.listen
            );
            return Err(fault("rpc.listen", reason));
        }
        let named = !config.hosts.is_empty();
        let proxies = Proxies::new(&config.proxies, config.forwarded).map_err(|r| fault("rpc.proxies", r))?;
        Ok(Self {
            keys,
            anonymous,
            origins: config.origins.clone(),
            hosts: (loopback || named).then(|| config.hosts.iter().map(|host| host.to_lowercase()).collect()),
            proxies,
            tls,
            patience: Patience::default(),
            open_metrics: config.open_metrics,
            home: home.to_owned(),
        })
    }

    /// One through which everything comes in: for what comes over no socket.
    pub(super) fn open() -> Self {
        Self {
            keys: Keys::default(),
            anonymous: Some(Role::Admin),
            origins: Vec::new(),
            hosts: None,
            proxies: Proxies::default(),
            tls: None,
            patience: Patience::default(),
            open_metrics: true,
            home: PathBuf::new(),
        }
    }

    /// What an operator should know about the door, which stands open all the same.
    pub(super) fn advice(&self, config: &RpcConfig) -> Option<String> {
        self.hosts.is_none().then(|| {
            format!(
                "rpc.listen is {}, and rpc.hosts lists no name: this node answers whatever clients call it, also a web page whose name was \
                 made to point here; list the names by which your clients call it",
                config.listen
            )
        })
    }

    /// Whose budget a connection from this address is taken from.
    pub(super) fn who_connects(&self, peer: IpAddr) -> Who {
        if self.proxies.trust(peer) { Who::Proxy(peer.to_canonical()) } else { Who::at(peer) }
    }

    /// Who sends this request, if it may come in.
    pub(super) fn enter<B>(
        &self,
        request: &Request<B>,
        connection: &Connection,
        clients: &Arc<Clients>,
    ) -> Result<Caller, Refusal> {
        let headers = request.headers();
        let caller = |who, role| Caller::new(who, role, Arc::clone(clients), Arc::clone(&connection.manners));
        let Some(peer) = connection.peer else {
            return Ok(caller(Who::at(IpAddr::from([127, 0, 0, 1])), Some(Role::Admin)));
        };
        // Whoever looks whether the node lives often knows its address only.
        if !matches!(request.uri().path(), "/live" | "/ready") {
            self.check_host(headers, peer)?;
        }
        self.check_origin(headers)?;
        let client = self.proxies.client(peer, headers);
        match bearer(headers) {
            Some(shown) => match shown.and_then(|key| self.keys.find(key)) {
                Some((who, role)) => {
                    clients.vouch(&self.who_connects(peer));
                    Ok(caller(who, Some(role)))
                }
                None => {
                    let error = caller(Who::at(client), None).spend(WRONG_KEY_COST).err();
                    let unknown = || RpcError::unknown_key();
                    let status = if error.is_some() {
                        StatusCode::TOO_MANY_REQUESTS
                    } else {
                        StatusCode::UNAUTHORIZED
                    };
                    Err(Refusal { status, error: error.unwrap_or_else(unknown) })
                }
            },
            None => {
                // Behind a proxy, known or not, or a page that is let in because all are, anyone may be: loopback says nothing of who
                // asks.
                let role = match self.proxies.passed(peer, request) || self.is_any_page(headers) {
                    true => self.anonymous.map(|role| role.min(Role::Submit)),
                    false => self.anonymous,
                };
                Ok(caller(Who::at(client), role))
            }
        }
    }

    /// What lets the page of this request read the answer, if it comes from one.
    pub(super) fn allowed_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        self.origins
            .iter()
            .any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
            .then(|| origin.clone())
    }

    /// Whether a page asks that is let in only because all are.
    fn is_any_page(&self, headers: &HeaderMap) -> bool {
        let listed =
            |origin: &HeaderValue| self.origins.iter().any(|one| one.as_bytes() == origin.as_bytes());
        match headers.get(header::ORIGIN) {
            Some(origin) => !listed(origin) && !is_own_page(headers),
            None => is_for_a_page(headers),
        }
    }

    fn check_host(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Refusal> {
        let (Some(hosts), Some(host)) = (&self.hosts, headers.get(header::HOST)) else { return Ok(()) };
        let name = host.to_str().unwrap_or_default().to_lowercase();
        let name = without_port(&name);
        let own = hosts.iter().any(|one| one == name)
            || peer.to_canonical().is_loopback() && is_loopback_name(name);
        let reason =
            "this node does not go by the name in the Host header; rpc.hosts lists the names it answers to";
        if own { Ok(()) } else { Err(refusal(StatusCode::FORBIDDEN, reason)) }
    }

    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is_let_in = match headers.contains_key(header::ORIGIN) {
            true => self.allowed_origin(headers).is_some() || is_own_page(headers),
            // A page gets a picture without saying which page it is; the browser says that one does.
            false => !is_for_a_page(headers) || self.origins.iter().any(|one| one == "*"),
        };
        if is_let_in {
            return Ok(());
        }
        Err(refusal(
            StatusCode::FORBIDDEN,
            "web pages of this origin may not ask this node; rpc.origins lists those that may",
        ))
    }
}

/// The reason in the form of an error that a client reads.
fn refusal(status: StatusCode, reason: &str) -> Refusal {
    Refusal { status, error: RpcError::forbidden(reason) }
}

/// The key that a request shows, if it shows anything; what is no bearer key must not pass for nothing.
fn bearer(headers: &HeaderMap) -> Option<Option<&[u8]>> {
    let shown = headers.get(header::AUTHORIZATION)?.as_bytes();
    let key = shown.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    Some(key.map(|(_, key)| key.trim_ascii()))
}

/// Whether a page asks that this node served itself.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
}

/// Whether a browser asks because of a page that this node did not serve.
fn is_for_a_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    matches!(site, Some(b"cross-site" | b"same-site"))
}

fn without_port(host: &str) -> &str {
    let Some((name, port)) = host.rsplit_once(':') else { return host };
    // Of an address of IPv6 only what follows the bracket is a port.
    let ends = name.ends_with(']') || !name.contains(':');
    if ends && port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
}

fn is_loopback_name(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests;
