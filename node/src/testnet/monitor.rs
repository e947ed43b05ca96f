//! Where the validators stand, asked over JSON-RPC, and the live lines about it.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write as _, stderr},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::load::{Figures, Lane};
use crate::client::{Client, ClientError, NodeUrl, integer};

/// How long one question may take: a validator that is slower shows no figures.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often lines are printed: in place on a terminal, one after the other elsewhere.
const REDRAW: Duration = Duration::from_secs(1);
const REPRINT: Duration = Duration::from_secs(5);

/// One validator's newest answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) executed: u64,
    pub(super) view: u64,
}

/// Asks all validators, and prints.
pub(super) struct Monitor {
    clients: Vec<Client>,
    names: Vec<String>,
    standings: Vec<Option<Standing>>,
    /// Since the last line, per validator.
    recent: Vec<Figures>,
    total: Figures,
    printed: Instant,
    /// Lines on the terminal to be overwritten.
    drawn: usize,
}

impl Monitor {
    pub(super) fn new(nodes: &[NodeUrl], names: Vec<String>) -> Self {
        Self {
            clients: nodes.iter().cloned().map(Client::new).collect(),
            standings: vec![None; nodes.len()],
            recent: nodes.iter().map(|_| Figures::default()).collect(),
            names,
            total: Figures::default(),
            printed: Instant::now(),
            drawn: 0,
        }
    }

    /// Asks every validator where it stands.
    pub(super) async fn ask(&mut self) {
        for (client, standing) in self.clients.iter_mut().zip(&mut self.standings) {
            let answer = timeout(PATIENCE, client.call("status", json!({}))).await;
            *standing = answer.ok().and_then(Result::ok).and_then(|status| standing_of(&status));
        }
    }

    /// The height that all have executed, if all answered.
    pub(super) fn height(&self) -> Option<u64> {
        self.standings.iter().map(|standing| standing.map(|s| s.executed)).min().flatten()
    }

    /// The application hash that each validator reports for a height.
    pub(super) async fn app_hashes(&mut self, height: u64) -> Result<Vec<Option<String>>, ClientError> {
        let mut hashes = Vec::new();
        for client in &mut self.clients {
            let results = client.call("block_results", json!({ "height": height.to_string() })).await?;
            hashes.push(results["app_hash"].as_str().map(str::to_owned));
        }
        Ok(hashes)
    }

    /// Collects what the lanes did, and prints a line per validator if it is time.
    pub(super) fn show(&mut self, lanes: &[Arc<Lane>]) {
        self.collect(lanes);
        let terminal = stderr().is_terminal();
        let elapsed = self.printed.elapsed();
        if elapsed < if terminal { REDRAW } else { REPRINT } {
            return;
        }
        self.printed = Instant::now();
        let mut text = String::new();
        if terminal && self.drawn > 0 {
            // Up, to the first of the lines drawn before.
            let _ = write!(text, "\x1b[{}A", self.drawn);
        }
        for ((name, standing), figures) in self.names.iter().zip(&self.standings).zip(&mut self.recent) {
            let figures = std::mem::take(figures);
            let clear = if terminal { "\x1b[2K" } else { "" };
            let line = line(name, *standing, &figures, elapsed);
            let _ = writeln!(text, "{clear}{line}");
            self.total.add(figures);
        }
        self.drawn = self.names.len();
        let _ = stderr().write_all(text.as_bytes());
    }

    /// All figures since the beginning.
    pub(super) fn finish(&mut self, lanes: &[Arc<Lane>]) -> Figures {
        self.collect(lanes);
        self.recent.iter_mut().for_each(|figures| self.total.add(std::mem::take(figures)));
        std::mem::take(&mut self.total)
    }

    fn collect(&mut self, lanes: &[Arc<Lane>]) {
        for (lane, figures) in lanes.iter().zip(&mut self.recent) {
            figures.add(lane.take_figures());
        }
    }
}

fn standing_of(status: &Value) -> Option<Standing> {
    let althing = &status["althing"];
    Some(Standing { executed: integer(&althing["executed_height"])?, view: integer(&althing["view"])? })
}

fn line(name: &str, standing: Option<Standing>, figures: &Figures, elapsed: Duration) -> String {
    let Some(Standing { executed, view }) = standing else { return format!("{name:13} does not answer") };
    let per_second = u128::from(figures.committed) * 1000 / elapsed.as_millis().max(1);
    let (p50, p99) = (figures.latencies.percentile(50) / 1000, figures.latencies.percentile(99) / 1000);
    let mut line = format!(
        "{name:13} height {executed:<8} view {view:<8} {per_second:>6} tx/s   commit {p50} ms (p50) {p99} ms (p99)"
    );
    if figures.failed > 0 {
        let fault: String = figures.fault.as_deref().unwrap_or_default().chars().take(60).collect();
        let _ = write!(line, "   {} failed: {fault}", figures.failed);
    }
    line
}
