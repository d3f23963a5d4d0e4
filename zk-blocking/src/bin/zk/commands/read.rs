//! Reading one node: `get`, `stat`, and `sync` before it.

use clap::Args;
use serde_json::{Map, Value, json};
use zk_blocking::{ErrorCode, Wait, request::GetData};

use crate::{
    args::Options,
    failure::{About, Exit, Failure},
    json, session,
};

/// Print a node's data
///
/// To a file or a pipe, the data goes as it is, byte for byte. On a terminal, what is no text is escaped, and a line end is added
/// where there is none.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The node
    path: String,
}

impl Get {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let request = session.client.request(GetData::new(&self.path)).resend().timeout(session.limit);
            let node = request.wait().about(&self.path)?;
            if !session.output.is_json() {
                return session.output.data(node.data.as_deref().unwrap_or_default());
            }
            let mut object = Map::new();
            object.insert("path".into(), self.path.into());
            json::put_data(&mut object, node.data.as_deref());
            object.insert("stat".into(), json::stat(&node.stat));
            session.output.line(Value::Object(object))
        })
    }
}

/// Print a node's figures: versions, times, sizes, owner
///
/// For the four-letter word of this name, see "zk admin stat".
#[derive(Args, Debug)]
pub(crate) struct Stat {
    /// The node
    path: String,
}

impl Stat {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let request = session.client.exists(&self.path).resend().timeout(session.limit);
            let Some(stat) = request.wait().about(&self.path)? else {
                return Err(Failure::new(Exit::NoNode, ErrorCode::NoNode).about(&self.path));
            };
            if session.output.is_json() {
                return session.output.line(json!({ "path": self.path, "stat": json::stat(&stat) }));
            }
            json::fields(&stat).into_iter().try_for_each(|(name, value)| match value {
                Value::String(text) => session.output.line(format_args!("{name}: {text}")),
                number => session.output.line(format_args!("{name}: {number}")),
            })
        })
    }
}

/// Wait until the server has caught up with the leader
///
/// A read in the same session sees everything that was written before, by whomever. In a session of its own, as here, it tells that
/// the server follows a leader.
#[derive(Args, Debug)]
pub(crate) struct Sync {
    /// The node
    #[arg(default_value = "/")]
    path: String,
}

impl Sync {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            session.client.sync(&self.path).resend().timeout(session.limit).wait().about(&self.path)?;
            session.output.result_in_json(|| json!({ "path": self.path }))
        })
    }
}
