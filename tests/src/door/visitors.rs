//! Many clients that read, each over a connection of its own and as fast as it is answered; told that a node is busy, it comes back when
//! the node says.
//!
//! They run on threads of the lowest priority: what is measured is what their requests do to the nodes, not what their own work takes of
//! a machine that the nodes share with them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::VALIDATORS;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustix::process::setpriority_process;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
    time::{Instant, sleep, timeout},
};

/// Of the clients with addresses of their own so many share one.
const PER_ADDRESS: usize = 4;
/// The address of the others.
const GREEDY: usize = 0;
const LOWEST_PRIORITY: i32 = 19;
/// One request, or one attempt to connect.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before another attempt where the node did not say when.
const PAUSE: Duration = Duration::from_millis(500);
const MAX_ANSWER_BYTES: usize = 16 << 20;

/// What visitors heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    answers: AtomicU64,
    busy: AtomicU64,
    /// Busy without saying when to come back.
    no_time: AtomicU64,
    errors: AtomicU64,
    /// Connections that were refused or broke, and answers that did not come.
    broken: AtomicU64,
}

/// The same, as figures.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Visits {
    /// Requests answered with a result.
    pub answers: u64,
    /// Requests refused as there are too many.
    pub busy: u64,
    /// Of these, without the time to come back after.
    pub busy_without_time: u64,
    /// Requests answered with another error.
    pub errors: u64,
    /// Connections that were refused or broke.
    pub broken: u64,
    /// Readers with addresses of their own that were never answered with a result, in their time and half a minute more.
    pub never_served: usize,
}

/// Visitors under way; dropped, they are gone.
pub(super) struct Visitors {
    runtime: Option<Runtime>,
    /// What each heard, and whether it has an address of its own.
    heard: Vec<(bool, Arc<Heard>)>,
    leave: Arc<AtomicBool>,
}

/// Threads that give way to all others.
pub(super) fn humble_runtime() -> Runtime {
    let humble = || {
        // On Linux the priority is the thread's own. Without it the figures are worse, not wrong.
        let _ = setpriority_process(None, LOWEST_PRIORITY);
    };
    let threads = Builder::new_multi_thread().worker_threads(2).on_thread_start(humble).enable_all().build();
    threads.expect("the system gives threads")
}

/// An address on this machine of its own for each number, so that a node sees different clients.
pub(super) fn own_address(number: usize) -> Ipv4Addr {
    let number = u32::try_from(number).expect("few") + (10 << 16) + 1;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 0, 0, 0)) + number)
}

impl Visitors {
    /// So many clients, spread over these nodes.
    pub(super) fn come(count: usize, nodes: &[SocketAddr]) -> Self {
        let (runtime, leave) = (humble_runtime(), Arc::new(AtomicBool::new(false)));
        let come = |number: usize| {
            let heard = Arc::new(Heard::default());
            let visitor = Visitor {
                number,
                node: nodes[number % nodes.len()],
                heard: Arc::clone(&heard),
                leave: Arc::clone(&leave),
            };
            let own = visitor.place() != GREEDY;
            runtime.spawn(visitor.stay());
            (own, heard)
        };
        let heard = (0..count).map(come).collect();
        Self { runtime: Some(runtime), heard, leave }
    }

    /// Waits until each with an address of its own was answered once, but not for ever: a slow machine is no node that forgets some.
    pub(super) async fn are_served(&self) {
        let until = Instant::now() + PATIENCE;
        while self.never_served() > 0 && Instant::now() < until {
            sleep(PAUSE).await;
        }
    }

    /// Those with addresses of their own that no node has answered.
    fn never_served(&self) -> usize {
        let unserved =
            |(own, heard): &&(bool, Arc<Heard>)| *own && heard.answers.load(Ordering::Relaxed) == 0;
        self.heard.iter().filter(unserved).count()
    }

    /// They go, and tell.
    pub(super) fn leave(self) -> Visits {
        let sum = |which: fn(&Heard) -> &AtomicU64| {
            self.heard.iter().map(|(_, heard)| which(heard).load(Ordering::Relaxed)).sum()
        };
        Visits {
            answers: sum(|heard| &heard.answers),
            busy: sum(|heard| &heard.busy),
            busy_without_time: sum(|heard| &heard.no_time),
            errors: sum(|heard| &heard.errors),
            broken: sum(|heard| &heard.broken),
            never_served: self.never_served(),
        }
    }
}

impl Drop for Visitors {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Connection = http1::SendRequest<Full<Bytes>>;

struct Visitor {
    number: usize,
    node: SocketAddr,
    heard: Arc<Heard>,
    leave: Arc<AtomicBool>,
}

impl Visitor {
    async fn stay(self) {
        let mut connection = None;
        for turn in self.number.. {
            if self.leave.load(Ordering::Relaxed) {
                return;
            }
            let asked = timeout(PATIENCE, self.ask(&mut connection, turn)).await;
            match asked.ok().flatten() {
                Some(pause) => sleep(pause).await,
                None => {
                    self.count(&self.heard.broken);
                    connection = None;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn count(&self, what: &AtomicU64) {
        what.fetch_add(1, Ordering::Relaxed);
    }

    /// One request; how long to wait before the next. None if the connection is of no more use.
    async fn ask(&self, connection: &mut Option<Connection>, turn: usize) -> Option<Duration> {
        let open = match connection {
            Some(open) => open,
            None => connection.insert(self.connect().await?),
        };
        open.ready().await.ok()?;
        let (method, params) = question(turn);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = Request::post("/")
            .header(header::HOST, self.node.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .ok()?;
        let answer = open.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let said = answer.headers().get(header::RETRY_AFTER).is_some();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.ok()?.to_bytes();
        let answer: Value = serde_json::from_slice(&body).ok()?;
        let error = &answer["error"];
        if error["code"] == -32004 || status == 429 || status == 503 {
            self.count(&self.heard.busy);
            let after = error["retry_after_ms"].as_u64();
            if after.is_none() || !said {
                self.count(&self.heard.no_time);
            }
            return Some(after.map_or(PAUSE, Duration::from_millis));
        }
        self.count(if error.is_null() { &self.heard.answers } else { &self.heard.errors });
        Some(Duration::ZERO)
    }

    /// Half of all are one client to the node, who wants too much; the others must not suffer for it.
    fn place(&self) -> usize {
        match self.number / VALIDATORS % 2 {
            0 => GREEDY,
            _ => 1 + self.number / PER_ADDRESS,
        }
    }

    async fn connect(&self) -> Option<Connection> {
        let socket = TcpSocket::new_v4().ok()?;
        socket.bind((own_address(self.place()), 0).into()).ok()?;
        let stream = socket.connect(self.node).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(async move { drop(connection.await) });
        Some(sender)
    }
}

/// What clients ask most, cheap and dear.
fn question(turn: usize) -> (&'static str, Value) {
    match turn % 8 {
        0 | 4 => ("status", json!({})),
        1 => ("block", json!({})),
        2 => ("block_results", json!({})),
        3 => ("validators", json!({})),
        5 => ("abci_query", json!({ "path": "governance", "data": hex_of("{}") })),
        6 => {
            ("tx_search", json!({ "query": "transfer.asset = 'COIN'", "per_page": "5", "order_by": "desc" }))
        }
        _ => ("blockchain", json!({})),
    }
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
