//! What can be chosen about an ensemble.

use std::time::Duration;

use crate::server::{self, ReadOnly};

/// Settings of an [`Ensemble`](super::Ensemble).
#[derive(Clone, Debug)]
pub(crate) struct EnsembleOptions {
    /// How many servers there are: at least one.
    pub(crate) servers: usize,
    /// What is common to all servers. Their numbers count on from its `server_id`; its `read_only` means nothing here.
    pub(crate) server: server::Options,
    /// How long a message takes at most between the leader and another server, until
    /// [`set_lag`](super::Ensemble::set_lag) says otherwise for one of them.
    pub(crate) lag: Duration,
    /// How long a server goes on without hearing of the others before it drops its clients.
    ///
    /// So long a server that is cut off answers pings of which the leader does not hear. A client can then believe in its
    /// session for this time and half a tick longer than the leader does: as with real servers, whose limit is five or ten
    /// ticks.
    pub(crate) sync_limit: Duration,
    /// How long it takes to have a leader again.
    pub(crate) election: Duration,
    /// How servers that have no leader serve clients that only want to read; `None` if they serve nobody.
    pub(crate) read_only: Option<ReadOnly>,
}

impl Default for EnsembleOptions {
    fn default() -> Self {
        Self {
            servers: 3,
            server: server::Options::default(),
            lag: Duration::from_millis(5),
            sync_limit: Duration::from_millis(2500),
            election: Duration::from_millis(400),
            read_only: None,
        }
    }
}
