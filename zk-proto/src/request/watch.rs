//! Watches: their kinds, and the requests that are about them alone.

use super::{InvalidRequest, Request, Watched};
use crate::{
    code::{AddWatchMode, OpCode, WatcherType},
    path,
    wire::{DecodeError, Decoder, Encoder},
};

/// The five kinds of watches that a server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WatchKind {
    /// One-shot, on a node that was there: its data is set, or it is deleted.
    Data,
    /// One-shot, on a node that was not there: it is created.
    Exist,
    /// One-shot, on a list of children: it changes, or the node is deleted.
    Child,
    /// Stays: a node's creation, data, deletion, and its list of children.
    Persistent,
    /// Stays: creation, data and deletion of a node and of all below it.
    PersistentRecursive,
}

impl WatchKind {
    /// Every kind, in the order in which setWatches2 lists them.
    pub const ALL: [Self; 5] = [Self::Data, Self::Exist, Self::Child, Self::Persistent, Self::PersistentRecursive];

    /// Returns whether the watch stays when it has fired.
    pub const fn is_persistent(self) -> bool {
        matches!(self, Self::Persistent | Self::PersistentRecursive)
    }
}

/// Sets a persistent watch. Since 3.6.0. Needs no permission, and the node need not exist.
#[derive(Clone, Copy, Debug)]
pub struct AddWatch<'a> {
    /// The path.
    pub path: &'a str,
    /// What to watch.
    pub mode: AddWatchMode,
}

impl Request for AddWatch<'_> {
    type Reply = ();

    fn op(&self) -> OpCode {
        OpCode::AddWatch
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        match self.mode {
            AddWatchMode::Unknown(mode) => Err(InvalidRequest::Mode(mode)),
            _ => Ok(path::validate(self.path)?),
        }
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.path(self.path);
        out.put(&self.mode);
    }

    fn decode(_: &mut Decoder) -> Result<(), DecodeError> {
        Ok(())
    }
}

impl Watched for AddWatch<'_> {
    fn kind(&self) -> WatchKind {
        match self.mode {
            AddWatchMode::PersistentRecursive => WatchKind::PersistentRecursive,
            AddWatchMode::Persistent | AddWatchMode::Unknown(_) => WatchKind::Persistent,
        }
    }

    fn path(&self) -> &str {
        self.path
    }
}

/// Requests about the watches that the server has for this connection.
macro_rules! watch_requests {
    ($($(#[$meta:meta])* $name:ident)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            /// The path.
            pub path: &'a str,
            /// Which watches.
            pub watcher_type: WatcherType,
        }

        impl Request for $name<'_> {
            type Reply = ();

            fn op(&self) -> OpCode {
                OpCode::$name
            }

            fn validate(&self) -> Result<(), InvalidRequest> {
                match self.watcher_type {
                    WatcherType::Unknown(code) => Err(InvalidRequest::Mode(code)),
                    _ => Ok(path::validate(self.path)?),
                }
            }

            fn encode(&self, out: &mut Encoder<'_>) {
                out.path(self.path);
                out.put(&self.watcher_type);
            }

            fn decode(_: &mut Decoder) -> Result<(), DecodeError> {
                Ok(())
            }
        }
    )*};
}

watch_requests! {
    /// Asks whether the server has such a watch; the error is `NoWatcher` where it has none. Since 3.5.0.
    CheckWatches

    /// Removes watches from the server only. Since 3.5.0. To be done with a watch, drop or
    /// [`unwatch`](crate::session::Session::unwatch) it: the session does the rest.
    RemoveWatches
}
