//! A session and a scripted server, in virtual time.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]

mod pair;
mod story;
mod wire;

pub(crate) use pair::{Act, Crowd, Pair, servers, settings, settings_with};
pub(crate) use wire::{Asked, Greeting, data, event, frame, paths_of, record, reply, stat};
