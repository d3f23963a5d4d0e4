//! The examples of RFC 2831, a conversation with a real server, and servers that are up to no good.

use alloc::{string::ToString, vec};

use super::*;

/// RFC 2831, 4: a login with IMAP, and one with ACAP.
#[test]
fn the_examples_of_the_rfc_come_out() {
    let imap = Proof {
        user: b"chris",
        realm: b"elwood.innosoft.com",
        password: b"secret",
        nonce: b"OA6MG9tEQGm2hh",
        cnonce: b"OA6MHXh6VqTrRk",
        nonce_count: NONCE_COUNT,
        uri: b"imap/elwood.innosoft.com",
    };
    assert_eq!(&imap.response(), b"d388dad90d4bbd760a152321f2143af7");
    assert_eq!(&imap.rspauth(), b"ea40f60335c427b5527b84dbabcdfffd");

    let acap = Proof { nonce: b"OA9BSXrbuRhWay", cnonce: b"OA9BSuZWMSpW8m", uri: b"acap/elwood.innosoft.com", ..imap };
    assert_eq!(&acap.response(), b"6084c6db3fede7352c551284490fd0fc");
    assert_eq!(&acap.rspauth(), b"2f0b3d7c3c2e486600ef710726aa2eae");
}

/// As captured from ZooKeeper 3.9.3, with the password `bobsecret`.
#[test]
fn the_proofs_of_a_real_server_come_out() {
    let proof = Proof {
        user: b"bob",
        realm: b"zk-sasl-md5",
        password: b"bobsecret",
        nonce: b"6Oll3QpXk4XNootDyK4s8HlHSA5ulXNqe5IqGbq+",
        cnonce: b"Y2xpZW50bm9uY2U",
        nonce_count: NONCE_COUNT,
        uri: b"zookeeper/zk-sasl-md5",
    };
    assert_eq!(&proof.response(), b"a0c014cad197afe3c4d7d3a37fa23a62");
    assert_eq!(&proof.rspauth(), b"5c062941356fd6cb5b390e4bfbbbef8a");
}

const CHALLENGE: &str =
    r#"realm="zk-sasl-md5",nonce="6Oll3QpXk4XNootDyK4s8HlHSA5ulXNqe5IqGbq+",charset=utf-8,algorithm=md5-sess"#;

fn begin(login: &DigestMd5) -> Box<dyn Mechanism> {
    let mut exchange = login.start(&Server::new("zk1", 2181), [7; 16]);
    assert_eq!(exchange.step(None), Step::Send(Bytes::new()));
    exchange
}

fn bob() -> DigestMd5 {
    DigestMd5::new("bob", "bobsecret")
}

