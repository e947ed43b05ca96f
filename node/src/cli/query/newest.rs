//! Waiting until the newest state can be proved: whoever has just seen a transaction committed expects it in the proof.

use std::time::Duration;

use althing_consensus::{Header, payload_root};
use althing_crypto::Encoding;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cli::{Failure, Output},
    client::Client,
};

/// Far longer than a chain that is not held up takes for a block.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(50);
/// It is said that there is something to wait for when it takes so long.
const UNSAID: Duration = Duration::from_secs(1);
/// Heights that are looked at between the newest one and that which its header vouches for: more than a chain is ever behind.
const MAX_BEHIND: u64 = 100;

/// Waits until the newest header vouches for the newest height with transactions that the node has executed by now, and returns that
/// height if none does in time.
///
/// A chain at rest makes the block that vouches for its last transaction (rule W1), but none for the empty blocks after it: for
/// these it would be waited in vain.
pub(super) async fn await_vouched(
    client: &mut Client,
    patience: Duration,
    output: &Output,
) -> Result<Option<u64>, Failure> {
    let (begun, mut said) = (Instant::now(), false);
    let mut newest = header(client, None).await?;
    let Some(wanted) = newest_active(client, &newest).await? else { return Ok(None) };
    while newest.vouched.height.0 < wanted {
        if begun.elapsed() >= patience {
            return Ok(Some(wanted));
        }
        if begun.elapsed() >= UNSAID && !said {
            output.note(&format!("waiting for a header that vouches for height {wanted}"));
            said = true;
        }
        sleep(BETWEEN_QUESTIONS).await;
        newest = header(client, None).await?;
    }
    Ok(None)
}

/// The newest height with transactions for which this header does not vouch.
async fn newest_active(client: &mut Client, newest: &Header) -> Result<Option<u64>, Failure> {
    let (height, empty) = (newest.height.0, payload_root(&[]));
    if newest.payload_root != empty {
        return Ok(Some(height));
    }
    let vouched = newest.vouched.height.0.max(height.saturating_sub(MAX_BEHIND));
    for below in (vouched + 1..height).rev() {
        if header(client, Some(below)).await?.payload_root != empty {
            return Ok(Some(below));
        }
    }
    Ok(None)
}

/// The header of a height, or of the newest one executed. Nothing is proved by it here.
async fn header(client: &mut Client, height: Option<u64>) -> Result<Header, Failure> {
    let params = height.map_or(json!({}), |height| json!({ "height": height.to_string() }));
    let answer: Value = client.call("commit", params).await?;
    let bytes = answer["signed_header"]["header_bytes"].as_str();
    Ok(Header::decode(&BASE64.decode(bytes.ok_or("the node's answer holds no header")?)?)?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use althing_consensus::{AppHash, Height};

    use super::*;
    use crate::{cli::testing::scripted, testing::TestChain};

    /// Of each header the height that it vouches for, and whether its block has transactions.
    type Headers = &'static [(u64, bool)];

    /// A node with these headers. At first it has executed `begin` of them, with every question for the newest one more.
    async fn node(headers: Headers, begin: usize) -> Client {
        let chain = TestChain::new();
        let mut made = vec![chain.genesis.block(AppHash::default()).header];
        for (index, (vouched, active)) in headers.iter().enumerate() {
            let mut header = made[0].clone();
            header.height = Height(index as u64 + 1);
            header.vouched.height = Height(*vouched);
            header.payload_root = payload_root(&[]);
            if *active {
                header.payload_root = althing_crypto::sha256(b"some");
            }
            made.push(header);
        }
        let asked = AtomicUsize::new(begin);
        scripted(move |_, params| {
            let height = match params["height"].as_str() {
                Some(height) => height.parse().unwrap(),
                None => asked.fetch_add(1, Ordering::Relaxed).min(made.len() - 1),
            };
            Some(json!({ "signed_header": { "header_bytes": BASE64.encode(made[height].encode()) } }))
        })
        .await
    }

    #[tokio::test]
    async fn the_last_transaction_is_awaited_and_empty_blocks_are_not() {
        let cases: [(Headers, usize, Option<u64>); 6] = [
            // Its block is the newest; the header comes that vouches for it.
            (&[(0, false), (1, true), (1, false), (2, false)], 2, None),
            // An empty block is above it.
            (&[(0, false), (0, true), (1, false), (2, false)], 3, None),
            // At rest.
            (&[(0, false), (1, true), (2, false)], 3, None),
            (&[(0, false)], 1, None),
            // The header does not come.
            (&[(0, false), (1, true), (1, false)], 2, Some(2)),
            (&[(0, true), (0, true), (1, true), (1, false)], 4, Some(3)),
        ];
        for (headers, begin, expected) in cases {
            let mut client = node(headers, begin).await;
            let behind = await_vouched(&mut client, Duration::from_millis(500), &Output::new(false)).await;
            assert_eq!(behind.unwrap(), expected, "{headers:?}");
        }
    }
}
