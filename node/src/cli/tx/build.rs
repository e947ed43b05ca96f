//! `althing tx build`: a transaction of any instructions, for others to sign.

use std::{fs, path::PathBuf, process::ExitCode};

use althing_ledger::asset::{Address, Instruction, Transaction};
use clap::{Args, Parser};
use serde_json::json;

use super::{approvals::Standing, ask::Ask, envelope::Envelope, source};
use crate::cli::{Failure, Output, address, node_arg::NodeArg};

#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The account that acts
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    sender: Address,
    /// An instruction as it follows `althing tx`, in one word: --do "transfer --to al1… --amount 5"; may be repeated, in order
    #[arg(long = "do", value_name = "COMMAND", required_unless_present = "instructions", value_parser = check)]
    commands: Vec<String>,
    /// A file with instructions in JSON, a list; those of --do come after them
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,
    #[command(flatten)]
    envelope: Envelope,
    /// Where to write it; it must not exist [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    node: NodeArg,
}

/// One value of `--do`.
#[derive(Debug, Parser)]
#[command(name = "--do", no_binary_name = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    ask: Ask,
}

fn parse(line: &str) -> Result<Ask, String> {
    let line = Line::try_parse_from(words(line)?).map_err(|error| error.to_string())?;
    Ok(line.ask)
}

/// What is no command is wrong usage; that a command can be carried out shows later.
fn check(line: &str) -> Result<String, String> {
    parse(line).map(|_| line.to_owned())
}

/// The words of a line; quotes hold blanks together, as in a shell, and nothing else has a meaning.
pub(in crate::cli) fn words(line: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is never closed"));
    }
    words.extend(word);
    Ok(words)
}

pub(super) async fn run(build: Build, output: &Output) -> Result<ExitCode, Failure> {
    let mut instructions = match &build.instructions {
        Some(file) => read_list(file)?,
        None => Vec::new(),
    };
    let mut tx = build.envelope.fill(build.sender, Vec::new(), &mut build.node.client()?, false).await?;
    // Last, as they may write the secrets of locks.
    for line in &build.commands {
        instructions.push(parse(line)?.instruction(build.sender)?);
    }
    tx.instructions = instructions;
    finish(&tx, build.out, output)
}

fn read_list(file: &PathBuf) -> Result<Vec<Instruction>, Failure> {
    let fault = |error: &dyn std::fmt::Display| format!("instructions in {}: {error}", file.display());
    let text = fs::read(file).map_err(|error| fault(&error))?;
    Ok(serde_json::from_slice(&text).map_err(|error| fault(&error))?)
}

/// Hands a transaction over that has yet to be signed.
pub(super) fn finish(tx: &Transaction, out: Option<PathBuf>, output: &Output) -> Result<ExitCode, Failure> {
    let Some(file) = out else {
        output.result(&serde_json::to_value(tx)?, source::to_text(tx)?);
        return Ok(ExitCode::SUCCESS);
    };
    source::write_new(&file, tx)?;
    report(&file, tx, output);
    Ok(ExitCode::SUCCESS)
}

/// Says what the file holds now, and who has to sign it.
pub(super) fn report(file: &PathBuf, tx: &Transaction, output: &Output) {
    let standing = Standing::of(tx);
    let approvals: Vec<_> = standing.iter().map(Standing::object).collect();
    let lines: Vec<_> = standing.iter().map(Standing::to_string).collect();
    let text = format!("wrote {}\n{}", file.display(), lines.join("\n"));
    let complete = standing.iter().all(Standing::is_complete);
    output.result(&json!({ "file": file, "complete": complete, "approvals": approvals }), text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let split = |line: &str| words(line).unwrap();
        assert_eq!(split("  a  b\tc "), ["a", "b", "c"]);
        assert_eq!(split(r#"set --text "one two" '' x'"'y"#), ["set", "--text", "one two", "", "x\"y"]);
        assert!(words("a 'b").unwrap_err().contains("never closed"));
    }

    #[test]
    fn a_line_is_a_command_of_tx() {
        for line in ["create-asset --asset GOLD", "propose threshold --approvals 2", "approve --proposal 1"] {
            assert_eq!(check(line).as_deref(), Ok(line));
        }
        for line in
            ["", "fly", "create-asset --asset gold", "approve", "show 00", "approve --proposal 1 --wait"]
        {
            assert!(check(line).is_err(), "{line:?}");
        }
    }
}