/// Returns the response to a challenge.
fn response(login: &DigestMd5, challenge: &str) -> String {
    match begin(login).step(Some(Bytes::copy_from_slice(challenge.as_bytes()))) {
        Step::Send(token) => String::from_utf8(token.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Returns why a challenge was not answered.
fn failure(login: &DigestMd5, challenge: &[u8]) -> String {
    match begin(login).step(Some(Bytes::copy_from_slice(challenge))) {
        Step::Fail(SaslFailure(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_response_looks_as_the_server_expects() {
    let cnonce = "07".repeat(16);
    let proof = Proof {
        user: b"bob",
        realm: b"zk-sasl-md5",
        password: b"bobsecret",
        nonce: b"6Oll3QpXk4XNootDyK4s8HlHSA5ulXNqe5IqGbq+",
        cnonce: cnonce.as_bytes(),
        nonce_count: NONCE_COUNT,
        uri: b"zookeeper/zk-sasl-md5",
    };
    let expected = format!(
        "charset=utf-8,username=\"bob\",realm=\"zk-sasl-md5\",nonce=\"6Oll3QpXk4XNootDyK4s8HlHSA5ulXNqe5IqGbq+\",\
         nc=00000001,cnonce=\"{cnonce}\",digest-uri=\"zookeeper/zk-sasl-md5\",maxbuf=65536,response={},qop=auth",
        core::str::from_utf8(&proof.response()).unwrap()
    );
    assert_eq!(response(&bob(), CHALLENGE), expected);
}

#[test]
fn the_servers_proof_ends_the_exchange() {
    let proof = |exchange: &mut Box<dyn Mechanism>, rspauth: &[u8]| {
        assert!(matches!(exchange.step(Some(CHALLENGE.into())), Step::Send(_)));
        exchange.step(Some([b"rspauth=", rspauth].concat().into()))
    };
    let cnonce = "07".repeat(16);
    let rspauth = Proof {
        user: b"bob",
        realm: b"zk-sasl-md5",
        password: b"bobsecret",
        nonce: b"6Oll3QpXk4XNootDyK4s8HlHSA5ulXNqe5IqGbq+",
        cnonce: cnonce.as_bytes(),
        nonce_count: NONCE_COUNT,
        uri: b"zookeeper/zk-sasl-md5",
    }
    .rspauth();
    assert_eq!(proof(&mut begin(&bob()), &rspauth), Step::Done);

    let liar = proof(&mut begin(&bob()), b"00000000000000000000000000000000");
    let Step::Fail(SaslFailure(text)) = liar else { panic!("{liar:?}") };
    assert_eq!(text, "DIGEST-MD5: the server does not know the password: its proof (rspauth) is wrong");
}

#[test]
fn a_proof_that_is_none_is_not_taken() {
    for token in ["", "rspauth", "rspauth=", "ok=yes", "rspauth=a,rspauth=a", "\0\0\0"] {
        let mut exchange = begin(&bob());
        assert!(matches!(exchange.step(Some(CHALLENGE.into())), Step::Send(_)));
        assert!(matches!(exchange.step(Some(token.into())), Step::Fail(_)), "{token}");
    }
}

#[test]
fn what_a_challenge_may_leave_out_has_defaults() {
    let bare = response(&bob(), r#"nonce="n",algorithm=md5-sess"#);
    assert!(bare.starts_with(r#"username="bob",nonce="n","#), "no realm, no charset: {bare}");
    let several = r#"realm="one",realm="two",nonce="n",qop="auth-int, auth",algorithm=md5-sess,stale=true,maxbuf=1"#;
    assert!(response(&bob(), several).contains(r#"realm="one""#));
    assert!(response(&bob().realm("two"), several).contains(r#"realm="two""#));
    assert!(response(&bob().realm("mine"), r#"nonce="n",algorithm=md5-sess"#).contains(r#"realm="mine""#));
    let elsewhere = bob().service("kafka").host("zk1");
    assert!(response(&elsewhere, CHALLENGE).contains(r#"digest-uri="kafka/zk1""#));
}

#[test]
fn names_are_quoted() {
    let login = DigestMd5::new(r#"o"neill\"#, "x");
    assert!(response(&login, CHALLENGE).contains(r#"username="o\"neill\\""#));
    let challenge = r#"realm="a \"b\" \\c",nonce="n\"",algorithm=md5-sess"#;
    let answer = response(&bob(), challenge);
    assert!(answer.contains(r#"realm="a \"b\" \\c",nonce="n\"","#), "{answer}");
}

#[test]
fn text_is_hashed_as_latin_where_it_can_be() {
    let table = [
        ("bob", true, Some(&b"bob"[..])),
        ("bob", false, Some(b"bob")),
        ("é", true, Some(b"\xe9")),
        ("é", false, Some(b"\xe9")),
        ("é€", true, Some("é€".as_bytes())),
        ("é€", false, None),
    ];
    for (text, is_utf8, expected) in table {
        assert_eq!(encode(text, is_utf8).as_deref(), expected, "{text} {is_utf8}");
    }
}

#[test]
fn text_goes_over_the_wire_in_the_servers_charset() {
    let login = DigestMd5::new("é", "ü");
    assert!(response(&login, CHALLENGE).contains("username=\"é\""));
    let Step::Send(latin) = begin(&login).step(Some(r#"nonce="n",algorithm=md5-sess"#.into())) else { panic!() };
    assert!(latin.starts_with(b"username=\"\xe9\","));
    let euro = DigestMd5::new("bob", "€");
    assert!(failure(&euro, br#"nonce="n",algorithm=md5-sess"#).contains("outside of Latin-1"));
}

#[test]
fn a_bad_challenge_is_refused_and_the_reason_says_why() {
    let long = format!("nonce=\"{}\",algorithm=md5-sess", "n".repeat(5000));
    let table = [
        ("", "no nonce"),
        ("nonce=\"\",algorithm=md5-sess", "no nonce"),
        ("nonce=\"n\"", "no algorithm"),
        ("nonce=\"n\",algorithm=md5", "another algorithm"),
        ("nonce=\"a\",nonce=\"b\",algorithm=md5-sess", "more than one nonce"),
        ("nonce=\"n\",algorithm=md5-sess,algorithm=md5-sess", "more than one algorithm"),
        ("nonce=\"n\",algorithm=md5-sess,charset=ebcdic", "another charset"),
        ("nonce=\"n\",algorithm=md5-sess,qop=\"auth-conf\"", "signing or encryption"),
        ("nonce=\"n", "malformed"),
        ("\u{0}\u{1}", "malformed"),
        (&long, "malformed"),
    ];
    for (challenge, reason) in table {
        let text = failure(&bob(), challenge.as_bytes());
        assert!(text.starts_with("DIGEST-MD5: ") && text.contains(reason), "{challenge}: {text}");
    }
    let realm = failure(&bob().realm("mine"), CHALLENGE.as_bytes());
    assert!(realm.contains("does not offer the realm"), "{realm}");
}

#[test]
fn every_truncation_of_a_challenge_is_answered_or_refused() {
    for end in 0..CHALLENGE.len() {
        let step = begin(&bob()).step(Some(Bytes::copy_from_slice(&CHALLENGE.as_bytes()[..end])));
        assert!(matches!(step, Step::Send(_) | Step::Fail(_)), "{end}: {step:?}");
    }
}

#[test]
fn more_challenges_than_there_are_rounds_are_refused() {
    let mut exchange = begin(&bob());
    let steps: Vec<_> = (0..5).map(|_| exchange.step(Some(CHALLENGE.into()))).collect();
    assert!(matches!(steps[0], Step::Send(_)));
    assert!(steps[1..].iter().all(|step| matches!(step, Step::Fail(_))), "{steps:?}");
}

#[test]
fn the_password_does_not_show() {
    let shown = vec![format!("{:?}", bob()), format!("{:?}", begin(&bob()).step(Some(CHALLENGE.into())))];
    assert!(shown.iter().all(|text| !text.contains("secret")), "{shown:?}");
    assert!(shown[0].to_string().contains("bob"));
}
