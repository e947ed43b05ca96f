//! One measurement: the machine, the chain, the load, the report.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{Write, stderr},
    num::NonZeroU32,
    rc::Rc,
    time::Duration,
};

use hdrhistogram::Histogram;
use serde_json::json;
use tokio::{
    task::{LocalSet, spawn_blocking},
    time::{Instant, sleep_until},
};

use super::{
    BenchError, Kill, LatencyMs, Options, Rate, Report, Step, TwoMs,
    accounts::{self, Account},
    chain::{self, Chain},
    follow::Following,
    load::{Load, Pace},
    machine::{self, Machine},
    metrics::{Page, Times, growth},
    processes::{Cpu, busy, load_average, peak_memory, ticks_per_second},
    ratios::{Ratios, Taken},
    report::rounded,
    search::Search,
    window::{Counts, Track, intervals, longest_gap_ms},
    workload::Source,
};
use crate::{
    client::{Client, NodeUrl, integer},
    storage::BackendKind,
    testnet::{Process, interruption},
};

/// How long one rate of a search or a sweep counts, and how long it runs before.
const PROBE: Duration = Duration::from_secs(4);
const PROBE_WARM_UP: Duration = Duration::from_secs(1);
/// How long transactions are waited for that are under way when the time is over.
const DRAIN: Duration = Duration::from_secs(15);
/// A rate is borne if so much of it is committed in its time, in hundredths.
const BORNE: f64 = 95.0;
/// The time without a block that a kill leads to begins so soon after it.
const FIRST_GAP: Duration = Duration::from_secs(2);
/// Times without a block that are counted after a kill.
const LONG_GAP: Duration = Duration::from_millis(500);
/// Blocks whose results are looked at.
const SAMPLES: usize = 5;
/// A sweep goes so far up to the rate, in hundredths.
const SWEEP: [u32; 5] = [10, 25, 50, 75, 90];

/// Measures. Blocks while keys are derived and transactions signed, so it wants a thread of its own.
pub async fn run(options: Options) -> Result<Report, BenchError> {
    say("measuring the machine");
    let directory = chain::directory(&options);
    let machine = spawn_blocking(move || machine::measure(&directory, BackendKind::default()));
    let machine = machine.await.map_err(std::io::Error::other)??;
    let accounts = match (&options.keys, options.workload.signatures_per_100()) {
        (_, 0) => Vec::new(),
        (None, _) if options.join.is_empty() => accounts::derived(options.accounts),
        (None, _) => {
            return Err(BenchError::Options(
                "this workload needs --keys DIR on a chain that runs already".to_owned(),
            ));
        }
        (Some(keys), _) => match options.join.first() {
            Some(node) => accounts::of_files(keys, node).await?,
            None => {
                return Err(BenchError::Options(
                    "--keys is for a chain that runs already: say --rpc".to_owned(),
                ));
            }
        },
    };
    say(if options.join.is_empty() { "starting the validators" } else { "joining the chain" });
    let addresses = accounts.iter().map(|account| account.address).collect();
    let mut chain = match options.join.is_empty() {
        true => Chain::start(&options, addresses).await?,
        false => Chain::join(&options.join).await?,
    };
    let (nodes, pids, chain_id) = (chain.nodes.clone(), chain.pids.clone(), chain.chain_id.clone());
    let victim = options.kill_at.and_then(|_| chain.victim());
    let local = LocalSet::new();
    let interrupted = interruption()?;
    let result = local
        .run_until(async {
            let mut session = Session::begin(options, machine, nodes, pids, &chain_id, accounts).await?;
            session.victim = RefCell::new(victim);
            session.started = chain.started;
            tokio::select! {
                report = session.run() => report,
                broken = chain.broken() => Err(broken),
                () = interrupted => Err(BenchError::Options("interrupted".to_owned())),
            }
        })
        .await;
    drop(local);
    if let Some(kept) = chain.stop(result.is_ok()).await? {
        say(&format!("the homes are kept in {}", kept.display()));
    }
    result
}

/// A line of progress, for people.
fn say(text: &str) {
    // Whoever reads may have gone.
    let _ = writeln!(stderr(), "{text}");
}

/// How long that many in a hundred took at most, in milliseconds.
fn ms(times: &Histogram<u64>, percent: f64) -> Option<f64> {
    (!times.is_empty()).then(|| rounded(times.value_at_percentile(percent) as f64 / 1_000.0, 2))
}

