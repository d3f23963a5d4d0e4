//! The commands, a family a file: options, help, and what is done.

pub(crate) mod acl;
pub(crate) mod admin;
pub(crate) mod completion;
pub(crate) mod copy;
pub(crate) mod create;
pub(crate) mod elect;
pub(crate) mod ephemerals;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod multi;
pub(crate) mod read;
pub(crate) mod remove;
pub(crate) mod server;
pub(crate) mod watch;
pub(crate) mod writer;
