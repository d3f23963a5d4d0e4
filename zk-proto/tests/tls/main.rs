//! TLS as a layer: against rustls on the other side, and against whoever says something else.

mod large;
mod world;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::pem::PemObject};
use zk_proto::{
    Machine,
    tls::{Tls, TlsError},
};
use zk_testing::{Authority, Identity};

use world::{Speech, World, showing};

/// An authority, and a server that it has certified.
fn certified(names: [&str; 2]) -> (Authority, Identity) {
    let authority = Authority::new("an authority");
    let identity = authority.issue(names);
    (authority, identity)
}

fn trusting(authority: &Authority) -> Tls {
    Tls::builder().roots(authority.pem()).build().unwrap()
}

/// Meets a server, and returns why that fails.
fn failure(tls: Tls, speech: Speech) -> String {
    World::new("zk1:2281", Some(tls), speech).run_to_failure()
}

#[test]
fn a_session_goes_through_tls_in_pieces_of_any_size() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    for piece in [1, 2, 5, 6, 7, 100, 16_384, usize::MAX] {
        let mut world = World::new("zk1:2281", Some(trusting(&authority)), showing(&identity, None));
        world.piece = piece;
        (0..50).for_each(|number| world.submit_read(number));

        world.run();

        assert!(world.is_connected, "pieces of {piece}: {:?}", world.failure);
        let numbers: Vec<u32> = world.read.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, Vec::from_iter(0..50), "pieces of {piece}");
    }
}

#[test]
fn an_address_is_found_in_the_certificate() {
    let (authority, identity) = certified(["10.0.0.7", "::1"]);
    for server in ["10.0.0.7:1", "[::1]:1"] {
        let mut world = World::new(server, Some(trusting(&authority)), showing(&identity, None));
        world.run();
        assert!(world.is_connected, "{server}: {:?}", world.failure);
    }

    let failure = World::new("10.0.0.8:1", Some(trusting(&authority)), showing(&identity, None)).run_to_failure();
    assert!(failure.contains("not valid for name"), "{failure}");
}

#[test]
fn who_is_not_to_be_trusted_is_told_so_and_left() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let other = Authority::new("another authority");
    let named_otherwise = authority.issue(["zk3"]);
    let expired = authority.issue_expired(["zk1"]);
    let revoking = || Tls::builder().roots(authority.pem()).revocations(authority.revoke([&identity])).build().unwrap();

    for (tls, identity, expected) in [
        (trusting(&other), &identity, "UnknownIssuer"),
        (trusting(&authority), &named_otherwise, "not valid for name"),
        (trusting(&authority), &expired, "expired"),
        (revoking(), &identity, "Revoked"),
    ] {
        let mut world = World::new("zk1:2281", Some(tls), showing(identity, None));
        let failure = world.run_to_failure();

        assert!(failure.starts_with("TLS: ") && failure.contains(expected), "{failure}");
        let complaint = world.server_complaint.expect("it is said to the server too");
        assert!(complaint.contains("alert"), "{complaint}");
    }
    assert!(revoking().server_name("zk1").is_ok());
}

#[test]
fn a_list_of_others_who_are_revoked_changes_nothing() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let list = authority.revoke([&authority.issue(["zk1"])]);
    let tls = Tls::builder().roots(authority.pem()).revocations(list).build().unwrap();

    let mut world = World::new("zk1:2281", Some(tls), showing(&identity, None));
    world.run();

    assert!(world.is_connected, "{:?}", world.failure);
}

#[test]
fn without_the_check_of_names_everything_else_is_checked() {
    let (authority, identity) = certified(["somebody", "else"]);
    let lenient = |roots: &Authority| Tls::builder().roots(roots.pem()).dangerous_without_name_check();

    let mut world = World::new("zk1:1", Some(lenient(&authority).build().unwrap()), showing(&identity, None));
    world.run();
    assert!(world.is_connected, "{:?}", world.failure);

    let revoking = lenient(&authority).revocations(authority.revoke([&identity])).build().unwrap();
    let expired = authority.issue_expired(["somebody"]);
    for (tls, identity, expected) in [
        (lenient(&Authority::new("another")).build().unwrap(), &identity, "UnknownIssuer"),
        (lenient(&authority).build().unwrap(), &expired, "expired"),
        (revoking, &identity, "Revoked"),
    ] {
        let failure = failure(tls, showing(identity, None));
        assert!(failure.contains(expected), "{failure}");
    }
}

#[test]
fn another_name_may_be_expected() {
    let (authority, identity) = certified(["ensemble.example.com", "x"]);
    let tls = trusting(&authority).server_name("ensemble.example.com").unwrap();

    let mut world = World::new("10.1.2.3:2281", Some(tls), showing(&identity, None));
    world.run();

    assert!(world.is_connected, "{:?}", world.failure);
    let error = trusting(&authority).server_name("no name").unwrap_err();
    assert!(error.to_string().contains("\"no name\""), "{error}");
}

#[test]
fn a_certificate_is_shown_to_who_demands_one() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let client = authority.issue(["a client"]);
    let tls = Tls::builder().roots(authority.pem()).identity(&client.certificates, &client.key).build().unwrap();

    let mut world = World::new("zk1:2281", Some(tls), showing(&identity, Some(&authority)));
    world.submit_read(1);
    world.run();
    assert!(world.is_connected && world.read.len() == 1, "{:?}", world.failure);

    let failure = failure(trusting(&authority), showing(&identity, Some(&authority)));
    assert!(failure.contains("CertificateRequired"), "{failure}");
}