/// A rate that was tried, in a line.
fn told(rate: &str, step: &Step) -> String {
    let Step { tps, latency_ms: LatencyMs { p50, p99, .. }, lost, .. } = step;
    let (p50, p99) = (p50.unwrap_or_default(), p99.unwrap_or_default());
    format!("{rate}: {tps} tx/s committed, {p50} ms p50, {p99} ms p99, {lost} lost")
}

/// What was before and after one was killed.
fn compared(counts: &Counts, from: Instant, killed: Instant) -> Kill {
    let since = || counts.gaps().filter(|(_, end)| *end > killed);
    let first = since().filter(|(begin, _)| *begin < killed + FIRST_GAP);
    let first = first.max_by_key(|(begin, end)| end.saturating_duration_since(*begin));
    let after = first.map_or(killed, |(_, end)| end);
    let of = |from: Instant, until: Option<Instant>| {
        let dues = counts.each.iter();
        let mut latencies: Vec<f64> = dues
            .filter(|(due, _)| *due >= from && until.is_none_or(|until| *due < until))
            .map(|(_, latency)| latency.as_secs_f64() * 1_000.0)
            .collect();
        latencies.sort_by(f64::total_cmp);
        move |percent: usize| {
            latencies
                .get((latencies.len() * percent).div_ceil(100).saturating_sub(1))
                .map(|ms| rounded(*ms, 2))
        }
    };
    let (before, after, all) = (of(from, Some(killed)), of(after, None), of(killed, None));
    Kill {
        at_s: rounded(killed.saturating_duration_since(from).as_secs_f64(), 2),
        gap_ms: longest_gap_ms(since()),
        p50_before_ms: before(50),
        p99_before_ms: before(99),
        p50_after_ms: after(50),
        p99_after_ms: after(99),
        p99_since_ms: all(99),
        gaps: since().filter(|(begin, end)| end.saturating_duration_since(*begin) > LONG_GAP).count(),
    }
}

struct Session {
    options: Options,
    machine: Machine,
    nodes: Vec<NodeUrl>,
    pids: Vec<u32>,
    validators: usize,
    track: Rc<RefCell<Track>>,
    load: Load,
    source: Option<RefCell<Source>>,
    load_average: Option<f64>,
    /// The last validator, if it is to be killed.
    victim: RefCell<Option<Process>>,
    /// What it came to when it was.
    ended: RefCell<Option<Ended>>,
    started: Option<Duration>,
    _following: Following,
}

/// What was known of a validator just before it was killed: the system forgets it, and it answers no more.
#[derive(Clone)]
struct Ended {
    lane: usize,
    pid: Option<u32>,
    cpu: Cpu,
    memory: Option<u64>,
    page: Page,
}

/// What the system and the nodes say at a time.
struct Snapshot {
    cpu: Cpu,
    own: Cpu,
    busy: Option<u64>,
    pages: Vec<Page>,
    at: Instant,
}

/// One rate, measured.
struct Measured {
    step: Step,
    counts: Counts,
    before: Snapshot,
    after: Snapshot,
    kill: Option<Kill>,
}

impl Session {
    async fn begin(
        options: Options,
        machine: Machine,
        nodes: Vec<NodeUrl>,
        pids: Vec<u32>,
        chain_id: &str,
        accounts: Vec<Account>,
    ) -> Result<Self, BenchError> {
        let node = nodes.first().cloned().ok_or_else(|| BenchError::Options("no node".to_owned()))?;
        let mut client = Client::new(node);
        let status = client.call("status", json!({})).await?;
        let height = integer(&status["althing"]["executed_height"]).unwrap_or_default();
        let validators = client.call("validators", json!({})).await?;
        let validators = integer(&validators["total"]).unwrap_or_default() as usize;
        let track = Rc::new(RefCell::new(Track::new(nodes.len())));
        let following = Following::begin(&track, &nodes, height);
        let (keys, bytes) = (options.accounts, options.tx_bytes);
        let source = Source::new(options.workload, chain_id, accounts, keys, nodes.len(), bytes);
        Ok(Self {
            load: Load::new(&track, &nodes),
            source: source.map(RefCell::new),
            options,
            machine,
            nodes,
            pids,
            validators,
            track,
            load_average: load_average(),
            victim: RefCell::new(None),
            ended: RefCell::new(None),
            started: None,
            _following: following,
        })
    }

