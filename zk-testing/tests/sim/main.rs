//! Worlds in which everything goes wrong, a fixed share of them and a share that is another one each day.
//!
//! The environment variable `SIM_SEED_BASE` says where the second share begins, to repeat that of another day.

#[path = "../../examples/simulate/args.rs"]
mod args;
mod flags;
mod worlds;
