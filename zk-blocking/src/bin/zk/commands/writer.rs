//! Trees, written from the top, as `cp` and `import` do it.

use bytes::Bytes;
use clap::Args;
use zk_blocking::{
    Acl, Error, ErrorCode, Wait,
    request::{Create2, Created},
};

use crate::{
    failure::{About, Exit, Failure},
    session::Session,
    window::Window,
};

/// How a tree is to be written.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Replace the data of nodes that are there already; without this, such a node is a conflict
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// With the access control lists; without this, new nodes are open to everybody
    #[arg(long)]
    pub(crate) acl: bool,
}

/// A node to be written.
pub(crate) struct Node {
    pub(crate) path: String,
    pub(crate) data: Option<Bytes>,
    pub(crate) acl: Option<Vec<Acl>>,
}

/// Writes nodes, parents first, many at a time.
pub(crate) struct Writer<'a> {
    session: &'a Session,
    manner: Manner,
    window: Window<Node, Created>,
    has_begun: bool,
    written: u64,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(session: &'a Session, manner: Manner) -> Self {
        Self { session, manner, window: Window::new(), has_begun: false, written: 0 }
    }

    /// Writes a node. What comes of it may show only with a later one, or when it is [finished](Self::finish).
    pub(crate) fn write(&mut self, node: Node) -> Result<(), Failure> {
        // The root is always there; what it holds stays unless the user says otherwise.
        if node.path == "/" {
            return if self.manner.overwrite { self.replace(&node) } else { Ok(()) };
        }
        let acl = node.acl.as_deref().filter(|_| self.manner.acl);
        let create = Create2 { acl, ..Create2::new(&node.path, node.data.clone()) };
        let request = self.session.client.request(create).timeout(self.session.limit).send();
        let bytes = node.data.as_ref().map_or(0, Bytes::len);
        self.window.push(node, bytes, request);
        // Of the first the outcome is awaited: if its place is taken, nothing is to be written below.
        let outcome = if self.has_begun { self.window.overflow() } else { self.window.next() };
        self.has_begun = true;
        match outcome {
            Some((node, outcome)) => self.settle(&node, outcome),
            None => Ok(()),
        }
    }

    /// Waits until all of them are written, and returns how many they are.
    pub(crate) fn finish(mut self) -> Result<u64, Failure> {
        while let Some((node, outcome)) = self.window.next() {
            self.settle(&node, outcome)?;
        }
        Ok(self.written)
    }

    fn settle(&mut self, node: &Node, outcome: Result<Created, Error>) -> Result<(), Failure> {
        match outcome {
            Ok(_) => self.written += 1,
            Err(Error::Server(ErrorCode::NodeExists)) if self.manner.overwrite => self.replace(node)?,
            Err(error) => return Err(self.failure(node, error)),
        }
        Ok(())
    }

    /// Writes over a node that is there.
    fn replace(&mut self, node: &Node) -> Result<(), Failure> {
        let Session { client, limit, .. } = self.session;
        client.set_data(&node.path, node.data.clone()).timeout(*limit).wait().about(&node.path)?;
        if let Some(acl) = node.acl.as_deref().filter(|_| self.manner.acl) {
            client.set_acl(&node.path, acl).timeout(*limit).wait().about(&node.path)?;
        }
        self.written += 1;
        Ok(())
    }

    /// Says what has failed, and that it was not the first.
    fn failure(&self, node: &Node, error: Error) -> Failure {
        let written = match self.written {
            0 => String::new(),
            written => format!("; {written} nodes were written before"),
        };
        let failure = match error.code() {
            Some(ErrorCode::NoNode) => {
                Failure::new(Exit::NoNode, format_args!("the node above it does not exist{written}"))
            }
            Some(ErrorCode::NodeExists) => {
                Failure::new(Exit::Conflict, format_args!("node exists (--overwrite replaces it){written}"))
            }
            _ => Failure::new(crate::failure::exit(&error), format_args!("{error}{written}")),
        };
        failure.about(&node.path)
    }
}

/// Returns the path of a node at its new place, from its path below the old one.
pub(crate) fn rebased(relative: &str, to: &str) -> String {
    match (relative, to) {
        ("/", to) => to.to_string(),
        (relative, "/") => relative.to_string(),
        (relative, to) => format!("{to}{relative}"),
    }
}

/// Returns the path of a node as seen from one above it, or from itself, for which it is `/`; `None` when it lies elsewhere.
pub(crate) fn relative<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    match (path.strip_prefix(root)?, root) {
        (_, "/") => Some(path),
        ("", _) => Some("/"),
        (below, _) => below.starts_with('/').then_some(below),
    }
}

/// Returns the path of a node at its new place. What a walk from the old place comes to lies below that.
pub(crate) fn moved(path: &str, from: &str, to: &str) -> String {
    rebased(relative(path, from).unwrap_or(path), to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_move_from_place_to_place() {
        for (path, from, to, there) in [
            ("/a", "/a", "/b", "/b"),
            ("/a/x/y", "/a", "/b", "/b/x/y"),
            ("/a/x", "/a", "/", "/x"),
            ("/a", "/a", "/", "/"),
            ("/", "/", "/b", "/b"),
            ("/x", "/", "/b/c", "/b/c/x"),
            ("/x", "/", "/", "/x"),
        ] {
            assert_eq!(moved(path, from, to), there, "{path} from {from} to {to}");
        }
    }

    #[test]
    fn a_name_that_begins_alike_is_not_below() {
        assert_eq!(relative("/apple", "/app"), None);
        assert_eq!(relative("/b", "/app"), None);
        assert_eq!(relative("/app/x", "/app"), Some("/x"));
    }
}