    async fn run(&self) -> Result<Report, BenchError> {
        let (mut steps, Options { warm_up, duration, .. }) = (Vec::new(), &self.options);
        let pace = match (self.options.rate, &self.source) {
            (_, None) => None,
            (Rate::Fixed(rate), _) => Some(Pace::Rate(rate)),
            (Rate::Saturate, _) => Some(Pace::Full(self.options.in_flight)),
            (Rate::Max, _) => Some(Pace::Rate(self.search(&mut steps).await?)),
        };
        let measured = self.measure(pace, *warm_up, *duration).await?;
        if self.options.sweep && self.options.rate != Rate::Max {
            let highest = match pace {
                Some(Pace::Rate(rate)) => rate.get(),
                _ => measured.step.tps as u32,
            };
            for hundredths in SWEEP {
                let rate = NonZeroU32::new((u64::from(highest) * u64::from(hundredths) / 100) as u32);
                if let (Some(rate), Some(_)) = (rate, pace) {
                    steps.push(self.probe(rate).await?);
                }
            }
        }
        if pace.is_some() {
            steps.push(measured.step);
        }
        let sampled = self.sample(&measured.counts).await?;
        Ok(self.report(pace, measured, steps, sampled))
    }

    /// How many transactions a few blocks have, and how many of them were executed in vain.
    async fn sample(&self, counts: &Counts) -> Result<(u64, u64), BenchError> {
        let (mut all, mut in_vain) = (0, 0);
        let Some(node) = self.nodes.first() else { return Ok((0, 0)) };
        let mut client = Client::new(node.clone());
        for block in counts.blocks.iter().step_by((counts.blocks.len() / SAMPLES).max(1)).take(SAMPLES) {
            let results = client.call("block_results", json!({ "height": block.height.to_string() })).await?;
            for result in results["txs_results"].as_array().into_iter().flatten() {
                all += 1;
                in_vain += u64::from(result["code"].as_u64() != Some(0));
            }
        }
        Ok((all, in_vain))
    }

    async fn search(&self, steps: &mut Vec<Step>) -> Result<NonZeroU32, BenchError> {
        let bound_ms = self.options.p99_bound.as_secs_f64() * 1_000.0;
        let mut search = Search::default();
        while let Some(rate) = search.next() {
            let step = self.probe(rate).await?;
            let in_time = step.latency_ms.p99.is_some_and(|p99| p99 <= bound_ms);
            let borne = in_time && step.lost == 0 && step.tps * 100.0 >= f64::from(rate.get()) * BORNE;
            search.tried(rate, borne);
            steps.push(step);
        }
        search.answer().ok_or_else(|| {
            let reason =
                format!("no rate, not even the lowest, was borne with a p99 within {bound_ms} ms: {steps:?}");
            BenchError::Stalled(reason)
        })
    }

    async fn probe(&self, rate: NonZeroU32) -> Result<Step, BenchError> {
        Ok(self.measure(Some(Pace::Rate(rate)), PROBE_WARM_UP, PROBE).await?.step)
    }

    async fn measure(
        &self,
        pace: Option<Pace>,
        warm_up: Duration,
        duration: Duration,
    ) -> Result<Measured, BenchError> {
        self.prepare(pace, warm_up + duration);
        let begin = Instant::now();
        let (from, until) = (begin + warm_up, begin + warm_up + duration);
        self.track.borrow_mut().begin(from, until);
        let load = async {
            match (pace, &self.source) {
                (Some(pace), Some(source)) => self.load.offer(source, pace, begin, until).await,
                _ => sleep_until(until).await,
            }
        };
        let watch = async {
            sleep_until(from).await;
            let before = self.snapshot().await?;
            sleep_until(until).await;
            Ok::<_, BenchError>((before, self.snapshot().await?))
        };
        let ((), snapshots, killed) = tokio::join!(load, watch, self.kill(from));
        let (before, after) = snapshots?;
        self.load.drain(DRAIN).await;
        if let Some(source) = &self.source {
            self.load.take_back(source);
        }
        let counts = self.track.borrow_mut().end();
        let kill = killed.map(|killed| compared(&counts, from, killed));
        let ms = |percent: f64| ms(&counts.latencies, percent);
        let step = Step {
            rate: match pace {
                Some(Pace::Rate(rate)) => Some(rate.get()),
                _ => None,
            },
            tps: rounded(counts.committed as f64 / duration.as_secs_f64(), 1),
            latency_ms: LatencyMs { p50: ms(50.0), p90: ms(90.0), p99: ms(99.0), max: ms(100.0) },
            lost: counts.failed + counts.unanswered,
        };
        let rate = match pace {
            None => format!("{} blocks", counts.blocks.len()),
            Some(Pace::Full(full)) => told(&format!("{full} under way"), &step),
            Some(Pace::Rate(rate)) => told(&format!("{rate} tx/s"), &step),
        };
        say(&rate);
        if let Some(fault) = &counts.fault {
            say(&format!("some failed: {fault}"));
        }
        Ok(Measured { step, counts, before, after, kill })
    }

