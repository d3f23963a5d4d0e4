//! The few nodes a test needs before its own client comes in.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{ANSWER_PATIENCE, Server};
use super::wire::Session;

static CHROOTS: AtomicUsize = AtomicUsize::new(0);

impl Server {
    /// Creates a node that nobody else was given, open to all, and returns its path: `/` and `name`, `-` and a number.
    ///
    /// Appended to a connect string, it is a chroot.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached or refuses.
    pub fn chroot(&self, name: &str) -> io::Result<String> {
        let path = format!("/{name}-{}", CHROOTS.fetch_add(1, Ordering::Relaxed));
        self.create_node(&path)?;
        Ok(path)
    }

    /// Creates a persistent node open to all, and those above it, unless they exist.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached or refuses.
    pub fn create_node(&self, path: &str) -> io::Result<()> {
        let mut session = Session::open(self.address(), ANSWER_PATIENCE)?;
        let ends = path.match_indices('/').map(|(slash, _)| slash).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            session.create(&path[..end])?;
        }
        session.close()
    }

    /// Returns whether there is a node.
    ///
    /// # Errors
    ///
    /// Fails when the server cannot be reached or refuses.
    pub fn node_exists(&self, path: &str) -> io::Result<bool> {
        let mut session = Session::open(self.address(), ANSWER_PATIENCE)?;
        let exists = session.exists(path)?;
        session.close()?;
        Ok(exists)
    }
}
