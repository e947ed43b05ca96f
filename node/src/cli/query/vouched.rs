//! The headers that vouch for a state, and who committed them.
//!
//! A header holds the application hash of a height below its own. That it is the chain's shows in a commit certificate, which
//! names its block, or one above that leads back to it, and whose signers the genesis document names.

use std::{path::Path, sync::Arc};

use althing_consensus::{Door, Epoch, Header, Power, QuorumCertificate};
use althing_crypto::{BlockHash, Encoding};
use althing_genesis::Genesis;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{cli::Failure, client::Client};

/// A header that vouches for a state.
#[derive(Debug)]
pub(super) struct Vouched {
    pub(super) header: Header,
    /// Who committed it, if that was checked.
    pub(super) committed: Option<Committed>,
}

/// A quorum that committed a block.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) power: Power,
    pub(super) total: Power,
    pub(super) view: u64,
}

/// What a node says of one height.
struct Signed {
    header: Header,
    certificate: QuorumCertificate,
}

/// The header that vouches for the state of this height; for the newest one that any vouches for, if none is asked for.
pub(super) async fn find(
    client: &mut Client,
    height: Option<u64>,
    genesis: Option<&Path>,
) -> Result<Vouched, Failure> {
    let genesis = genesis.map(Genesis::read).transpose()?;
    let newest = signed(client, None).await?;
    let vouched = newest.header.vouched.height.0;
    let signed = match height {
        None if vouched == 0 => {
            return Err(
                "no header vouches for a state after genesis yet: ask again after a transaction".into()
            );
        }
        None => newest,
        Some(height) if height > vouched => {
            return Err(format!(
                "no header vouches for height {height} yet: the newest vouched for is {vouched}"
            )
            .into());
        }
        Some(height) => first_above(client, height, &newest.header).await?,
    };
    let committed = match &genesis {
        Some(genesis) => Some(committed(client, genesis, &signed).await?),
        None => None,
    };
    Ok(Vouched { header: signed.header, committed })
}

/// The first header that vouches for this height. Headers can skip heights: one names a height and its hash, and those between it and
/// the height that the header before it names have no proof. `newest` vouches for this height or a later one.
async fn first_above(client: &mut Client, height: u64, newest: &Header) -> Result<Signed, Failure> {
    let mut below = 0;
    for above in height.saturating_add(1)..=newest.height.0 {
        let signed = signed(client, Some(above)).await?;
        match signed.header.vouched.height.0 {
            found if found < height => below = found,
            found if found == height => return Ok(signed),
            found => {
                let nearest = if below == 0 { found.to_string() } else { format!("{below} or {found}") };
                return Err(format!(
                    "height {height} has no proof, as no header vouches for it alone: ask for --height {nearest}, the nearest that have one"
                )
                .into());
            }
        }
    }
    Err("the node's headers contradict each other: one vouches for a lower height than one below it".into())
}

async fn signed(client: &mut Client, height: Option<u64>) -> Result<Signed, Failure> {
    let params = height.map_or(json!({}), |height| json!({ "height": height.to_string() }));
    let answer = client.call("commit", params).await?;
    let answer = &answer["signed_header"];
    let header = Header::decode(&bytes(&answer["header_bytes"])?)?;
    if height.is_some_and(|height| height != header.height.0) {
        return Err("the node answered with the header of another height".into());
    }
    let certificate = QuorumCertificate::decode(&bytes(&answer["commit"]["certificate"]["bytes"])?)?;
    Ok(Signed { header, certificate })
}

fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    Ok(BASE64.decode(value.as_str().ok_or("the node's answer holds no header with its certificate")?)?)
}

/// Checks that validators of the genesis document committed the header, and says who.
async fn committed(client: &mut Client, genesis: &Genesis, signed: &Signed) -> Result<Committed, Failure> {
    let (chain_id, set) = (genesis.chain_id(), genesis.validator_set());
    let Signed { header, certificate } = signed;
    if header.chain_id != chain_id {
        return Err(format!(
            "the header is of chain {:?}, the genesis document of {chain_id:?}",
            header.chain_id
        )
        .into());
    }
    if !certificate.is_commit() {
        return Err("the header's certificate is of votes that do not commit it".into());
    }
    let door = Door::new(chain_id.to_owned(), Epoch(1), Arc::clone(set), genesis.params(), None);
    door.verify_quorum(certificate).map_err(|rejection| format!("the header's certificate: {rejection}"))?;
    expect_covered(client, header, certificate.block).await?;
    let power = set.power_of(certificate.signers.iter());
    Ok(Committed { power, total: set.total(), view: certificate.view.0 })
}

/// Follows the chain from the header up to the block that the certificate names.
async fn expect_covered(client: &mut Client, header: &Header, block: BlockHash) -> Result<(), Failure> {
    let (mut height, mut hash) = (header.height.0, header.hash());
    while hash != block {
        height += 1;
        let above = signed(client, Some(height))
            .await
            .map_err(|error| format!("the certificate names another block: {error}"))?
            .header;
        if above.parent != hash {
            return Err(format!("header {height} does not follow the one below it").into());
        }
        hash = above.hash();
    }
    Ok(())
}
