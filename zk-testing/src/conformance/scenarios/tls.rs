//! TLS: who is trusted and who is not, and that a secured link is a link like any other.

use std::{net::TcpListener, time::Duration};

use zk_proto::{
    acl::Perms,
    client::Error,
    code::ErrorCode,
    record::{Acl, ClientInfo},
    session::WatchedEventKind,
    tls::Tls,
};

use crate::{
    Authority, Identity,
    conformance::{Clients, Ground, SecureServer, code, is_connected, is_suspended, next, reach, soon},
    ensemble::{Direction, Pieces},
};

/// Where the servers of these scenarios are.
const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

fn server(ground: &Ground, clients: Clients) -> SecureServer {
    ground.secure_server(clients, |authority| authority.issue(HERE))
}

/// Tries to connect, and returns why that fails.
async fn failure(ground: &Ground, servers: &str, tls: Option<Tls>) -> String {
    loop {
        let mut builder = ground.builder(servers).connect_timeout(Duration::from_millis(700));
        if let Some(tls) = tls.clone() {
            builder = builder.tls(tls);
        }
        match soon(builder.connect()).await {
            Ok(_) => panic!("{servers} was trusted"),
            // A server that has just been started is slow at its first handshake.
            Err(Error::Connect(failure)) if failure.to_string().contains("no answer yet") => {}
            Err(error @ Error::Connect(_)) => return error.to_string(),
            Err(error) => panic!("{error}"),
        }
    }
}

pub async fn a_server_and_a_client_know_each_other_by_their_certificates(ground: Ground) {
    let server = server(&ground, Clients::Certified);
    let tls = server.trusting_as("alice");

    let client = soon(ground.builder(&server.address().to_string()).tls(tls).connect()).await.unwrap();
    client.create("/secret", b"x").await.unwrap();
    assert_eq!(client.get_data("/secret").await.unwrap().0, "x");

    let who = client.who_am_i().await.unwrap();
    let id = |info: &ClientInfo| (info.auth_scheme.as_deref() == Some("x509")).then(|| info.user.clone().unwrap());
    assert_eq!(who.iter().find_map(id).as_deref(), Some("CN=alice"), "{who:?}");
    let mine = [Acl::new(Perms::ALL, "x509", "CN=alice")];
    client.create("/mine", b"").acl(&mine).await.unwrap();
    client.set_data("/mine", b"still mine").await.unwrap();
    client.create("/ours", b"").acl(&[Acl::creator(Perms::ALL)]).await.unwrap();
    assert_eq!(client.get_acl("/ours").await.unwrap().0, mine, "whoever made it is the certificate's subject");
    let bob = server.trusting_as("bob");
    let other = soon(ground.builder(&server.address().to_string()).tls(bob).connect()).await.unwrap();
    for path in ["/mine", "/ours"] {
        assert_eq!(code(other.get_data(path).await), ErrorCode::NoAuth, "{path}");
    }
}

pub async fn a_client_without_a_certificate_is_nobody_where_it_need_not_have_one(ground: Ground) {
    let server = server(&ground, Clients::Invited);
    let servers = server.address().to_string();
    let nobody = soon(ground.builder(&servers).tls(server.trusting().build().unwrap()).connect()).await.unwrap();
    let alice = soon(ground.builder(&servers).tls(server.trusting_as("alice")).connect()).await.unwrap();

    alice.create("/mine", b"").acl(&[Acl::creator(Perms::ALL)]).await.unwrap();
    assert_eq!(code(nobody.get_data("/mine").await), ErrorCode::NoAuth);
    assert_eq!(code(nobody.create("/theirs", b"").acl(&[Acl::creator(Perms::ALL)]).await), ErrorCode::InvalidAcl);

    let stranger = Authority::new("another authority").issue(["alice"]);
    let stranger = server.trusting().identity(&stranger.certificates, &stranger.key).build().unwrap();
    failure(&ground, &servers, Some(stranger)).await;
}

pub async fn a_server_of_which_something_is_wrong_is_not_spoken_to(ground: Ground) {
    let honest = server(&ground, Clients::Anybody);
    let servers = honest.address().to_string();
    let revoking = honest.trusting().revocations(honest.authority.revoke([&honest.identity]));
    let other = Tls::builder().roots(Authority::new("another authority").pem());
    for (builder, expected) in [(other, "UnknownIssuer"), (revoking, "Revoked")] {
        let failure = failure(&ground, &servers, Some(builder.build().unwrap())).await;
        assert!(failure.contains(expected), "{failure}");
    }

    let elsewhere: fn(&Authority) -> Identity = |authority| authority.issue(["elsewhere.example.com"]);
    let expired: fn(&Authority) -> Identity = |authority| authority.issue_expired(HERE);
    for (certify, expected) in [(elsewhere, "not valid for name"), (expired, "expired")] {
        let server = ground.secure_server(Clients::Anybody, certify);
        let trusting = server.trusting().build().unwrap();
        let failure = failure(&ground, &server.address().to_string(), Some(trusting)).await;
        assert!(failure.contains(expected), "{failure}");
    }
}

