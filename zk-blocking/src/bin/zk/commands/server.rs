//! What the ensemble is, and who one is to it: `config` and `whoami`.

use clap::Args;
use serde_json::{Map, json};
use zk_blocking::Wait;

use crate::{
    args::Options,
    failure::{About, Failure},
    json, session,
};

/// Print the configuration of the ensemble: its members and its version
///
/// It is the data of /zookeeper/config, whatever the chroot.
#[derive(Args, Debug)]
pub(crate) struct Config {}

impl Config {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let (data, stat) =
                session.client.get_config().resend().timeout(session.limit).wait().about("/zookeeper/config")?;
            if !session.output.is_json() {
                return session.output.data(&data);
            }
            let text = String::from_utf8_lossy(&data);
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            let values: Map<_, _> = pairs.map(|(name, value)| (name.to_string(), value.into())).collect();
            session.output.line(json!({ "config": values, "stat": json::stat(&stat) }))
        })
    }
}

/// Print the credentials that the server knows of this connection
#[derive(Args, Debug)]
pub(crate) struct WhoAmI {}

impl WhoAmI {
    pub(crate) fn run(self, options: &Options) -> Result<(), Failure> {
        session::run(options, |session| {
            let credentials = session.client.who_am_i().resend().timeout(session.limit).wait()?;
            credentials.iter().try_for_each(|credential| {
                let scheme = credential.auth_scheme.as_deref().unwrap_or_default();
                let user = credential.user.as_deref().unwrap_or_default();
                session.output.result(|| json!({ "scheme": scheme, "user": user }), || format!("{scheme}: {user}"))
            })
        })
    }
}
