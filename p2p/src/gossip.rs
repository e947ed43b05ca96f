//! How gossipsub is set up: one topic, ids by content, everything passed on only after the node's verdict.

use std::{collections::HashSet, time::Duration};

use althing_crypto::sha256;
use libp2p::gossipsub::{
    self, ConfigBuilder, IdentTopic, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity,
    MessageId, ValidationMode, WhitelistSubscriptionFilter,
};

use crate::TrafficLimit;

/// Members may subscribe to the one topic only, so subscriptions cannot pile up.
pub(crate) type Gossip =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>>;

/// Room for the envelope around a message.
const ENVELOPE_BYTES: usize = 1024;

pub(crate) fn topic() -> IdentTopic {
    IdentTopic::new("althing/gossip/1")
}

/// Messages are anonymous: they carry what proves them, connections are authenticated, and equal content is one message.
/// Members are few and know one another, so a message goes from its author to all of them at once (flood publishing) and
/// the mesh only mends what was missed; what has reached all is not passed on, as the node then ignores it.
pub(crate) fn behaviour(limit: &TrafficLimit) -> Result<Gossip, String> {
    // Counted in messages only, so counted for the longest.
    let queue = (2 * limit.queue_bytes / limit.max_message_bytes).clamp(1, limit.queue_messages);
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(|message| MessageId::new(sha256(&message.data).as_bytes()))
        .max_transmit_size(limit.max_message_bytes + ENVELOPE_BYTES)
        .max_publish_messages(16)
        .flood_publish(true)
        .mesh_n_low(4)
        .mesh_n(6)
        .mesh_n_high(12)
        // Which side dialled says nothing among admitted peers.
        .mesh_outbound_min(0)
        .heartbeat_initial_delay(Duration::from_millis(500))
        .history_length(4)
        .connection_handler_queue_len(queue)
        .build()
        .map_err(|error| error.to_string())?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(HashSet::from([topic().hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: 2,
    };
    let mut gossip = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)?;
    gossip.subscribe(&topic()).map_err(|error| error.to_string())?;
    Ok(gossip)
}
