//! The command that starts a validator's application, where that is a process of its own.

use std::{path::PathBuf, str::FromStr};

use althing_ledger::abci::Address;
use tokio::process::Command;

use crate::home::Home;

/// The longest path that a Unix socket may have on every system.
const MAX_SOCKET_PATH: usize = 103;

/// Runs the command, and ends it when standard input ends: also if whoever started it is killed.
const SCRIPT: &str = r#"
exec 3<&0
(eval "exec $1") </dev/null 3<&- &
app=$!
{ cat <&3; kill "$app"; } >/dev/null 2>&1 &
wait "$app"
"#;

/// A command in which `{address}` stands for where the application is to listen, and `{path}` for the socket's path in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppCommand(String);

/// A command that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} does not say where to listen: put {{address}} (unix:///path) or {{path}} (/path) where the application expects it"
)]
pub struct NoAddress(String);

impl FromStr for AppCommand {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        match text.contains("{address}") || text.contains("{path}") {
            true => Ok(Self(text.to_owned())),
            false => Err(NoAddress(text.to_owned())),
        }
    }
}

/// Where the application of this validator listens.
pub(super) fn address(home: &Home) -> Address {
    Address::Unix(socket(home))
}

/// Whether a socket can be there.
pub(super) fn fits(home: &Home) -> bool {
    socket(home).as_os_str().len() <= MAX_SOCKET_PATH
}

pub(super) fn socket(home: &Home) -> PathBuf {
    let path = home.path().join("app.sock");
    // Addresses are absolute.
    std::path::absolute(&path).unwrap_or(path)
}

impl AppCommand {
    /// The process of this validator's application, in the validator's home.
    pub(super) fn command(&self, home: &Home) -> Command {
        let quoted = |text: String| format!("'{}'", text.replace('\'', r"'\''"));
        let path = quoted(socket(home).display().to_string());
        let text = self.0.replace("{address}", &quoted(address(home).to_string())).replace("{path}", &path);
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "application", &text]);
        command
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_command_says_where_to_listen() {
        assert!("app --listen {address}".parse::<AppCommand>().is_ok());
        let error = "app --listen 26658".parse::<AppCommand>().unwrap_err().to_string();
        assert!(error.contains("\"app --listen 26658\"") && error.contains("{address}"), "{error}");
    }

    #[tokio::test]
    async fn what_is_started_ends_with_its_input_and_its_end_is_seen() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::new(directory.path().join("it's"));
        let started = |text: &str| {
            let mut command = text.parse::<AppCommand>().unwrap().command(&home);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            // Whoever waits for a child closes the input that it still has.
            (child.stdin.take(), child)
        };
        let (_input, child) = started("echo {address} {path}");
        let ended = child.wait_with_output().await.unwrap();
        let path = socket(&home).display().to_string();
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), format!("unix://{path} {path}\n"));
        let (_input, mut child) = started("sh -c 'exit 7' {path}");
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        let (input, mut child) = started("sleep 1000 # {path}");
        drop(input);
        assert!(!child.wait().await.unwrap().success(), "it was killed");
    }
}
