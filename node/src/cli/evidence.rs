//! `althing evidence`: what blocks prove of validators that contradicted themselves, and what became of it.

use std::process::ExitCode;

use althing_ledger::asset::{MAX_LIMIT, MisbehaviourStatus, MisbehaviourView, Outcome, Page, Question};
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Failure, Output, node_arg::NodeArg};
use crate::client::{Client, ClientError};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show the evidence in committed blocks, newest first, with what the ledger did about it
    List {
        #[command(flatten)]
        node: NodeArg,
        /// At most so many pieces
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_LIMIT)))]
        limit: u16,
    },
}

pub(super) async fn run(command: Command, output: &Output) -> Result<ExitCode, Failure> {
    let Command::List { node, limit } = command;
    let (object, text) = list(&mut node.client()?, limit).await?;
    output.result(&object, text);
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &mut Client, limit: u16) -> Result<(Value, String), Failure> {
    let mut answer = client.call("althing_evidence", json!({ "per_page": limit.to_string() })).await?;
    let mut pieces = match answer["evidence"].take() {
        Value::Array(pieces) => pieces,
        other => return Err(format!("the node's answer holds no evidence, but {other}").into()),
    };
    let total = answer["total"].take();
    // Of what is far back the ledger knows nothing any more.
    let records = if pieces.is_empty() { Some(Vec::new()) } else { records(client).await? };
    let mut texts = Vec::new();
    for piece in &mut pieces {
        let record = records.as_ref().map(|all| all.iter().find(|one| is_of(one, piece)));
        texts.push(text(piece, record));
        if let Some(Some(record)) = record {
            piece["ledger"] = serde_json::to_value(record)?;
        }
    }
    texts.push(match pieces.len() {
        0 => "no committed block proves that a validator contradicted itself".to_owned(),
        shown => format!("{shown} of {} pieces of evidence", plain(&total)),
    });
    Ok((json!({ "evidence": pieces, "total": total }), texts.join("\n")))
}

