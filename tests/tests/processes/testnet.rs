//! `althing testnet`, the first thing that anyone tries.

use std::{collections::BTreeMap, future::pending, process::Stdio, time::Duration};

use althing_tests::processes::{Ended, PATIENCE, Ports, children, command, peak_memory_kib};
use tokio::time::{sleep, timeout};

/// What a validator may have resident.
const MAX_MEMORY_KIB: u64 = 200 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn the_testnet_ends_with_a_summary_on_which_all_agree() {
    let ports = Ports::take();
    let base = ports.base().to_string();
    let args = ["testnet", "--blocks", "30", "--tx-rate", "200", "--json", "--base-port", &base];
    let testnet =
        command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let pid = testnet.id().expect("not waited for yet");

    let mut peaks = BTreeMap::new();
    let watch = async {
        loop {
            peaks
                .extend(children(pid).into_iter().filter_map(|child| Some((child, peak_memory_kib(child)?))));
            sleep(Duration::from_millis(100)).await;
        }
    };
    let output = tokio::select! {
        output = timeout(PATIENCE, testnet.wait_with_output()) => output.expect("it ends").expect("it runs"),
        () = watch => pending().await,
    };
    let ended = Ended::from(output);
    assert_eq!(ended.code, Some(0), "{ended:#?}");

    let summary = ended.object();
    eprintln!("{summary}");
    assert_eq!(summary["validators"], 4, "{summary}");
    assert_eq!(summary["height"], 30, "{summary}");
    assert!(summary["committed_txs"].as_u64().is_some_and(|count| count > 0), "{summary}");
    assert!(summary["tps"].as_f64().is_some_and(|tps| tps > 0.0), "{summary}");
    let percentile = |name: &str| summary["commit_latency_ms"][name].as_f64().unwrap_or_default();
    assert!(0.0 < percentile("p50") && percentile("p50") <= percentile("p99"), "{summary}");
    assert!(summary["app_hash"].as_str().is_some_and(|hash| !hash.is_empty()), "{summary}");
    assert_eq!(summary["agree"], true, "{summary}");

    eprintln!("resident at most, in KiB: {peaks:?}");
    assert_eq!(peaks.len(), 4, "one process per validator: {peaks:?}");
    assert!(peaks.values().all(|peak| *peak < MAX_MEMORY_KIB), "{peaks:?}");
    let left: Vec<_> = peaks.keys().filter(|pid| peak_memory_kib(**pid).is_some()).collect();
    assert!(left.is_empty(), "still running after the testnet ended: {left:?}");
}
