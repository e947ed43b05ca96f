#!/usr/bin/env python3
"""Reads the last line of `althing testnet --blocks 30 --json` and exits with 1 unless it is what a sound run ends with."""

import json
import sys


def fault(summary):
    """What is wrong with a summary, or None."""
    needed = ["validators", "height", "committed_txs", "tps", "commit_latency_ms", "app_hash", "agree"]
    if missing := [key for key in needed if key not in summary]:
        return f"lacks {missing}"
    latency = summary["commit_latency_ms"]
    checks = {
        "agree is true": summary["agree"] is True,
        "committed_txs is above 0": summary["committed_txs"] > 0,
        "height is at least 30": summary["height"] >= 30,
        "validators is 4": summary["validators"] == 4,
        "app_hash is not empty": bool(summary["app_hash"]),
        "0 < p50 <= p99": 0 < latency["p50"] <= latency["p99"],
    }
    broken = [check for check, holds in checks.items() if not holds]
    return f"does not hold: {', '.join(broken)}" if broken else None


def main():
    line = sys.stdin.read()
    try:
        summary = json.loads(line)
        reason = fault(summary)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"not the summary that was expected ({error!r})"
    if reason:
        sys.exit(f"testnet: {reason}: {line!r}")
    print(f"testnet: {summary['committed_txs']} transactions, all validators agree at height {summary['height']}")


if __name__ == "__main__":
    main()
