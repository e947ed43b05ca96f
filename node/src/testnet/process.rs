//! One process: a validator, which is `althing start` on its home, or its application.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{AppCommand, TestnetError, app_command};
use crate::home::Home;

/// How long a process may take to stop before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// What is shown of a log.
const TAIL_LINES: usize = 15;
const TAIL_BYTES: u64 = 8 << 10;

/// A running validator or application. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Process {
    /// The system's number of it.
    pid: Option<u32>,
    stop: oneshot::Sender<End>,
    supervisor: JoinHandle<()>,
}

/// How a process is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Asked,
    Killed,
}

impl Process {
    /// Starts a validator. Its log goes to `node.log` in its home.
    pub(super) fn validator(home: &Home, exits: mpsc::Sender<TestnetError>) -> Result<Self, TestnetError> {
        Self::validator_with(home, &[], exits)
    }

    /// The same with these keys of its configuration overridden.
    pub(crate) fn validator_with(
        home: &Home,
        settings: &[String],
        exits: mpsc::Sender<TestnetError>,
    ) -> Result<Self, TestnetError> {
        let executable = std::env::current_exe()?;
        let mut command = Command::new(executable);
        command.args(["start", "--stop-with-stdin", "--home"]).arg(home.path());
        settings.iter().for_each(|setting| _ = command.args(["--set", setting]));
        Self::start(command, name(home), log(home), exits)
    }

    /// Starts a validator's application. Its log goes to `app.log` in the home.
    pub(super) fn application(
        home: &Home,
        command: &AppCommand,
        exits: mpsc::Sender<TestnetError>,
    ) -> Result<Self, TestnetError> {
        // What an application that was killed has left keeps the next one from listening.
        match std::fs::remove_file(app_command::socket(home)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let name = format!("the application of {}", name(home));
        Self::start(command.command(home), name, home.path().join("app.log"), exits)
    }

    /// If it ends without being asked to, `exits` is told.
    fn start(
        mut command: Command,
        name: String,
        log: PathBuf,
        exits: mpsc::Sender<TestnetError>,
    ) -> Result<Self, TestnetError> {
        let mut started = || {
            let file = OpenOptions::new().create(true).append(true).open(&log)?;
            // It stops when this pipe closes: also if this process is killed.
            command.stdin(Stdio::piped()).stdout(file.try_clone()?).stderr(file);
            // Ctrl-C is for this process, which then stops the others.
            command.process_group(0).kill_on_drop(true).spawn()
        };
        let child = started().map_err(|source| TestnetError::Start { name: name.clone(), source })?;
        let pid = child.id();
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervise(child, name, log, stopped, exits));
        Ok(Self { pid, stop, supervisor })
    }

    /// The system's number of it; none if it ended at once.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(self) {
        // If it has ended by itself there is nobody to tell.
        let _ = self.stop.send(End::Asked);
        let _ = self.supervisor.await;
    }

    /// Ends it by SIGKILL, which leaves it no time to write anything, and waits until it has. What it had written the system still has: no power cut.
    pub(crate) async fn kill(self) {
        let _ = self.stop.send(End::Killed);
        let _ = self.supervisor.await;
    }
}

async fn supervise(
    mut child: Child,
    name: String,
    log: PathBuf,
    mut stop: oneshot::Receiver<End>,
    exits: mpsc::Sender<TestnetError>,
) {
    let pipe = child.stdin.take();
    tokio::select! {
        status = child.wait() => {
            let status = status.map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string());
            let tail = tail(&log);
            let _ = exits.send(TestnetError::Ended { name, status, log, tail }).await;
        }
        end = &mut stop => {
            if end == Ok(End::Killed) {
                // It may have ended just now.
                let _ = child.kill().await;
                return;
            }
            drop(pipe);
            if timeout(STOP_TIMEOUT, child.wait()).await.is_err() {
                tracing::warn!(name, "did not stop in time and is killed");
                let _ = child.kill().await;
            }
        }
    }
}

/// `validator-0`
pub(super) fn name(home: &Home) -> String {
    home.path().file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(super) fn log(home: &Home) -> PathBuf {
    home.path().join("node.log")
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let read = || {
        let mut file = File::open(log)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = match read() {
        Ok(bytes) => bytes,
        Err(error) => return format!("    ({error})"),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let lines = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    lines.iter().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_last_lines() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("node.log");
        assert!(tail(&log).contains("No such file"));
        let text: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
        std::fs::write(&log, text).unwrap();
        let tail = tail(&log);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.ends_with("    line 9999"));
    }
}
