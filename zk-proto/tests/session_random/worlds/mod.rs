//! Random worlds for a session: chance comes from a seed, or from bytes that a fuzzer makes up.

mod caller;
mod dice;
mod ensemble;
mod ledger;
#[path = "../../session/support/mod.rs"]
mod support;
mod world;

pub(crate) use dice::Dice;
pub(crate) use ledger::{Ledger, Open, Read};
pub(crate) use world::{Manners, World};
