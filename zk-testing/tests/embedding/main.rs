//! The examples of loops that drive a session, put to the test on a server in memory.
#![cfg(unix)]

#[path = "../../../zk-proto/examples/mio_loop/main.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod mio_loop;
#[path = "../../../zk-proto/examples/one_thread.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod one_thread;
#[path = "../../../zk-proto/examples/smol_io.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod smol_io;
#[path = "../../../zk-proto/examples/toy_executor/main.rs"]
#[expect(dead_code, reason = "the tests call what its `main` calls")]
mod toy_executor;

mod by_hand;
mod in_a_mio_loop;
mod on_an_executor;
mod pages;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use zk_testing::TestServer;

/// Returns an address where nobody listens.
fn refusing_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Asserts that the server has no session, no connection and no node but its own.
fn assert_nothing_is_left(server: &TestServer) {
    assert!(server.sessions().is_empty(), "{:?}", server.sessions());
    assert_eq!(server.children("/").unwrap(), ["zookeeper"]);
}
