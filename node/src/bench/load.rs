//! Hands transactions in when they are due, whatever became of those before: what a node does not take at once waits here, and its
//! latency runs.
//!
//! All of it is one thread, which shares the machine with the chain: transactions go in batches, in as few requests as the nodes' own
//! pace asks for, and are written before they are due where they are signed.

use std::{cell::RefCell, collections::VecDeque, num::NonZeroU32, rc::Rc, time::Duration};

use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};

use super::{
    window::Track,
    workload::{Source, Tx},
};
use crate::{
    client::{Client, NodeUrl},
    passing,
};

/// Requests under way to one node.
const MAX_REQUESTS: usize = 4;
/// Transactions, and bytes of them, in one request.
const MAX_BATCH: usize = 500;
const MAX_BATCH_BYTES: usize = 700 << 10;
/// How often it is looked what is due: what it costs in latency counts.
const TICK: Duration = Duration::from_millis(1);
/// Requests to one node are so far apart at least, by how many transactions come to it in a second.
const GAP: Duration = Duration::from_millis(2);
const GAP_OF_MANY: Duration = Duration::from_millis(5);
const MANY: u32 = 1_000;
/// How long a node that is busy is left alone.
const PAUSE: Duration = Duration::from_millis(20);
/// What was handed to a node so recently may be lost with it.
const RECENT: Duration = Duration::from_secs(5);

/// The way to one node.
struct Lane {
    number: usize,
    node: NodeUrl,
    queue: VecDeque<(Instant, Tx)>,
    idle: Vec<Client>,
    requests: usize,
    not_before: Instant,
    gap: Duration,
    /// What it was handed of late, if that is to be handed in elsewhere should it be killed.
    recent: Option<VecDeque<(Instant, Tx)>>,
    dead: bool,
}

/// The ways to all nodes.
pub(super) struct Load {
    lanes: Vec<Rc<RefCell<Lane>>>,
    track: Rc<RefCell<Track>>,
}

/// How many come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many a second.
    Rate(NonZeroU32),
    /// As many as keep so many under way.
    Full(usize),
}

impl Load {
    pub(super) fn new(track: &Rc<RefCell<Track>>, nodes: &[NodeUrl]) -> Self {
        let lane = |(number, node): (usize, &NodeUrl)| {
            Rc::new(RefCell::new(Lane {
                number,
                node: node.clone(),
                queue: VecDeque::new(),
                idle: Vec::new(),
                requests: 0,
                not_before: Instant::now(),
                gap: GAP,
                recent: None,
                dead: false,
            }))
        };
        Self { lanes: nodes.iter().enumerate().map(lane).collect(), track: Rc::clone(track) }
    }

    /// Hands in until the time is over, or the source is empty.
    pub(super) async fn offer(&self, source: &RefCell<Source>, pace: Pace, begin: Instant, until: Instant) {
        let many = match pace {
            Pace::Rate(rate) => rate.get() / (self.lanes.len() as u32).max(1) > MANY,
            Pace::Full(_) => true,
        };
        for lane in &self.lanes {
            lane.borrow_mut().gap = if many { GAP_OF_MANY } else { GAP };
        }
        let mut offered: u64 = 0;
        loop {
            let now = Instant::now();
            if now >= until {
                return;
            }
            let wanted = match pace {
                Pace::Rate(rate) => {
                    due_by(rate, now.saturating_duration_since(begin)).saturating_sub(offered)
                }
                Pace::Full(full) => (full as u64).saturating_sub(self.under_way() as u64),
            };
            for _ in 0..wanted {
                let Some(tx) = source.borrow_mut().next() else { return };
                let due = match pace {
                    Pace::Rate(rate) => begin + due_after(rate, offered),
                    Pace::Full(_) => now,
                };
                offered += 1;
                if let Some(lane) = self.lanes.get(self.living(tx.lane)) {
                    lane.borrow_mut().queue.push_back((due, tx));
                }
            }
            self.flush(now);
            sleep(TICK).await;
        }
    }

    /// Hands in what is queued, and waits for all to be executed, but not for long.
    pub(super) async fn drain(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.under_way() > 0 && Instant::now() < until {
            self.flush(Instant::now());
            sleep(10 * TICK).await;
        }
        // Their answers would come into the next window.
        while self.lanes.iter().any(|lane| lane.borrow().requests > 0) {
            sleep(10 * TICK).await;
        }
    }

