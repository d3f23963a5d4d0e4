//! A file becomes a tree: `import`.

use std::{
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    path::PathBuf,
};

use bytes::Bytes;
use clap::Args;
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value, json};
use zk_blocking::{Acl, path};

use super::{
    acl,
    writer::{Manner, Node, Writer, rebased},
};
use crate::{
    args::Options,
    failure::{About, Exit, Failure},
    json,
    progress::Progress,
    session,
};

/// Create nodes as "zk export" has printed them
///
/// The node that was exported becomes PATH, whose parent must exist. A node that is there already is a conflict, unless --overwrite
/// is given; an import that fails leaves the nodes that it has written before. Only the data of the root, "/", is left alone without
/// --overwrite.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The node to become what was exported
    path: String,

    /// The file; standard input if it is "-" or left out
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    manner: Manner,
}

impl Import {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let (input, name): (Box<dyn Read>, String) = match self.file.filter(|file| file.as_os_str() != "-") {
            Some(file) => (Box::new(File::open(&file).about(file.display())?), file.display().to_string()),
            None => (Box::new(io::stdin()), "standard input".into()),
        };
        session::run(options, |session| {
            let mut progress = Progress::new("importing");
            let mut writer = Writer::new(session, self.manner);
            let mut stopped = None;
            let write = |object: Map<String, Value>| {
                let outcome = node(&object, &self.path).and_then(|node| {
                    progress.step();
                    writer.write(node)
                });
                outcome.map_err(|failure| stopped = Some(failure))
            };
            let mut json = Deserializer::from_reader(BufReader::new(input));
            let read = json.deserialize_seq(Nodes(write)).and_then(|()| json.end());
            if let Some(failure) = stopped {
                return Err(failure);
            }
            // What was read before a mistake in the file is written all the same, and said to be.
            let written = writer.finish()?;
            drop(progress);
            read.map_err(|error| {
                Failure::new(Exit::Other, format_args!("{error}; {written} nodes were written before")).about(&name)
            })?;
            session.output.result_in_json(|| json!({ "path": self.path, "written": written }))
        })
    }
}

/// Reads an array of nodes, one after the other, without ever holding all of them.
struct Nodes<F>(F);

impl<'de, F: FnMut(Map<String, Value>) -> Result<(), ()>> Visitor<'de> for Nodes<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of nodes, as printed by \"zk export\"")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut nodes: A) -> Result<(), A::Error> {
        while let Some(node) = nodes.next_element()? {
            (self.0)(node).map_err(|()| A::Error::custom("stopped"))?;
        }
        Ok(())
    }
}

fn node(object: &Map<String, Value>, to: &str) -> Result<Node, Failure> {
    let Some(Value::String(relative)) = object.get("path") else {
        return Err(Failure::new(Exit::Other, "a node in the file has no \"path\""));
    };
    let wrong =
        |what: &dyn fmt::Display| Failure::new(Exit::Other, format_args!("in the file: {what}")).about(relative);
    path::validate(relative).map_err(|error| wrong(&error))?;
    let data = json::data(object).map_err(|error| wrong(&error))?.map(Bytes::from);
    let acl = object.get("acl").map(|acl| entries(acl).map_err(|error| wrong(&error))).transpose()?;
    Ok(Node { path: rebased(relative, to), data, acl })
}

fn entries(value: &Value) -> Result<Vec<Acl>, String> {
    const EXPECTED: &str = "\"acl\" must be a list of texts";
    let entry = |entry: &Value| acl::parse(entry.as_str().ok_or(EXPECTED)?);
    value.as_array().ok_or(EXPECTED)?.iter().map(entry).collect()
}
