//! One of the four connections: requests go out one at a time, one thread writes them, another reads what comes back.

use std::{
    io::{BufReader, Write},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};

use tendermint_proto::v0_38::abci::{RequestFlush, response};

use super::{
    address::Address,
    call::{Call, name},
    fault::Fault,
    frame,
    stream::Stream,
};

/// How long an application may take to show that it speaks ABCI.
const GREETING: Duration = Duration::from_secs(10);
/// What may have come and not been taken: the answer to a request, that to `Flush`, and why the connection ended.
pub(super) const REPLIES: usize = 3;

type Reply = Result<Option<response::Value>, Fault>;

/// A connection that has shown that an ABCI application is at its other end.
#[derive(Debug)]
pub(super) struct Connection {
    slot: Mutex<Slot>,
    freed: Condvar,
    /// To end it while somebody waits on it.
    ender: Stream,
}

#[derive(Debug)]
enum Slot {
    Free(Line),
    /// Somebody waits for the answer to this request.
    Taken {
        asked: &'static str,
        since: Instant,
    },
}

#[derive(Debug)]
struct Line {
    requests: Sender<Vec<u8>>,
    replies: Receiver<Reply>,
    /// Responses to requests that nobody waits for any longer.
    owed: usize,
    /// The request that has had no answer yet, and since when.
    unanswered: Option<(&'static str, Instant)>,
}

impl Connection {
    /// Opens it. When it ends, `ended` is told why.
    pub(super) fn open(address: &Address, ended: impl FnOnce(Fault) + Send + 'static) -> Result<Self, Fault> {
        let stream = address.connect().map_err(|error| Fault::NotConnected(error.to_string()))?;
        let (ender, reading) = (stream.try_clone()?, stream.try_clone()?);
        let (replied, replies) = mpsc::sync_channel(REPLIES);
        let (requests, asked) = mpsc::channel();
        let line = Line { requests, replies, owed: 0, unanswered: None };
        let connection = Self { slot: Mutex::new(Slot::Free(line)), freed: Condvar::new(), ender };
        let thread = || thread::Builder::new().name("abci".to_owned());
        thread().spawn(move || ended(read(reading, &replied)))?;
        thread().spawn(move || write(stream, &asked))?;
        connection.call(RequestFlush {}, Some(GREETING)).map_err(|fault| match fault {
            Fault::Silent { patience, .. } => Fault::Mute { patience },
            fault => fault,
        })?;
        Ok(connection)
    }

    /// Asks, and waits for the answer; for ever, if there is no `patience`.
    pub(super) fn call<C: Call>(&self, request: C, patience: Option<Duration>) -> Result<C::Answer, Fault> {
        let mut line = self.take(C::NAME, patience)?;
        let answer = line.ask(request, patience);
        *self.slot() = Slot::Free(line);
        self.freed.notify_one();
        answer
    }

    fn take(&self, asked: &'static str, patience: Option<Duration>) -> Result<Line, Fault> {
        let taken = |slot: &mut Slot| matches!(slot, Slot::Taken { .. });
        let mut slot = match patience {
            None => self.freed.wait_while(self.slot(), taken).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => {
                let waited = self.freed.wait_timeout_while(self.slot(), patience, taken);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let since = Instant::now();
        match std::mem::replace(&mut *slot, Slot::Taken { asked, since }) {
            Slot::Free(line) => {
                // What it has not answered for longer is what it is waited for.
                if let Some((asked, since)) = line.unanswered {
                    *slot = Slot::Taken { asked, since };
                }
                Ok(line)
            }
            Slot::Taken { asked, since } => {
                *slot = Slot::Taken { asked, since };
                Err(Fault::Silent { asked, patience: since.elapsed() })
            }
        }
    }

    /// Which request has not been answered for how long.
    pub(super) fn waits_for(&self) -> Option<(&'static str, Duration)> {
        let (asked, since) = match &*self.slot() {
            Slot::Taken { asked, since } => (*asked, *since),
            Slot::Free(line) => line.unanswered?,
        };
        Some((asked, since.elapsed()))
    }

    pub(super) fn shutdown(&self) {
        self.ender.shutdown();
    }

    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not to be left to the other side: it may go on with a connection that nobody uses.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl Line {
    fn ask<C: Call>(&mut self, request: C, patience: Option<Duration>) -> Result<C::Answer, Fault> {
        while self.owed > 0 {
            self.reply(C::NAME, patience)?;
        }
        self.unanswered = None;
        if let Ok(unasked) = self.replies.try_recv() {
            let got = unasked?.map_or("an unknown message", |response| name(&response));
            return Err(Fault::Unasked { got });
        }
        self.requests.send(frame::request(request.request())?).map_err(|_| Fault::Ended)?;
        // The answer, and that to `Flush`.
        self.owed = 2;
        self.unanswered = Some((C::NAME, Instant::now()));
        let response = self.reply(C::NAME, patience)?.ok_or(Fault::Unknown { asked: C::NAME })?;
        self.unanswered = None;
        let answer = C::answer(response).map_err(|other| match *other {
            response::Value::Exception(exception) => {
                Fault::Exception { asked: C::NAME, text: exception.error }
            }
            other => Fault::OtherKind { asked: C::NAME, got: name(&other) },
        })?;
        match self.reply(RequestFlush::NAME, patience)? {
            Some(response::Value::Flush(_)) => Ok(answer),
            Some(other) => Err(Fault::OtherKind { asked: RequestFlush::NAME, got: name(&other) }),
            None => Err(Fault::Unknown { asked: RequestFlush::NAME }),
        }
    }

    fn reply(&mut self, asked: &'static str, patience: Option<Duration>) -> Reply {
        let reply = match patience {
            None => self.replies.recv().map_err(|_| Fault::Ended)?,
            Some(patience) => self.replies.recv_timeout(patience).map_err(|error| match error {
                RecvTimeoutError::Timeout => Fault::Silent { asked, patience },
                RecvTimeoutError::Disconnected => Fault::Ended,
            })?,
        };
        self.owed -= 1;
        reply
    }
}

/// Reads until there is nothing more to be had, and says why.
fn read(stream: Stream, replied: &SyncSender<Reply>) -> Fault {
    let mut reader = BufReader::new(stream);
    let fault = loop {
        let reply = frame::receive(&mut reader);
        let fault = reply.as_ref().err().cloned();
        let sent = replied.try_send(reply);
        match (fault, sent) {
            (Some(fault), _) => break fault,
            (None, Ok(())) => {}
            // So much was not asked for, and must not gather here.
            (None, Err(TrySendError::Full(reply))) => {
                let got = reply.ok().flatten().map_or("an unknown message", |response| name(&response));
                break Fault::Unasked { got };
            }
            // Nobody listens any more: the connection has been closed from here.
            (None, Err(TrySendError::Disconnected(_))) => break Fault::Ended,
        }
    };
    reader.get_ref().shutdown();
    fault
}

/// Writes requests for as long as the application takes to read them: whoever asks does not wait for that.
fn write(mut stream: Stream, requests: &Receiver<Vec<u8>>) {
    while let Ok(request) = requests.recv() {
        if stream.write_all(&request).is_err() {
            // The reader hears of the end, and tells.
            return stream.shutdown();
        }
    }
}
