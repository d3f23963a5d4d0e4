//! The client half in virtual time, against a server of a few lines.
#![cfg(feature = "client")]

mod auto_traits;
mod background;
mod driving;
#[cfg(feature = "recipes")]
mod recipes;
mod requests;
mod sessions;
mod support;
mod threads;
mod watchers;
