//! What the system says of processes: processor time by thread, memory. Only where there is `/proc`, as on Linux.

use std::{collections::BTreeMap, fs, path::Path};

/// A part of a node, by the threads that do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Room {
    Consensus,
    Crypto,
    Mempool,
    P2p,
    Ledger,
    Storage,
    Rpc,
    Other,
}

impl Room {
    pub(super) const ALL: [Self; 8] = [
        Self::Consensus,
        Self::Crypto,
        Self::Mempool,
        Self::P2p,
        Self::Ledger,
        Self::Storage,
        Self::Rpc,
        Self::Other,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Consensus => "consensus",
            Self::Crypto => "crypto",
            Self::Mempool => "mempool",
            Self::P2p => "p2p",
            Self::Ledger => "ledger",
            Self::Storage => "storage",
            Self::Rpc => "rpc",
            Self::Other => "other",
        }
    }

    /// The room of a thread of this name. A pool may number its threads.
    pub(super) fn of(thread: &str) -> Self {
        let name = thread.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        match name {
            "driver" | "safety" => Self::Consensus,
            "verify" | "precheck" => Self::Crypto,
            "check" => Self::Mempool,
            "p2p" => Self::P2p,
            "execute" | "application" | "abci" => Self::Ledger,
            "store" | "serve" | "journal" | "database" => Self::Storage,
            "rpc" => Self::Rpc,
            _ => Self::Other,
        }
    }
}

/// Processor time of some processes since each began, in clock ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    /// By the names of threads that are alive.
    pub(super) by_thread: BTreeMap<String, u64>,
    /// All of it, also of threads that have ended.
    pub(super) total: u64,
}

impl Cpu {
    /// Of these processes now.
    pub(super) fn of(pids: &[u32]) -> Self {
        let mut cpu = Self::default();
        for pid in pids {
            let process = Path::new("/proc").join(pid.to_string());
            cpu.total += ticks(&process.join("stat")).unwrap_or_default();
            for task in fs::read_dir(process.join("task")).into_iter().flatten().flatten() {
                let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                let ticks = ticks(&task.path().join("stat")).unwrap_or_default();
                *cpu.by_thread.entry(name.trim().to_owned()).or_default() += ticks;
            }
        }
        cpu
    }

    /// With what a process had used that is no more.
    pub(super) fn with(mut self, ended: &Self) -> Self {
        for (name, ticks) in &ended.by_thread {
            *self.by_thread.entry(name.clone()).or_default() += ticks;
        }
        self.total += ended.total;
        self
    }

    /// What was used since another time.
    pub(super) fn since(&self, before: &Self) -> Self {
        let by_thread = self.by_thread.iter().map(|(name, ticks)| {
            let before = before.by_thread.get(name).copied().unwrap_or_default();
            (name.clone(), ticks.saturating_sub(before))
        });
        Self { by_thread: by_thread.collect(), total: self.total.saturating_sub(before.total) }
    }

    /// By room. What no thread that is alive accounts for is the others'.
    pub(super) fn by_room(&self) -> BTreeMap<Room, u64> {
        let mut rooms: BTreeMap<Room, u64> = Room::ALL.into_iter().map(|room| (room, 0)).collect();
        for (name, ticks) in &self.by_thread {
            *rooms.entry(Room::of(name)).or_default() += ticks;
        }
        let known: u64 = self.by_thread.values().sum();
        *rooms.entry(Room::Other).or_default() += self.total.saturating_sub(known);
        rooms
    }
}

/// User and system time in a `stat` of `/proc`.
fn ticks(stat: &Path) -> Option<u64> {
    ticks_in(&fs::read_to_string(stat).ok()?)
}

/// The second field is a name in parentheses, which may hold anything; the times are the 14th and 15th.
fn ticks_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Processor time of the whole machine, without what it was idle, in clock ticks.
pub(super) fn busy() -> Option<u64> {
    busy_in(&fs::read_to_string("/proc/stat").ok()?)
}

/// The first line: user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen.
fn busy_in(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> =
        line.split_ascii_whitespace().take(7).filter_map(|field| field.parse().ok()).collect();
    let idle: u64 = fields.iter().skip(3).take(2).sum();
    Some(fields.iter().sum::<u64>().saturating_sub(idle))
}

/// Clock ticks in a second.
pub(super) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// The most memory that a process had, in bytes.
pub(super) fn peak_memory(pid: u32) -> Option<u64> {
    peak_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn peak_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// The load of the machine over the last minute, as the system words it.
pub(super) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_belongs_to_a_room_by_its_name() {
        for (thread, room) in [
            ("driver", Room::Consensus),
            ("safety", Room::Consensus),
            ("verify", Room::Crypto),
            ("precheck", Room::Crypto),
            ("precheck-1", Room::Crypto),
            ("check", Room::Mempool),
            ("execute", Room::Ledger),
            ("store", Room::Storage),
            ("journal", Room::Storage),
            ("database", Room::Storage),
            ("rpc", Room::Rpc),
            ("p2p", Room::P2p),
            ("althing", Room::Other),
        ] {
            assert_eq!(Room::of(thread), room, "{thread}");
        }
    }

    #[test]
    fn what_the_system_writes_is_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 1 2 3 4 250 17 0 0 20 0 3 0 99 1 2";
        assert_eq!(ticks_in(stat), Some(267));
        assert_eq!(ticks_in("7 (a"), None);
        assert_eq!(busy_in("cpu  10 1 5 1000 20 2 3 0 0 0\ncpu0 1 1"), Some(21));
        assert_eq!(peak_in("Name:\tx\nVmHWM:\t  1234 kB\n"), Some(1_234 * 1_024));
    }

    #[test]
    fn time_without_a_thread_is_the_others() {
        let cpu = |driver, total| Cpu { by_thread: [("driver".to_owned(), driver)].into(), total };
        let used = cpu(50, 100).since(&cpu(20, 30));
        let rooms = used.by_room();
        assert_eq!((rooms[&Room::Consensus], rooms[&Room::Other], rooms[&Room::Rpc]), (30, 40, 0));
    }

    #[test]
    fn what_a_process_used_that_is_no_more_stays_used() {
        let cpu = |ticks: u64| Cpu {
            by_thread: [("driver".to_owned(), ticks), (format!("of {ticks}"), 1)].into(),
            total: ticks + 1,
        };
        let (before, survivor, victim) = (cpu(10).with(&cpu(20)), cpu(15), cpu(22));
        let used = survivor.with(&victim).since(&before);
        assert_eq!((used.by_thread["driver"], used.total), (7, 7));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_threads_and_memory() {
        let cpu = Cpu::of(&[std::process::id()]);
        assert!(!cpu.by_thread.is_empty());
        assert!(peak_memory(std::process::id()).unwrap() > 1 << 20);
        assert!(busy().unwrap() > 0);
    }
}
