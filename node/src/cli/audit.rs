//! `althing audit`: where two chains of one genesis part, and who must have misbehaved.

use std::{fs, path::PathBuf, process::ExitCode};

use althing_consensus::audit::{Dossier, Link, audit};
use althing_consensus::light::{EpochEnd, Trail};
use althing_consensus::{Epoch, Height};
use althing_crypto::Encoding;
use althing_genesis::Genesis;
use clap::{Args as ClapArgs, Subcommand};
use serde_json::json;

use super::{
    Failure, Output,
    light::{fetch, read},
    node_arg::NodeArg,
};
use crate::{
    client::Client,
    config::NodeConfig,
    epochs::{Epochs, Seat},
    home::Home,
    light::Source,
    storage::{ChainStore, DataDirectory},
};

mod words;

/// Blocks in an export, if it is not said which.
const USUAL: u64 = 1_000;
/// Blocks in an export at most.
const MAX_LINKS: u64 = 100_000;

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// The exports of two nodes that do not agree
    #[arg(value_names = ["FILE", "FILE"], num_args = 2.., required = true)]
    exports: Vec<PathBuf>,
    /// The chain's genesis document
    #[arg(long, value_name = "FILE", required = true)]
    genesis: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write what a node has kept of a span of its chain into a file, for an audit
    ///
    /// Headers, commit certificates, and by which certificates each block could be proposed. A node that has halted still answers; of one
    /// that does not run, --offline reads the home.
    Export(Export),
}

#[derive(Debug, ClapArgs)]
struct Export {
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The first height [default: 1000 blocks below the last]
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<u64>,
    /// The last height [default: the newest]
    #[arg(long, value_name = "HEIGHT", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Read the chain data in the home, where no node runs: --node is not asked
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    node: NodeArg,
}

pub(super) async fn run(
    args: Args,
    home: impl FnOnce() -> Result<Home, Failure>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    match args {
        Args { command: Some(Command::Export(export)), .. } => {
            let dossier = match export.offline {
                true => offline(&export, &home()?)?,
                false => online(&export, &mut export.node.client()?).await?,
            };
            write(&export, &dossier, output)?;
            Ok(ExitCode::SUCCESS)
        }
        Args { exports, genesis, .. } => compare(&exports, genesis, output),
    }
}

fn compare(exports: &[PathBuf], genesis: Option<PathBuf>, output: &Output) -> Result<ExitCode, Failure> {
    let genesis = Genesis::read(&genesis.ok_or("say --genesis FILE")?)?;
    let dossiers = exports.iter().map(|file| {
        let dossier = Dossier::decode(&read(file, Dossier::MAX_BYTES)?);
        dossier.map_err(|error| Failure::from(format!("{}: {error}", file.display())))
    });
    let dossiers = dossiers.collect::<Result<Vec<_>, _>>()?;
    let [first, second, more @ ..] = &dossiers[..] else { return Err("two exports are compared".into()) };
    let trail = Trail::genesis(genesis.chain_id(), genesis.validator_set().clone(), genesis.params().clone());
    let report = audit(&trail, first, second, &more.iter().collect::<Vec<_>>())?;
    output.result(&words::object(&report, &genesis), words::text(&report, &genesis));
    // As of two files that are compared: alike or not.
    Ok(if report.conflict.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(export: &Export, dossier: &Dossier, output: &Output) -> Result<(), Failure> {
    let (bytes, out) = (dossier.encode(), &export.out);
    if bytes.len() > Dossier::MAX_BYTES {
        return Err(too_large(bytes.len()));
    }
    fs::write(out, &bytes).map_err(|error| format!("cannot write {}: {error}", out.display()))?;
    let height = |link: Option<&Link>| link.map(|link| link.header.height.to_string());
    let (from, to) = (height(dossier.links.first()), height(dossier.links.last()));
    let (epochs, len) = (dossier.ends.len(), bytes.len());
    let object = json!({
        "file": out.display().to_string(), "bytes": len, "epochs": epochs, "from": from, "to": to,
    });
    let blocks = match (from, to) {
        (Some(from), Some(to)) => format!("the heights {from} to {to}"),
        _ => "no blocks".to_owned(),
    };
    output.result(&object, format!("{len} bytes: {epochs} ends of epochs, {blocks}"));
    Ok(())
}

fn too_large(bytes: usize) -> Failure {
    let most = Dossier::MAX_BYTES;
    format!("{bytes} bytes are more than the {most} that an export may have: say --from and --to").into()
}

/// The heights to export, if the newest committed one is this.
fn span(export: &Export, newest: u64) -> Result<(u64, u64), Failure> {
    let to = export.to.unwrap_or(newest).min(newest);
    let from = export.from.unwrap_or_else(|| to.saturating_sub(USUAL - 1).max(1));
    if from > to {
        return Err(format!("no heights are from {from} to {to}; the newest one is {newest}").into());
    }
    if to.saturating_sub(from) >= MAX_LINKS {
        return Err(format!(
            "the heights {from} to {to} are too many: at most {MAX_LINKS} go into an export"
        )
        .into());
    }
    Ok((from, to))
}

async fn online(export: &Export, client: &mut Client) -> Result<Dossier, Failure> {
    let status = client.call("status", json!({})).await?;
    let committed = crate::client::integer(&status["althing"]["committed_height"]);
    let (from, to) = span(export, committed.ok_or("the node does not say its height")?)?;
    let ends = fetch::ends_below(client, Epoch(1), Epoch(u64::MAX)).await?;
    let mut links: Vec<Link> = Vec::new();
    let (mut next, mut bytes) = (from, 0);
    while next <= to {
        let page = fetch::links(client, next).await?;
        let known = links.len();
        for link in page.into_iter().take_while(|link| link.header.height.0 <= to) {
            if link.header.height.0 != next {
                return Err(
                    format!("the node answered with height {}, not {next}", link.header.height).into()
                );
            }
            next = next.saturating_add(1);
            bytes += link.encode().len();
            if bytes > Dossier::MAX_BYTES {
                return Err(too_large(bytes));
            }
            links.push(link);
        }
        if links.len() == known {
            break;
        }
    }
    Ok(Dossier { ends, links })
}

/// From the data of a node that does not run: their lock says so if it does.
fn offline(export: &Export, home: &Home) -> Result<Dossier, Failure> {
    let config = NodeConfig::load(home, &[])?;
    let genesis = Genesis::read(&home.genesis_file())?;
    if !home.path().join("data").is_dir() {
        return Err(format!("{} holds no chain data", home.path().display()).into());
    }
    let data = DataDirectory::open(home.path(), config.storage.backend)?;
    let chain = ChainStore::new(data.chain.clone());
    let (from, to) = span(export, chain.committed()?.0)?;
    let epochs = Epochs::new(&genesis, chain.clone(), Seat::default());
    let source = Source::new(&chain, &epochs);
    let ends: Vec<EpochEnd> = source.ends(Epoch(1), usize::MAX, Dossier::MAX_BYTES)?;
    let mut links = Vec::new();
    for height in from..=to {
        match source.link(Height(height))? {
            Some(link) => links.push(link),
            None => break,
        }
    }
    Ok(Dossier { ends, links })
}
