//! Servers that elect a leader.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::builder::Builder;
use super::mode::{Answer, Mode};
use super::peers::Peers;
use super::server::{START_PATIENCE, Server};

const PROBE_PATIENCE: Duration = Duration::from_millis(500);
const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// Several ZooKeeper servers that replicate one tree.
///
/// Its members are broken and mended one at a time, through [`server`](Self::server).
#[derive(Debug)]
pub struct Ensemble {
    servers: Vec<Server>,
    peers: Option<Peers>,
}

impl Ensemble {
    /// Starts `size` servers with the [default settings](Builder) and waits until they have a leader and all serve.
    ///
    /// # Errors
    ///
    /// Fails as [`Builder::start_ensemble`] does.
    ///
    /// # Panics
    ///
    /// Panics if `size` is zero.
    pub fn start(size: usize) -> io::Result<Self> {
        Builder::new().start_ensemble(size)
    }

    /// Starts servers that have their files.
    pub(super) fn launch(servers: Vec<Server>, peers: Option<Peers>) -> io::Result<Self> {
        let ensemble = Self { servers, peers };
        for server in &ensemble.servers {
            server.launch()?;
        }
        match ensemble.wait_quorum(START_PATIENCE) {
            Ok(_) => Ok(ensemble),
            // Whichever member failed first, a port taken from any of them explains it.
            Err(error) => Err(ensemble.servers.iter().fold(error, |error, server| server.start_error(error))),
        }
    }

    /// Returns the connect string with all members.
    pub fn connect_string(&self) -> String {
        let members: Vec<_> = self.servers.iter().map(Server::connect_string).collect();
        members.join(",")
    }

    /// Returns the members, the first of which bears the number 1 in the ensemble's own configuration.
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Returns a member.
    ///
    /// # Panics
    ///
    /// Panics if there are not so many.
    pub fn server(&self, index: usize) -> &Server {
        &self.servers[index]
    }

    /// Returns the ways between the members, if the ensemble was built with [proxies](Builder::proxied_peers) there.
    pub fn peers(&self) -> Option<&Peers> {
        self.peers.as_ref()
    }

    /// Returns which member leads, if one of those running does.
    pub fn leader(&self) -> Option<usize> {
        self.modes().iter().position(|mode| *mode == Some(Mode::Leader))
    }

    /// Waits until one member leads and all those running follow it, and returns which leads.
    ///
    /// Members that are stopped, killed or paused are not waited for, but the others must be a majority of all.
    ///
    /// # Errors
    ///
    /// Fails when this does not come about in time, or a member ends, with the end of a log.
    pub fn wait_quorum(&self, patience: Duration) -> io::Result<usize> {
        let deadline = Instant::now() + patience;
        loop {
            for server in self.running() {
                server.check()?;
            }
            let modes = self.modes();
            if let Some(leader) = agreed_leader(&modes, self.running().count()) {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                return Err(self.no_quorum(&modes, patience));
            }
            thread::sleep(PROBE_INTERVAL);
        }
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(|server| server.is_running())
    }

    /// Returns each member's mode, none for those that do not serve.
    fn modes(&self) -> Vec<Option<Mode>> {
        let mode = |server: &Server| match server.ask(PROBE_PATIENCE) {
            Answer::Serving(mode) => Some(mode),
            Answer::NotServing | Answer::Nothing(_) => None,
        };
        // A paused server would keep us waiting.
        self.servers.iter().map(|server| if server.is_running() { mode(server) } else { None }).collect()
    }

    fn no_quorum(&self, modes: &[Option<Mode>], patience: Duration) -> io::Error {
        let what = format!("and the others had no quorum in {patience:?}, their modes being {modes:?}");
        // One log must do; that of a member that does not serve says most.
        let silent = modes.iter().zip(&self.servers).find(|(mode, server)| mode.is_none() && server.is_running());
        let server = silent.map_or(&self.servers[0], |(_, server)| server);
        server.error(io::ErrorKind::TimedOut, &what)
    }
}

/// Returns which of the members leads, if exactly one does, `running` of them take part and those are a majority.
///
/// A leader that has just lost its majority takes a while to notice and says until then that it leads.
fn agreed_leader(modes: &[Option<Mode>], running: usize) -> Option<usize> {
    let leaders = modes.iter().filter(|mode| **mode == Some(Mode::Leader)).count();
    let others = modes.iter().filter(|mode| matches!(mode, Some(Mode::Follower | Mode::Observer))).count();
    if leaders == 1 && leaders + others == running && running * 2 > modes.len() {
        modes.iter().position(|mode| *mode == Some(Mode::Leader))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_agreed_on_when_everybody_running_follows_it() {
        let leader = Some(Mode::Leader);
        let follower = Some(Mode::Follower);

        assert_eq!(agreed_leader(&[follower, leader, follower], 3), Some(1));
        assert_eq!(agreed_leader(&[None, follower, leader], 2), Some(2));
        assert_eq!(agreed_leader(&[None, follower, leader], 3), None);
        assert_eq!(agreed_leader(&[leader, follower, leader], 3), None);
        assert_eq!(agreed_leader(&[leader, Some(Mode::ReadOnly), follower], 3), None);
        assert_eq!(agreed_leader(&[follower, follower, None], 2), None);
        assert_eq!(agreed_leader(&[None, leader, None], 1), None);
        assert_eq!(agreed_leader(&[leader], 1), Some(0));
    }
}