    /// Remembers what goes to this node.
    pub(super) fn remember(&self, lane: usize) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.borrow_mut().recent = Some(VecDeque::new());
        }
    }

    /// A node is no more: what was to go to it goes to the next one, that of which nobody knows yet whether it came through once more.
    pub(super) fn fail_over(&self, dead: usize) {
        let Some(lane) = self.lanes.get(dead) else { return };
        lane.borrow_mut().dead = true;
        let next = self.living(dead);
        let recent = lane.borrow_mut().recent.take().unwrap_or_default();
        let mut track = self.track.borrow_mut();
        let mut lost: Vec<_> = recent.into_iter().filter(|(_, tx)| track.is_pending(tx.id)).collect();
        lost.iter_mut().for_each(|(_, tx)| tx.resent = true);
        track.moved(dead, next);
        if let Some(next) = self.lanes.get(next) {
            next.borrow_mut().again(lost);
        }
    }

    /// A lane, or the next one whose node is not dead.
    fn living(&self, lane: usize) -> usize {
        let count = self.lanes.len();
        let after = (0..count).map(|step| (lane + step) % count);
        after.into_iter().find(|lane| !self.lanes[*lane].borrow().dead).unwrap_or(lane)
    }

    /// Takes back what was not handed in.
    pub(super) fn take_back(&self, source: &RefCell<Source>) {
        for lane in &self.lanes {
            let queue = std::mem::take(&mut lane.borrow_mut().queue);
            queue.iter().for_each(|(_, tx)| self.track.borrow_mut().taken_back(tx.id));
            source.borrow_mut().give_back(queue.into_iter().map(|(_, tx)| tx));
        }
    }

    /// How many are queued or handed in.
    fn under_way(&self) -> usize {
        let queued: usize = self.lanes.iter().map(|lane| lane.borrow().queue.len()).sum();
        queued + self.track.borrow().under_way()
    }

    fn flush(&self, now: Instant) {
        for (index, lane) in self.lanes.iter().enumerate() {
            if lane.borrow().dead {
                // Requests that were under way have failed.
                let queue = std::mem::take(&mut lane.borrow_mut().queue);
                if let Some(next) = self.lanes.get(self.living(index)) {
                    next.borrow_mut().queue.extend(queue);
                }
                continue;
            }
            loop {
                let mut ready = lane.borrow_mut();
                if ready.queue.is_empty() || ready.requests >= MAX_REQUESTS || now < ready.not_before {
                    break;
                }
                // What a dead node had may have come through meanwhile.
                let track = self.track.borrow();
                ready.queue.retain(|(_, tx)| !tx.resent || track.is_pending(tx.id));
                drop(track);
                if ready.queue.is_empty() {
                    break;
                }
                let batch = ready.batch();
                ready.requests += 1;
                ready.not_before = now + ready.gap;
                let number = ready.number;
                ready.note(&batch, now);
                drop(ready);
                let mut track = self.track.borrow_mut();
                batch.iter().for_each(|(due, tx)| track.sent(tx.id, *due, number));
                drop(track);
                spawn_local(hand_in(Rc::clone(lane), Rc::clone(&self.track), batch));
            }
        }
    }
}

/// How many are due after so long.
fn due_by(rate: NonZeroU32, elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_nanos() * u128::from(rate.get()) / 1_000_000_000).unwrap_or(u64::MAX) + 1
}

