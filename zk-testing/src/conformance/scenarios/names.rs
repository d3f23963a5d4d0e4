//! Names that have several addresses.

use std::time::{Duration, Instant};

use crate::conformance::{
    Ground,
    hostile::{BlackHole, ClosedPort, Silent},
    soon,
};

const NAME: &str = "zk.example:1";

pub async fn a_name_is_good_if_one_of_its_addresses_is(ground: Ground) {
    let (one, other) = (ClosedPort::new(), ClosedPort::new());

    let client = ground.resolving_to(NAME, [one.address(), other.address(), ground.address()]);

    soon(client.connected()).await.unwrap();
    let server = client.server().unwrap();
    assert_eq!((server.to_string(), server.attempt), (NAME.to_string(), 0), "the next address is tried at once");
    soon(client.close()).await;
}

pub async fn an_address_that_takes_no_packet_is_passed_over_in_a_moment(ground: Ground) {
    let black_hole = BlackHole::new();

    let begin = Instant::now();
    let client = ground.resolving_to(NAME, [black_hole.address(), ground.address()]);
    soon(client.connected()).await.unwrap();

    assert!(begin.elapsed() >= Duration::from_millis(250), "the first address has a head start");
    assert_eq!(client.server().unwrap().attempt, 0, "nothing has failed");
    soon(client.close()).await;
}

pub async fn an_address_where_nobody_answers_is_not_the_first_again(ground: Ground) {
    let silent = Silent::new();

    // This one opens, so there is no other to be tried beside it.
    let client = ground.resolving_to(NAME, [silent.address(), ground.address()]);
    soon(client.connected()).await.unwrap();

    assert_eq!(client.server().unwrap().attempt, 1);
    soon(client.close()).await;
}