    /// Kills the validator that is to be killed, once it is time; says when.
    async fn kill(&self, from: Instant) -> Option<Instant> {
        let (at, dead) = (self.options.kill_at?, self.nodes.len().checked_sub(1)?);
        let victim = self.victim.borrow_mut().take()?;
        self.track.borrow_mut().keep_each();
        self.load.remember(dead);
        sleep_until(from + at).await;
        let (page, pid) = (self.page(dead).await, victim.pid());
        let ended =
            Ended { lane: dead, pid, cpu: Cpu::of(pid.as_slice()), memory: pid.and_then(peak_memory), page };
        self.ended.replace(Some(ended));
        let killed = Instant::now();
        victim.kill().await;
        self.load.fail_over(dead);
        say("killed one validator");
        Some(killed)
    }

    /// What is signed is signed before it is due.
    fn prepare(&self, pace: Option<Pace>, duration: Duration) {
        let (Some(pace), Some(source)) = (pace, &self.source) else { return };
        let seconds = duration.as_secs_f64();
        let count = match pace {
            Pace::Rate(rate) => f64::from(rate.get()) * seconds,
            // No more can be checked.
            Pace::Full(full) => self.limit().unwrap_or_default() * seconds + full as f64,
        };
        if source.borrow().is_signed() && count > 50_000.0 {
            say(&format!("signing {count:.0} transactions"));
        }
        source.borrow_mut().prepare(count.ceil() as usize + 1);
    }

    async fn snapshot(&self) -> Result<Snapshot, BenchError> {
        let (mut cpu, own) = (Cpu::of(&self.living()), Cpu::of(&[std::process::id()]));
        if let Some(ended) = &*self.ended.borrow() {
            cpu = cpu.with(&ended.cpu);
        }
        let (at, busy) = (Instant::now(), busy());
        let pages = (0..self.nodes.len()).map(|lane| self.page(lane));
        Ok(Snapshot { cpu, own, busy, pages: futures::future::join_all(pages).await, at })
    }

    /// The validators that were not killed.
    fn living(&self) -> Vec<u32> {
        let ended = self.ended.borrow().as_ref().and_then(|ended| ended.pid);
        self.pids.iter().copied().filter(|pid| Some(*pid) != ended).collect()
    }

    /// What a node counts, or had counted when it was killed.
    async fn page(&self, lane: usize) -> Page {
        let ended = self.ended.borrow().clone().filter(|ended| ended.lane == lane);
        match (ended, self.nodes.get(lane)) {
            (Some(ended), _) => ended.page,
            // A node that is down is one of the things that are measured.
            (None, Some(node)) => {
                Page::read(&Client::new(node.clone()).get("/metrics").await.unwrap_or_default())
            }
            (None, None) => Page::default(),
        }
    }

    /// Transactions a second that signature checks alone would allow.
    fn limit(&self) -> Option<f64> {
        let signatures = self.options.workload.signatures_per_100();
        let checks = f64::from(signatures) / 100.0 * self.validators.max(1) as f64;
        (signatures > 0).then(|| self.machine.signatures_per_s() / checks)
    }

