//! Pages whose commands are run: what they print is what the page says.
//!
//! Hashes, keys and addresses are other ones in each run: they are numbered by their first appearance, so that what is the same on
//! the page must be the same here. Heights depend on how long a block takes, and are not compared; nor is the order of lines
//! in one command's output, which for some is that of addresses. The words of what is signed are compared where the page has them.
//! With `WRITE_TOUR=1` the page is written anew.
//!
//! A code block whose first line names a file after its language is that file: it is written before the next command is run.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

mod plain;

use plain::Plain;

/// Between the outputs of commands.
const END: &str = "@@@ end of a command";

/// Where and how a page is run.
pub(crate) struct Setting<'a> {
    /// The page's name in `docs/`.
    pub(crate) page: &'a str,
    /// The directory in which it is run.
    pub(crate) directory: &'a Path,
    /// Shell code before the commands.
    pub(crate) prelude: &'a str,
    /// Variables of the environment.
    pub(crate) variables: Vec<(&'a str, String)>,
    /// The ports that the page names, and those that are used in their place. The first is that of the node that is asked.
    pub(crate) ports: Vec<(u16, u16)>,
    /// Far longer than it takes.
    pub(crate) patience: Duration,
}

/// A command of the page, and the lines that it is said to print.
struct Step {
    command: String,
    output: Vec<String>,
}

/// The commands of the page's console blocks, and the page with a mark in place of each command's output.
fn read(page: &str) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut rest, mut inside) = (Vec::<Step>::new(), Vec::new(), false);
    let mut files = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let fence = line.strip_prefix("```").and_then(|info| info.split_once(' '));
        if let Some((_, file)) = fence {
            let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            files += &format!(
                "mkdir -p \"$(dirname \"$PAGE/{file}\")\"\ncat > \"$PAGE/{file}\" <<'{END}'\n{}\n{END}\n",
                text.join("\n")
            );
            rest.extend([line].into_iter().chain(text).chain(["```"]).map(str::to_owned));
            continue;
        }
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ => {}
        }
        let last = steps.last_mut();
        match (line.strip_prefix("$ "), line.strip_prefix("> "), last) {
            (Some(command), _, _) if inside => {
                let command = std::mem::take(&mut files) + command;
                steps.push(Step { command, output: Vec::new() });
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

/// A port such that those at these distances from it are free; they are below those that the system gives to outgoing connections.
pub(crate) fn free_port(distances: &[u16]) -> u16 {
    let free = |port: &u16| distances.iter().all(|far| TcpListener::bind(("127.0.0.1", port + far)).is_ok());
    let begin = (process::id() % 500) as u16;
    (0..500).map(|i| 16_000 + (begin + i) % 500 * 2).find(free).unwrap()
}

/// The text with these numbers replaced, where they stand alone.
fn numbers_replaced(text: &str, numbers: &[(u16, u16)]) -> String {
    let (mut replaced, mut word) = (String::new(), String::new());
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        let other = numbers.iter().find(|(from, _)| word == from.to_string());
        replaced += &other.map_or(std::mem::take(&mut word), |(_, to)| to.to_string());
        word.clear();
        replaced.push(c);
    }
    replaced.pop();
    replaced
}

/// What each command prints, run one after the other by one shell.
fn run(steps: &[Step], setting: &Setting<'_>) -> Vec<Vec<String>> {
    let Setting { directory, ports, patience, .. } = setting;
    // What is started in the background ends with this process, whatever becomes of the shell.
    let mut script = format!("exec 2>&1 3<&0\nPAGE=$PWD\n{}\n", setting.prelude);
    for step in steps {
        script += &format!("{}\necho '{END}'\n", numbers_replaced(&step.command, ports));
    }
    let script_file = directory.join("page.sh");
    fs::write(&script_file, script).unwrap();
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ALTHING_")) {
        shell.env_remove(name);
    }
    let mut shell = shell
        .arg(&script_file)
        .current_dir(directory)
        .env("ALTHING_NODE", format!("http://127.0.0.1:{}", ports[0].1))
        .envs(setting.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(fs::File::create(directory.join("page.out")).unwrap())
        .process_group(0)
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let (stdin, group) = (shell.stdin.take(), format!("-{}", shell.id()));
    let (report, done) = mpsc::channel();
    thread::spawn(move || report.send(shell.wait()));
    let ended = done.recv_timeout(*patience).ok();
    if ended.is_none() {
        Command::new("kill").args(["--", &group]).status().unwrap();
    }
    let back: Vec<_> = ports.iter().map(|(said, real)| (*real, *said)).collect();
    let text = numbers_replaced(&fs::read_to_string(directory.join("page.out")).unwrap(), &back);
    assert!(ended.is_some(), "not done within {patience:?}:\n{text}");
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

/// Runs the page and compares; returns how many commands it has.
pub(crate) fn hold(setting: &Setting<'_>) -> usize {
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(setting.page);
    let page = fs::read_to_string(&file).unwrap();
    let (steps, rest) = read(&page);
    let outputs: Vec<_> = run(&steps, setting)
        .into_iter()
        .zip(&steps)
        .map(|(output, step)| without_words(output, step))
        .collect();
    if std::env::var_os("WRITE_TOUR").is_some() {
        write(&file, &rest, outputs);
        return steps.len();
    }
    let (mut said, mut printed) = (Plain::default(), Plain::default());
    for (step, output) in steps.iter().zip(&outputs) {
        let (said, printed) = (said.lines(&step.output), printed.lines(output));
        assert_eq!(said, printed, "of `{}`, which printed\n{}", step.command, output.join("\n"));
    }
    steps.len()
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
