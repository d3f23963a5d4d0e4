//! Access control lists: `acl get` and `acl set`.

use clap::{Args, Subcommand};
use serde_json::json;
use zk_blocking::{Error, ErrorCode, Stat, Wait, acl::Perms, record};

use crate::{
    args::Options,
    failure::{About, Failure},
    json,
    progress::Progress,
    session::{self, Session},
    walk::{Figures, Step, Walk},
    window::Window,
};

const FORMAT: &str = "\
An entry is SCHEME:ID:PERMISSIONS. Permissions are letters: c create, d delete, r read, w write,
a set the ACL.
  world:anyone:r          everybody may read
  auth::cdrwa             whoever has the credentials of this command (--auth) may do everything
  digest:bob:HASH=:rw     bob may read and write; the Base64 of the SHA-1 of bob:password
  ip:10.0.0.0/8:r         these addresses may read";

/// Print or replace access control lists
#[derive(Debug, Subcommand)]
pub(crate) enum Acl {
    Get(Get),
    Set(Set),
}

impl Acl {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        match self {
            Self::Get(get) => get.run(options),
            Self::Set(set) => set.run(options),
        }
    }
}

/// Print a node's access control list, an entry a line
#[derive(Args, Debug)]
#[command(after_help = FORMAT)]
pub(crate) struct Get {
    /// The node
    path: String,
}

impl Get {
    fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let request = session.client.get_acl(&self.path).resend().timeout(session.limit);
            let (acl, stat) = request.wait().about(&self.path)?;
            let entries: Vec<String> = acl.iter().map(text).collect();
            if session.output.is_json() {
                let value = json!({ "path": self.path, "acl": entries, "aversion": stat.aversion });
                return session.output.line(value);
            }
            entries.iter().try_for_each(|entry| session.output.line(entry))
        })
    }
}

/// Replace a node's access control list
#[derive(Args, Debug)]
#[command(after_help = FORMAT)]
pub(crate) struct Set {
    /// The node
    path: String,

    /// The entries
    #[arg(required = true, value_name = "ACL", value_parser = parse)]
    acl: Vec<record::Acl>,

    /// Those of all nodes below as well
    #[arg(short = 'R', long)]
    recursive: bool,

    /// Only if the list has this version ("aversion" of "zk stat")
    #[arg(long, value_name = "N", conflicts_with = "recursive")]
    version: Option<i32>,
}

impl Set {
    fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            if self.recursive {
                return self.all(session);
            }
            let request = session.client.set_acl(&self.path, &self.acl).version(self.version).timeout(session.limit);
            let stat = request.wait().about(&self.path)?;
            session.output.result_in_json(|| json!({ "path": self.path, "stat": json::stat(&stat) }))
        })
    }

    fn all(&self, session: &mut Session) -> Result<(), Failure> {
        let mut progress = Progress::of_walk("setting", session, &self.path);
        let mut window = Window::new();
        let mut set = 0_u64;
        for step in Walk::new(&session.client, session.limit, &self.path, Figures).without_own_node() {
            let step = step.map_err(|(path, error)| Failure::from(error).about(path))?;
            // From the bottom to the top: the new list may forbid to look for what is below.
            let Step::Leave(path) = step else { continue };
            let request = session.client.set_acl(&path, &self.acl).timeout(session.limit).send();
            window.push(path, 0, request);
            progress.step();
            if let Some((path, outcome)) = window.overflow() {
                set += settle(&path, outcome)?;
            }
        }
        for (path, outcome) in window {
            set += settle(&path, outcome)?;
        }
        drop(progress);
        session.output.result_in_json(|| json!({ "path": self.path, "set": set }))
    }
}

/// Returns how many nodes have a new list by that: none, if this one has vanished.
fn settle(path: &str, outcome: Result<Stat, Error>) -> Result<u64, Failure> {
    match outcome {
        Ok(_) => Ok(1),
        Err(Error::Server(ErrorCode::NoNode)) => Ok(0),
        Err(error) => Err(Failure::from(error).about(path)),
    }
}

/// Reads an entry. What stands between the first colon and the last is the id, which may have colons of its own.
pub(crate) fn parse(text: &str) -> Result<record::Acl, String> {
    const EXPECTED: &str = "expected SCHEME:ID:PERMISSIONS, such as world:anyone:cdrwa";
    let (scheme, rest) = text.split_once(':').ok_or(EXPECTED)?;
    let (id, letters) = rest.rsplit_once(':').ok_or(EXPECTED)?;
    if scheme.is_empty() {
        return Err(EXPECTED.into());
    }
    let mut perms = Perms::NONE;
    for letter in letters.chars() {
        perms = perms
            | match letter {
                'c' => Perms::CREATE,
                'd' => Perms::DELETE,
                'r' => Perms::READ,
                'w' => Perms::WRITE,
                'a' => Perms::ADMIN,
                other => return Err(format!("{other:?} is no permission; they are c, d, r, w and a")),
            };
    }
    Ok(record::Acl::new(perms, scheme, id))
}

/// Prints an entry as [`parse`] reads it.
pub(crate) fn text(acl: &record::Acl) -> String {
    let record::Id { scheme, id } = &acl.id;
    format!("{}:{}:{}", scheme.as_deref().unwrap_or_default(), id.as_deref().unwrap_or_default(), acl.perms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_as_they_print() {
        for entry in ["world:anyone:cdrwa", "auth::cdrwa", "digest:bob:aGFzaA==:rw", "ip:::1:r", "world:anyone:"] {
            assert_eq!(parse(entry).map(|acl| text(&acl)).as_deref(), Ok(entry));
        }
        assert_eq!(parse("world:anyone:awrdc").unwrap().perms, Perms::ALL);
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for bad in ["", "world", "world:anyone", ":anyone:r", "world:anyone:x", "world:anyone:R"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
