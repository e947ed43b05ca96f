//! Pays from a program: signs a transfer, hands it in until it is decided, and hears of it from the chain's events.
//!
//! ```sh
//! althing testnet --tx-rate 0 --dir testnet &
//! cargo run --release --example transfer -- testnet/accounts/0.key "$(althing keys address testnet/accounts/1.key)" 5
//! ```

#![allow(clippy::print_stdout, reason = "it tells what it does")]

use std::{error::Error, path::PathBuf, time::Duration};

use althing_crypto::{Encoding, TxHash, key_file::KeyFile};
use althing_ledger::asset::{Address, Transaction};
use althing_node::client::{Access, Client, Events, NodeUrl, Status, Waited};
use clap::Parser;

/// Transfers units of COIN, and follows the recipient's transfers up to this one.
#[derive(Parser)]
struct Arguments {
    /// The payer's key file, one without passphrase.
    from: PathBuf,
    /// Who is paid.
    to: Address,
    /// How many units.
    amount: u128,
    /// The node's JSON-RPC.
    #[arg(long, default_value = "http://127.0.0.1:26657")]
    node: NodeUrl,
    /// Another node of the chain, for when that one is down or busy; any number of times.
    #[arg(long)]
    or: Vec<NodeUrl>,
    /// A file with a bearer key for the nodes.
    #[arg(long)]
    node_key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { from, to, amount, node, or, node_key } = Arguments::parse();
    let access = match node_key {
        Some(file) => Access::default().key_file(&file)?,
        None => Access::default(),
    };
    let mut client = Client::among(node.clone(), or.clone(), access.clone());
    let key = KeyFile::read_account(&from)?;
    let payer = Address::of(&key.public_key());

    let status = client.status().await?;
    let (chain_id, height) = (&status.node_info.network, status.sync_info.latest_block_height);
    let sequence = client.account(&payer).await?.sequence;
    // It cannot be executed later than that: after it, everyone knows that it never will be.
    let expiry_height = height + 1_000;
    let tx =
        Transaction::transfer(chain_id, &key, sequence, expiry_height, to, amount, "an example").encode();
    println!("{} is signed", TxHash::of(&tx));

    // The same bytes, however often: it is one transfer.
    match client.submit_and_wait(&tx, Duration::from_secs(60)).await {
        Ok(Waited::Ended(fate)) if fate.status == Status::Committed => {
            println!("it is committed at height {}", fate.height.unwrap_or_default())
        }
        Ok(Waited::Ended(fate)) => {
            return Err(format!("{:?} at height {:?}: {}", fate.status, fate.height, fate.reason).into());
        }
        Ok(Waited::Open(heard)) => {
            return Err(
                format!("not decided yet: ask for its hash, and sign no other before: {heard:?}").into()
            );
        }
        Err(Ok(refused)) => return Err(format!("refused: {} (code {})", refused.log, refused.code).into()),
        Err(Err(error)) => return Err(error.into()),
    }

    // From the first block on; who keeps the cursor of the last event goes on behind it.
    let query = format!("transfer.recipient = '{to}'");
    let mut events = Events::new(Client::among(node, or, access), Some("1.0.0".to_owned()), Some(query));
    let own = TxHash::of(&tx).to_string().to_uppercase();
    loop {
        let event = events.next().await?;
        println!(
            "{} at height {}: {:?} (cursor {})",
            event.kind, event.height, event.attributes, event.cursor
        );
        if event.hash.as_deref() == Some(&own) {
            return Ok(());
        }
    }
}
