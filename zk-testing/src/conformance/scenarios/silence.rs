//! What is at the other end, and says nothing, or takes nothing.

use std::time::{Duration, Instant};

use zk_proto::{
    client::Error,
    session::{Cause, State},
};

use crate::{
    conformance::{
        Ground,
        hostile::{BlackHole, Silent},
        is_suspended, reach, soon,
    },
    ensemble::Direction,
};

/// Long enough for a good server to answer on a busy machine.
const SHORT: Duration = Duration::from_millis(400);

pub async fn a_server_that_says_nothing_is_left_for_the_next(ground: Ground) {
    let silent = Silent::new();
    let servers = format!("{},{}", silent.address(), ground.servers());

    for _ in 0..4 {
        let client = soon(ground.builder(&servers).link_timeout(SHORT).connect()).await.unwrap();
        assert_ne!(client.server().unwrap().port, silent.address().port());
        assert!(client.exists("/").await.unwrap().is_some());
    }
}

pub async fn a_server_that_takes_no_packet_is_left_for_the_next(ground: Ground) {
    let black_hole = BlackHole::new();
    let servers = format!("{},{}", black_hole.address(), ground.servers());

    for _ in 0..4 {
        let client = soon(ground.builder(&servers).link_timeout(SHORT).connect()).await.unwrap();
        assert_ne!(client.server().unwrap().port, black_hole.address().port());
        assert!(client.exists("/").await.unwrap().is_some());
    }
}

pub async fn nobody_waits_for_servers_that_say_nothing_for_longer_than_told(ground: Ground) {
    let (silent, black_hole) = (Silent::new(), BlackHole::new());
    let servers = format!("{},{}", silent.address(), black_hole.address());
    let limit = 3 * SHORT;

    let begin = Instant::now();
    let settings = ground.builder(&servers).link_timeout(SHORT / 4).connect_timeout(limit);
    let error = soon(settings.connect()).await.unwrap_err();

    assert!(begin.elapsed() >= limit);
    let Error::Connect(failure) = &error else { panic!("{error:?}") };
    assert_eq!(failure.waited, limit);
    for (server, cause) in &failure.servers {
        assert!(cause.as_deref().is_some_and(|cause| cause.contains("no answer in time")), "{server}: {cause:?}");
    }
}

pub async fn a_server_that_stops_reading_costs_the_link_and_not_the_session(ground: Ground) {
    let line = ground.line();
    let client = soon(ground.builder(&line.through).session_timeout(Duration::from_secs(2)).connect()).await.unwrap();
    let session = client.session();
    client.create("/node", b"").await.unwrap();
    let mut states = client.states();

    // More than all buffers on the way hold.
    line.proxy.black_hole(Direction::ToServer);
    let large = vec![b'x'; 900_000];
    let stuck: Vec<_> = (0..16).map(|_| client.set_data("/node", &large).send()).collect();
    let state = reach(&mut states, is_suspended).await;
    assert!(matches!(state, State::Suspended { cause: Cause::Silence, .. }), "{state:?}");
    line.sever();
    line.mend();

    let (mut done, mut lost) = (0, 0);
    for pending in stuck {
        match soon(pending).await {
            Ok(_) => done += 1,
            Err(Error::Lost) => lost += 1,
            // More than the backlog holds.
            Err(error) => assert_eq!(error, Error::Full),
        }
    }
    assert!(lost > 0 && done > 0, "{lost} handed out, {done} still here when the link was given up");
    assert_eq!(client.session(), session);
    let (data, stat) = soon(client.get_data("/node")).await.unwrap();
    assert_eq!(data, large);
    assert!((done..=done + lost).contains(&stat.version), "{} of {done} and {lost} in doubt", stat.version);
}
