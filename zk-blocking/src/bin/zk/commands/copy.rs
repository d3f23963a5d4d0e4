//! Copying within an ensemble: `cp`.

use clap::Args;
use serde_json::json;

use super::writer::{Manner, Node, Writer, moved, relative};
use crate::{
    args::Options,
    failure::Failure,
    output::note,
    progress::Progress,
    session,
    walk::{Contents, Place, Step, Walk},
};

/// Copy a node, or a node and all below it
///
/// The copy is at TO, not below it, and the node above TO must exist. Ephemeral nodes are left out, as they belong to a session.
#[derive(Args, Debug)]
pub(crate) struct Cp {
    /// The node to be copied
    from: String,

    /// Where the copy is to be
    to: String,

    /// The node and all below it
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    manner: Manner,
}

impl Cp {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        let Self { from, to, recursive, manner } = self;
        if from == to || recursive && relative(&to, &from).is_some() {
            return Err(Failure::usage(format_args!("cannot be copied into itself, to {to}")).about(from));
        }
        session::run(options, |session| {
            let mut progress = Progress::of_walk("copying", session, &from);
            let client = session.client.clone();
            let walk = Walk::new(&client, session.limit, &from, Contents { with_acl: manner.acl }).without_own_node();
            let mut writer = Writer::new(session, manner);
            let mut left_out = 0;
            for step in walk.down_to(if recursive { usize::MAX } else { 0 }) {
                let step = step.map_err(|(path, error)| Failure::from(error).about(path))?;
                let Step::Enter(Place { path, .. }, content) = step else { continue };
                if content.is_ephemeral() && recursive {
                    left_out += 1;
                    continue;
                }
                progress.step();
                let path = moved(&path, &from, &to);
                writer.write(Node { path, data: content.node.data, acl: content.acl })?;
            }
            let written = writer.finish()?;
            drop(progress);
            if left_out > 0 {
                note(format_args!("zk: {left_out} ephemeral nodes were left out"));
            }
            session.output.result_in_json(|| json!({ "path": to, "written": written, "leftOut": left_out }))
        })
    }
}
