//! Kerberos for ZooKeeper clients: SASL's mechanism GSSAPI (RFC 4752), over the system's GSS library.
//!
//! ```no_run
//! use std::sync::Arc;
//! use zk_gssapi::Gssapi;
//! use zk_proto::{Config, ConnectString};
//!
//! # fn main() -> Result<(), zk_proto::ConnectStringError> {
//! let mut config = Config::from("zk1.example.com:2181".parse::<ConnectString>()?);
//! config.sasl = Some(Arc::new(Gssapi::new()));
//! # Ok(())
//! # }
//! ```
//!
//! With a client of any adapter, that is `builder.sasl(Arc::new(Gssapi::new()))`. Server and client prove to each other who they
//! are, on every link, before anything else is sent. The connection then has the id `sasl:` and what the server makes of the
//! principal, which is all of it unless its `auth_to_local` rules say otherwise: `bob@EXAMPLE.COM`.
//!
//! # Whose tickets
//!
//! Those that the system's library finds, as for any program that uses Kerberos:
//!
//! | | where from |
//! |---|---|
//! | ticket cache (`kinit`) | `KRB5CCNAME`, or `default_ccache_name` in `krb5.conf` |
//! | keytab | `KRB5_CLIENT_KTNAME`, or `default_client_keytab_name` in `krb5.conf`: the library gets tickets with it by itself, and new ones before they run out |
//! | realms and key servers | `KRB5_CONFIG`, by default `/etc/krb5.conf` |
//!
//! Set these before the process starts, or in `krb5.conf`: there is no safe way to change the environment later. Where there
//! are tickets or keys of several principals, [`Gssapi::principal`] picks one.
//!
//! # Whose name
//!
//! The server's principal is `zookeeper/HOST@REALM`. `HOST` is the name by which the server is dialled, brought into its
//! canonical form by DNS as `krb5.conf` says (`dns_canonicalize_hostname`, by default yes, as the Java client does it);
//! [`Gssapi::host`] sets another one for all servers, and [`Gssapi::service_principal`] the whole principal, which DNS does not
//! touch. Servers that are dialled by address need one of these.
//!
//! # What blocks
//!
//! The library asks key servers over the network and reads files, and it has no other calls than those that wait. So they are
//! made on a thread, one for each [`Gssapi`] and as long as there is something to do, and the steps are
//! [put off](zk_proto::sasl::Step::Deferred): an adapter's driver awaits them, and its loop goes on meanwhile. A loop of one's own
//! around a client's driver has nothing to do for it. One around a bare session gets the future from
//! [`Session::deferred`](zk_proto::Session::deferred) when it is told
//! [`Event::Challenge`](zk_proto::session::Event::Challenge), and brings back by
//! [`Session::answer`](zk_proto::Session::answer) what comes of it; any way to wait for a future will do, since another thread
//! makes it ready.
//!
//! # When it fails
//!
//! Without tickets, with expired ones, with a principal that the key server does not know, or when one side cannot prove who it
//! is, the session ends with
//! [`AuthFailure::Mechanism`](zk_proto::session::AuthFailure::Mechanism) and the library's words. When no key server can be
//! reached, the link is given up and the next one tries again. A step that takes longer than a link may
//! ([`Config::link_timeout`](zk_proto::Config::link_timeout)) costs the link too; the library waits for some seconds for each
//! key server that does not answer.
//!
//! # What it takes to build
//!
//! The headers of MIT Kerberos or Heimdal, `pkg-config` and `libclang`: on Debian, `libkrb5-dev` and `libclang-dev`. Nothing is signed or
//! encrypted after the exchange, since ZooKeeper's protocol has no place for that: use TLS.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod exchange;
mod helper;
mod layer;

use std::sync::Arc;

use zk_proto::{
    Server,
    sasl::{Factory, Mechanism},
};

use exchange::{Exchange, Login};
use helper::Helper;

/// Authentication by Kerberos. Clones share the thread that makes the library's calls.
#[derive(Clone, Debug)]
pub struct Gssapi {
    service: String,
    host: Option<String>,
    service_principal: Option<String>,
    principal: Option<String>,
    helper: Arc<Helper>,
}

impl Gssapi {
    /// Authenticates with the tickets that the library finds, at `zookeeper/HOST` of the realm that the library knows for it.
    pub fn new() -> Self {
        Self {
            service: "zookeeper".to_owned(),
            host: None,
            service_principal: None,
            principal: None,
            helper: Arc::default(),
        }
    }

    /// Sets the first part of the servers' principal. Default `zookeeper`, as of Java's `zookeeper.sasl.client.username`.
    pub fn service(mut self, service: &str) -> Self {
        self.service = service.to_owned();
        self
    }

    /// Sets the second part of the servers' principal, for all servers. Default: the name by which each is dialled. It is brought
    /// into its canonical form if the library is configured to do so.
    pub fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// Sets the whole principal of the servers, `zookeeper/host@REALM`, taken as it is: as of Java's `zookeeper.server.principal`,
    /// and the way to name a realm.
    pub fn service_principal(mut self, principal: &str) -> Self {
        self.service_principal = Some(principal.to_owned());
        self
    }

    /// Sets who we are, `bob@EXAMPLE.COM`. Default: whoever the ticket cache is for, or the first in the keytab.
    pub fn principal(mut self, principal: &str) -> Self {
        self.principal = Some(principal.to_owned());
        self
    }
}

impl Default for Gssapi {
    fn default() -> Self {
        Self::new()
    }
}

impl Factory for Gssapi {
    fn start(&self, server: &Server, _: [u8; 16]) -> Box<dyn Mechanism> {
        let host = self.host.as_deref().unwrap_or(&server.host);
        let login = Login {
            service: format!("{}@{host}", self.service),
            service_principal: self.service_principal.clone(),
            principal: self.principal.clone(),
        };
        Box::new(Exchange::new(login, self.helper.clone()))
    }
}