    fn report(
        &self,
        pace: Option<Pace>,
        measured: Measured,
        steps: Vec<Step>,
        (sampled, sampled_in_vain): (u64, u64),
    ) -> Report {
        let Measured { step, counts, before, after, kill } = measured;
        let ticks = ticks_per_second() as f64;
        let seconds = |used: u64| rounded(used as f64 / ticks, 2);
        let (cpu, own) = (after.cpu.since(&before.cpu), after.own.since(&before.own));
        let known = !self.pids.is_empty() && cpu.total > 0;
        let busy = before.busy.zip(after.busy).map(|(before, after)| after.saturating_sub(before));
        let others = busy.map(|busy| busy.saturating_sub(cpu.total + own.total));
        let pairs: Vec<(Page, Page)> = before.pages.into_iter().zip(after.pages).collect();
        let sent: f64 =
            pairs.iter().map(|(before, after)| growth(before, after, "althing_p2p_sent_bytes_total")).sum();
        let failed_views = pairs
            .iter()
            .map(|(before, after)| growth(before, after, "althing_consensus_failed_views_total"))
            .fold(0.0, f64::max);
        let finalization = Times::between(&pairs, "althing_consensus_finalization_seconds");
        let intervals = intervals(&counts.blocks);
        let interval = |percent: usize| {
            intervals
                .get((intervals.len() * percent / 100).min(intervals.len().saturating_sub(1)))
                .map(|ms| *ms as f64)
        };
        let per =
            |total: f64, count: usize, places| (count > 0).then(|| rounded(total / count as f64, places));
        let (committed, blocks) = (counts.committed as usize, counts.blocks.len());
        let cpu_s = cpu.total as f64 / ticks;
        let limit = self.limit();
        let rooms: BTreeMap<&'static str, f64> = match known {
            true => cpu.by_room().into_iter().map(|(room, used)| (room.name(), seconds(used))).collect(),
            false => BTreeMap::new(),
        };
        let ended = self.ended.borrow().as_ref().and_then(|ended| ended.memory);
        let memory = self.living().into_iter().filter_map(peak_memory).chain(ended).max();
        let cpu_s_per_10k_tx = per(cpu_s * 10_000.0, committed, 3).filter(|_| known);
        let cpu_ms_per_block = per(cpu_s * 1_000.0, blocks, 2).filter(|_| known);
        let took_s = after.at.saturating_duration_since(before.at).as_secs_f64();
        let taken = Taken {
            validators: self.validators,
            signatures_per_100: self.options.workload.signatures_per_100(),
            // With one less nothing says what the machine would take for it.
            cpu_ms_per_block: cpu_ms_per_block.filter(|_| kill.is_none()),
            cpu_s_per_10k_tx: cpu_s_per_10k_tx.filter(|_| kill.is_none()),
            blocks_per_s: blocks as f64 / took_s.max(f64::MIN_POSITIVE),
            txs_per_s: step.tps,
        };
        Report {
            workload: self.options.workload.name(),
            validators: self.validators,
            rate: match pace {
                Some(_) => self.options.rate.to_string(),
                None => "-".to_owned(),
            },
            start_s: self.started.map(|time| rounded(time.as_secs_f64(), 2)),
            delay: self.options.delay.map(|delay| delay.to_string()),
            offered: step.rate,
            duration_s: rounded(took_s, 2),
            tps: step.tps,
            limit_tps: limit.map(|limit| rounded(limit, 0)),
            share_of_limit: limit.map(|limit| rounded(step.tps / limit.max(1.0), 4)),
            committed: counts.committed,
            failed: counts.failed,
            unanswered: counts.unanswered,
            sampled,
            sampled_in_vain,
            fault: counts.fault.clone(),
            latency_ms: step.latency_ms,
            taken_ms: TwoMs { p50: ms(&counts.taken, 50.0), p99: ms(&counts.taken, 99.0) },
            block_interval_ms: TwoMs { p50: interval(50), p99: interval(99) },
            longest_gap_ms: longest_gap_ms(counts.gaps()),
            finalization_ms: TwoMs {
                p50: finalization.percentile(50.0).map(|ms| rounded(ms, 1)),
                p99: finalization.percentile(99.0).map(|ms| rounded(ms, 1)),
            },
            blocks,
            txs_per_block: per(counts.blocks.iter().map(|block| block.txs).sum::<usize>() as f64, blocks, 1),
            view_failures: failed_views as u64,
            cpu_s_per_10k_tx,
            cpu_ms_per_block,
            cpu_s_by_room: rooms,
            cpu_s_by_thread: match known {
                true => cpu.by_thread.into_iter().map(|(name, used)| (name, seconds(used))).collect(),
                false => BTreeMap::new(),
            },
            load_cpu_s: (own.total > 0).then(|| seconds(own.total)),
            others_cpu_s: others.map(seconds),
            load_average: self.load_average,
            rss_mb_max: memory.map(|bytes| rounded(bytes as f64 / f64::from(1 << 20), 1)),
            kill,
            bytes_per_tx: per(sent, committed, 1),
            bytes_per_block: per(sent, blocks, 0),
            ratios: Ratios::of(&self.machine, taken),
            machine: self.machine.clone(),
            steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_stops_when_one_is_killed_is_seen_to() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut track = Track::new(1);
        let halted = |blocks: &[u64], track: &mut Track| {
            track.begin(begin, at(20_000));
            blocks.iter().for_each(|ms| track.block(*ms, *ms, [].into_iter(), at(*ms)));
            compared(&track.end(), begin, at(5_000))
        };
        let kill = halted(&[1_000, 4_990], &mut track);
        assert_eq!((kill.gap_ms, kill.gaps), (Some(15_010), 1));
        let kill = halted(&[1_000, 4_990, 5_010, 5_030], &mut track);
        assert_eq!((kill.gap_ms, kill.gaps), (Some(14_970), 1));
        let kill = halted(&[4_990, 5_600, 19_900], &mut track);
        assert_eq!((kill.gap_ms, kill.gaps), (Some(14_300), 2));
    }
}
