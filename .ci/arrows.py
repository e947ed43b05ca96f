#!/usr/bin/env python3
"""Which crate may import which: holds the arrows of docs/ARCHITECTURE.md over `cargo metadata`.

    .ci/arrows.py              checks the workspace
    .ci/arrows.py --self-test  shows, on metadata doctored in memory, that each rule can fail
"""

import copy
import json
import subprocess
import sys

# The same as the table in docs/ARCHITECTURE.md: a crate may import these of ours, also in its tests.
MAY_IMPORT = {
    "crypto": set(),
    "consensus": {"crypto"},
    "mempool": {"crypto"},
    "ledger": {"crypto"},
    "p2p": {"crypto"},
    "genesis": {"crypto", "consensus"},
    "node": {"crypto", "consensus", "mempool", "ledger", "p2p", "genesis"},
    "tests": {"crypto", "consensus", "mempool", "ledger", "p2p", "genesis", "node"},
}

# Only `node` may name a database; the simulator may name its own, to put a disk that fails below it, and its drill those that it compares.
DATABASES = {"redb", "sled", "fjall", "rocksdb", "rusqlite", "heed", "lmdb", "sqlx"}
NAMES_A_DATABASE = {"node": DATABASES, "tests": {"redb", "sled", "fjall"}}

# The pure crates: all that they may use of others (tests aside), none of which has a clock, a thread, a disk, a network
# or randomness. An async runtime or a random number generator is refused simply because it is not here.
PURE = {
    "consensus": {"borsh", "serde", "thiserror"},
    "mempool": set(),
}

PREFIX = "althing-"


def members(metadata):
    """The workspace's own packages, by folder name."""
    own = set(metadata["workspace_members"])
    return {package["name"].removeprefix(PREFIX): package for package in metadata["packages"] if package["id"] in own}


def violations(metadata):
    """Every broken rule in words."""
    found = []
    crates = members(metadata)
    for name in sorted(crates.keys() ^ MAY_IMPORT.keys()):
        found.append(f"{name}: is in only one of workspace and table; add it to or remove it from both")
    for name, package in sorted(crates.items()):
        for dependency in package["dependencies"]:
            target, kind = dependency["name"], dependency["kind"] or "normal"
            if target.startswith(PREFIX):
                target = target.removeprefix(PREFIX)
                if target not in MAY_IMPORT.get(name, set()):
                    found.append(f"{name} -> {target} ({kind}): no such arrow in docs/ARCHITECTURE.md")
            elif target in DATABASES - NAMES_A_DATABASE.get(name, set()):
                found.append(f"{name} -> {target} ({kind}): only node names a database")
            elif name in PURE and kind != "dev" and target not in PURE[name]:
                found.append(f"{name} -> {target} ({kind}): {name} is pure; it may use {sorted(PURE[name])}")
    return found


def self_test(metadata):
    """Breaks each rule once and demands exactly that complaint."""
    assert violations(metadata) == [], "the self-test starts from a sound workspace"

    def doctored(name, dependency, kind):
        doctored = copy.deepcopy(metadata)
        members(doctored)[name]["dependencies"].append({"name": dependency, "kind": kind})
        return doctored

    refused = [
        ("crypto", "althing-ledger", None),
        ("consensus", "althing-mempool", None),
        ("mempool", "althing-consensus", "dev"),
        ("ledger", "althing-p2p", "build"),
        ("p2p", "althing-consensus", None),
        ("genesis", "althing-ledger", None),
        ("node", "althing-tests", "dev"),
        ("ledger", "redb", None),
        ("tests", "rocksdb", "dev"),
        ("consensus", "tokio", None),
        ("mempool", "rand", None),
        ("mempool", "chrono", "build"),
    ]
    for name, dependency, kind in refused:
        found = violations(doctored(name, dependency, kind))
        expected = f"{name} -> {dependency.removeprefix(PREFIX)} ({kind or 'normal'}): "
        assert len(found) == 1 and found[0].startswith(expected), f"{expected!r} expected, found {found}"
    for name, dependency, kind in [("mempool", "proptest", "dev"), ("node", "redb", None), ("tests", "redb", None), ("p2p", "tokio", None)]:
        found = violations(doctored(name, dependency, kind))
        assert found == [], f"{name} -> {dependency} is allowed, found {found}"

    stranger = copy.deepcopy(metadata)
    members(stranger)["genesis"]["name"] = "althing-utils"
    assert any(line.startswith("utils: ") for line in violations(stranger)), "an unknown crate is not seen"


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--no-deps"]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if sys.argv[1:] == ["--self-test"]:
        self_test(metadata)
        return "each rule can fail, and none fails without cause"
    if sys.argv[1:]:
        sys.exit(__doc__)
    if found := violations(metadata):
        sys.exit("\n".join(found))
    return f"{len(members(metadata))} crates, all arrows as in docs/ARCHITECTURE.md"


if __name__ == "__main__":
    print(main())
