//! How large light proofs are over so many epochs, and how long they take to check.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use althing_tests::light::{Figure, measure};
use clap::Parser;
use serde_json::json;

/// Measure light proofs: size, and time to verify on one core
#[derive(Debug, Parser)]
#[command(name = "light")]
struct Args {
    /// Epochs to pass
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    epochs: Vec<usize>,
    /// Validators in each epoch; one is replaced at the end of each
    #[arg(long, value_delimiter = ',', default_values_t = [4, 31], value_parser = validators)]
    validators: Vec<usize>,
    /// The fastest of so many attempts counts
    #[arg(long, default_value_t = 5)]
    attempts: usize,
    /// Print one JSON object at the end
    #[arg(long)]
    json: bool,
}

fn validators(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=1024).contains(&count) => Ok(count),
        _ => Err("from 1 to 1024".to_owned()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut figures: Vec<Figure> = Vec::new();
    println!("validators  epochs     bytes  verify, µs");
    for validators in &args.validators {
        for epochs in &args.epochs {
            eprintln!("{validators} validators, {epochs} epochs …");
            let figure = measure(*validators, *epochs, args.attempts);
            println!("{validators:>10} {epochs:>7} {:>9} {:>11}", figure.bytes, figure.verify_us);
            figures.push(figure);
        }
    }
    if args.json {
        println!("{}", json!({ "figures": figures }));
    }
    ExitCode::SUCCESS
}
