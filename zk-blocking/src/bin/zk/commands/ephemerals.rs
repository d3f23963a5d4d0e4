//! Who holds which ephemeral nodes: `ephemerals`.

use clap::Args;
use serde_json::json;

use crate::{
    args::Options,
    failure::Failure,
    progress::Progress,
    session,
    walk::{Figures, Place, Step, Walk},
};

/// List the ephemeral nodes below a node, each with its session
///
/// The tree is walked, so the credentials must allow reading it. "zk admin dump" asks the servers instead, where they allow that.
#[derive(Args, Debug)]
pub(crate) struct Ephemerals {
    /// The node
    #[arg(default_value = "/")]
    path: String,

    /// Only those of this session, 0x…
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
}

impl Ephemerals {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let client = session.client.clone();
            let mut progress = Progress::beside_output("looking", session, &self.path);
            for step in Walk::new(&client, session.limit, &self.path, Figures) {
                let step = step.map_err(|(path, error)| Failure::from(error).about(path))?;
                let Step::Enter(Place { path, .. }, stat) = step else { continue };
                progress.step();
                let owner = stat.ephemeral_owner.to_string();
                if stat.ephemeral_owner.0 != 0 && self.session.as_ref().is_none_or(|wanted| *wanted == owner) {
                    let value = || json!({ "path": path, "session": owner });
                    session.output.result(value, || format!("{owner} {path}"))?;
                }
            }
            Ok(())
        })
    }
}
