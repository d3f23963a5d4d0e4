//! Looking at many nodes: `ls` and `tree`.

use clap::Args;
use serde_json::json;
use zk_blocking::{Stat, Wait};

use crate::{
    args::Options,
    failure::{About, Failure},
    json,
    output::Output,
    progress::Progress,
    session::{self, Session},
    text::utc,
    walk::{Figures, Place, Step, Walk},
    window::Window,
};

/// List a node's children, or the node and all below it
#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// The node
    #[arg(default_value = "/")]
    path: String,

    /// The node and all below it, with their paths
    #[arg(short = 'R', long)]
    recursive: bool,

    /// With the time of the last change, version, bytes of data, number of children, "e" for an ephemeral node
    #[arg(short, long)]
    long: bool,
}

impl Ls {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| if self.recursive { self.all(session) } else { self.children(session) })
    }

    fn all(&self, session: &mut Session) -> Result<(), Failure> {
        let client = session.client.clone();
        let mut progress = Progress::beside_output("listing", session, &self.path);
        for step in Walk::new(&client, session.limit, &self.path, Figures) {
            match step.map_err(|(path, error)| Failure::from(error).about(path))? {
                Step::Enter(Place { path, .. }, stat) => {
                    progress.step();
                    self.print(&mut session.output, &path, &path, &stat)?;
                }
                Step::Leave(_) => {}
            }
        }
        Ok(())
    }

    fn children(&self, session: &mut Session) -> Result<(), Failure> {
        let request = session.client.get_children(&self.path).resend().timeout(session.limit);
        let (children, _) = request.wait().about(&self.path)?;
        let base = if self.path == "/" { "" } else { &self.path };
        let paths = children.to_sorted().into_iter().map(|name| format!("{base}/{name}"));
        if !self.long {
            for path in paths {
                session.output.result(|| json!({ "path": path }), || name(&path).to_string())?;
            }
            return Ok(());
        }
        let client = session.client.clone();
        let mut window = Window::new();
        for path in paths {
            let request = client.exists(&path).resend().timeout(session.limit).send();
            window.push(path, 0, request);
            if let Some((path, stat)) = window.overflow() {
                self.print_child(&mut session.output, path, stat)?;
            }
        }
        for (path, stat) in window {
            self.print_child(&mut session.output, path, stat)?;
        }
        Ok(())
    }

    fn print_child(
        &self,
        output: &mut Output,
        path: String,
        stat: Result<Option<Stat>, zk_blocking::Error>,
    ) -> Result<(), Failure> {
        match stat.about(&path)? {
            Some(stat) => self.print(output, &path, name(&path), &stat),
            // It has vanished meanwhile.
            None => Ok(()),
        }
    }

    fn print(&self, output: &mut Output, path: &str, label: &str, stat: &Stat) -> Result<(), Failure> {
        let value = || {
            if self.long { json!({ "path": path, "stat": json::stat(stat) }) } else { json!({ "path": path }) }
        };
        output.result(value, || if self.long { long(label, stat) } else { label.to_string() })
    }
}

fn name(path: &str) -> &str {
    zk_blocking::path::name(path)
}

fn long(label: &str, stat: &Stat) -> String {
    let kind = if stat.ephemeral_owner.0 == 0 { '-' } else { 'e' };
    let Stat { version, data_length, num_children, .. } = stat;
    format!("{} {version:>7} {data_length:>8} {num_children:>7} {kind} {label}", utc(stat.mtime))
}

/// Draw a node and all below it
#[derive(Args, Debug)]
pub(crate) struct Tree {
    /// The node
    #[arg(default_value = "/")]
    path: String,

    /// Go no further down than so many levels
    #[arg(short, long, value_name = "LEVELS")]
    depth: Option<usize>,
}

impl Tree {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let client = session.client.clone();
            let mut progress = Progress::beside_output("reading", session, &self.path);
            let walk = Walk::new(&client, session.limit, &self.path, Figures);
            // For each level down to the present one: whether more will come below.
            let mut branches: Vec<bool> = Vec::new();
            for step in walk.down_to(self.depth.unwrap_or(usize::MAX)) {
                let step = step.map_err(|(path, error)| Failure::from(error).about(path))?;
                let Step::Enter(Place { path, depth, is_last }, stat) = step else { continue };
                progress.step();
                branches.truncate(depth);
                let line = if depth == 0 { path.clone() } else { draw(&branches[1..], is_last, name(&path)) };
                branches.push(!is_last);
                let value = || json!({ "path": path, "depth": depth, "children": stat.num_children });
                session.output.result(value, || line)?;
            }
            Ok(())
        })
    }
}

fn draw(branches: &[bool], is_last: bool, name: &str) -> String {
    let mut line: String = branches.iter().map(|goes_on| if *goes_on { "│   " } else { "    " }).collect();
    line.push_str(if is_last { "└── " } else { "├── " });
    line.push_str(name);
    line
}
