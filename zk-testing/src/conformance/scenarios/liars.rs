//! Servers that say what no server says, in every phase of a connection: that costs the link, nothing else, and the client tells
//! why.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use zk_proto::{
    AuthInfo,
    client::{Builder, Error},
    sasl::DigestMd5,
    session::{Cause, State, Violation},
};

use crate::conformance::{
    Ground, Settings,
    ground::Lent,
    is_suspended,
    liar::{Liar, Lie},
    reach, soon,
};

const SECOND: Duration = Duration::from_secs(1);

/// The number of a frame from the server: its greeting, and what comes after that.
const GREETING: usize = 0;
const FIRST: usize = 1;

/// A frame with the length that fits.
fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// The header of a reply: whose it is, of which transaction, and how it ended.
fn header(xid: i32, error: i32) -> Vec<u8> {
    [&xid.to_be_bytes()[..], &7_i64.to_be_bytes(), &error.to_be_bytes()].concat()
}

/// An event of a node that nobody watches.
fn event(path: &str) -> Vec<u8> {
    let len = u32::try_from(path.len()).unwrap();
    let body = [&3_i32.to_be_bytes()[..], &3_i32.to_be_bytes(), &len.to_be_bytes(), path.as_bytes()].concat();
    frame(&[header(-1, 0), body].concat())
}

