//! What an audit has found, as text and as an object.

use althing_consensus::audit::{Contradiction, Report, Side};
use althing_consensus::{Certificate, Position, QuorumCertificate};
use althing_crypto::Encoding;
use althing_genesis::Genesis;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

fn second_bytes(second: &Certificate) -> Vec<u8> {
    match second {
        Certificate::Quorum(qc) => qc.encode(),
        Certificate::Timeout(tc) => tc.encode(),
    }
}

fn member(report: &Report, genesis: &Genesis, position: Position) -> Value {
    let member = report.set.get(position);
    json!({
        "position": position.0,
        "identity": member.map(|member| member.identity.to_string()),
        "name": member.and_then(|member| genesis.validator_name(&member.identity)),
        "power": report.set.power(position).to_string(),
    })
}

pub(super) fn object(report: &Report, genesis: &Genesis) -> Value {
    let members = |positions: &mut dyn Iterator<Item = Position>| -> Vec<Value> {
        positions.map(|position| member(report, genesis, position)).collect()
    };
    let side = |side: &Side| {
        json!({
            "height": side.height.to_string(),
            "block": side.block.to_string(),
            "view": side.certificate.view.to_string(),
            "certificate": BASE64.encode(side.certificate.encode()),
        })
    };
    let proof = |proof: &Contradiction| {
        json!({
            "kind": proof.kind.to_string(),
            "members": members(&mut proof.members.iter().copied()),
            "first": BASE64.encode(proof.first.encode()),
            "second": BASE64.encode(second_bytes(&proof.second)),
            "header": proof.header.as_ref().map(|header| BASE64.encode(header.encode())),
        })
    };
    let conflict = report.conflict.as_ref().map(|conflict| {
        json!({
            "first": side(&conflict.first), "second": side(&conflict.second), "from_here": conflict.from_here,
        })
    });
    json!({
        "chain_id": genesis.chain_id(),
        "epoch": report.epoch.to_string(),
        "agreed": report.agreed.to_string(),
        "conflict": conflict,
        "culprits": members(&mut report.culprits.iter().copied()),
        "power": report.power.to_string(),
        "of": report.set.total().to_string(),
        "more_than_a_third": report.is_complete(),
        "proofs": report.proofs.iter().map(proof).collect::<Vec<_>>(),
        "missing": report.missing,
    })
}

pub(super) fn text(report: &Report, genesis: &Genesis) -> String {
    let Report { epoch, agreed, power, set, .. } = report;
    let mut lines =
        vec![format!("chain    {}, the same up to height {agreed}, in epoch {epoch}", genesis.chain_id())];
    match &report.conflict {
        None => lines.push("alike    nothing here shows that the chains part".to_owned()),
        Some(conflict) => {
            let first = if conflict.from_here { "" } else { ", or below" };
            for (name, side) in [("first", &conflict.first), ("second", &conflict.second)] {
                let Side { height, block, certificate } = side;
                lines.push(format!(
                    "parted   at height {height}{first}: on the {name} chain {block}, committed in view {} by {}",
                    certificate.view,
                    numbers(&mut certificate.signers.iter())
                ));
            }
        }
    }
    for proof in &report.proofs {
        lines.push(format!(
            "proof    {}: {} and {}, both signed by {}",
            proof.kind,
            quorum(&proof.first),
            second(&proof.second),
            numbers(&mut proof.members.iter().copied())
        ));
    }
    for position in &report.culprits {
        let identity = set.get(*position).map(|member| member.identity.to_string()).unwrap_or_default();
        let name = set.get(*position).and_then(|member| genesis.validator_name(&member.identity));
        let name = name.map_or(String::new(), |name| format!(" {name},"));
        lines
            .push(format!("named    validator {position},{name} {identity}, power {}", set.power(*position)));
    }
    if report.conflict.is_some() {
        let enough = if report.is_complete() { "more" } else { "NOT more" };
        lines.push(format!("together {power} of {} of the power: {enough} than a third", set.total()));
    }
    lines.extend(report.missing.iter().map(|what| format!("missing  {what}")));
    lines.join("\n")
}

fn quorum(qc: &QuorumCertificate) -> String {
    let kind = if qc.is_commit() { "commit votes" } else { "votes" };
    format!("{kind} of view {} for {}", qc.view, qc.block)
}

fn second(second: &Certificate) -> String {
    match second {
        Certificate::Quorum(qc) => quorum(qc),
        Certificate::Timeout(tc) => {
            format!("timeout votes of view {} that name QC views up to {}", tc.view, tc.max_high_view())
        }
    }
}

fn numbers(members: &mut dyn Iterator<Item = Position>) -> String {
    let numbers: Vec<String> = members.map(|member| member.to_string()).collect();
    format!("validators {}", numbers.join(", "))
}
