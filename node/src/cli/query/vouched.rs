//! The headers that vouch for a state, and who committed them.
//!
//! A header holds the application hash of a height below its own. That it is the chain's shows in a commit certificate, which
//! names its block, or one above that leads back to it, and whose signers the genesis document names, or the chain of epochs that begins
//! there.

use std::{ops::RangeInclusive, path::Path, sync::Arc};

use althing_consensus::light::{Committed, Run, Seal, Trail};
use althing_consensus::{AppHash, Execution, Header, Height, QuorumCertificate};
use althing_crypto::{BlockHash, Encoding};
use althing_genesis::Genesis;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{
    cli::{Failure, light::fetch},
    client::Client,
};

/// So many heights are asked for one by one at most. A header that vouches for more at once is that of a chain whose execution stood
/// still for as long, or of a liar.
const MAX_RUN: u64 = 10_000;

/// A header that vouches for a state.
#[derive(Debug)]
pub(super) struct Vouched {
    pub(super) header: Header,
    /// The height of the state: the one that the header names, or one of those whose outcomes its executed root binds.
    pub(super) height: u64,
    /// The application hash after that height.
    pub(super) app_hash: AppHash,
    /// Who committed it, if that was checked.
    pub(super) committed: Option<Committed>,
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
    let (signed, outcome) = match height {
        None if vouched == 0 => {
            return Err(
                "no header vouches for a state after genesis yet: ask again after a transaction".into()
            );
        }
        None => (newest, None),
        Some(height) if height > vouched => {
            return Err(format!(
                "no header vouches for height {height} yet: the newest vouched for is {vouched}"
            )
            .into());
        }
        Some(height) => first_above(client, height, &newest.header).await?,
    };
    let app_hash = outcome.map_or_else(|| signed.header.vouched.app_hash.clone(), |outcome| outcome.app_hash);
    let committed = match &genesis {
        Some(genesis) => Some(committed(client, genesis, &signed).await?),
        None => None,
    };
    let height = height.unwrap_or(vouched);
    Ok(Vouched { header: signed.header, height, app_hash, committed })
}

/// The first header that vouches for this height; with what came of the height, where the header names a later one: headers can skip
/// heights, and bind what came of those in between by a Merkle root. `newest` vouches for this height or a later one.
async fn first_above(
    client: &mut Client,
    height: u64,
    newest: &Header,
) -> Result<(Signed, Option<Execution>), Failure> {
    let mut below = signed(client, Some(height)).await?.header.vouched.height.0;
    for above in height.saturating_add(1)..=newest.height.0 {
        let signed = signed(client, Some(above)).await?;
        match signed.header.vouched.height.0 {
            found if found < height => below = found,
            found if found == height => return Ok((signed, None)),
            found => {
                let outcome =
                    skipped(client, height, below.saturating_add(1)..=found, &signed.header).await?;
                return Ok((signed, Some(outcome)));
            }
        }
    }
    Err("the node's headers contradict each other: one vouches for a lower height than one below it".into())
}

/// What came of a height, by the root in the header over what came of all heights of its run.
async fn skipped(
    client: &mut Client,
    height: u64,
    run: RangeInclusive<u64>,
    header: &Header,
) -> Result<Execution, Failure> {
    if run.end().saturating_sub(*run.start()) >= MAX_RUN {
        let (from, to) = (run.start(), run.end());
        return Err(format!(
            "header {} vouches for the heights {from} to {to} at once, and at most {MAX_RUN} are looked through: ask about height {to}",
            header.height
        )
        .into());
    }
    let mut outcomes = Vec::new();
    for height in run {
        let results = client.call("block_results", json!({ "height": height.to_string() })).await?;
        let app_hash = bytes(&results["app_hash"])?;
        let results_root = results["results_root"].as_str().unwrap_or_default().parse()?;
        let app_hash =
            AppHash::new(app_hash).ok_or("the node answered with an application hash that is too long")?;
        outcomes.push(Execution { height: Height(height), app_hash, results_root });
    }
    if Execution::root(&outcomes) != header.vouched.executed_root {
        return Err(format!(
            "what the node says came of the heights up to {} is not what header {} vouches for",
            header.vouched.height, header.height
        )
        .into());
    }
    let outcome = outcomes.into_iter().find(|outcome| outcome.height.0 == height);
    Ok(outcome.ok_or("the node's headers contradict each other")?)
}

async fn signed(client: &mut Client, height: Option<u64>) -> Result<Signed, Failure> {
    let params = height.map_or(json!({}), |height| json!({ "height": height.to_string() }));
    let answer = client.call("commit", params).await?;
    let answer = &answer["signed_header"];
    let header = Header::decode(&bytes(&answer["header_bytes"])?)?;
    if height.is_some_and(|height| height != header.height.0) {
        return Err("the node answered with the header of another height".into());
    }
    let certificate = QuorumCertificate::decode(&bytes(&answer["commit"]["althing_certificate"]["bytes"])?)?;
    Ok(Signed { header, certificate })
}

fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    Ok(BASE64.decode(value.as_str().ok_or("the node's answer holds no header with its certificate")?)?)
}

/// Checks that validators who follow from the genesis document committed the header, and says who.
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
    let mut trail = Trail::genesis(chain_id, Arc::clone(set), genesis.params().clone());
    for end in fetch::ends(client, trail.epoch(), header.epoch).await? {
        trail.pass(&end)?;
    }
    let headers = covered(client, header, certificate.block).await?;
    Ok(trail.admit(&Run { headers, seal: Seal::from(certificate) })?)
}

/// The chain from the header up to the block that the certificate names.
async fn covered(client: &mut Client, header: &Header, block: BlockHash) -> Result<Vec<Header>, Failure> {
    let mut headers = vec![header.clone()];
    let (mut height, mut hash) = (header.height.0, header.hash());
    while hash != block {
        if headers.len() as u64 > MAX_RUN {
            return Err(
                format!("no certificate within {MAX_RUN} blocks above header {}", header.height).into()
            );
        }
        height = height.saturating_add(1);
        let above = signed(client, Some(height))
            .await
            .map_err(|error| format!("the certificate names another block: {error}"))?
            .header;
        if above.parent != hash {
            return Err(format!("header {height} does not follow the one below it").into());
        }
        hash = above.hash();
        headers.push(above);
    }
    Ok(headers)
}
