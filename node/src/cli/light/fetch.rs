//! The parts of light proofs from a node. Nothing of them is checked here but their form.

use althing_consensus::audit::Link;
use althing_consensus::light::{Claim, EpochEnd, LightProof, Run, Start};
use althing_consensus::{Epoch, Header};
use althing_crypto::Encoding;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{cli::Failure, client::Client};

/// What is to be shown, and the headers that show it.
pub(super) type Subject = (Vec<Run>, Claim);

/// The ends of all epochs from `from` up to the one before `to`.
pub(in crate::cli) async fn ends(
    client: &mut Client,
    from: Epoch,
    to: Epoch,
) -> Result<Vec<EpochEnd>, Failure> {
    let ends = ends_below(client, from, to).await?;
    match Epoch(from.0.saturating_add(ends.len() as u64)) {
        next if next < to => {
            Err(format!("the node does not have the end of epoch {next}, or not yet").into())
        }
        _ => Ok(ends),
    }
}

/// As [`ends`], as many as there are; an error if no proof would hold them, as a node may tell of more for ever.
pub(in crate::cli) async fn ends_below(
    client: &mut Client,
    from: Epoch,
    to: Epoch,
) -> Result<Vec<EpochEnd>, Failure> {
    let mut ends: Vec<EpochEnd> = Vec::new();
    let (mut next, mut bytes) = (from, 0);
    while next < to {
        let answer = client.call("althing_epochs", json!({ "from": next.0.to_string() })).await?;
        let page: Vec<EpochEnd> = list(&answer["ends"])?;
        if page.is_empty() {
            break;
        }
        for end in page.into_iter().take_while(|end| end.header.epoch < to) {
            if end.header.epoch != next {
                return Err(format!(
                    "the node answered with the end of epoch {}, not {next}",
                    end.header.epoch
                )
                .into());
            }
            next.0 = next.0.saturating_add(1);
            bytes += end.encode().len();
            if bytes > LightProof::MAX_BYTES {
                return Err(format!(
                    "the ends of the epochs {from} to {next} are {bytes} bytes, more than the {} that a proof may have: \
                     trust a newer block",
                    LightProof::MAX_BYTES
                )
                .into());
            }
            ends.push(end);
        }
    }
    Ok(ends)
}

/// Committed blocks from this height on, as an audit wants them; none if the node has none.
pub(in crate::cli) async fn links(client: &mut Client, from: u64) -> Result<Vec<Link>, Failure> {
    let answer = client.call("althing_links", json!({ "from": from.to_string() })).await?;
    list(&answer["links"])
}

/// What a proof from this height on begins with.
pub(super) async fn start(client: &mut Client, height: u64) -> Result<Start, Failure> {
    let answer = client.call("althing_start", json!({ "height": height.to_string() })).await?;
    decode(&answer["start"])
}

/// What shows this.
pub(super) async fn proof(client: &mut Client, params: Value) -> Result<Subject, Failure> {
    let answer = client.call("althing_proof", params).await?;
    Ok((list(&answer["runs"])?, decode(&answer["claim"])?))
}

/// The newest height that a header vouches for.
pub(super) async fn newest_vouched(client: &mut Client) -> Result<u64, Failure> {
    let answer = client.call("commit", json!({})).await?;
    let header: Header = decode(&answer["signed_header"]["header_bytes"])?;
    match header.vouched.height.0 {
        0 => Err("no header vouches for a state after genesis yet: ask again after a transaction".into()),
        height => Ok(height),
    }
}

fn list<T: Encoding>(value: &Value) -> Result<Vec<T>, Failure> {
    value.as_array().ok_or("the node's answer holds no list")?.iter().map(decode).collect()
}

fn decode<T: Encoding>(value: &Value) -> Result<T, Failure> {
    let text = value.as_str().ok_or_else(|| format!("the node's answer holds no {}", T::NAME))?;
    Ok(T::decode(&BASE64.decode(text)?)?)
}
