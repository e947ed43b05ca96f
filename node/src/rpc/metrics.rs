//! `/metrics` in Prometheus' text format: one table says what there is, and what is written goes by it.

use std::{fmt::Write, fs, path::Path, sync::Arc};

use althing_consensus::{Height, Power};

use super::{Context, RpcError, caller::Caller, clients::Kind};
use crate::{handle::NodeStatus, meters::Histogram};

mod families;

use families::*;

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times, in seconds.
    Histogram,
}

impl Type {
    /// Its name in the format.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Numbers of one meaning, told apart by labels.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Type,
    pub(crate) labels: &'static [&'static str],
    /// Without a full stop.
    pub(crate) help: &'static str,
}

/// The text as far as it is written.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, family: &Family) {
        let Family { name, kind, help, .. } = family;
        // Writing to a string does not fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
    }

    /// One number without labels.
    fn one(&mut self, family: &Family, value: u64) {
        self.family(family);
        self.line(family.name, &[], &[], &value.to_string());
    }

    /// A number for each combination of the labels' values.
    fn many<const N: usize>(
        &mut self,
        family: &Family,
        values: impl IntoIterator<Item = ([String; N], u64)>,
    ) {
        self.family(family);
        for (labels, value) in values {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            self.line(family.name, family.labels, &labels, &value.to_string());
        }
    }

    fn histogram(&mut self, family: &Family, histogram: &Histogram) {
        self.family(family);
        let (bucket, up_to) = (format!("{}_bucket", family.name), histogram.up_to());
        let bounds = histogram.bounds_ms().iter().map(|ms| seconds(ms * 1_000)).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(&up_to) {
            self.line(&bucket, &["le"], &[&bound], &count.to_string());
        }
        self.line(&format!("{}_sum", family.name), &[], &[], &seconds(histogram.sum_us()));
        self.line(
            &format!("{}_count", family.name),
            &[],
            &[],
            &up_to.last().copied().unwrap_or_default().to_string(),
        );
    }

    fn line(&mut self, name: &str, labels: &[&str], values: &[&str], number: &str) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().zip(values).enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{}{number}", if labels.is_empty() { " " } else { "} " });
    }
}

/// Seconds as a decimal number.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// All metrics as they are now.
pub(super) async fn page(context: &Arc<Context>, caller: &Caller, home: &Path) -> Result<String, RpcError> {
    let home = home.to_owned();
    let (sizes, oldest) = context
        .read(caller, move |node| Ok((sizes(&home), node.chain().oldest()?.unwrap_or_default())))
        .await?;
    let mut page = Page::default();
    page.many(&BUILD, [([env!("CARGO_PKG_VERSION").to_owned()], 1)]);
    let status = context.node.status();
    consensus(&mut page, context, &status, oldest);
    mempool(&mut page, context, &status);
    p2p(&mut page, context);
    page.many(&STORAGE_BYTES, sizes.into_iter().map(|(part, bytes)| ([part], bytes)));
    let link = context.node.application().link();
    page.one(&APPLICATION_UP, u64::from(link.is_none_or(|link| link.is_up())));
    page.histogram(&EXECUTION, &context.node.meters().execution);
    rpc(&mut page, context);
    process(&mut page);
    Ok(page.0)
}

fn consensus(page: &mut Page, context: &Context, status: &NodeStatus, oldest: Height) {
    let meters = context.node.meters();
    page.one(&EPOCH, status.epoch.0);
    page.one(&VIEW, status.view.0);
    page.one(&COMMITTED, status.committed.0);
    page.one(&EXECUTED, context.node.executed().borrow().0);
    page.one(&OLDEST, oldest.0);
    page.one(&CATCHING_UP, u64::from(status.catching_up));
    page.one(&HALTED, u64::from(status.halted.is_some()));
    let own = status.position.map_or(Power(0), |position| status.validators.power(position));
    page.one(&POWER, own.0);
    page.one(&TOTAL_POWER, status.validators.total().0);
    page.one(&CONNECTED_POWER, super::health::connected_power(context, status).0);
    page.one(&VIEWS, meters.views.count());
    page.one(&FAILED_VIEWS, meters.failed_views.count());
    page.one(&REFUSED_PROPOSALS, meters.refused_proposals.count());
    page.one(&REFUSED_SIGNATURES, meters.refused_signatures.count());
    page.one(&MISBEHAVIOUR, meters.misbehaviour.count());
    page.histogram(&FINALIZATION, &meters.finalization);
}

