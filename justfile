# Daily commands; `just` lists them. Each is plain cargo or a script of `.ci`, which do not need just.

_list:
    @just --list

# The core's tests
core *args:
    cargo test -p zk-proto --all-features {{args}}

# The client on tokio against the server in memory; a filter narrows it down: `just memory locks`
memory filter="":
    cargo test -p zk-tokio --test conformance memory::{{filter}}

# Format, lints and documentation of one package
lint package="zk-proto":
    cargo fmt --all --check
    cargo clippy -p {{package}} --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc -p {{package}} --all-features --no-deps

# The guide and the API, in a browser
doc:
    cargo doc -p zk-tokio -p zk-proto -p zk-testing --all-features --no-deps --open

# Worlds of the simulator: `just simulate locks 0..1000`
simulate workload seeds="0..1000":
    cargo run --release -p zk-testing --example simulate -- --workload {{workload}} --seeds {{seeds}}

# Clients on real servers under faults: `just chaos 10`, in minutes
chaos minutes="2":
    cargo run --release -p zk-testing --example chaos -- --minutes {{minutes}}

# Fuzz targets, for so many seconds each
fuzz seconds="60":
    .ci/fuzz {{seconds}}

# A server in memory to play with
serve:
    cargo run -q -p zk-testing --example serve

# All that must pass before a change lands
all:
    .ci/run
