#!/usr/bin/env python3
"""An ABCI application of others drives four validators: set through one node, read through each.

usage: abci_kvstore.py ALTHING KVSTORE_38
"""

import base64
import json
import subprocess
import sys
import time
import urllib.request

BASE_PORT = 15_150
PATIENCE = 120


def call(validator, method, **params):
    """The result of a JSON-RPC method at a validator."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    url = f"http://127.0.0.1:{BASE_PORT + 10 * validator + 7}"
    with urllib.request.urlopen(url, body, timeout=PATIENCE) as answer:
        return json.load(answer)["result"]


def until(what, ask):
    """Asks until there is an answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            if answer := ask():
                return answer
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"not within {PATIENCE} s: {what}")


def value(validator, key):
    """What the application of a validator has under a key."""
    answer = call(validator, "abci_query", path="", data=key.encode().hex())["response"]
    return base64.b64decode(answer["value"] or "").decode()


def main():
    althing, kvstore = sys.argv[1:]
    command = [althing, "testnet", "--app", "abci", "--app-command", f"{kvstore} --uds {{path}}"]
    testnet = subprocess.Popen(
        [*command, "--for", "10", "--tx-rate", "20", "--base-port", str(BASE_PORT), "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        until("a first block", lambda: int(call(0, "status")["sync_info"]["latest_block_height"]) > 0)
        tx = base64.b64encode(b"name=satoshi").decode()
        result = call(0, "broadcast_tx_commit", tx=tx)
        assert result["tx_result"]["code"] == 0 and int(result["height"]) > 0, result
        for validator in range(4):
            until(f"the value at validator {validator}", lambda: value(validator, "name") == "satoshi")
            assert value(validator, "other") == ""
    finally:
        # It ends by itself, or after a failure above soon enough.
        out, _ = testnet.communicate(timeout=PATIENCE)
    summary = json.loads(out.splitlines()[-1])
    assert summary["agree"] is True, summary
    print(f"set at one validator and read at four, by height {summary['height']}")


if __name__ == "__main__":
    main()