fn mempool(page: &mut Page, context: &Context, status: &NodeStatus) {
    let meters = context.node.meters();
    page.one(&PENDING_TXS, status.pending_txs as u64);
    page.one(&PENDING_BYTES, status.pending_bytes as u64);
    let outcomes =
        [("accepted", &meters.accepted_txs), ("known", &meters.known_txs), ("refused", &meters.refused_txs)];
    page.many(&SUBMISSIONS, outcomes.map(|(outcome, counter)| ([outcome.to_owned()], counter.count())));
    page.one(&DROPPED_TXS, meters.dropped_txs.count());
    let journal = context.node.journal();
    let sizes = journal.sizes();
    let txs = [
        ("open", sizes.open),
        ("dropped", sizes.txs.saturating_sub(sizes.open)),
        ("executed", sizes.executed),
    ];
    page.many(&JOURNAL_TXS, txs.map(|(state, count)| ([state.to_owned()], count as u64)));
    page.one(&JOURNAL_BYTES, sizes.bytes as u64);
    page.one(&JOURNAL_BROKEN, u64::from(journal.is_broken()));
}

fn p2p(page: &mut Page, context: &Context) {
    let peers = context.network.as_ref().map(althing_p2p::Network::peers).unwrap_or_default();
    let of = |number: fn(&althing_p2p::PeerInfo) -> u64| {
        peers.iter().map(move |peer| ([peer.key.to_string()], number(peer))).collect::<Vec<_>>()
    };
    page.one(&PEERS, peers.iter().filter(|peer| peer.connection.is_some()).count() as u64);
    page.many(&RECEIVED, of(|peer| peer.bytes_in));
    page.many(&SENT, of(|peer| peer.bytes_out));
    page.many(&UNSENT, of(|peer| peer.dropped));
}

fn rpc(page: &mut Page, context: &Context) {
    let (clients, meters) = (&context.clients, context.clients.meters());
    page.many(&REQUESTS, meters.requests().into_iter().map(|(method, count)| ([method.to_owned()], count)));
    page.many(&ERRORS, meters.errors().into_iter().map(|(code, count)| ([code.to_string()], count)));
    page.histogram(&REQUEST_TIME, &meters.time);
    let named = |amounts: [u64; 5]| Kind::ALL.map(|kind| ([kind.name().to_owned()], amounts[kind as usize]));
    page.many(&HELD, named(clients.held()));
    page.many(&LIMITS, named(clients.limits()));
    let (accounts, refused) = clients.counts();
    page.one(&CLIENTS, accounts as u64);
    page.one(&BUSY, refused);
}

/// What the system says of this process; nothing where it does not say it in this way.
fn process(page: &mut Page) {
    let resident = || {
        let pages: u64 = fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
        Some(pages.saturating_mul(rustix::param::page_size() as u64))
    };
    page.many(&RESIDENT, resident().map(|bytes| ([], bytes)));
    let open = fs::read_dir("/proc/self/fd").ok().map(|files| ([], files.count() as u64));
    page.many(&OPEN_FILES, open);
}

/// The bytes of what grows in a home, by name.
fn sizes(home: &Path) -> Vec<(String, u64)> {
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    };
    let data = names(&home.join("data")).into_iter().map(|name| format!("data/{name}"));
    let beside = names(home).into_iter().filter(|name| name == "safety" || name.starts_with("journal"));
    data.chain(beside).map(|name| (name.clone(), size(&home.join(name)))).collect()
}

/// The bytes of a file, or of all files in a directory, which may change meanwhile.
fn size(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| size(&entry.path())).sum()
        }
        Ok(found) => found.len(),
        Err(_) => 0,
    }
}

/// The requests of clients, counted and timed.
#[derive(Default)]
pub(crate) struct RpcMeters {
    requests: Tally<&'static str>,
    errors: Tally<i32>,
    time: Histogram,
}

/// How often each of a few things happened.
type Tally<T> = std::sync::Mutex<std::collections::BTreeMap<T, u64>>;

impl RpcMeters {
    /// A request of this method was carried out.
    pub(super) fn request(&self, method: &'static str, time: std::time::Duration) {
        add(&self.requests, method);
        self.time.took(time);
    }

    /// A request was answered with an error object of this code.
    pub(super) fn error(&self, code: i32) {
        add(&self.errors, code);
    }

    fn requests(&self) -> Vec<(&'static str, u64)> {
        listed(&self.requests)
    }

    fn errors(&self) -> Vec<(i32, u64)> {
        listed(&self.errors)
    }
}

fn add<T: Ord>(tally: &Tally<T>, one: T) {
    *tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(one).or_default() += 1;
}

fn listed<T: Copy>(tally: &Tally<T>) -> Vec<(T, u64)> {
    let tally = tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tally.iter().map(|(one, count)| (*one, *count)).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::check;
