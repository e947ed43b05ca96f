//! What a process takes of the machine, as Linux tells in `/proc`.

use std::{fs, time::Duration};

/// The most memory that the process has had resident so far, in KiB; none if it has ended.
pub fn peak_memory_kib(pid: u32) -> Option<u64> {
    status_kib(pid, "VmHWM:")
}

/// The memory that the process has resident now, in KiB; none if it has ended.
pub fn memory_kib(pid: u32) -> Option<u64> {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Processor time that the process has used so far, in itself and in the kernel.
pub fn processor_time(pid: u32) -> Duration {
    let fields = stat(pid).expect("the process runs");
    let ticks = |index: usize| fields[index].parse::<u64>().expect("a number of ticks");
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second())
}

/// The processes that this one has started and that still run.
pub fn children(pid: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("the system lists its processes");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|other| stat(*other).is_some_and(|fields| fields[1] == pid.to_string())).collect()
}

/// The fields of `/proc/PID/stat` from the third on: those before may hold blanks.
fn stat(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}
