//! The tour of `docs/ledger.md`: its commands run on a chain of their own, and what they print is what the page says.
//!
//! Hashes, keys and addresses are other ones in each run: they are numbered by their first appearance, so that what is the same on
//! the page must be the same here. Heights depend on how long a block takes, and are not compared; nor is the order of lines
//! in one command's output, which for some is that of addresses. The words of what is signed are compared where the page has them.
//! With `WRITE_TOUR=1` the page is written anew.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(150);
/// Between the outputs of commands.
const END: &str = "@@@ end of a command";

/// A command of the page, and the lines that it is said to print.
struct Step {
    command: String,
    output: Vec<String>,
}

/// The commands of the page's console blocks, and the page with a mark in place of each command's output.
fn read(page: &str) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut rest, mut inside) = (Vec::<Step>::new(), Vec::new(), false);
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ => {}
        }
        let last = steps.last_mut();
        match (line.strip_prefix("$ "), line.strip_prefix("> "), last) {
            (Some(command), _, _) if inside => {
                steps.push(Step { command: command.to_owned(), output: Vec::new() });
                rest.push(line.to_owned());
            }
            (_, Some(more), Some(step)) if inside && step.output.is_empty() => {
                step.command += &format!("\n{more}");
                rest.push(line.to_owned());
            }
            (_, _, Some(step)) if inside && line != "```console" => step.output.push(line.to_owned()),
            _ => {
                rest.push(line.to_owned());
            }
        }
    }
    (steps, rest)
}

/// Two neighbouring ports that are free, below those that the system gives to outgoing connections.
fn ports() -> (u16, u16) {
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let begin = (process::id() % 500) as u16;
    let pairs = (0..500).map(|i| 16_000 + (begin + i) % 500 * 2);
    let first = pairs.into_iter().find(|port| free(port) && free(&(port + 1))).unwrap();
    (first, first + 1)
}

/// What each command prints, run one after the other by one shell.
fn run(steps: &[Step]) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let (rpc, p2p) = ports();
    let binary = Path::new(env!("CARGO_BIN_EXE_althing")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    // The node ends with this process, whatever becomes of the shell.
    let mut script = "exec 2>&1 3<&0\n\
        althing() { if [ \"$1\" = start ]; then exec althing \"$@\" --stop-with-stdin <&3; else command althing \"$@\" < /dev/null; fi; }\n"
        .to_owned();
    for step in steps {
        script += &format!("{}\necho '{END}'\n", step.command);
    }
    let script_file = directory.path().join("tour.sh");
    fs::write(&script_file, script).unwrap();
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALTHING_")) {
        shell.env_remove(name);
    }
    let mut shell = shell
        .arg(&script_file)
        .current_dir(directory.path())
        .env("PATH", path)
        .env("ALTHING_NODE", format!("http://127.0.0.1:{rpc}"))
        .env("ALTHING_RPC__LISTEN", format!("127.0.0.1:{rpc}"))
        .env("ALTHING_P2P__LISTEN", format!("127.0.0.1:{p2p}"))
        .stdin(Stdio::piped())
        .stdout(fs::File::create(directory.path().join("tour.out")).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let (stdin, pid) = (shell.stdin.take(), shell.id().to_string());
    let (report, done) = mpsc::channel();
    thread::spawn(move || report.send(shell.wait()));
    let ended = done.recv_timeout(PATIENCE).ok();
    if ended.is_none() {
        Command::new("kill").arg(pid).status().unwrap();
    }
    let text = fs::read_to_string(directory.path().join("tour.out")).unwrap();
    let text = text.replace(&format!("127.0.0.1:{rpc}"), "127.0.0.1:26657");
    assert!(ended.is_some(), "not done within {PATIENCE:?}:\n{text}");
    drop(stdin);
    eprintln!("{} commands in {:.1?}", steps.len(), begun.elapsed());
    let mut outputs: Vec<Vec<String>> = vec![Vec::new()];
    for line in text.lines() {
        match line {
            END => outputs.push(Vec::new()),
            line => outputs.last_mut().unwrap().push(line.to_owned()),
        }
    }
    outputs.truncate(steps.len());
    assert_eq!(outputs.len(), steps.len(), "{text}");
    outputs
}

