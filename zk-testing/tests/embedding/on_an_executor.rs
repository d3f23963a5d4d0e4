//! The client on executors that it has never heard of.

use std::{cell::Cell, rc::Rc, time::Duration};

use zk_proto::{
    client::{Builder, drive},
    session::{Cause, State},
};
use zk_testing::TestServer;

use super::{
    assert_nothing_is_left, refusing_address, smol_io,
    toy_executor::{count, executor::Executor, io::ToyIo},
};

#[test]
fn the_example_on_smol_runs_to_its_end_and_leaves_nothing() {
    let server = TestServer::start().unwrap();

    smol::block_on(smol_io::run(&server.connect_string())).unwrap();

    assert_nothing_is_left(&server);
}

#[test]
fn a_client_on_smol_survives_a_cut_connection_and_a_silent_server() {
    let server = TestServer::builder().tick_time(Duration::from_millis(50)).start().unwrap();
    smol::block_on(async {
        let builder = Builder::new(&server.connect_string()).unwrap().session_timeout(Duration::from_secs(1));
        let client = builder.with_runtime(smol_io::OnSmol).connect().await.unwrap();
        let mut states = client.states();

        server.cut_connections();
        while !matches!(states.next().await, Some(State::Connected { resumed: true, .. })) {}

        server.pause();
        while !matches!(states.next().await, Some(State::Suspended { cause: Cause::Silence, .. })) {}
        server.resume();
        client.connected().await.unwrap();
        client.close().await;
    });
    assert_nothing_is_left(&server);
}

#[test]
fn the_toy_executor_runs_to_its_end_and_leaves_nothing() {
    let server = TestServer::start().unwrap();

    count::run(&server.connect_string()).unwrap();

    assert_nothing_is_left(&server);
}

#[test]
fn the_toy_executor_resolves_names_and_passes_over_servers_that_refuse() {
    let server = TestServer::start().unwrap();

    count::run(&format!("{},localhost:{}", refusing_address(), server.port())).unwrap();

    assert_nothing_is_left(&server);
}

#[test]
fn the_toy_executor_watches_the_clock() {
    let server = Rc::new(TestServer::builder().tick_time(Duration::from_millis(50)).start().unwrap());
    let builder = Builder::new(&server.connect_string()).unwrap().session_timeout(Duration::from_secs(1));
    let (client, driver) = builder.build([7; 32]);
    let executor = Executor::new().unwrap();
    let is_done = Rc::new(Cell::new(false));

    let driving = drive(driver, ToyIo::new(&executor));
    executor.spawn(async { _ = driving.await });
    executor.spawn({
        let (server, is_done) = (server.clone(), is_done.clone());
        async move {
            let mut states = client.states();
            while !matches!(states.next().await, Some(State::Connected { .. })) {}
            // Longer than the session would live without heartbeats.
            client.sleep(Duration::from_millis(1_500)).await.unwrap();
            assert!(matches!(client.state(), State::Connected { resumed: false, .. }));

            server.pause();
            while !matches!(states.next().await, Some(State::Suspended { cause: Cause::Silence, .. })) {}
            server.resume();
            client.connected().await.unwrap();
            client.close().await;
            is_done.set(true);
        }
    });
    executor.run().unwrap();

    assert!(is_done.get());
    assert_nothing_is_left(&server);
}
