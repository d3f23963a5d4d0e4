//! Deleting: `rm`.

use clap::Args;
use serde_json::json;
use zk_blocking::{Error, ErrorCode, Wait};

use crate::{
    args::Options,
    failure::{About, Exit, Failure},
    progress::Progress,
    session::{self, Session},
    walk::{Figures, Step, Walk, is_own_node},
    window::Window,
};

/// So often a tree is walked in which others go on to create nodes.
const ROUNDS: u32 = 16;

/// Delete a node, or a node and all below it
///
/// With -r, what vanishes meanwhile counts as deleted, and what others create meanwhile is deleted too. It is not one step: others see
/// the tree become smaller.
#[derive(Args, Debug)]
pub(crate) struct Rm {
    /// The node
    path: String,

    /// The node and all below it
    #[arg(short, long)]
    recursive: bool,

    /// Only if the node has this version
    #[arg(long, value_name = "N", conflicts_with = "recursive")]
    version: Option<i32>,

    /// With -r, let the path be "/": delete all below it, but for /zookeeper, and leave the root itself
    #[arg(long)]
    no_preserve_root: bool,
}

impl Rm {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let is_root = self.path == "/";
        if is_root && !(self.recursive && self.no_preserve_root) {
            let message = "this is the root; to delete all below it, say so: rm -r --no-preserve-root /";
            return Err(Failure::usage(message).about("/"));
        }
        session::run(options, |session| {
            if !self.recursive {
                let request = session.client.delete(&self.path).version(self.version).timeout(session.limit);
                return match request.wait() {
                    Err(error) if error.code() == Some(ErrorCode::NotEmpty) => {
                        let message = format_args!("{error} (-r deletes them too)");
                        Err(Failure::new(Exit::Conflict, message).about(&self.path))
                    }
                    outcome => outcome.about(&self.path),
                };
            }
            if is_own_node(&session.client, &self.path) {
                return Err(Failure::usage("the server's own nodes are not deleted").about(&self.path));
            }
            let deleted = self.all(session)?;
            session.output.result_in_json(|| json!({ "path": self.path, "deleted": deleted }))
        })
    }

    /// Deletes round by round, until nothing is left. Returns how many nodes were deleted.
    fn all(&self, session: &mut Session) -> Result<u64, Failure> {
        let mut progress = Progress::of_walk("deleting", session, &self.path);
        let mut deletion =
            Deletion { session, window: Window::new(), progress: &mut progress, deleted: 0, is_complete: true };
        for round in 0..ROUNDS {
            deletion.is_complete = true;
            match deletion.round(&self.path) {
                // Its own deletion was the one whose reply was lost, or somebody else was faster.
                Err((path, Error::Server(ErrorCode::NoNode))) if round > 0 && path == self.path => {}
                outcome => outcome.map_err(|(path, error)| Failure::from(error).about(path))?,
            }
            if deletion.is_complete {
                return Ok(deletion.deleted);
            }
        }
        let message = format!("not empty after {ROUNDS} rounds: others create nodes faster than they can be deleted");
        Err(Failure::new(Exit::Conflict, message).about(&self.path))
    }
}

/// A walk that deletes what it leaves.
struct Deletion<'a> {
    session: &'a Session,
    window: Window<String, ()>,
    progress: &'a mut Progress,
    deleted: u64,
    is_complete: bool,
}

impl Deletion<'_> {
    fn round(&mut self, root: &str) -> Result<(), (String, Error)> {
        let Session { client, limit, .. } = self.session;
        for step in Walk::new(client, *limit, root, Figures).without_own_node() {
            let Step::Leave(path) = step? else { continue };
            if path == "/" {
                continue;
            }
            // The server takes them in this order, children first.
            let request = client.delete(&path).timeout(*limit).send();
            self.window.push(path, 0, request);
            if let Some((path, outcome)) = self.window.overflow() {
                self.settle(path, outcome)?;
            }
        }
        while let Some((path, outcome)) = self.window.next() {
            self.settle(path, outcome)?;
        }
        Ok(())
    }

    fn settle(&mut self, path: String, outcome: Result<(), Error>) -> Result<(), (String, Error)> {
        match outcome {
            Ok(()) => {
                self.deleted += 1;
                self.progress.step();
            }
            Err(Error::Server(ErrorCode::NoNode)) => {}
            // Somebody has added a child; or the link broke, and the next round will show whether it is still there.
            Err(Error::Server(ErrorCode::NotEmpty) | Error::Lost) => self.is_complete = false,
            Err(error) => return Err((path, error)),
        }
        Ok(())
    }
}