/// The output without what is said to people before a command signs, where the page leaves that out.
fn without_words(output: Vec<String>, step: &Step) -> Vec<String> {
    let begins = |line: &String| line.starts_with("chain            ");
    if step.output.iter().any(begins) {
        return output;
    }
    let mut inside = false;
    let mut kept = Vec::new();
    for line in output {
        inside |= begins(&line);
        if inside {
            inside = !line.starts_with("memo             ");
        } else {
            kept.push(line);
        }
    }
    kept
}

/// Columns and fields that hold heights.
const HEIGHTS: [&str; 3] = ["height", "since", "expiry_height"];

/// Takes out of texts what is another one in each run.
#[derive(Default)]
struct Plain {
    names: BTreeMap<String, usize>,
}

impl Plain {
    /// The lines of one command's output.
    fn lines(&mut self, lines: &[String]) -> Vec<String> {
        let mut head: Vec<bool> = Vec::new();
        let mut plain: Vec<String> = Vec::new();
        // That a command waits is not its output: it does so on a slow machine only.
        for line in lines.iter().filter(|line| !line.starts_with("waiting for a header")) {
            let mut cells: Vec<String> =
                line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
            if cells.iter().skip(1).any(|cell| HEIGHTS.contains(&cell.as_str())) {
                head = cells.iter().map(|cell| HEIGHTS.contains(&cell.as_str())).collect();
            } else if cells.len() == 2 && HEIGHTS.contains(&cells[0].as_str()) {
                cells[1] = "_".to_owned();
            } else if cells.len() == head.len() {
                cells
                    .iter_mut()
                    .zip(&head)
                    .filter(|(_, height)| **height)
                    .for_each(|(cell, _)| *cell = "_".to_owned());
            }
            plain.push(self.words(&cells.join("  ")));
        }
        plain.sort();
        plain
    }

    fn words(&mut self, line: &str) -> String {
        let (mut plain, mut word, mut before) = (String::new(), String::new(), String::new());
        for c in line.chars().chain(['\n']) {
            if c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            plain += &self.word(&before, &word);
            plain.push(c);
            if !word.is_empty() {
                before = std::mem::take(&mut word);
            }
        }
        plain
    }

    fn word(&mut self, before: &str, word: &str) -> String {
        let number = !word.is_empty() && word.bytes().all(|c| c.is_ascii_digit());
        if number && word.len() < 20 && ["height", "header", "view", "is", "to"].contains(&before) {
            return "_".to_owned();
        }
        let hexadecimal =
            (word.len() >= 40 || word.len() == 32) && word.bytes().all(|c| c.is_ascii_hexdigit());
        let address = word.len() == 41 && word.starts_with("al1");
        if !(hexadecimal || address) {
            return word.to_owned();
        }
        let next = self.names.len();
        format!("#{}", self.names.entry(word.to_lowercase()).or_insert(next))
    }
}

#[test]
fn the_page_says_what_the_commands_print() {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ledger.md"));
    let page = fs::read_to_string(&file).unwrap();
    let (steps, rest) = read(&page);
    assert!(steps.len() > 40, "the page has its commands");
    let outputs = run(&steps)
        .into_iter()
        .zip(&steps)
        .map(|(output, step)| without_words(output, step))
        .collect::<Vec<_>>();
    if std::env::var_os("WRITE_TOUR").is_some() {
        return write(&file, &rest, outputs);
    }
    let (mut said, mut printed) = (Plain::default(), Plain::default());
    for (step, output) in steps.iter().zip(&outputs) {
        let (said, printed) = (said.lines(&step.output), printed.lines(output));
        assert_eq!(said, printed, "of `{}`, which printed\n{}", step.command, output.join("\n"));
    }
}

/// Writes the page with these outputs.
fn write(file: &Path, rest: &[String], outputs: Vec<Vec<String>>) {
    let (mut page, mut outputs) = (fs::File::create(file).unwrap(), outputs.into_iter());
    let mut inside = false;
    for (index, line) in rest.iter().enumerate() {
        inside = line == "```console" || inside && line != "```";
        writeln!(page, "{line}").unwrap();
        let continued = rest.get(index + 1).is_some_and(|next| next.starts_with("> "));
        if inside && line != "```console" && !continued {
            outputs.next().unwrap().iter().for_each(|line| writeln!(page, "{line}").unwrap());
        }
    }
}