pub async fn who_shows_no_certificate_is_refused(ground: Ground) {
    let server = server(&ground, Clients::Certified);
    let servers = server.address().to_string();
    let stranger = Authority::new("another authority").issue(["alice"]);
    let strange = server.trusting().identity(&stranger.certificates, &stranger.key);

    for builder in [server.trusting(), strange] {
        let failure = failure(&ground, &servers, Some(builder.build().unwrap())).await;
        // With TLS 1.3 the server says so when the client takes the handshake for done; some close without a word.
        assert!(failure.contains("TLS: ") || failure.contains("closed") || failure.contains("reset"), "{failure}");
    }
}

pub async fn secured_links_break_and_come_back_with_their_watches(ground: Ground) {
    let server = server(&ground, Clients::Certified);
    let proxy = ground.proxy_to(server.address());
    let tls = server.trusting_as("alice");
    let client = soon(ground.builder(&proxy.connect_string()).tls(tls.clone()).connect()).await.unwrap();
    let other = soon(ground.builder(&server.address().to_string()).tls(tls).connect()).await.unwrap();
    let session = client.session();
    client.create("/watched", b"").await.unwrap();
    for round in 0..3 {
        let (_, _, mut watcher) = client.get_data("/watched").watch().await.unwrap();
        let mut states = client.states();
        proxy.black_hole(Direction::Both);
        proxy.cut();
        reach(&mut states, is_suspended).await;

        other.set_data("/watched", format!("{round}").as_bytes()).await.unwrap();
        proxy.allow().unwrap();

        assert_eq!(next(&mut watcher).await, (WatchedEventKind::NodeDataChanged, "/watched".to_owned()));
        reach(&mut states, is_connected).await;
    }
    assert_eq!(client.session(), session);
}

pub async fn large_data_goes_through_tls_in_pieces_of_any_size(ground: Ground) {
    let server = server(&ground, Clients::Anybody);
    let proxy = ground.proxy_to(server.address());
    proxy.set_pieces(Pieces::Random(7));
    let tls = server.trusting().build().unwrap();
    // A busy machine takes its time over so many small pieces.
    let patient = ground.builder(&proxy.connect_string()).session_timeout(Duration::from_secs(40));
    let client = soon(patient.tls(tls).connect()).await.unwrap();
    let data: Vec<u8> = (0..900_000_u32).map(|byte| (byte % 251) as u8).collect();

    soon(client.create("/large", &data[..])).await.unwrap();
    let reads: Vec<_> = (0..4).map(|_| client.get_data("/large").send()).collect();

    for read in reads {
        assert!(soon(read).await.unwrap().0 == data, "something came otherwise than it went");
    }
}

pub async fn plain_text_and_tls_do_not_take_each_other_for_themselves(ground: Ground) {
    let server = server(&ground, Clients::Anybody);
    let trusting = server.trusting().build().unwrap();

    let by_tls = failure(&ground, &ground.address().to_string(), Some(trusting)).await;
    assert!(by_tls.contains("TLS"), "{by_tls}");
    // What a server makes of a greeting that is not TLS is its own affair.
    failure(&ground, &server.address().to_string(), None).await;
    let unasked = failure(&ground, &format!("tls://{},tcp://127.0.0.1:1", server.address()), None).await;
    assert!(unasked.contains("not configured for it"), "{unasked}");
    // Where nothing else is left, there is nothing to wait for.
    let waiting = ground.builder(&format!("tls://{}", server.address())).connect_timeout(Duration::MAX).connect();
    let unasked = soon(waiting).await.unwrap_err().to_string();
    assert!(unasked.contains("not configured for it"), "{unasked}");
}

pub async fn a_client_configured_for_tls_still_speaks_plain_text_where_it_is_told_to(ground: Ground) {
    let server = server(&ground, Clients::Anybody);
    let tls = server.trusting().build().unwrap();

    let plain = ground.below(&format!("tcp://{}", ground.address()));
    let client = soon(ground.builder(&plain).tls(tls.clone()).connect()).await.unwrap();
    client.create("/plain", b"").await.unwrap();

    // An ensemble on its way to TLS: either server is met as it wants to be.
    let both = format!("tls://{},tcp://127.0.0.1:1", server.address());
    let client = soon(ground.builder(&both).tls(tls).connect()).await.unwrap();
    client.create("/secure", b"").await.unwrap();
}

pub async fn a_handshake_that_does_not_end_is_given_up(ground: Ground) {
    // It takes connections, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = Tls::builder().roots(Authority::new("the test's authority").pem()).build().unwrap();
    let servers = listener.local_addr().unwrap().to_string();

    let builder = ground.builder(&servers).tls(tls).link_timeout(Duration::from_millis(100));
    let error = soon(builder.connect_timeout(Duration::from_millis(600)).connect()).await.unwrap_err();

    assert!(matches!(error, Error::Connect(_)), "{error}");
    listener.set_nonblocking(true).unwrap();
    let attempts = std::iter::from_fn(|| listener.accept().ok()).count();
    assert!(attempts > 1, "the first attempt was not given up: {error}");
}