#[test]
fn who_does_not_speak_tls_is_told_from_who_does() {
    let (authority, _) = certified(["zk1", "zk2"]);
    let failure_of = |bytes: &[u8]| failure(trusting(&authority), Speech::Says(bytes.to_vec()));

    let greeting = [&37_u32.to_be_bytes()[..], &[0; 37]].concat();
    assert!(failure_of(&greeting).contains("is this its port for plain text?"), "{}", failure_of(&greeting));
    for noise in [&[22, 3, 3, 0xFF, 0xFF][..], &[22, 3, 3, 0, 4, 2, 0xFF, 0xFF, 0xFF], &[21, 3, 3, 0, 2, 2, 80]] {
        assert!(failure_of(noise).starts_with("TLS: "), "{}", failure_of(noise));
    }
}

#[test]
fn a_server_that_says_nothing_in_the_handshake_is_given_up_in_time() {
    let (authority, _) = certified(["zk1", "zk2"]);
    let mut world = World::new("zk1:2281,zk2:2281", Some(trusting(&authority)), Speech::Says(Vec::new()));
    world.run();
    let first = world.machine.wants();

    let due = world.machine.poll_timeout().expect("it does not wait for ever");
    world.now = due;
    world.run();

    assert!(due < zk_proto::Instant::ORIGIN + Duration::from_secs(10), "{due:?}");
    assert_ne!(world.machine.wants(), first);
}

#[test]
fn what_was_changed_on_the_way_is_not_taken() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut world = World::new("zk1:2281", Some(trusting(&authority)), showing(&identity, None));
    world.run();

    world.submit_and_tamper(1, |bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });

    let failure = world.run_to_failure();
    assert!(failure.contains("decrypt"), "{failure}");
    assert!(world.read.is_empty(), "{:?}", world.read);
}

#[test]
fn keys_are_changed_under_way() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut world = World::new("zk1:2281", Some(trusting(&authority)), showing(&identity, None));
    world.piece = 3;
    world.run();
    for number in 0..5 {
        world.change_keys();
        world.submit_read(number);
        world.run();
    }

    assert_eq!(world.read.len(), 5, "{:?}", world.failure);
}

#[test]
fn plain_text_is_spoken_only_where_that_was_asked_for() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut plain = World::new("tcp://zk1:2181", Some(trusting(&authority)), Speech::Plain);
    plain.run();
    assert!(plain.is_connected);

    let mut secure = World::new("tls://zk1:2281", Some(trusting(&authority)), showing(&identity, None));
    secure.run();
    assert!(secure.is_connected);

    let mut without = World::new("tls://zk1:2281", None, Speech::Plain);
    let failure = without.run_to_failure();
    assert!(failure.contains("not configured"), "{failure}");
    assert!(!without.is_connected);
}

#[test]
fn an_idle_link_keeps_no_buffers() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut world = World::new("zk1:2281", Some(trusting(&authority)), showing(&identity, None));
    (0..500).for_each(|number| world.submit_read(number));
    world.run();
    let Some(link) = (match world.machine.wants() {
        zk_proto::Wants::Link { id, .. } => Some(id),
        _ => None,
    }) else {
        panic!("it is connected")
    };

    // What it is given, it gives back, empty.
    let mut input = BytesMut::with_capacity(4096);
    let before = input.capacity();
    world.machine.handle_input(link, &mut input, world.now);

    assert!(input.is_empty() && input.capacity() == before);
}

#[test]
fn files_are_read_again_when_they_change_and_half_a_file_does_no_harm() {
    let (old, identity) = certified(["zk1", "zk2"]);
    let (new, newer) = certified(["zk1", "zk2"]);
    let directory = std::env::temp_dir().join(format!("zk-tls-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let roots = directory.join("ca.pem");
    fs::write(&roots, old.pem()).unwrap();
    let tls = Tls::builder().roots_file(&roots).build().unwrap();
    let meets = |identity: &Identity| {
        let mut world = World::new("zk1:2281", Some(tls.clone()), showing(identity, None));
        world.run();
        world.is_connected
    };
    assert!(meets(&identity) && !meets(&newer));

    fs::write(&roots, &new.pem()[..100]).unwrap();
    assert!(meets(&identity), "the last good one stays in force");

    fs::write(&roots, new.pem()).unwrap();
    assert!(meets(&newer) && !meets(&identity));
    fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn what_cannot_be_is_said_when_it_is_built() {
    let authority = Authority::new("an authority");
    let identity = authority.issue(["x"]);
    let trusting = || Tls::builder().roots(authority.pem());
    let (foreign, nothing) = (authority.issue(["y"]), "no PEM at all");

    for (builder, expected) in [
        (Tls::builder().roots_file("/no/such/file.pem"), "/no/such/file.pem"),
        (Tls::builder().roots(nothing), "the roots given"),
        (trusting().identity(&identity.certificates, &foreign.key), "the certificates given"),
        (trusting().identity(&identity.certificates, nothing), "the key given"),
        (trusting().identity(nothing, &identity.key), "the certificates given"),
        (trusting().revocations(nothing), "the revocations given"),
    ] {
        let error = builder.build().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_configuration_of_ones_own_is_taken_as_it_is() {
    let (authority, identity) = certified(["zk1", "zk2"]);
    let mut roots = RootCertStore::empty();
    let pem = authority.pem();
    let root = PemObject::from_pem_slice(pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();

    let mut world = World::new("zk1:2281", Some(Tls::from(config)), showing(&identity, None));
    world.run();

    assert!(world.is_connected, "{:?}", world.failure);
}

#[test]
fn a_source_that_fails_fails_the_link_and_says_why() {
    struct Vault;

    impl zk_proto::tls::Source for Vault {
        fn config(&self) -> Result<Arc<ClientConfig>, TlsError> {
            Err(TlsError::Other("the vault is sealed".into()))
        }
    }

    let failure = failure(Tls::from_source(Vault), Speech::Plain);

    assert_eq!(failure, "TLS: the vault is sealed");
}
