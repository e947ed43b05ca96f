# Lists what there is.
default:
    @just --list

# What a change must pass first; changes no file.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    .ci/arrows.py

# Formats, and mends what clippy can mend by itself.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# All tests; `just test -p althing-mempool` for one crate.
test *args="--workspace":
    cargo test {{args}}

# The documentation of all crates, in the browser.
doc:
    cargo doc --workspace --no-deps --open

# Four validators on this machine; `just testnet --blocks 30 --tx-rate 200` ends by itself.
testnet *args:
    cargo run --release -- testnet {{args}}

# Four validators under a load, measured: docs/benchmarks.md.
bench *args:
    cargo run --release -- bench {{args}}

# The hot paths' instructions beside those of the stored baseline; `just hot` times them, `just hot --write` makes a new baseline.
guard:
    cargo run --release -p althing-tests --bin hot -- --compare

# The hot paths, one by one: docs/benchmarks.md.
hot *args:
    cargo run --release -p althing-tests --bin hot -- {{args}}

# Everything that CI does, in its order.
ci:
    .ci/run
