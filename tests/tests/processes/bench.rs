//! `althing bench`: a short measurement has all figures.

use althing_tests::processes::{Ports, althing};
use serde_json::Value;

/// What others build on.
const KEYS: [&str; 14] = [
    "workload",
    "validators",
    "tps",
    "limit_tps",
    "share_of_limit",
    "latency_ms",
    "block_interval_ms",
    "finalization_ms",
    "view_failures",
    "cpu_s_per_10k_tx",
    "cpu_ms_per_block",
    "rss_mb_max",
    "bytes_per_tx",
    "bytes_per_block",
];

fn number(report: &Value, path: &str) -> f64 {
    let value = path.split('.').fold(report, |value, name| &value[name]);
    value.as_f64().unwrap_or_else(|| panic!("{path} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_run_measures_everything() {
    let ports = Ports::take();
    let base = ports.base().to_string();
    let args =
        ["bench", "--workload", "transfer", "--rate", "200", "--duration", "3", "--warm-up", "1", "--json"];
    let chain = ["--accounts", "100", "--base-port", &base];
    let ended = althing(args.into_iter().chain(chain)).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.object();
    for key in KEYS {
        assert!(!report[key].is_null(), "{key} in {report}");
    }
    assert_eq!((&report["workload"], &report["validators"]), (&"transfer".into(), &4.into()));
    assert!(
        number(&report, "tps") > 0.0 && number(&report, "limit_tps") > number(&report, "tps"),
        "{report}"
    );
    let latency = |name: &str| number(&report, &format!("latency_ms.{name}"));
    assert!(0.0 < latency("p50") && latency("p50") <= latency("p90") && latency("p90") <= latency("p99"));
    assert!(latency("p99") <= latency("max"), "{report}");
    for name in
        ["block_interval_ms.p50", "block_interval_ms.p99", "finalization_ms.p50", "finalization_ms.p99"]
    {
        assert!(number(&report, name) > 0.0, "{name} in {report}");
    }
    for room in ["consensus", "crypto", "mempool", "p2p", "ledger", "storage", "rpc", "other"] {
        assert!(number(&report, &format!("cpu_s_by_room.{room}")) >= 0.0, "{report}");
    }
    let machine = &report["machine"];
    assert!(machine["ed25519_per_s"].as_array().is_some_and(|checkers| checkers.len() >= 2), "{report}");
    for name in ["bls_verify_ms", "fdatasync_ms", "store_writes_per_s"] {
        assert!(number(machine, name) > 0.0, "{name} in {report}");
    }

    // Three messages one after the other commit a block, on whichever node.
    let base = ports.base().to_string();
    let args = ["bench", "--workload", "kv", "--rate", "50", "--duration", "2", "--warm-up", "1", "--json"];
    let far = ["--delay", "20", "--tx-bytes", "300", "--base-port", &base];
    let ended = althing(args.into_iter().chain(far)).await;
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.object();
    assert!(number(&report, "latency_ms.p50") >= 60.0, "{report}");
    assert!(number(&report, "finalization_ms.p50") >= 40.0, "{report}");
    assert_eq!((&report["delay"], &report["kill"]), (&"20 ms".into(), &Value::Null));

    let base = ports.base().to_string();
    let args = ["bench", "--workload", "kv", "--rate", "50", "--duration", "5", "--warm-up", "1", "--json"];
    let killed = althing(args.into_iter().chain(["--kill-one-at", "1", "--base-port", &base])).await;
    assert_eq!(killed.code, Some(0), "{killed:#?}");
    let killed = killed.object();
    assert_eq!(killed["failed"], 0, "{killed}");
    for name in ["gap_ms", "p99_before_ms", "p99_after_ms"] {
        assert!(number(&killed, &format!("kill.{name}")) > 0.0, "{killed}");
    }

    let base = ports.base().to_string();
    let args =
        ["bench", "--workload", "empty", "--duration", "2", "--warm-up", "1", "--json", "--base-port", &base];
    let empty = althing(args).await;
    assert_eq!(empty.code, Some(0), "{empty:#?}");
    let empty = empty.object();
    assert!(number(&empty, "blocks") > 1.0 && empty["latency_ms"]["p50"].is_null(), "{empty}");
}
