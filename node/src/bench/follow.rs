//! Follows the nodes: how far each has executed, and which transactions each block has.
//!
//! A node is asked for nothing but its height, and of each block one node is asked for the first bytes of the hashes: five small
//! requests a block, which is all that watching costs the chain.

use std::{cell::RefCell, rc::Rc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep},
};

use super::{window::Track, workload::id_of};
use crate::client::{Client, ClientError, NodeUrl, integer};

/// How long a node is to wait for a height.
const WAIT_MS: u64 = 10_000;
/// How long a node that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(100);
/// The same where others can be asked meanwhile.
const REST: Duration = Duration::from_secs(1);
/// Bytes of each hash that are asked for.
const ID_BYTES: usize = 8;

/// Dropped, nothing is followed any more.
pub(super) struct Following(Vec<JoinHandle<()>>);

impl Following {
    /// From behind this height on.
    pub(super) fn begin(track: &Rc<RefCell<Track>>, nodes: &[NodeUrl], height: u64) -> Self {
        let mut tasks: Vec<_> = (0..)
            .zip(nodes)
            .map(|(lane, node)| spawn_local(heights(Rc::clone(track), lane, node.clone(), height)))
            .collect();
        tasks.push(spawn_local(blocks(Rc::clone(track), nodes.to_vec(), height)));
        Self(tasks)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

async fn ask(client: &mut Client, height: u64, bytes: usize) -> Result<Value, ClientError> {
    let params = json!({ "height": height, "wait_ms": WAIT_MS, "bytes": bytes });
    client.call("althing_block_hashes", params).await
}

async fn heights(track: Rc<RefCell<Track>>, lane: usize, node: NodeUrl, mut height: u64) {
    let mut client = Client::new(node);
    loop {
        match ask(&mut client, height + 1, 0).await {
            Ok(answer) => {
                let executed = integer(&answer["executed"]).unwrap_or_default();
                if executed > height {
                    height = executed;
                    track.borrow_mut().executed(lane, height, Instant::now());
                }
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// The nodes take turns; one that does not answer is passed over, and asked again only later.
async fn blocks(track: Rc<RefCell<Track>>, nodes: Vec<NodeUrl>, mut height: u64) {
    let mut clients: Vec<_> = nodes.into_iter().map(|node| (Client::new(node), Instant::now())).collect();
    let mut turn = 0;
    loop {
        let next = height + 1;
        turn = (turn + 1) % clients.len();
        let now = Instant::now();
        if clients[turn].1 > now {
            if clients.iter().all(|(_, rests_until)| *rests_until > now) {
                sleep(PAUSE).await;
            }
            continue;
        }
        match ask(&mut clients[turn].0, next, ID_BYTES).await {
            Ok(answer) => {
                let Some((time_ms, hashes)) = read(&answer) else { continue };
                track.borrow_mut().block(
                    next,
                    time_ms,
                    hashes.chunks_exact(ID_BYTES).map(id_of),
                    Instant::now(),
                );
                height = next;
            }
            Err(_) => clients[turn].1 = Instant::now() + REST,
        }
    }
}

/// None if the height was waited for in vain.
fn read(answer: &Value) -> Option<(u64, Vec<u8>)> {
    Some((integer(&answer["time_ms"])?, BASE64.decode(answer["hashes"].as_str()?).ok()?))
}
