//! Processes that are halted with their clients, as by a debugger, an overloaded machine or a virtual one that is moved.

use std::time::Duration;

use zk_proto::session::WatchedEventKind::NodeDeleted;

use crate::conformance::{Ground, next, pause, process::Process};

pub async fn a_process_halted_for_longer_than_a_ping_goes_on_with_its_session(ground: Ground) {
    let observer = ground.client().await;
    // Of which a third is the time between pings.
    let timeout = Duration::from_secs(3);
    let mut process = Process::hold_a_session(&ground.servers(), timeout);
    let session = process.hear("connected ");
    let (_, stat) = observer.get_data("/own").await.unwrap();
    assert_eq!(stat.ephemeral_owner.to_string(), session);

    process.halt();
    observer.create("/watched", b"").await.unwrap();
    pause(timeout / 2).await;
    process.go_on();

    process.hear("told NodeCreated");
    observer.create("/ask", b"").await.unwrap();
    assert_eq!(process.hear("session "), session);
    assert_eq!(observer.exists("/own").await.unwrap(), Some(stat));
}

pub async fn a_process_halted_for_longer_than_its_session_learns_of_the_end_before_anything_else(ground: Ground) {
    let observer = ground.client().await;
    let mut process = Process::hold_a_session(&ground.servers(), Duration::from_secs(1));
    let session = process.hear("connected ");
    let (_, mut gone) = observer.exists("/own").watch().await.unwrap();

    process.halt();
    assert_eq!(next(&mut gone).await, (NodeDeleted, "/own".to_string()));
    process.go_on();

    process.hear("ended expired");
    assert_ne!(process.hear("connected "), session);
}
