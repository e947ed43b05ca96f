//! What was measured, for people.

use super::Backend;
use super::batches::Verdict;
use super::load::{Figures, Kind};
use super::measured::Done;
use super::power_cut::{Cut, Disk};

/// A column for each database, a row for each figure of a load.
pub fn loads(all: &[Figures], load: Kind) -> String {
    let of: Vec<&Figures> = all.iter().filter(|figures| figures.load == load).collect();
    let Some(first) = of.first() else { return String::new() };
    let mut rows = vec![row("", &of, |figures| figures.backend.name().to_owned())];
    for kind in first.writes.keys().filter(|kind| *kind != "genesis") {
        let done = |figures: &Figures| figures.writes.get(kind).cloned().unwrap_or_default();
        rows.push(row(&format!("{kind}: keys/s"), &of, |figures| {
            done(figures).keys_per_second().to_string()
        }));
        rows.push(row(&format!("{kind}: MB/s"), &of, |figures| done(figures).mb_per_second().to_string()));
        rows.push(row(&format!("{kind}: batch p50 · p99 · max, ms"), &of, |figures| {
            spread(&done(figures))
        }));
    }
    for kind in first.reads.keys() {
        let done = |figures: &Figures| figures.reads.get(kind).cloned().unwrap_or_default();
        rows.push(row(&format!("{kind} read/s"), &of, |figures| done(figures).keys_per_second().to_string()));
        let spread = |done: Done| format!("{} · {} · {}", done.p50_us, done.p99_us, done.max_us);
        rows.push(row(&format!("{kind} read p50 · p99 · max, µs"), &of, |figures| spread(done(figures))));
    }
    let rest: [(&str, Figure); 6] = [
        ("peak memory of the process, MB", |figures| figures.peak_rss_mb),
        ("processor time, ms", |figures| figures.processor_ms),
        ("live, MB", |figures| figures.live_mb),
        ("on disk, MB", |figures| figures.disk_mb),
        ("closing, ms", |figures| figures.close_ms),
        ("opening again, ms", |figures| figures.reopen_ms),
    ];
    rows.extend(rest.map(|(name, figure)| row(name, &of, |figures| figure(figures).to_string())));
    rows.concat()
}

type Figure = fn(&Figures) -> u64;

fn row(name: &str, of: &[&Figures], cell: impl Fn(&Figures) -> String) -> String {
    let cells: String = of.iter().map(|figures| format!("{:>24}", cell(figures))).collect();
    format!("{name:<44}{cells}\n")
}

fn spread(done: &Done) -> String {
    [done.p50_us, done.p99_us, done.max_us].map(ms).join(" · ")
}

/// Milliseconds with one or two digits behind the point.
fn ms(us: u64) -> String {
    match us {
        0..10_000 => format!("{}.{:02}", us / 1_000, us % 1_000 / 10),
        _ => format!("{}.{}", us / 1_000, us % 1_000 / 100),
    }
}

/// What a database has left after power cuts on one kind of disk.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// The database.
    pub backend: Backend,
    /// The disk.
    pub disk: Disk,
    /// All cuts.
    pub cuts: u64,
    /// Nothing acknowledged was missing, no batch was torn.
    pub kept: u64,
    /// Acknowledged batches were missing, without a word.
    pub lost: u64,
    /// Something was there that no number of whole batches leaves.
    pub torn: u64,
    /// It did not open, or could not be read.
    pub refused: u64,
    /// The most acknowledged batches that were missing at once, where it opened.
    pub most_lost: u64,
    /// Batches acknowledged before the cuts, of all of them.
    pub acknowledged: u64,
    /// The longest time to open it and to read all of it, in milliseconds.
    pub check_ms_max: u64,
}

/// Cuts by database and disk, in the order in which they come.
pub fn tallies(cuts: &[Cut]) -> Vec<Tally> {
    cuts.chunk_by(|a, b| (a.backend, a.disk) == (b.backend, b.disk))
        .map(|cuts| {
            let count = |is: fn(&Verdict) -> bool| cuts.iter().filter(|cut| is(&cut.verdict)).count() as u64;
            let missing = |cut: &Cut| match cut.verdict {
                Verdict::Lost { found } => cut.acknowledged - found,
                _ => 0,
            };
            Tally {
                backend: cuts[0].backend,
                disk: cuts[0].disk,
                cuts: cuts.len() as u64,
                kept: count(|verdict| matches!(verdict, Verdict::Kept { .. })),
                lost: count(|verdict| matches!(verdict, Verdict::Lost { .. })),
                torn: count(|verdict| matches!(verdict, Verdict::Torn { .. })),
                refused: count(|verdict| matches!(verdict, Verdict::Refused { .. })),
                most_lost: cuts.iter().map(missing).max().unwrap_or(0),
                acknowledged: cuts.iter().map(|cut| cut.acknowledged).sum(),
                check_ms_max: cuts.iter().map(|cut| cut.check_ms).max().unwrap_or(0),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_counted_by_what_was_found() {
        let cut = |backend, verdict| Cut {
            backend,
            disk: Disk::Keeping,
            seed: 1,
            acknowledged: 10,
            verdict,
            check_ms: 5,
        };
        let cuts = [
            cut(Backend::Redb, Verdict::Kept { found: 11 }),
            cut(Backend::Sled, Verdict::Lost { found: 3 }),
            cut(Backend::Sled, Verdict::Refused { why: String::new() }),
            cut(Backend::Sled, Verdict::Torn { found: 9, what: String::new() }),
        ];
        let [redb, sled] = tallies(&cuts).try_into().unwrap();
        assert_eq!((redb.backend, redb.cuts, redb.kept, redb.most_lost), (Backend::Redb, 1, 1, 0));
        assert_eq!((sled.cuts, sled.kept, sled.lost, sled.torn, sled.refused), (3, 0, 1, 1, 1));
        assert_eq!((sled.most_lost, sled.acknowledged, sled.check_ms_max), (7, 30, 5));
    }

    #[test]
    fn milliseconds_are_short() {
        assert_eq!([0, 1_239, 9_999, 10_000, 1_234_567].map(ms), ["0.00", "1.23", "9.99", "10.0", "1234.5"]);
    }
}
