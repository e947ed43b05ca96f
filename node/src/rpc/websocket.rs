//! `/websocket`: every method, several at once, and subscriptions. One task per connection, which alone writes to it: the answer to
//! `subscribe` goes out before the first event.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{body::Bytes, response::Response};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{
    Context, RpcError,
    answer::envelope,
    caller::Caller,
    dispatch,
    handshake::{Handshake, Socket, send},
    params::Params,
    subscriptions::{Delivery, Outbox, Subscriber},
};

/// Requests of one connection under way at once; further ones are not read.
const MAX_AT_ONCE: usize = 16;
/// Longest message that is read. What has come of one is counted only when it is whole: so long it adds up over all connections.
const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// How often a connection is asked whether it is there. Clients of this dialect leave where they hear nothing for 30 s.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// One from which nothing came for so long is gone.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a connection with subscriptions ends of which no block is told any longer.
const FAILED: &str = "following blocks failed: subscribe anew, althing_events has what was missed";

/// The subscriptions of a connection.
pub(crate) struct Session {
    outbox: Arc<Outbox>,
    /// By their queries, with their numbers.
    subscribed: Mutex<BTreeMap<String, u64>>,
}

/// One message of a connection.
pub(crate) struct Errand {
    session: Arc<Session>,
    /// What it subscribed to; heard of once its answer is sent.
    prepared: Mutex<Vec<Arc<Subscriber>>>,
}

/// Answers the request to speak over a WebSocket from now on.
pub(super) fn upgrade(context: Arc<Context>, caller: Caller, handshake: Handshake) -> Response {
    let max = context.config.max_body_bytes.min(MAX_MESSAGE_BYTES);
    handshake.serve(max, move |socket| Connection::new(context, caller, socket).serve())
}

struct Connection {
    context: Arc<Context>,
    caller: Caller,
    socket: Socket,
    session: Arc<Session>,
    deliveries: mpsc::Receiver<Delivery>,
    errands: JoinSet<(Arc<Errand>, Option<Bytes>)>,
    heard: Instant,
}

impl Connection {
    fn new(context: Arc<Context>, caller: Caller, socket: Socket) -> Self {
        let (outbox, deliveries) = Outbox::new(&context, caller.who().clone());
        let session = Arc::new(Session { outbox, subscribed: Mutex::default() });
        let (errands, heard) = (JoinSet::new(), Instant::now());
        Self { context, caller, socket, session, deliveries, errands, heard }
    }

    async fn serve(mut self) {
        let mut executed = self.context.node.executed();
        let outbox = Arc::clone(&self.session.outbox);
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            let sent = tokio::select! {
                message = self.socket.next(), if self.errands.len() < MAX_AT_ONCE => match message {
                    Some(Ok(message)) => self.take(message),
                    _ => return self.leave(),
                },
                Some(done) = self.errands.join_next() => match done {
                    Ok((errand, answer)) => self.answer(&errand, answer).await,
                    Err(error) => {
                        tracing::error!(%error, "a request over a WebSocket failed");
                        Ok(())
                    }
                },
                Some(delivery) = self.deliveries.recv() => {
                    send(&mut self.socket, delivery.message()).await
                }
                () = outbox.failed() => break (CloseCode::Error, FAILED),
                _ = pings.tick() => match self.heard.elapsed() < SILENCE {
                    true => self.socket.send(Message::Ping(Bytes::new())).await,
                    false => return self.leave(),
                },
                stopped = executed.changed() => match stopped {
                    Ok(()) => Ok(()),
                    Err(_) => break (CloseCode::Away, "the node is stopping"),
                },
            };
            if sent.is_err() {
                return self.leave();
            }
            if self.caller.is_greedy() {
                break (CloseCode::Again, "too many requests after being told to wait");
            }
        };
        self.forget();
        close(self.socket, end.0, end.1).await;
    }

    fn take(&mut self, message: Message) -> Result<(), Error> {
        self.heard = Instant::now();
        let body = match message {
            Message::Text(text) => Bytes::from(text),
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {
                // Who sends too many is greedy, and its connection ends.
                _ = self.caller.spend(1);
                return Ok(());
            }
        };
        let errand = Arc::new(Errand { session: Arc::clone(&self.session), prepared: Mutex::default() });
        let caller = self.caller.on_errand(Arc::clone(&errand));
        let context = Arc::clone(&self.context);
        self.errands.spawn(async move {
            let answer = match caller.bytes(body.len()) {
                Ok(held) => dispatch::body(&context, &caller, body, held).await.body,
                Err(busy) => Some(envelope(&Value::Null, Err(busy)).into()),
            };
            (errand, answer)
        });
        Ok(())
    }

    async fn answer(&mut self, errand: &Errand, answer: Option<Bytes>) -> Result<(), Error> {
        for one in errand.lock().drain(..) {
            // It may have been given up in the same message.
            if self.session.lock().values().any(|number| *number == one.number) {
                self.context.subscriptions.add(one);
            }
        }
        match answer {
            Some(answer) => send(&mut self.socket, answer).await,
            None => Ok(()),
        }
    }

    /// The connection is gone already.
    fn leave(self) {
        self.forget();
    }

    fn forget(&self) {
        for (query, number) in std::mem::take(&mut *self.session.lock()) {
            self.context.subscriptions.remove(&query, number);
        }
    }
}

async fn close(mut socket: Socket, code: CloseCode, reason: &str) {
    // A reason longer than this does not fit into the frame.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    let frame = CloseFrame { code, reason: reason.into() };
    // One that is gone needs no farewell.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

impl Session {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Errand {
    /// Subscribes to what meets the query; events go out under the id of the request.
    pub(super) fn subscribe(&self, context: &Context, params: &Params) -> Result<Value, RpcError> {
        let query = params.text("query")?;
        let mut subscribed = self.session.lock();
        if subscribed.contains_key(&query) {
            return Err(RpcError::internal("already subscribed to this query over this connection"));
        }
        let outbox = Arc::clone(&self.session.outbox);
        let one = context.subscriptions.prepare(params.asked_by(), query.clone(), params.id(), outbox)?;
        subscribed.insert(query, one.number);
        self.lock().push(one);
        Ok(json!({}))
    }

    /// Gives up one subscription, or all.
    pub(super) fn unsubscribe(&self, context: &Context, query: Option<&str>) -> Result<Value, RpcError> {
        let mut subscribed = self.session.lock();
        let given_up = match query {
            Some(query) => {
                let missing = || RpcError::internal("not subscribed to this query over this connection");
                BTreeMap::from([(query.to_owned(), subscribed.remove(query).ok_or_else(missing)?)])
            }
            None => std::mem::take(&mut *subscribed),
        };
        for (query, number) in given_up {
            context.subscriptions.remove(&query, number);
        }
        Ok(json!({}))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Subscriber>>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