/// What is wrong wherever it is said, and what the client says of it.
fn nonsense() -> Vec<(Lie, &'static str)> {
    let say = |bytes: &[u8]| Lie::Instead(bytes.to_vec());
    vec![
        (say(&i32::MAX.to_be_bytes()), "2147483647"),
        (say(&(-1_i32).to_be_bytes()), "-1"),
        (say(&frame(&[])), "protocol violation"),
        (say(&frame(&[0xA5; 3])), "protocol violation"),
        (say(&[0x16, 0x03, 0x03, 0x00, 0x2A]), "protocol violation"),
        (say(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "protocol violation"),
    ]
}

/// Connects through a liar that never stops, to hear what the client says of it; and through one that lies once.
async fn lied_to(
    (server, at): (SocketAddr, usize),
    (lie, expected): (Lie, &str),
    builder: impl Fn(SocketAddr) -> Builder<Lent>,
) {
    let always = Liar::new(server, at, lie.clone(), usize::MAX);
    let error = soon(builder(always.address()).connect_timeout(SECOND).connect()).await.unwrap_err();
    let Error::Connect(failure) = &error else { panic!("{lie:?}: {error:?}") };
    let (_, cause) = &failure.servers[0];
    assert!(cause.as_deref().is_some_and(|cause| cause.contains(expected)), "{lie:?}: {cause:?}");
    assert!(always.told() >= 1);

    let once = Liar::new(server, at, lie.clone(), 1);
    let client = soon(builder(once.address()).connect()).await.unwrap();
    assert_eq!(once.told(), 1, "{lie:?}");
    assert!(soon(client.exists("/")).await.unwrap().is_some(), "{lie:?}");
}

pub async fn what_is_no_greeting_costs_the_link(ground: Ground) {
    let builder = |liar: SocketAddr| ground.builder(&ground.below(&liar.to_string()));
    let other_version = frame(&[&[0, 0, 0, 9, 0, 0, 0x10, 0][..], &[0; 28]].concat());
    for lie in nonsense().into_iter().chain([(Lie::Instead(other_version), "protocol version 9")]) {
        lied_to((ground.address(), GREETING), lie, builder).await;
    }
}

pub async fn a_greeting_that_does_not_end_is_not_waited_for(ground: Ground) {
    let hurry = Duration::from_millis(400);
    let builder = |liar: SocketAddr| ground.builder(&ground.below(&liar.to_string())).link_timeout(hurry);
    lied_to((ground.address(), GREETING), (Lie::Drip, "no answer in time"), builder).await;
}

pub async fn what_is_no_answer_to_credentials_costs_the_link(ground: Ground) {
    let bob = || AuthInfo::digest("bob", "secret");
    let builder = |liar: SocketAddr| ground.builder(&ground.below(&liar.to_string())).auth(bob());
    for lie in nonsense().into_iter().chain([another_ones_reply()]) {
        lied_to((ground.address(), FIRST), lie, builder).await;
    }
}

pub async fn what_is_no_step_of_sasl_costs_the_link(ground: Ground) {
    let server = ground.server_with(Settings::Sasl);
    let bob = || Arc::new(DigestMd5::new("bob", "secret"));
    let builder = |liar: SocketAddr| ground.builder(&liar.to_string()).sasl(bob());
    let without_token = (Lie::Instead(frame(&header(0, 0))), "SetSASLResponse.token");
    for lie in nonsense().into_iter().chain([without_token]) {
        lied_to((server.address(), FIRST), lie, builder).await;
    }
}

/// A reply to what nobody has asked, and what the client says of it.
fn another_ones_reply() -> (Lie, &'static str) {
    (Lie::Instead(frame(&header(77_777, 0))), "77777")
}

/// A session that is lied to after it has begun.
async fn lied_to_later(ground: &Ground, lie: Lie) -> Cause {
    let liar = Liar::new(ground.address(), FIRST, lie.clone(), 1);
    let servers = ground.below(&liar.address().to_string());
    let client = soon(ground.builder(&servers).session_timeout(4 * SECOND).connect()).await.unwrap();
    let (session, mut states) = (client.session(), client.states());

    // This one may be lost with its link: it is honest about that.
    let outcome = soon(client.get_data("/")).await;
    assert!(matches!(outcome, Ok(_) | Err(Error::Lost)), "{lie:?}: {outcome:?}");
    let State::Suspended { cause, .. } = reach(&mut states, is_suspended).await else { unreachable!() };
    assert!(soon(client.exists("/")).await.unwrap().is_some(), "{lie:?}");
    assert_eq!((client.session(), liar.told()), (session, 1), "{lie:?}");
    cause
}

pub async fn what_is_no_reply_costs_the_link_and_not_the_session(ground: Ground) {
    for (lie, expected) in nonsense() {
        let cause = lied_to_later(&ground, lie.clone()).await;
        assert!(matches!(cause, Cause::Violation(_)) && cause.to_string().contains(expected), "{lie:?}: {cause}");
    }
    // Replies in another order than that of the requests.
    let cause = lied_to_later(&ground, Lie::Instead(frame(&header(77_777, 0)))).await;
    assert!(matches!(cause, Cause::Violation(Violation::OutOfOrder { found: 77_777, .. })), "{cause}");
    let twice = Lie::Before([frame(&header(77_777, 0)), frame(&header(77_778, 0))].concat());
    let cause = lied_to_later(&ground, twice).await;
    assert!(matches!(cause, Cause::Violation(_)), "{cause}");
}

pub async fn a_reply_that_does_not_end_is_not_waited_for(ground: Ground) {
    assert_eq!(lied_to_later(&ground, Lie::Drip).await, Cause::Silence);
}

pub async fn an_event_that_cannot_be_read_costs_the_link_and_not_the_session(ground: Ground) {
    let cut_short = frame(&[header(-1, 0), vec![0, 0, 0, 3, 0, 0]].concat());
    let claims = frame(&[header(-1, 0), vec![0, 0, 0, 3, 0, 0, 0, 3, 0x7F, 0xFF, 0xFF, 0xFF]].concat());
    for lie in [cut_short, claims] {
        let cause = lied_to_later(&ground, Lie::Before(lie)).await;
        assert!(matches!(cause, Cause::Violation(Violation::Decode(_))), "{cause}");
    }
}

pub async fn a_flood_of_events_for_nobody_changes_nothing(ground: Ground) {
    const EVENTS: usize = 200_000;
    let flood = event("/nobody/watches/this").repeat(EVENTS);
    let liar = Liar::new(ground.address(), FIRST, Lie::Before(flood), 1);
    let client = ground.connect(&ground.below(&liar.address().to_string())).await;
    let session = client.session();
    client.create("/node", b"true").await.unwrap();
    let (_, _, mut watcher) = client.get_data("/node").watch().await.unwrap();

    client.set_data("/node", b"changed").await.unwrap();

    soon(watcher.changed()).await.unwrap();
    assert_eq!(soon(client.get_data("/node")).await.unwrap().0, "changed");
    assert_eq!((client.session(), liar.told()), (session, 1));
}
