//! A tree as a file: `export`.

use clap::Args;
use serde_json::{Map, Value};

use super::{acl, writer::relative};
use crate::{
    args::Options,
    failure::Failure,
    json,
    output::note,
    progress::Progress,
    session,
    walk::{Content, Contents, Place, Step, Walk},
};

const FORMAT: &str = "\
The format: a JSON array, one node a line, each node before those below it. Paths begin at the
node that was exported, which is \"/\".
  {\"path\":\"/\",\"data\":\"text\"}       data that is text; null where there is none
  {\"path\":\"/a\",\"base64\":\"/w==\"}    any other data
With --acl, each node has a field \"acl\", a list of texts such as \"world:anyone:cdrwa\".

What it cannot tell, because servers do not tell clients: which nodes are containers or have a TTL.";

/// Print a node and all below it as JSON
///
/// Ephemeral nodes are left out, as they belong to a session, and so is /zookeeper, the server's own. While others go on writing, it
/// is no picture of one moment.
#[derive(Args, Debug)]
#[command(after_help = FORMAT)]
pub(crate) struct Export {
    /// The node to begin with
    #[arg(default_value = "/")]
    path: String,

    /// With the access control lists
    #[arg(long)]
    acl: bool,
}

impl Export {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let mut progress = Progress::beside_output("exporting", session, &self.path);
            let client = session.client.clone();
            let walk = Walk::new(&client, session.limit, &self.path, Contents { with_acl: self.acl });
            let (mut separator, mut left_out) = ("[\n", 0);
            for step in walk.without_own_node() {
                let step = step.map_err(|(path, error)| Failure::from(error).about(path))?;
                let Step::Enter(Place { path, depth, .. }, content) = step else { continue };
                if content.is_ephemeral() && depth > 0 {
                    left_out += 1;
                    continue;
                }
                progress.step();
                session.output.text(format_args!(
                    "{separator}{}",
                    node(relative(&path, &self.path).unwrap_or(&path), &content)
                ))?;
                separator = ",\n";
            }
            session.output.line("\n]")?;
            drop(progress);
            if left_out > 0 {
                note(format_args!("zk: {left_out} ephemeral nodes were left out"));
            }
            Ok(())
        })
    }
}

fn node(path: &str, content: &Content) -> Value {
    let mut object = Map::new();
    object.insert("path".into(), path.into());
    json::put_data(&mut object, content.node.data.as_deref());
    if let Some(acl) = &content.acl {
        object.insert("acl".into(), acl.iter().map(acl::text).collect::<Vec<String>>().into());
    }
    Value::Object(object)
}
