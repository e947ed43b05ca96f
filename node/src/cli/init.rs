//! `althing init`

use std::{path::PathBuf, process::ExitCode};

use althing_crypto::{
    bls, ed25519,
    key_file::{KeyFile, KeyKind},
};
use althing_genesis::Genesis;
use althing_ledger::asset::Address;
use clap::Args as ClapArgs;
use serde_json::json;

use super::{Failure, Output, passphrase::Passphrase};
use crate::{config::NodeConfig, home::Home, new_chain};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// The validator's name in the genesis document
    #[arg(long, default_value = "validator")]
    name: String,
    /// The chain's id, if a new one is made
    #[arg(long, default_value = "althing-local", conflicts_with = "genesis")]
    chain_id: String,
    /// The genesis document of an existing chain [default: a new chain with this validator alone]
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Write the key of a new chain's first account without passphrase: whoever reads the file has the funds
    #[arg(long, conflicts_with_all = ["genesis", "passphrase_file"])]
    plain: bool,
    #[command(flatten)]
    passphrase: Passphrase,
}

pub(super) fn run(args: Args, home: &Home, output: &Output) -> Result<ExitCode, Failure> {
    let (identity, vote) = (ed25519::SecretKey::generate(), bls::SecretKey::generate(&bls::BLS));
    let entry = new_chain::validator(&args.name, &identity, &vote);
    let account = ed25519::SecretKey::generate();
    let account_file = home.path().join("keys").join(format!("{}.json", KeyKind::Account));
    // Asked for before anything is written.
    let locked = args.genesis.is_none() && !args.plain;
    let passphrase = locked.then(|| args.passphrase.new_one(&account_file)).transpose()?;
    let genesis = match &args.genesis {
        Some(file) => Genesis::read(file)?,
        None => {
            let accounts = [Address::of(&account.public_key())];
            let document = new_chain::document(&args.chain_id, vec![entry.clone()], &accounts);
            Genesis::new(document, &bls::BLS)?
        }
    };
    home.create(
        &NodeConfig::default(),
        &genesis.document().to_json(),
        &KeyFile::Identity(identity),
        &KeyFile::Vote(vote),
    )?;
    let mut object = json!({
        "home": home.path(),
        "chain_id": genesis.chain_id(),
        "genesis_hash": genesis.hash(),
        "validator": entry,
    });
    let mut text = format!("made {} for chain {}", home.path().display(), genesis.chain_id());
    if args.genesis.is_none() {
        let key = KeyFile::Account(account);
        match passphrase {
            Some(passphrase) => key.write_new_locked(&account_file, &passphrase)?,
            None => key.write_new(&account_file)?,
        }
        text = format!("{text}\nan account with funds is in {}", account_file.display());
        object["account"] = json!(account_file);
    }
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}
