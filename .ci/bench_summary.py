#!/usr/bin/env python3
"""Reads the last line of `althing bench --workload transfer --json` and exits with 1 unless it has all figures and nothing was lost.

How fast it was is no concern here: a machine that builds is no measure.

    .ci/bench_summary.py              checks standard input
    .ci/bench_summary.py --self-test  shows, on a line doctored in memory, that each check can fail
"""

import json
import sys

LATENCY = ["p50", "p90", "p99", "max"]
# Figures, and those within them.
NEEDED = {
    "workload": [],
    "validators": [],
    "tps": [],
    "limit_tps": [],
    "share_of_limit": [],
    "latency_ms": LATENCY,
    "block_interval_ms": ["p50", "p99"],
    "finalization_ms": ["p50", "p99"],
    "view_failures": [],
    "cpu_s_per_10k_tx": [],
    "cpu_ms_per_block": [],
    "rss_mb_max": [],
    "bytes_per_tx": [],
}

SOUND = {
    "workload": "transfer", "validators": 4, "tps": 200.0, "limit_tps": 20000.0, "share_of_limit": 0.01,
    "latency_ms": {"p50": 10.0, "p90": 20.0, "p99": 30.0, "max": 40.0},
    "block_interval_ms": {"p50": 10.0, "p99": 20.0}, "finalization_ms": {"p50": 10.0, "p99": 20.0},
    "view_failures": 0, "cpu_s_per_10k_tx": 3.0, "cpu_ms_per_block": 50.0, "rss_mb_max": 100.0, "bytes_per_tx": 1000.0,
    "committed": 1000, "failed": 0, "unanswered": 0, "sampled": 20, "sampled_in_vain": 0,
}


def fault(summary):
    """What is wrong with a summary, or None."""
    for key, within in NEEDED.items():
        if key not in summary:
            return f"lacks {key}"
        if missing := [name for name in within if name not in summary[key]]:
            return f"{key} lacks {missing}"
    times = [summary["latency_ms"][name] for name in LATENCY]
    above_zero = [
        "tps", "limit_tps", "share_of_limit", "cpu_s_per_10k_tx", "cpu_ms_per_block", "rss_mb_max", "bytes_per_tx",
        "committed", "sampled",
    ]
    checks = {
        "workload is transfer": summary["workload"] == "transfer",
        "validators is 4": summary["validators"] == 4,
        "0 < p50 <= p90 <= p99 <= max": 0 < times[0] and times == sorted(times),
        **{f"{key} is above 0": summary[key] > 0 for key in above_zero},
        # Nothing was lost, refused, or executed in vain.
        **{f"{key} is 0": summary[key] == 0 for key in ["failed", "unanswered", "sampled_in_vain"]},
    }
    broken = [check for check, holds in checks.items() if not holds]
    return f"does not hold: {', '.join(broken)}" if broken else None


def self_test():
    assert fault(SOUND) is None, fault(SOUND)
    for key in NEEDED:
        assert fault({name: value for name, value in SOUND.items() if name != key}), key
    wrong = {
        "latency_ms": {**SOUND["latency_ms"], "p90": 31.0}, "finalization_ms": {"p50": 1.0}, "workload": "opaque",
        "validators": 3, "committed": 0, "failed": 1, "unanswered": 1, "sampled_in_vain": 1, "tps": 0.0,
    }
    for key, value in wrong.items():
        assert fault({**SOUND, key: value}), key


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    line = sys.stdin.read()
    try:
        summary = json.loads(line)
        reason = fault(summary)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"not the summary that was expected ({error!r})"
    if reason:
        sys.exit(f"bench: {reason}: {line!r}")
    print(f"bench: {summary['committed']} transactions, none lost; all figures are there")


if __name__ == "__main__":
    main()