/// All that the asset ledger has recorded; none where another application runs.
async fn records(client: &mut Client) -> Result<Option<Vec<MisbehaviourView>>, Failure> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let question = Question::Misbehaviour { before, limit: MAX_LIMIT };
        let page: Page<MisbehaviourView, u64> = match client.ask(&question).await {
            Ok(page) => page,
            Err(ClientError::Query { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        all.extend(page.items);
        before = page.next;
        if before.is_none() {
            return Ok(Some(all));
        }
    }
}

/// Whether the ledger's record is of this piece: of each validator each kind comes once an epoch.
fn is_of(record: &MisbehaviourView, piece: &Value) -> bool {
    piece["identity"].as_str().is_some_and(|identity| identity.parse() == Ok(record.identity))
        && piece["kind"] == record.kind.name()
        && plain(&piece["epoch"]) == record.epoch.to_string()
}

/// A number or a text, as it is read.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A piece for people. `record` is the ledger's, if there is one in its records; nothing is said where there are no records.
fn text(piece: &Value, record: Option<Option<&MisbehaviourView>>) -> String {
    let field = |name: &str| plain(&piece[name]);
    // As the commands on validators show it.
    let identity = field("identity").to_lowercase();
    let mut lines = vec![format!(
        "{} by {} in view {} of epoch {}, proved by block {}",
        field("kind"),
        identity,
        field("view"),
        field("epoch"),
        field("height")
    )];
    lines.extend(piece["messages"].as_array().into_iter().flatten().map(message));
    match record {
        Some(Some(record)) => {
            let (power, all) = (record.power, record.total_power);
            lines.push(format!("  it had power {power} of {all}; {}", became(record)));
        }
        Some(None) => lines.push("  the ledger has no record of it, or no more".to_owned()),
        None => {}
    }
    lines.join("\n")
}

/// What it signed.
fn message(message: &Value) -> String {
    let field = |name: &str| plain(&message[name]);
    let said = match message["high_view"].is_null() {
        true => format!("for block {}", field("block")),
        false => format!("that knows of no certificate above view {}", field("high_view")),
    };
    let signature: String = field("signature").chars().take(16).collect();
    format!("  it signed a {} in view {} {said} (signature {signature}…)", field("type"), field("view"))
}

fn became(record: &MisbehaviourView) -> &'static str {
    match (record.outcome, record.now) {
        (Outcome::Suspended, Some(MisbehaviourStatus::Reinstated)) => {
            "it was suspended, and members have reinstated it"
        }
        (Outcome::Suspended, Some(MisbehaviourStatus::Removed)) => {
            "it was suspended, and members have removed it for good"
        }
        (Outcome::Suspended, _) => "it is suspended",
        (Outcome::Recorded, _) => "recorded, and no more, as genesis says",
        (Outcome::AlreadySuspended, _) => "it was suspended already",
        (Outcome::Forgiven, _) => "not suspended: members added or reinstated it since that epoch began",
        (Outcome::LastValidator, _) => "not suspended: nobody else has power",
        (Outcome::NoValidator, _) => "not suspended: it was a validator no more",
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::ed25519::{PublicKey, SecretKey};
    use althing_ledger::MisbehaviourKind;
    use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

    use super::*;
    use crate::cli::testing::scripted;

    fn identity(n: u8) -> PublicKey {
        SecretKey::from_seed([n; 32]).public_key()
    }

    /// As the node words it.
    fn piece(n: u8, kind: &str, messages: [Value; 2]) -> Value {
        json!({
            "type": "evidence", "height": "41", "epoch": "2", "view": "17", "kind": kind,
            "identity": identity(n).to_string().to_uppercase(), "messages": messages, "bytes": "AQ==",
        })
    }

    fn vote(block: &str) -> Value {
        json!({ "type": "vote", "view": "17", "block": block, "signature": "00112233445566778899" })
    }

    fn record(n: u8, outcome: Outcome, now: Option<MisbehaviourStatus>) -> MisbehaviourView {
        let (kind, identity) = (MisbehaviourKind::DoubleVote, identity(n));
        let (number, height, power, total_power, epoch, view) = (n.into(), 41, 1, 4, 2, 17);
        MisbehaviourView { number, height, kind, identity, power, total_power, epoch, view, outcome, now }
    }

    fn answer(value: &impl serde::Serialize) -> Value {
        let value = BASE64.encode(serde_json::to_vec(value).unwrap());
        json!({ "response": { "code": 0, "height": "50", "value": value } })
    }

    #[tokio::test]
    async fn pieces_are_shown_with_what_was_signed_and_what_became_of_it() {
        let mut client = scripted(|method, params| {
            Some(match method {
                "althing_evidence" => {
                    assert_eq!(params["per_page"], "3");
                    let timeout =
                        json!({ "type": "timeout-vote", "view": "19", "high_view": "3", "signature": "ff" });
                    let pieces = [
                        piece(1, "double-vote", [vote("AA"), vote("BB")]),
                        piece(2, "double-vote", [vote("CC"), vote("DD")]),
                        piece(1, "forgotten-vote", [vote("AA"), timeout]),
                    ];
                    json!({ "count": "3", "total": "7", "evidence": pieces })
                }
                // In two pages.
                _ if !params["data"].as_str().unwrap().contains(&hex::encode("before\":1")) => {
                    let one = record(2, Outcome::Suspended, Some(MisbehaviourStatus::Reinstated));
                    answer(&Page { items: vec![one], next: Some(1u64) })
                }
                _ => {
                    answer(&Page { items: vec![record(1, Outcome::LastValidator, None)], next: None::<u64> })
                }
            })
        })
        .await;
        let (object, text) = list(&mut client, 3).await.unwrap();
        let of = |n: u8| identity(n).to_string();
        let expected = [
            &format!("double-vote by {} in view 17 of epoch 2, proved by block 41", of(1)),
            "  it signed a vote in view 17 for block AA (signature 0011223344556677…)",
            "  it signed a vote in view 17 for block BB (signature 0011223344556677…)",
            "  it had power 1 of 4; not suspended: nobody else has power",
            &format!("double-vote by {} in view 17 of epoch 2, proved by block 41", of(2)),
            "  it signed a vote in view 17 for block CC (signature 0011223344556677…)",
            "  it signed a vote in view 17 for block DD (signature 0011223344556677…)",
            "  it had power 1 of 4; it was suspended, and members have reinstated it",
            &format!("forgotten-vote by {} in view 17 of epoch 2, proved by block 41", of(1)),
            "  it signed a vote in view 17 for block AA (signature 0011223344556677…)",
            "  it signed a timeout-vote in view 19 that knows of no certificate above view 3 (signature ff…)",
            "  the ledger has no record of it, or no more",
            "3 of 7 pieces of evidence",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(object["evidence"][1]["ledger"]["now"], "reinstated");
        assert_eq!(object["evidence"][0]["ledger"]["outcome"], "last_validator");
        assert!(object["evidence"][2]["ledger"].is_null() && object["total"] == "7");
    }

    #[tokio::test]
    async fn other_applications_and_chains_without_evidence_have_their_words() {
        let mut client = scripted(|method, _| {
            Some(match method {
                "althing_evidence" => {
                    let pieces = [piece(1, "double-proposal", [vote("AA"), vote("BB")])];
                    json!({ "total": "1", "evidence": pieces })
                }
                _ => json!({ "response": { "code": 20, "codespace": "mine", "log": "no such query" } }),
            })
        })
        .await;
        let (object, text) = list(&mut client, 30).await.unwrap();
        assert!(text.ends_with("\n1 of 1 pieces of evidence") && !text.contains("ledger"), "{text}");
        assert!(object["evidence"][0]["ledger"].is_null());
        let mut none = scripted(|_, _| Some(json!({ "total": "0", "evidence": [] }))).await;
        let (_, text) = list(&mut none, 30).await.unwrap();
        assert_eq!(text, "no committed block proves that a validator contradicted itself");
        let mut odd = scripted(|_, _| Some(json!({}))).await;
        assert!(list(&mut odd, 30).await.unwrap_err().to_string().contains("holds no evidence"));
    }
}
