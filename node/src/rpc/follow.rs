//! Following the blocks for all subscriptions, in one task. Should that fail, whoever subscribed is hung up on: nobody waits in vain.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc};

use althing_consensus::Height;
use futures::FutureExt;
use tokio::sync::watch;

use super::Context;
use crate::shell::panic_message;

/// If blocks come so much faster than all subscribers can be told of them, some are left out.
const MAX_BEHIND: u64 = 64;

/// Tells of each block that is executed, until the node stops.
pub(super) async fn follow(context: Arc<Context>) {
    watched(&context, tell).await;
}

/// Tells subscribers of a block.
pub(super) async fn tell(context: Arc<Context>, height: Height) {
    let of = Arc::clone(&context);
    if let Err(error) = context.own(move |node| of.subscriptions.publish(node, height)).await {
        tracing::error!(height = height.0, error = error.data, "cannot tell subscribers of a block");
        context.subscriptions.miss(height);
    }
}

/// The same with whatever tells. Where it panics it begins anew, for those who subscribe from then on.
pub(super) async fn watched<T: Future<Output = ()>>(
    context: &Arc<Context>,
    tell: impl Fn(Arc<Context>, Height) -> T,
) {
    let mut executed = context.node.executed();
    let mut done = *executed.borrow_and_update();
    loop {
        let following = on_from(context, &mut executed, &mut done, &tell);
        let Err(panic) = AssertUnwindSafe(following).catch_unwind().await else { return };
        let reason = panic_message(&*panic);
        tracing::error!(
            reason,
            height = done.0,
            "following the blocks for subscriptions failed: their connections end"
        );
        // First the height: whoever subscribes after the others were ended hears of all above it.
        done = *executed.borrow_and_update();
        context.subscriptions.fail();
    }
}

async fn on_from<T: Future<Output = ()>>(
    context: &Arc<Context>,
    executed: &mut watch::Receiver<Height>,
    done: &mut Height,
    tell: impl Fn(Arc<Context>, Height) -> T,
) {
    while executed.changed().await.is_ok() {
        let newest = *executed.borrow_and_update();
        while *done < newest {
            let all = &context.subscriptions;
            if all.is_empty() {
                *done = newest;
                break;
            }
            if newest.0 - done.0 > MAX_BEHIND {
                all.miss(done.next());
                *done = Height(newest.0 - 1);
            }
            *done = done.next();
            tell(Arc::clone(context), *done).await;
        }
    }
}