/// When the one of this number is due, from 0.
fn due_after(rate: NonZeroU32, number: u64) -> Duration {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Lane {
    /// The first ones, as many as one request carries.
    fn batch(&mut self) -> Vec<(Instant, Tx)> {
        let mut bytes = 0;
        let fits = |(_, tx): &&(Instant, Tx)| {
            bytes += tx.text.len();
            bytes <= MAX_BATCH_BYTES
        };
        let count = self.queue.iter().take(MAX_BATCH).take_while(fits).count().max(1);
        self.queue.drain(..count.min(self.queue.len())).collect()
    }

    /// Remembers these, if anything, and nothing that is long past.
    fn note(&mut self, batch: &[(Instant, Tx)], now: Instant) {
        let Some(recent) = &mut self.recent else { return };
        recent.extend(batch.iter().cloned());
        while recent.front().is_some_and(|(due, _)| *due + RECENT < now) {
            recent.pop_front();
        }
    }

    /// These come again, first.
    fn again(&mut self, txs: Vec<(Instant, Tx)>) {
        txs.into_iter().rev().for_each(|one| self.queue.push_front(one));
        self.not_before = Instant::now() + PAUSE;
    }
}

#[derive(Deserialize)]
struct Answer {
    result: Option<Verdicts>,
    error: Option<Value>,
}

/// The codes of all are of no interest: whatever is not refused is taken.
#[derive(Deserialize)]
struct Verdicts {
    refusals: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    index: usize,
    code: u64,
    codespace: String,
    log: String,
}

fn body(txs: &[(Instant, Tx)]) -> Bytes {
    let length: usize = txs.iter().map(|(_, tx)| tx.text.len() + 3).sum();
    let mut text = String::with_capacity(length + 128);
    text.push_str(r#"{"jsonrpc":"2.0","id":1,"method":"althing_broadcast_txs","params":{"txs":["#);
    for (index, (_, tx)) in txs.iter().enumerate() {
        text.push_str(if index == 0 { "\"" } else { ",\"" });
        text.push_str(&tx.text);
        text.push('"');
    }
    text.push_str("]}}");
    text.into()
}

async fn hand_in(lane: Rc<RefCell<Lane>>, track: Rc<RefCell<Track>>, txs: Vec<(Instant, Tx)>) {
    let idle = lane.borrow_mut().idle.pop();
    let mut client = idle.unwrap_or_else(|| Client::new(lane.borrow().node.clone()));
    let answer = client.post(body(&txs)).await;
    let verdicts = match answer {
        Ok(bytes) => match serde_json::from_slice::<Answer>(&bytes) {
            Ok(Answer { result: Some(verdicts), .. }) => Ok(verdicts),
            Ok(Answer { error, .. }) => {
                let error = error.unwrap_or_default();
                Err((passing::error_passes(error["code"].as_i64().unwrap_or_default()), error.to_string()))
            }
            Err(error) => Err((false, error.to_string())),
        },
        Err(error) => Err((error.is_passing(), error.to_string())),
    };
    let mut lane = lane.borrow_mut();
    lane.requests -= 1;
    lane.idle.push(client);
    match verdicts {
        Ok(Verdicts { refusals }) if refusals.is_empty() => {
            txs.iter().for_each(|(due, _)| track.borrow_mut().taken(*due));
        }
        Ok(Verdicts { refusals }) => {
            let mut again = Vec::new();
            let mut refusals = refusals.into_iter().peekable();
            for (index, one) in txs.into_iter().enumerate() {
                let Some(refusal) = refusals.next_if(|refusal| refusal.index == index) else {
                    track.borrow_mut().taken(one.0);
                    continue;
                };
                match passing::refusal_passes(&refusal.codespace, refusal.code) {
                    true => again.push(one),
                    // Known already, or committed: the blocks tell.
                    false if one.1.resent => {}
                    false => track.borrow_mut().failed(one.1.id, refusal.log),
                }
            }
            if !again.is_empty() {
                lane.again(again);
            }
        }
        Err((true, _)) if lane.dead => {
            lane.again(txs.into_iter().map(|(due, tx)| (due, Tx { resent: true, ..tx })).collect());
        }
        Err((true, _)) => lane.again(txs),
        Err((false, reason)) => {
            txs.iter().for_each(|(_, tx)| track.borrow_mut().failed(tx.id, reason.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_at_its_time() {
        let rate = NonZeroU32::new(200).unwrap();
        assert_eq!(due_after(rate, 0), Duration::ZERO);
        assert_eq!(due_after(rate, 200), Duration::from_secs(1));
        assert_eq!(due_by(rate, Duration::ZERO), 1);
        assert_eq!(due_by(rate, Duration::from_micros(4_999)), 1);
        assert_eq!(due_by(rate, Duration::from_micros(5_000)), 2);
    }

    #[test]
    fn what_a_dead_node_had_goes_to_the_next_one() {
        let track = Rc::new(RefCell::new(Track::new(2)));
        let node: NodeUrl = "http://127.0.0.1:1".parse().unwrap();
        let load = Load::new(&track, &[node.clone(), node]);
        load.remember(1);
        let (due, tx) = (Instant::now(), |id| Tx { text: "YQ==".into(), id, lane: 1, resent: false });
        let txs = [(due, tx(1)), (due, tx(2))];
        txs.iter().for_each(|(due, tx)| track.borrow_mut().sent(tx.id, *due, 1));
        load.lanes[1].borrow_mut().note(&txs, due);
        track.borrow_mut().executed(0, 7, due);
        track.borrow_mut().block(7, 1, [1].into_iter(), due);
        assert_eq!(track.borrow().under_way(), 2, "its node has not executed the one");
        load.fail_over(1);
        assert_eq!(track.borrow().under_way(), 1, "the next one has");
        assert_eq!(load.living(1), 0);
        let again: Vec<_> = load.lanes[0].borrow().queue.iter().map(|(_, tx)| (tx.id, tx.resent)).collect();
        assert_eq!(again, [(2, true)], "the other is handed in once more");
    }

    #[test]
    fn a_request_is_what_the_method_takes() {
        let tx = |text: &str| (Instant::now(), Tx { text: text.into(), id: 1, lane: 0, resent: false });
        let request: Value = serde_json::from_slice(&body(&[tx("YQ=="), tx("Yg==")])).unwrap();
        assert_eq!(request["method"], "althing_broadcast_txs");
        assert_eq!(request["params"]["txs"], serde_json::json!(["YQ==", "Yg=="]));
    }
}
