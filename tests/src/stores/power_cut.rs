//! Power cuts. A process of its own writes batches to a file system on a loop device whose file lies on another file system. At some moment
//! that other one is frozen: not one write of the device reaches its file any more, wherever the writer is. What the file holds now is what
//! a disk would hold; it is copied, the copy mounted, and the database in it compared with what was acknowledged before.
//!
//! There are two kinds of disks, each the other's opposite in what it does with writes that nobody has asked it to sync. One keeps them,
//! as far as they have reached it, in whatever order. The other has a volatile cache that it loses: a third file system between the two
//! keeps what the device is not told to flush in the memory of the system.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde::{Deserialize, Serialize};

use super::batches::Verdict;
use super::volume::{Volume, copy};
use super::{Backend, Failure};
use crate::sim::Random;

/// What a disk does with writes that it was not told to sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    /// Keeps them.
    Keeping,
    /// Loses them.
    Forgetting,
}

/// One power cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cut {
    /// The database.
    pub backend: Backend,
    /// The disk below it.
    pub disk: Disk,
    /// What decided the batches and the moment.
    pub seed: u64,
    /// Batches that the writer had said are durable.
    pub acknowledged: u64,
    /// What was found.
    pub verdict: Verdict,
    /// Opening the database, and reading all of it, in milliseconds.
    pub check_ms: u64,
}

/// Programs that play the writer and the one who looks afterwards.
pub struct Players<'a> {
    /// Writes batches of this seed to a new database there, and prints the number of each.
    pub writer: &'a dyn Fn(&Path, u64) -> Result<Command, Failure>,
    /// Looks at the database there, of this seed, so many acknowledged, and prints its [`Verdict`] as JSON.
    pub checker: &'a dyn Fn(&Path, u64, u64) -> Result<Command, Failure>,
}

/// Of the outermost file system; each further one has less. Mostly holes.
const VOLUME_BYTES: u64 = 16 << 30;
/// The power fails so long after the first acknowledged batch, in milliseconds.
const MOMENT_MS: (u64, u64) = (50, 2_500);
/// How often a process is looked after, so many times at most: two minutes, and more where all of them are stopped meanwhile.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 60_000;

/// Cuts the power once. `under` is an empty directory.
pub fn cut(
    under: &Path,
    backend: Backend,
    disk: Disk,
    seed: u64,
    players: &Players<'_>,
) -> Result<Cut, Failure> {
    let copied = under.join("copy");
    let acknowledged = {
        let outer = Volume::create(&under.join("outer"), VOLUME_BYTES, under.join("a"))?;
        let device = outer.path("device");
        let mut stack = vec![Volume::create(&device, VOLUME_BYTES / 2, under.join("b"))?];
        if disk == Disk::Forgetting {
            stack.insert(0, Volume::create(&stack[0].path("device"), VOLUME_BYTES / 4, under.join("c"))?);
        }
        let writer = Writer::start((players.writer)(&stack[0].path("database"), seed)?)?;
        thread::sleep(Duration::from_millis(Random::new(seed).between(MOMENT_MS.0, MOMENT_MS.1)));
        let acknowledged = writer.acknowledged.load(Ordering::Acquire);
        let frozen = outer.freeze()?;
        let done = copy(&device, &copied);
        drop(frozen);
        drop(writer);
        // From the innermost on.
        stack.drain(..).for_each(drop);
        done.map(|()| acknowledged)?
    };
    let mut stack = vec![Volume::mount(&copied, under.join("d"))?];
    if disk == Disk::Forgetting {
        stack.insert(0, Volume::mount(&stack[0].path("device"), under.join("e"))?);
    }
    let began = Instant::now();
    let verdict = verdict((players.checker)(&stack[0].path("database"), seed, acknowledged)?)?;
    let check_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    stack.drain(..).for_each(drop);
    Ok(Cut { backend, disk, seed, acknowledged, verdict, check_ms })
}

/// A process that writes and says so.
struct Writer {
    child: Child,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    /// Starts it, and waits for its first word.
    fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let said = child.stdout.take().ok_or("a writer without a voice")?;
        let acknowledged = Arc::new(AtomicU64::new(0));
        let heard = Arc::clone(&acknowledged);
        thread::spawn(move || {
            for number in BufReader::new(said).lines().map_while(Result::ok) {
                heard.store(number.parse().unwrap_or(0), Ordering::Release);
            }
        });
        let mut writer = Self { child, acknowledged };
        for _ in 0..LOOKS {
            if writer.acknowledged.load(Ordering::Acquire) > 0 {
                return Ok(writer);
            }
            if writer.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(LOOK);
        }
        Err("the writer has acknowledged nothing".into())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn verdict(mut command: Command) -> Result<Verdict, Failure> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut looks = 0;
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if looks == LOOKS => {
                child.kill()?;
                child.wait()?;
                return Ok(Verdict::Refused { why: "it did not come to an end".to_owned() });
            }
            None => thread::sleep(LOOK),
        }
        looks += 1;
    };
    let (mut said, mut complained) = (String::new(), String::new());
    child.stdout.take().ok_or("no output")?.read_to_string(&mut said)?;
    child.stderr.take().ok_or("no output")?.read_to_string(&mut complained)?;
    if status.success() {
        return Ok(serde_json::from_str(said.trim())?);
    }
    let complained = complained.lines().take(3).collect::<Vec<_>>().join(" ");
    Ok(Verdict::Refused { why: format!("{status}: {complained}") })
}

/// Why power cannot be cut here, if it cannot: it takes root, loop devices, ext4 and the programs that make and mount them.
pub fn obstacle(under: &Path) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("mounting needs root".to_owned());
    }
    let attempt = || -> Result<(), Failure> {
        let volume = Volume::create(&under.join("try"), 512 << 20, under.join("try.mount"))?;
        drop(volume.freeze()?);
        drop(volume);
        fs::remove_file(under.join("try"))?;
        fs::remove_dir(under.join("try.mount"))?;
        Ok(())
    };
    attempt().err().map(|error| error.to_string())
}
