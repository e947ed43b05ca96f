//! A validator that contradicts itself, to rehearse on a local testnet what follows.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;

use althing_consensus::EvidenceKind;
use althing_node::home::Home;
use althing_tests::processes::Traitor;
use clap::Parser;

/// Votes twice in a view, with the keys of a validator whose own node does not run, and ends when a block proves it. Transactions must come meanwhile:
/// there are no views to vote in on a chain at rest.
#[derive(Parser)]
struct Arguments {
    /// The validator's home
    home: PathBuf,
    /// The homes of the others, whose nodes run here
    #[arg(required = true)]
    others: Vec<PathBuf>,
}

#[tokio::main]
async fn main() {
    let Arguments { home, others } = Arguments::parse();
    let mut traitor = Traitor::join(&Home::new(home), others.into_iter().map(Home::new)).await;
    let view = traitor.contradict(EvidenceKind::DoubleVote).await;
    while traitor.proposal().await.block.notices.is_empty() {}
    println!("two votes in view {view}");
}
