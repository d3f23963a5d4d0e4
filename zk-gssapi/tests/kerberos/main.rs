//! Kerberos in earnest: a realm with a key server, a ZooKeeper server in it, and clients on every adapter.
//!
//! Where tickets come from is a matter of the environment, so each scenario is a process of its own: this binary, run again for
//! the one test that is ignored otherwise.

#![cfg(unix)]

mod realm;
mod scenarios;

use std::{future::Future, sync::Arc};

use realm::{Realm, Tickets};
use zk_blocking::Wait;
use zk_gssapi::Gssapi;
use zk_proto::client::{Builder, Client, Error, Runtime};

/// Runs a future to its end, as an adapter does.
trait Adapter: Runtime + Copy + Send + 'static {
    fn block_on<T>(self, future: impl Future<Output = T>) -> T;

    /// Connects by Kerberos.
    async fn connect(self, servers: &str, gssapi: Gssapi) -> Result<Client, Error> {
        Builder::new(servers).unwrap().with_runtime(self).sasl(Arc::new(gssapi)).connect().await
    }
}

impl Adapter for zk_tokio::Tokio {
    fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(future)
    }
}

impl Adapter for zk_async_std::AsyncStd {
    fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        async_std::task::block_on(future)
    }
}

impl Adapter for zk_blocking::Blocking {
    fn block_on<T>(self, future: impl Future<Output = T>) -> T {
        future.wait()
    }
}

/// Makes a test of each scenario and adapter, and the one that runs a scenario in a process of its own.
macro_rules! scenarios {
    ($($name:ident: $tickets:expr),* $(,)?) => {
        mod tokio_ { use super::*; $(#[test] fn $name() { realm::run("tokio", stringify!($name), $tickets); })* }
        mod async_std_ { use super::*; $(#[test] fn $name() { realm::run("async-std", stringify!($name), $tickets); })* }
        mod blocking { use super::*; $(#[test] fn $name() { realm::run("blocking", stringify!($name), $tickets); })* }

        #[test]
        #[ignore = "is what the other tests run as a process of its own"]
        fn a_process_of_its_own() {
            let realm = Realm::of_the_environment();
            match (&*realm.adapter, &*realm.scenario) {
                $(
                    ("tokio", stringify!($name)) => zk_tokio::Tokio.block_on(scenarios::$name(zk_tokio::Tokio, &realm)),
                    ("async-std", stringify!($name)) => {
                        zk_async_std::AsyncStd.block_on(scenarios::$name(zk_async_std::AsyncStd, &realm));
                    }
                    ("blocking", stringify!($name)) => {
                        zk_blocking::Blocking.block_on(scenarios::$name(zk_blocking::Blocking, &realm));
                    }
                )*
                other => panic!("there is no scenario {other:?}"),
            }
        }
    };
}

scenarios! {
    a_ticket_of_the_cache_is_who_we_are_on_every_link: Tickets::Cache,
    a_keytab_is_as_good_as_a_ticket_and_the_principal_picks_the_key: Tickets::Keytab,
    a_keytab_outlives_its_tickets: Tickets::Keytab,
    without_a_ticket_the_session_ends_and_says_so: Tickets::None,
    an_expired_ticket_ends_the_session_and_a_new_one_does_not: Tickets::Cache,
    a_principal_that_is_none_is_named: Tickets::Cache,
    a_server_with_another_key_is_not_taken_for_the_one_asked_for: Tickets::Cache,
    without_a_key_server_the_client_goes_on_trying: Tickets::CacheWithoutServer,
    a_server_without_sasl_is_not_taken_for_one_with: Tickets::Cache,
}
