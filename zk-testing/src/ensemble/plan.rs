//! What goes into a server's files and onto its command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, absolute};

use super::builder::Builder;
use super::peers::way;
use super::ports::{free_port, loopback};

/// Everything a server's files and command line are made from.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    settings: Builder,
    role: Role,
    secure_port: Option<u16>,
}

impl Plan {
    pub(super) fn new(settings: &Builder, role: Role) -> io::Result<Self> {
        let mut settings = settings.clone();
        let mut secure_port = None;
        if let Some(tls) = &mut settings.tls {
            secure_port = Some(free_port()?);
            // The server runs in a directory of its own.
            tls.key_store = absolute(&tls.key_store)?;
            tls.trust_store = absolute(&tls.trust_store)?;
        }
        Ok(Self { settings, role, secure_port })
    }

    pub(super) fn client_port(&self) -> u16 {
        match &self.role {
            Role::Standalone { client_port } => *client_port,
            Role::Member { own, members } => members[*own].client_port,
        }
    }

    pub(super) fn secure_port(&self) -> Option<u16> {
        self.secure_port
    }

    pub(super) fn is_standalone(&self) -> bool {
        matches!(self.role, Role::Standalone { .. })
    }

    pub(super) fn env(&self) -> &[(String, String)] {
        &self.settings.env
    }

    /// Returns the login configuration, whose file the server is told of by [`Self::system_properties`].
    pub(super) fn jaas(&self) -> Option<&str> {
        self.settings.jaas.as_deref()
    }

    /// Returns the content of the file `myid`, which only members have.
    pub(super) fn my_id(&self) -> Option<String> {
        match &self.role {
            Role::Standalone { .. } => None,
            Role::Member { own, members } => Some(members[*own].id.to_string()),
        }
    }

    /// Returns the names of hosts as this server is to know them, in the format of `/etc/hosts`.
    pub(super) fn hosts(&self) -> Option<String> {
        match &self.role {
            Role::Member { own, members } if self.settings.are_peers_proxied => {
                let address = |other| if other == *own { loopback(0).ip() } else { way(*own, other) };
                let line = |(index, member): (usize, &Member)| format!("{} {}\n", address(index), member.name());
                Some(members.iter().enumerate().map(line).chain(["127.0.0.1 localhost\n".to_owned()]).collect())
            }
            Role::Member { .. } | Role::Standalone { .. } => None,
        }
    }

    pub(super) fn system_properties(&self, jaas: &Path, hosts: &Path) -> BTreeMap<String, String> {
        let mut properties = self.settings.system_properties.clone();
        if self.hosts().is_some() {
            properties.insert("jdk.net.hosts.file".to_owned(), hosts.display().to_string());
        }
        if self.settings.jaas.is_some() {
            properties.insert("java.security.auth.login.config".to_owned(), jaas.display().to_string());
        }
        properties
    }

    /// Returns the content of `zoo.cfg`.
    pub(super) fn configuration(&self, data: &Path) -> String {
        let mut properties = self.settings.properties.clone();
        let mut set = |key: &str, value: String| properties.insert(key.to_owned(), value);
        set("dataDir", data.display().to_string());
        if let (Some(tls), Some(port)) = (&self.settings.tls, self.secure_port) {
            set("secureClientPort", port.to_string());
            set("secureClientPortAddress", loopback(port).ip().to_string());
            set("ssl.keyStore.location", tls.key_store.display().to_string());
            set("ssl.trustStore.location", tls.trust_store.display().to_string());
        }
        match &self.role {
            Role::Standalone { client_port } => {
                set("clientPort", client_port.to_string());
                set("clientPortAddress", loopback(*client_port).ip().to_string());
            }
            Role::Member { members, .. } => {
                // Or an ensemble of one would not be an ensemble.
                set("standaloneEnabled", "false".to_owned());
                for member @ Member { id, client_port, quorum_port, election_port } in members {
                    // With the client's address in it, the configuration node tells clients where to go.
                    let client = loopback(*client_port);
                    let host = if self.settings.are_peers_proxied { member.name() } else { client.ip().to_string() };
                    set(&format!("server.{id}"), format!("{host}:{quorum_port}:{election_port}:participant;{client}"));
                }
            }
        }
        let mut text = String::new();
        for (key, value) in properties {
            writeln!(text, "{key}={value}").expect("a string takes any text");
        }
        text
    }
}

/// What one server is in the whole.
#[derive(Clone, Debug)]
pub(super) enum Role {
    Standalone { client_port: u16 },
    Member { own: usize, members: Vec<Member> },
}

/// A server as the others of its ensemble know it.
#[derive(Clone, Debug)]
pub(super) struct Member {
    id: usize,
    client_port: u16,
    pub(super) quorum_port: u16,
    pub(super) election_port: u16,
}

impl Member {
    pub(super) fn new(id: usize) -> io::Result<Self> {
        Ok(Self { id, client_port: free_port()?, quorum_port: free_port()?, election_port: free_port()? })
    }

    /// Returns the name by which all know it, each at another address.
    fn name(&self) -> String {
        format!("member-{}", self.id)
    }
}
