//! Trees, walked from the top, with many questions on their way at a time.
//!
//! The walk is a queue of the nodes to come, in the order in which they are told: a node before its children, and the children by
//! name. Of those at the front, the questions are asked ahead. When a node's answer is there, its children take its place
//! at the front. So no more is kept in memory than the lists of children on the path down to the present node, and the
//! answers that were asked for ahead at each level.
//!
//! A tree changes while one walks in it. A node that has vanished by the time of its turn is left out; only the one that the walk
//! begins at must be there.

use std::{collections::VecDeque, time::Duration};

use zk_blocking::{
    Client, Error, ErrorCode, Pending, Stat, Wait,
    request::{Children, GetData, NodeData},
};

/// For so many nodes at the front, the questions are asked ahead.
const AHEAD: usize = 128;

/// What is asked about each node.
pub(crate) trait Question {
    /// The question on its way.
    type Asked;
    /// What is told of a node.
    type Node;

    fn ask(&self, client: &Client, path: &str, limit: Duration) -> Self::Asked;

    /// Waits for the answer: what is told of the node, and its children.
    fn answer(&self, asked: Self::Asked) -> Result<(Self::Node, Children), Error>;
}

/// A walk: an iterator of [`Step`]s.
pub(crate) struct Walk<'a, Q: Question> {
    client: &'a Client,
    limit: Duration,
    question: Q,
    queue: VecDeque<Entry<Q::Asked>>,
    depth_limit: usize,
    /// The server's own node, which nobody means who walks from the root.
    has_own_node: bool,
}

struct Entry<A> {
    path: String,
    depth: usize,
    is_last: bool,
    progress: Progress<A>,
}

enum Progress<A> {
    Unasked,
    Asked(A),
    /// All below it was told.
    Done,
}

/// What a walk comes to.
pub(crate) enum Step<N> {
    /// A node, before all that is below it.
    Enter(Place, N),
    /// The same node, after all that is below it.
    Leave(String),
}

/// Where a node stands.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: String,
    /// How far below the beginning of the walk.
    pub(crate) depth: usize,
    /// Whether it is the last of its siblings.
    pub(crate) is_last: bool,
}

impl<'a, Q: Question> Walk<'a, Q> {
    pub(crate) fn new(client: &'a Client, limit: Duration, path: &str, question: Q) -> Self {
        let entry = Entry { path: path.to_string(), depth: 0, is_last: true, progress: Progress::Unasked };
        Self { client, limit, question, queue: [entry].into(), depth_limit: usize::MAX, has_own_node: true }
    }

    /// Goes no further down than this.
    pub(crate) fn down_to(mut self, depth: usize) -> Self {
        self.depth_limit = depth;
        self
    }

    /// Leaves out `/zookeeper`, the server's own, below the root: it can neither be deleted nor be created.
    pub(crate) fn without_own_node(mut self) -> Self {
        self.has_own_node = false;
        self
    }

    fn ask_ahead(&mut self) {
        for entry in self.queue.iter_mut().take(AHEAD) {
            if let Progress::Unasked = entry.progress {
                entry.progress = Progress::Asked(self.question.ask(self.client, &entry.path, self.limit));
            }
        }
    }

    fn queue_children(&mut self, parent: &Place, children: &Children) {
        let base = if parent.path == "/" { "" } else { &parent.path };
        let is_told = |path: &String| self.has_own_node || !is_own_node(self.client, path);
        let paths = children.to_sorted().into_iter().map(|name| format!("{base}/{name}")).filter(is_told);
        let entry = |path| Entry { path, depth: parent.depth + 1, is_last: false, progress: Progress::Unasked };
        let mut entries: Vec<_> = paths.map(entry).collect();
        if let Some(last) = entries.last_mut() {
            last.is_last = true;
        }
        entries.into_iter().rev().for_each(|entry| self.queue.push_front(entry));
    }
}

impl<Q: Question> Iterator for Walk<'_, Q> {
    /// The error comes with the path of its node.
    type Item = Result<Step<Q::Node>, (String, Error)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.ask_ahead();
            let Entry { path, depth, is_last, progress } = self.queue.pop_front()?;
            let asked = match progress {
                Progress::Asked(asked) => asked,
                Progress::Unasked => self.question.ask(self.client, &path, self.limit),
                Progress::Done => return Some(Ok(Step::Leave(path))),
            };
            let (node, children) = match self.question.answer(asked) {
                Ok(answer) => answer,
                Err(Error::Server(ErrorCode::NoNode)) if depth > 0 => continue,
                Err(error) => return Some(Err((path, error))),
            };
            let place = Place { path: path.clone(), depth, is_last };
            self.queue.push_front(Entry { path, depth, is_last, progress: Progress::Done });
            if depth < self.depth_limit {
                self.queue_children(&place, &children);
            }
            return Some(Ok(Step::Enter(place, node)));
        }
    }
}

/// Returns whether a path of this client means the server's own node.
pub(crate) fn is_own_node(client: &Client, path: &str) -> bool {
    client.root().to_server(path) == "/zookeeper"
}

/// Asks for a node's figures.
pub(crate) struct Figures;

impl Question for Figures {
    type Asked = Pending<(Children, Stat)>;
    type Node = Stat;

    fn ask(&self, client: &Client, path: &str, limit: Duration) -> Self::Asked {
        client.get_children(path).resend().timeout(limit).send()
    }

    fn answer(&self, asked: Self::Asked) -> Result<(Stat, Children), Error> {
        asked.wait().map(|(children, stat)| (stat, children))
    }
}

/// Asks for all that a node consists of.
pub(crate) struct Contents {
    pub(crate) with_acl: bool,
}

/// All that a node consists of.
pub(crate) struct Content {
    pub(crate) node: NodeData,
    pub(crate) acl: Option<Vec<zk_blocking::Acl>>,
}

impl Content {
    pub(crate) fn is_ephemeral(&self) -> bool {
        self.node.stat.ephemeral_owner.0 != 0
    }
}

/// Data, access control list if wanted, and children of a node, on their way.
pub(crate) struct AskedContents {
    node: Pending<NodeData>,
    acl: Option<Pending<(Vec<zk_blocking::Acl>, Stat)>>,
    children: Pending<(Children, Stat)>,
}

impl Question for Contents {
    type Asked = AskedContents;
    type Node = Content;

    fn ask(&self, client: &Client, path: &str, limit: Duration) -> Self::Asked {
        AskedContents {
            node: client.request(GetData::new(path)).resend().timeout(limit).send(),
            acl: self.with_acl.then(|| client.get_acl(path).resend().timeout(limit).send()),
            children: client.get_children(path).resend().timeout(limit).send(),
        }
    }

    fn answer(&self, asked: Self::Asked) -> Result<(Content, Children), Error> {
        let node = asked.node.wait()?;
        let acl = asked.acl.map(Wait::wait).transpose()?.map(|(acl, _)| acl);
        let (children, _) = asked.children.wait()?;
        Ok((Content { node, acl }, children))
    }
}
