//! `althing validator`: who validates the chain, and proposals to change that. What a proposal would come to is shown before it is made.

use std::process::ExitCode;

use althing_crypto::ed25519::PublicKey;
use althing_ledger::{
    ParamUpdates, Query, TxError,
    asset::{Change, MAX_LIMIT, Page, Question, Role, ValidatorChange, ValidatorView, check_params, preview},
};
use clap::{ArgMatches, Args, FromArgMatches, Subcommand};
use serde_json::json;

use super::{Failure, Output, node_arg::NodeArg, query::table, tx, with::With};
use crate::client::{Client, NodeUrl};

mod change;
mod effect;
mod live;
mod register;

use change::Ask;
use effect::{Effect, Set};
use live::Live;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the validators, their quorum, and how many may fail
    List {
        #[command(flatten)]
        node: NodeArg,
    },
    /// As a newcomer: sign which key you would vote with, for a validator to put into a block
    Register(register::Register),
    /// As a validator: stand for a newcomer's registration, and hand it to a node
    Sponsor(register::Sponsor),
    // What can be proposed: each is a command.
    #[command(flatten)]
    Propose(Box<With<Ask, Flags>>),
}

/// The flags of every proposal.
#[derive(Debug, Args)]
// The group has the name that those of a transaction have, too.
#[group(skip)]
pub(super) struct Flags {
    /// Show what it would come to, and propose nothing
    #[arg(long, conflicts_with_all = ["wait", "sign_only", "out"], required_unless_present_any = ["from", "sender"])]
    dry_run: bool,
    /// Propose it also where it looks as if it would halt the chain
    #[arg(long)]
    force: bool,
    /// The JSON-RPC of a node that is to become a validator: is it the one, and has it caught up
    #[arg(long, value_name = "URL")]
    newcomer: Option<NodeUrl>,
    #[command(flatten)]
    tx: AtWill,
}

/// The flags of a transaction, which need not say who signs.
#[derive(Debug)]
pub(super) struct AtWill(tx::Flags);

impl Args for AtWill {
    fn augment_args(command: clap::Command) -> clap::Command {
        tx::Flags::augment_args(command).mut_group("Signer", |signer| signer.required(false))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AtWill {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        tx::Flags::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        Command::List { node } => list(&mut node.client()?, output).await?,
        Command::Register(args) => register::register(args, output).await?,
        Command::Sponsor(args) => register::sponsor(args, output).await?,
        Command::Propose(with) => {
            let With { command, flags } = *with;
            return propose(command, flags, output).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &mut Client, output: &Output) -> Result<(), Failure> {
    let set = Set(validators(client).await?);
    let live = Live::ask(client).await?;
    output.result(&json!({ "validators": set.objects(&live)?, "set": set.object(&live) }), set.text(&live));
    Ok(())
}

async fn propose(ask: Ask, flags: Flags, output: &Output) -> Result<ExitCode, Failure> {
    let Flags { dry_run, force, newcomer, tx: AtWill(tx) } = flags;
    let mut client = tx.client()?;
    let sender = tx.sender()?;
    let before = validators(&mut client).await?;
    let changes = ask.changes(&before)?;
    let (after, refused) = match preview(&before, &changes) {
        Ok(after) => (after, None),
        Err(refusal) => (before.clone(), Some(refusal)),
    };
    let (params, out_of_bounds) = params(&changes, &mut client).await?;
    let mut live = Live::ask(&mut client).await?;
    let mut warnings: Vec<String> = refused
        .iter()
        .chain(&out_of_bounds)
        .map(|refusal| format!("the ledger refuses it: {refusal}"))
        .collect();
    if let Some(newcomer) = newcomer {
        warnings.extend(live.join(newcomer, &changes).await?);
    }
    warnings.extend(live.unasked(&changes));
    let after = Set(with_members(after, &mut client).await?);
    let effect = Effect { before: Set(before), after, params, sender };
    warnings.extend(effect.dangers(&live));
    if dry_run {
        let object = json!({ "changes": changes, "effect": effect.object(&live), "warnings": warnings });
        output.result(&object, effect.text(&changes, &live, &warnings));
        return Ok(if warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !output.is_json() {
        output.note(&effect.text(&changes, &live, &[]));
    }
    if !warnings.is_empty() && !force {
        let all = warnings.join("; ");
        return Err(format!("nothing was proposed: {all}; --force proposes it all the same").into());
    }
    warnings.iter().for_each(|warning| output.note(&format!("WARNING: {warning}")));
    tx::propose(Change::Validators { changes }, tx, output).await
}

/// All validators, at one height.
async fn validators(client: &mut Client) -> Result<Vec<ValidatorView>, Failure> {
    let (mut all, mut height, mut after) = (Vec::new(), 0, None);
    loop {
        let question = Question::Validators { after, limit: MAX_LIMIT };
        let answer = client.query(&Query { height, ..question.query() }).await?;
        height = answer.height;
        let page: Page<ValidatorView, PublicKey> = serde_json::from_slice(&answer.value).map_err(|error| {
            format!(
                "the application does not answer as the asset ledger does ({error}), the only one whose validators are records: those of any \
                 chain are in `validators` of JSON-RPC"
            )
        })?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if all.is_empty() {
        return Err(
            "the ledger of this chain knows no validators: it began without being told of them".into()
        );
    }
    Ok(all)
}

/// These, with whether the accounts that vote for them are members.
async fn with_members(
    validators: Vec<ValidatorView>,
    client: &mut Client,
) -> Result<Vec<ValidatorView>, Failure> {
    let mut all = validators;
    for one in all.iter_mut().filter(|one| !one.member) {
        if let Some(account) = &one.account {
            one.member = client.account(account).await?.roles.contains(&Role::Member);
        }
    }
    Ok(all)
}

/// Each parameter that would change: its name, its value and the new one. With why the ledger would refuse that.
async fn params(
    changes: &[ValidatorChange],
    client: &mut Client,
) -> Result<(Vec<(String, Option<u64>, u64)>, Option<TxError>), Failure> {
    let is_one = |change: &ValidatorChange| matches!(change, ValidatorChange::Parameter { .. });
    if !changes.iter().any(is_one) {
        return Ok((Vec::new(), None));
    }
    let now: Option<ParamUpdates> = client.ask(&Question::Consensus {}).await?;
    let (mut after, mut all) = (now.unwrap_or_default(), Vec::new());
    for change in changes {
        if let ValidatorChange::Parameter { parameter, value } = change {
            all.push((parameter.to_string(), parameter.of(&after), *value));
            parameter.set(&mut after, *value);
        }
    }
    Ok((all, check_params(&after).err()))
}

/// Rows of a table, as other commands show theirs.
fn table(rows: &[serde_json::Value]) -> String {
    table::text(&rows.into())
}
