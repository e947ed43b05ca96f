//! A wide area on one machine: between every two validators a relay on the loopback hands each byte on just so much later as the way
//! is long, in order.
//!
//! Every ordered pair has a listener of its own, which stands in the one's configuration for the other's address: it knows who calls
//! whom, whichever of the two it is that gets through. Two threads move the bytes of each direction, because a thread sleeps to a
//! twentieth of a millisecond and the timers of an asynchronous runtime to a whole one, four or five times in a commit. What is on the
//! way is bounded: beyond that the relay stops reading, as a full line would.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Read, Write},
    net::{self, Ipv4Addr, Shutdown, SocketAddr},
    str::FromStr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};

/// What a line carries in a millisecond: a gigabit a second.
const BYTES_PER_MS: u128 = 125_000;
/// So much is taken in any case.
const LEAST_ON_THE_WAY: usize = 256 << 10;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// How long a listener that the system refuses a connection waits.
const PAUSE: Duration = Duration::from_millis(50);
/// A relay's threads do little.
const STACK: usize = 128 << 10;

/// The five regions.
const REGIONS: [&str; 5] = ["Dallas", "Washington", "London", "Tokyo", "São Paulo"];
/// Milliseconds there and back between them, on average from 17 August to 15 September 2024, as IBM Cloud published them in the
/// documentation of its virtual private cloud ("Network latency dashboards"); within one, between its zones.
const ROUND_TRIPS_MS: [[u64; 5]; 5] = [
    [2, 31, 113, 143, 145],
    [31, 2, 76, 166, 118],
    [113, 76, 2, 242, 187],
    [143, 166, 242, 2, 284],
    [145, 118, 187, 284, 2],
];

/// How long bytes are on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// The same between all.
    Even(Duration),
    /// As between five regions of the world, to which validators belong in turn.
    Regions,
}

impl Delay {
    /// From one validator to another.
    pub(super) fn one_way(self, from: usize, to: usize) -> Duration {
        let place = |validator| validator % REGIONS.len();
        match self {
            Self::Even(delay) => delay,
            Self::Regions => Duration::from_millis(ROUND_TRIPS_MS[place(from)][place(to)]) / 2,
        }
    }
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(ms @ 1..=1_000) => Ok(Self::Even(Duration::from_millis(ms))),
            _ if text == "regions" => Ok(Self::Regions),
            _ => Err("say milliseconds one way, from 1 to 1000, or regions".to_owned()),
        }
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Even(delay) => write!(f, "{} ms", delay.as_millis()),
            Self::Regions => f.write_str("regions"),
        }
    }
}

/// The relays between validators. Dropped, they take no more connections; those that there are end with their ends.
pub(super) struct Relays {
    /// By caller and called; none from a validator to itself.
    addresses: Vec<Vec<Option<SocketAddr>>>,
    listening: Vec<JoinHandle<()>>,
}

impl Drop for Relays {
    fn drop(&mut self) {
        self.listening.iter().for_each(JoinHandle::abort);
    }
}

impl Relays {
    /// Listens on ports that the system chooses. The validators' own addresses are these.
    pub(super) async fn open(delay: Delay, validators: &[SocketAddr]) -> io::Result<Self> {
        let mut relays = Self { addresses: Vec::new(), listening: Vec::new() };
        for from in 0..validators.len() {
            let mut row = Vec::new();
            for (to, target) in validators.iter().enumerate() {
                if from == to {
                    row.push(None);
                    continue;
                }
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
                row.push(Some(listener.local_addr()?));
                let delays = (delay.one_way(from, to), delay.one_way(to, from));
                relays.listening.push(tokio::spawn(listen(listener, *target, delays)));
            }
            relays.addresses.push(row);
        }
        Ok(relays)
    }

    /// Where one validator finds another.
    pub(super) fn address(&self, from: usize, to: usize) -> Option<SocketAddr> {
        *self.addresses.get(from)?.get(to)?
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, delays: (Duration, Duration)) {
    loop {
        let Ok((caller, _)) = listener.accept().await else {
            // The system has no more to give for now.
            sleep(PAUSE).await;
            continue;
        };
        if let Err(error) = relay(caller, target, delays).await {
            // As if nobody listened there: the caller tries again.
            tracing::debug!(%target, %error, "a connection is not relayed");
        }
    }
}

/// Both directions of one connection.
async fn relay(caller: TcpStream, target: SocketAddr, (there, back): (Duration, Duration)) -> io::Result<()> {
    let called = TcpStream::connect(target).await?;
    let (caller, called) = (blocking(caller)?, blocking(called)?);
    delayed(caller.try_clone()?, called.try_clone()?, there)?;
    delayed(called, caller, back)
}

/// For the threads.
fn blocking(stream: TcpStream) -> io::Result<net::TcpStream> {
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// One direction: one thread takes, another gives.
fn delayed(mut from: net::TcpStream, mut to: net::TcpStream, delay: Duration) -> io::Result<()> {
    let line = Arc::new(Line::new(delay));
    let (taking, source) = (Arc::clone(&line), from.try_clone()?);
    spawn("delay-in", move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if !taking.put(Instant::now(), &chunk[..count]) {
                return;
            }
        }
        taking.end();
    })?;
    spawn("delay-out", move || {
        while let Some((due, bytes)) = line.take() {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                line.end();
                // Wakes the other thread; either may be gone already.
                let _ = source.shutdown(Shutdown::Read);
                return;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    })
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run).map(drop)
}

