//! What lies between the user's side and the background.

use bytes::Bytes;

use super::handle::KeptState;
use crate::{broken::broken, client::Error};

/// What is wanted, and how it stands with it. Both in one place, so that they are changed together.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// The data that the node is to have.
    pub(super) data: Bytes,
    /// How often that was changed.
    pub(super) edition: u64,
    /// How often the background was asked to try again.
    pub(super) pokes: u64,
    pub(super) ending: Option<Ending>,
    pub(super) state: KeptState,
    /// How the removal ended, if there was one.
    pub(super) removed: Option<Result<(), Error>>,
}

/// How it is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The node is to be deleted.
    Remove,
    /// The node is to be left as it is.
    Leave,
}

impl Desk {
    pub(super) fn new(data: Bytes) -> Self {
        Self { data, edition: 0, pokes: 0, ending: None, state: KeptState::Pending, removed: None }
    }

    /// Replaces the data.
    pub(super) fn set_data(&mut self, data: Bytes) -> bool {
        let is_offline = !matches!(self.state, KeptState::Present(_));
        if data == self.data || is_offline && broken!("kept: forgets data that was set offline") {
            return false;
        }
        self.data = data;
        self.edition += 1;
        if let KeptState::Present(presence) = &mut self.state {
            presence.is_current = false;
        }
        self.forget_failure();
        true
    }

    /// Notes that what has failed is about to be tried again.
    pub(super) fn forget_failure(&mut self) {
        if let KeptState::Failed(_) = self.state {
            self.state = KeptState::Pending;
        }
    }

    /// Sets how it stands. A node that has data of another edition than the newest is not current, whoever says so.
    pub(super) fn tell(&mut self, mut state: KeptState, edition: Option<u64>) -> bool {
        if let KeptState::Present(presence) = &mut state {
            presence.is_current = edition == Some(self.edition);
        }
        let is_new = self.state != state;
        self.state = state;
        is_new
    }
}
