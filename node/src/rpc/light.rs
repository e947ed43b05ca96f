//! Parts of light proofs: `althing_epochs`, `althing_start`, `althing_proof`; and of audits: `althing_links`. Each is the base64 of its
//! encoding.

use std::sync::Arc;

use althing_consensus::{Epoch, Height};
use althing_crypto::{Encoding, TxHash};
use serde_json::{Value, json};

use super::{Context, RpcError, json::base64, params::Params};
use crate::light::{LightError, Source, Subject};

/// Ends of epochs, or links, on a page at most.
const PER_PAGE: u64 = 100;
/// Fewer of what takes reading a whole block each.
const LINKS_PER_PAGE: u64 = 20;
/// Once a page is so long, it is given out.
const MAX_PAGE_BYTES: usize = 2 << 20;

impl From<LightError> for RpcError {
    fn from(error: LightError) -> Self {
        match error {
            LightError::Store(error) => error.into(),
            LightError::Fatal(_) | LightError::Missing(_) => Self::internal(error),
        }
    }
}

/// The ends of epochs from one on: header, commit certificate and change of validators of each. An empty page is the last.
pub(crate) async fn epochs(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let from = Epoch(params.number("from")?.unwrap_or(1));
    let limit = params.number("limit")?.unwrap_or(PER_PAGE).clamp(1, PER_PAGE);
    context
        .show(params.asked_by(), move |node| {
            let ends = Source::new(node.chain(), node.epochs()).ends(from, limit as usize, MAX_PAGE_BYTES)?;
            let ends: Vec<_> = ends.iter().map(|end| base64(end.encode())).collect();
            Ok(json!({ "ends": ends }))
        })
        .await
}

/// Committed blocks from a height on, as an audit wants them. An empty page is the last.
pub(crate) async fn links(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let from = params.height("from")?.unwrap_or(Height(1));
    let limit = params.number("limit")?.unwrap_or(LINKS_PER_PAGE).clamp(1, LINKS_PER_PAGE);
    context
        .show(params.asked_by(), move |node| {
            let source = Source::new(node.chain(), node.epochs());
            let (mut links, mut bytes, mut height) = (Vec::new(), 0, from);
            while (links.len() as u64) < limit && bytes < MAX_PAGE_BYTES {
                let Some(link) = source.link(height)? else { break };
                height = Height(height.0.saturating_add(1));
                let link = link.encode();
                bytes += link.len();
                links.push(base64(link));
            }
            Ok(json!({ "links": links }))
        })
        .await
}

/// What a proof begins with for whoever trusts the header of a height.
pub(crate) async fn start(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .show(params.asked_by(), move |node| {
            let start = Source::new(node.chain(), node.epochs()).start(height)?;
            Ok(json!({ "start": base64(start.encode()) }))
        })
        .await
}

/// What shows a header (`height`), that a transaction is in its block (`tx`), its result (`result`), or the application hash of a height
/// (`state`): headers with their commit certificates, and the claim.
pub(crate) async fn proof(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = |name| -> Result<Option<TxHash>, RpcError> {
        Ok(if params.text(name)?.is_empty() { None } else { Some(TxHash(params.hash(name)?)) })
    };
    let subjects = [
        params.height("height")?.map(Subject::Header),
        tx("tx")?.map(Subject::Transaction),
        tx("result")?.map(Subject::Result),
        params.height("state")?.map(Subject::State),
    ];
    let mut subjects = subjects.into_iter().flatten();
    let subject = match (subjects.next(), subjects.next()) {
        (None, _) => Subject::Header(context.height(None)?),
        (Some(subject), None) => subject,
        (Some(_), Some(_)) => return Err(RpcError::params("one of height, tx, result and state")),
    };
    if let Subject::Header(Height(height)) | Subject::State(Height(height)) = subject {
        context.height(Some(Height(height)))?;
    }
    context
        .show(params.asked_by(), move |node| {
            let (runs, claim) = Source::new(node.chain(), node.epochs()).proof(subject)?;
            let runs: Vec<_> = runs.iter().map(|run| base64(run.encode())).collect();
            Ok(json!({ "runs": runs, "claim": base64(claim.encode()) }))
        })
        .await
}