/// What is on the way in one direction.
struct Line {
    delay: Duration,
    most: usize,
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Default)]
struct Held {
    chunks: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    ended: bool,
}

impl Line {
    fn new(delay: Duration) -> Self {
        let most = usize::try_from(delay.as_millis() * BYTES_PER_MS).unwrap_or(usize::MAX);
        let most = most.max(LEAST_ON_THE_WAY);
        Self { delay, most, held: Mutex::default(), changed: Condvar::new() }
    }

    /// Whoever panicked with it left it whole: no step in between is seen.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the line is full. Whether anybody is there to take them.
    fn put(&self, now: Instant, bytes: &[u8]) -> bool {
        let full = |held: &mut Held| held.bytes >= self.most && !held.ended;
        let mut held = self.changed.wait_while(self.held(), full).unwrap_or_else(PoisonError::into_inner);
        held.bytes += bytes.len();
        held.chunks.push_back((now + self.delay, bytes.to_vec()));
        self.changed.notify_all();
        !held.ended
    }

    /// Nothing more comes, or nothing more is wanted.
    fn end(&self) {
        self.held().ended = true;
        self.changed.notify_all();
    }

    /// What comes next, and when it arrives; none after the last.
    fn take(&self) -> Option<(Instant, Vec<u8>)> {
        let empty = |held: &mut Held| held.chunks.is_empty() && !held.ended;
        let mut held = self.changed.wait_while(self.held(), empty).unwrap_or_else(PoisonError::into_inner);
        let next = held.chunks.pop_front()?;
        held.bytes -= next.1.len();
        self.changed.notify_all();
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const DELAY: Duration = Duration::from_millis(20);

    #[test]
    fn regions_are_as_far_there_as_back() {
        for from in 0..7 {
            for to in 0..7 {
                assert_eq!(Delay::Regions.one_way(from, to), Delay::Regions.one_way(to, from));
            }
        }
        assert_eq!(Delay::Regions.one_way(3, 4), Duration::from_millis(142));
        assert_eq!(Delay::Regions.one_way(1, 6), Duration::from_millis(1), "both in Washington");
        assert_eq!(("50".parse(), "regions".parse()), (Ok(Delay::Even(DELAY * 5 / 2)), Ok(Delay::Regions)));
        assert!(["0", "1001", "five", ""].into_iter().all(|wrong| wrong.parse::<Delay>().is_err()));
    }

    #[tokio::test]
    async fn bytes_come_late_whole_and_in_order() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = listener.local_addr().unwrap();
        let relays = Relays::open(Delay::Even(DELAY), &[target, target]).await.unwrap();
        assert_eq!(relays.address(1, 1), None, "nobody calls itself");
        let mut caller = TcpStream::connect(relays.address(0, 1).unwrap()).await.unwrap();
        let (mut called, _) = listener.accept().await.unwrap();
        let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
        let begun = Instant::now();
        let (mut received, mut answer) = (vec![0; sent.len()], [0]);
        let talk = async {
            caller.write_all(&sent).await.unwrap();
            caller.read_exact(&mut answer).await.unwrap();
            begun.elapsed()
        };
        let listen = async {
            called.read_exact(&mut received).await.unwrap();
            called.write_all(b"!").await.unwrap();
            begun.elapsed()
        };
        let (there_and_back, there) = tokio::join!(talk, listen);
        assert!(there >= DELAY && there_and_back >= 2 * DELAY, "{there:?}, {there_and_back:?}");
        assert_eq!((received == sent, answer), (true, *b"!"));
        drop(caller);
        assert_eq!(called.read(&mut answer).await.unwrap(), 0, "an end that hangs up hangs up on the other");
    }

    #[test]
    fn a_full_line_takes_no_more_until_something_has_arrived() {
        let line = Line::new(Duration::ZERO);
        let now = Instant::now();
        assert!(line.put(now, &vec![1; LEAST_ON_THE_WAY]));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| line.put(now, &[2]));
            assert_eq!(line.take().unwrap().1.len(), LEAST_ON_THE_WAY);
            assert!(waiting.join().unwrap());
        });
        assert_eq!(line.take(), Some((now, vec![2])));
        line.end();
        assert_eq!((line.take(), line.put(now, &[3])), (None, false));
    }
}
