//! SASL and credentials: before anything else, and over if refused.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use zk_proto::{
    AuthInfo, Config, Server,
    code::{ErrorCode, OpCode},
    record::{AuthPacket, GetSaslRequest, SetSaslResponse},
    request::GetData,
    sasl::{DigestMd5, Factory, Mechanism, SaslFailure, Step},
    session::{AuthFailure, Event, Refusal},
    wire::Secret,
};

use crate::support::{Asked, Greeting, Pair, data, record, reply, settings};

#[test]
fn credentials_go_out_in_their_order_before_anything_else() {
    let mut config = settings();
    config.auth = vec![AuthInfo::digest("a", "1"), AuthInfo::new("ip", b"")];
    let mut pair = Pair::new(config);
    pair.submit(&GetData::new("/a"), 'a');
    pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), 'b').unwrap());
    pair.connect(&Greeting::default());

    let packets: Vec<AuthPacket> = pair.asked().iter().map(Asked::record).collect();

    let secrets: Vec<_> = packets.iter().map(|packet| packet.auth.as_bytes()).collect();
    assert_eq!(secrets, [&b"a:1"[..], b"", b"b:2"]);
    (0..3).for_each(|_| pair.send(&accepted()));
    assert_eq!(pair.told(), ["b: Ok", "Connected new"]);
    assert_eq!(pair.ops(), [OpCode::GetData]);
}

#[test]
fn credentials_added_later_keep_their_place_and_their_answer_may_overtake() {
    let mut pair = Pair::connected();
    pair.submit(&GetData::new("/1"), '1');
    pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), 'b').unwrap());
    pair.submit(&GetData::new("/2"), '2');
    let asked = pair.asked();
    let ops: Vec<_> = asked.iter().map(|asked| (asked.op, asked.xid)).collect();
    assert_eq!(ops, [(OpCode::GetData, 1), (OpCode::Auth, -4), (OpCode::GetData, 2)]);

    pair.send(&accepted());
    pair.answer(&asked[0], &data(b""));
    pair.answer(&asked[2], &data(b""));

    assert_eq!(pair.told(), ["b: Ok", "1: Ok", "2: Ok"]);
}

#[test]
fn credentials_are_presented_again_on_every_link_and_their_tag_comes_back_once() {
    let mut pair = Pair::connected();
    pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), 'b').unwrap());
    for told in [&["Suspended(Hangup)", "b: Ok", "Connected resumed"][..], &["Suspended(Hangup)", "Connected resumed"]]
    {
        pair.flush();
        pair.reconnect();
        assert_eq!(pair.ops(), [OpCode::Auth]);
        pair.send(&accepted());
        assert_eq!(pair.told(), told);
    }
    assert_eq!(pair.session().config().auth.len(), 1);
}

#[test]
fn credentials_that_are_added_again_go_out_once() {
    let mut pair = Pair::connected();
    let bob = || AuthInfo::digest("b", "2");
    pair.app(|session| session.add_auth(bob(), '1').unwrap());
    assert_eq!(pair.ops(), [OpCode::Auth]);
    pair.send(&accepted());
    pair.app(|session| session.add_auth(bob(), '2').unwrap());
    assert_eq!(pair.ops(), [], "the server has them");
    assert_eq!(pair.told(), ["1: Ok", "2: Ok"]);

    pair.cut();
    pair.app(|session| session.add_auth(bob(), '3').unwrap());
    assert_eq!(pair.told(), ["Suspended(Hangup)"], "no server has them now");
    pair.connect(&Greeting::default());
    assert_eq!(pair.ops(), [OpCode::Auth]);
    pair.send(&accepted());

    assert_eq!(pair.told(), ["3: Ok", "Connected resumed"]);
    assert_eq!(pair.session().config().auth.len(), 1);
}

#[test]
fn credentials_that_are_added_again_and_refused_end_the_session_for_both() {
    let mut pair = Pair::connected();
    for tag in ['1', '2'] {
        pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), tag).unwrap());
    }
    assert_eq!(pair.ops(), [OpCode::Auth; 2], "nothing is known of the first yet");
    pair.send(&reply(-4, 0, ErrorCode::AuthFailed, &[]));
    let ended = |tag| format!("{tag}: Ended {{ end: AuthFailed, sent: Perhaps }}");
    assert_eq!(pair.told()[1..], [ended('1'), ended('2'), "Ended(AuthFailed)".to_owned()]);
}

#[test]
fn there_is_a_limit_to_credentials() {
    let mut pair = Pair::connected();
    for number in 0..256 {
        pair.app(|session| session.add_auth(AuthInfo::digest("b", &number.to_string()), 'x').unwrap());
    }
    let refused = pair.app(|session| session.add_auth(AuthInfo::digest("b", "more"), 'y')).unwrap_err();
    assert_eq!((refused.reason, refused.tag), (Refusal::Full, 'y'));
}

#[test]
fn credentials_that_are_refused_end_the_session_for_good() {
    for later in [false, true] {
        let mut config = settings();
        if !later {
            config.auth.push(AuthInfo::digest("b", "2"));
        }
        let mut pair = Pair::new(config);
        pair.connect(&Greeting::default());
        pair.told();
        pair.submit(&GetData::new("/a"), 'a');
        if later {
            pair.app(|session| session.add_auth(AuthInfo::digest("b", "2"), 'b').unwrap());
        }
        pair.flush();

        pair.send(&reply(-4, 0, ErrorCode::AuthFailed, &[]));

        let told = pair.told();
        assert_eq!(told.last().map(String::as_str), Some("Ended(AuthFailed)"), "{told:?}");
        assert_eq!(told.len(), if later { 4 } else { 3 });
        let failure = AuthFailure::Credentials { scheme: "digest".into(), error: ErrorCode::AuthFailed };
        assert_eq!(pair.session().auth_failure(), Some(&failure));
        assert!(!pair.app(|session| session.renew()), "never renewed");
    }
}

#[test]
fn credentials_larger_than_a_frame_are_refused() {
    let mut pair = Pair::connected();
    let refused = pair.app(|session| session.add_auth(AuthInfo::new("digest", &vec![0; 2 << 20]), 'x')).unwrap_err();
    assert!(matches!(refused.reason, Refusal::TooLarge { .. }) && refused.tag == 'x');
}

#[test]
fn an_answer_to_credentials_that_were_not_presented_costs_the_link() {
    let mut config = settings();
    config.auth.push(AuthInfo::digest("b", "2"));
    for (handed_out, xid) in [(false, -4), (true, -2), (true, 1)] {
        let mut pair = Pair::new(config.clone());
        pair.connect(&Greeting::default());
        if handed_out {
            pair.flush();
        }
        pair.send(&reply(xid, 0, ErrorCode::Ok, &[]));
        assert_eq!(pair.told(), [format!("LinkFailed a:2181 Violation(Unasked({xid}))")]);
    }
}

#[test]
fn sasl_comes_before_credentials_and_requests() {
    let mut config = with_sasl(&[Step::Send("hello".into()), Step::Send("secret".into()), Step::Done]);
    config.auth.push(AuthInfo::digest("b", "2"));
    let mut pair = Pair::new(config);
    pair.submit(&GetData::new("/a"), 'a');
    pair.connect(&Greeting::default());

    for token in ["hello", "secret"] {
        let asked = pair.ask();
        assert_eq!(asked.op, OpCode::Sasl);
        assert!(asked.xid > 0);
        assert_eq!(asked.record::<GetSaslRequest>().token.as_bytes(), token.as_bytes());
        pair.send(&challenge(&asked, Some("go on")));
    }

    assert_eq!(pair.ops(), [OpCode::Auth]);
    pair.send(&accepted());
    assert_eq!(pair.ops(), [OpCode::GetData]);
    assert_eq!(pair.told(), ["Connected new"]);
}

#[test]
fn each_link_has_an_exchange_of_its_own() {
    let mut pair = Pair::new(with_sasl(&[Step::SendLast("all".into())]));
    for told in ["Connected new", "Connected resumed"] {
        pair.connect(&Greeting::default());
        let asked = pair.ask();
        pair.send(&challenge(&asked, None));
        assert_eq!(pair.told().last().map(String::as_str), Some(told));
        pair.cut();
    }
}

#[test]
fn a_null_token_before_the_mechanism_is_done_is_a_failure() {
    // A server that does not do SASL says just this, and goes on as if nothing were.
    let mut pair = Pair::new(with_sasl(&[Step::Send("hello".into())]));
    pair.connect(&Greeting::default());
    let asked = pair.ask();
    pair.send(&challenge(&asked, None));
    assert_eq!(pair.told(), ["LinkFailed a:2181 AuthFailed(NoToken)", "Ended(AuthFailed)"]);
}

#[test]
fn sasl_fails_when_the_server_or_the_mechanism_says_so() {
    let mut pair = Pair::new(with_sasl(&[Step::Send("hello".into())]));
    pair.connect(&Greeting::default());
    let asked = pair.ask();
    pair.refuse(&asked, ErrorCode::AuthFailed);
    assert_eq!(pair.told(), ["LinkFailed a:2181 AuthFailed(Refused(AuthFailed))", "Ended(AuthFailed)"]);

    let mut pair = Pair::new(with_sasl(&[Step::Fail(SaslFailure("no ticket".into()))]));
    pair.submit(&GetData::new("/a"), 'a');
    pair.connect(&Greeting::default());
    let no_ticket = "LinkFailed a:2181 AuthFailed(Mechanism(SaslFailure(\"no ticket\")))";
    assert_eq!(pair.told(), [no_ticket, "a: Ended { end: AuthFailed, sent: No }", "Ended(AuthFailed)"]);
}

#[test]
fn a_step_that_is_put_off_is_told_and_answered_later() {
    let steps = [Step::Deferred, Step::Done];
    let mut pair = Pair::new(with_sasl(&steps));
    pair.connect(&Greeting::default());
    let Some(Event::Challenge { link, token: Secret(None), .. }) = pair.event() else { panic!("a challenge") };
    assert_eq!(pair.ops(), []);

    pair.app(|session| session.answer(link, Step::Send("ticket".into())));
    let asked = pair.ask();
    assert_eq!(asked.record::<GetSaslRequest>().token.as_bytes(), b"ticket");
    pair.app(|session| session.answer(link, Step::Send("twice".into())));
    assert_eq!(pair.ops(), [], "nothing was asked");

    pair.send(&challenge(&asked, Some("fine")));
    assert_eq!(pair.told(), ["Connected new"]);
}

#[test]
fn the_answer_for_an_old_link_is_ignored() {
    let mut pair = Pair::new(with_sasl(&[Step::Deferred]));
    pair.connect(&Greeting::default());
    let Some(Event::Challenge { link: old, .. }) = pair.event() else { panic!("a challenge") };
    pair.reconnect();
    assert_eq!(pair.told(), ["LinkFailed a:2181 Hangup", "Challenge a:2181"]);

    pair.app(|session| session.answer(old, Step::Send("stale".into())));
    pair.app(|session| session.answer(old, Step::Fail(SaslFailure("stale".into()))));

    assert_eq!(pair.ops(), []);
    pair.assert_quiet();
}

#[test]
fn a_step_that_fails_later_ends_the_session() {
    let mut pair = Pair::new(with_sasl(&[Step::Deferred]));
    pair.connect(&Greeting::default());
    pair.told();
    let link = pair.link_id();
    pair.app(|session| session.answer(link, Step::Fail(SaslFailure("no ticket".into()))));
    assert_eq!(pair.told().last().map(String::as_str), Some("Ended(AuthFailed)"));
    let no_ticket = AuthFailure::Mechanism(SaslFailure("no ticket".into()));
    assert_eq!(pair.session().auth_failure(), Some(&no_ticket));
}

#[test]
fn a_step_that_was_put_off_may_be_any_other() {
    let answers: [(Step, &[&str]); 3] = [
        (Step::Done, &["Connected new"]),
        (Step::Abort(SaslFailure("busy".into())), &["LinkFailed a:2181 Sasl(SaslFailure(\"busy\"))"]),
        (Step::Deferred, &[]),
    ];
    for (answer, told) in answers {
        let mut pair = Pair::new(with_sasl(&[Step::Deferred]));
        pair.connect(&Greeting::default());
        pair.told();
        let link = pair.link_id();

        pair.app(|session| session.answer(link, answer.clone()));

        assert_eq!(pair.told(), told);
    }

    // The last one may be answered by anything, null included.
    let mut pair = Pair::new(with_sasl(&[Step::Deferred]));
    pair.connect(&Greeting::default());
    pair.told();
    let link = pair.link_id();
    pair.app(|session| session.answer(link, Step::SendLast("last".into())));
    let asked = pair.ask();
    pair.send(&challenge(&asked, None));
    assert_eq!(pair.told(), ["Connected new"]);
}

#[test]
fn an_exchange_that_is_given_up_for_now_is_begun_again_on_another_link() {
    let mut pair = Pair::new(with_sasl(&[Step::Abort(SaslFailure("no key server".into()))]));
    for _ in 0..2 {
        pair.connect(&Greeting::default());
        assert_eq!(pair.told(), ["LinkFailed a:2181 Sasl(SaslFailure(\"no key server\"))"]);
    }
}

#[test]
fn a_step_that_is_never_answered_costs_the_link_and_is_not_blamed_on_the_server() {
    let mut pair = Pair::new(with_sasl(&[Step::Deferred]));
    pair.connect(&Greeting::default());
    pair.told();
    pair.pass(Duration::from_secs(15));
    assert_eq!(pair.told(), ["LinkFailed a:2181 Deferred"]);
}

#[test]
fn tokens_do_not_show_in_the_event_that_tells_them() {
    let mut pair = Pair::new(with_sasl(&[Step::Send("hello".into()), Step::Deferred]));
    pair.connect(&Greeting::default());
    let asked = pair.ask();
    pair.send(&challenge(&asked, Some("abracadabra")));
    let event = pair.event().expect("a challenge");
    assert!(matches!(&event, Event::Challenge { token, .. } if token.as_bytes() == b"abracadabra"));
    assert!(!format!("{event:?}").contains("abracadabra"), "{event:?}");
}

#[test]
fn a_token_longer_than_any_honest_one_costs_the_link() {
    let mut pair = Pair::new(with_sasl(&[Step::Send("hello".into())]));
    pair.connect(&Greeting::default());
    let asked = pair.ask();
    let token = Secret::from(vec![b'x'; 200 << 10]);
    pair.send(&reply(asked.xid, 0, ErrorCode::Ok, &record(&SetSaslResponse { token })));
    let told = pair.told();
    assert!(told.len() == 1 && told[0].starts_with("LinkFailed a:2181 Violation(Frame("), "{told:?}");
}

#[test]
fn a_server_that_is_silent_during_sasl_is_noticed() {
    let mut pair = Pair::new(with_sasl(&[Step::Send("hello".into())]));
    pair.connect(&Greeting::default());
    pair.flush();
    pair.pass(Duration::from_secs(15));
    assert_eq!(pair.told(), ["LinkFailed a:2181 Silence"]);
}

/// What a server says in the place of its next token, and what comes of it.
#[test]
fn a_server_that_lies_in_the_middle_of_digest_md5_costs_at_most_the_session_and_is_found_out() {
    const CHALLENGE: &[u8] = b"realm=\"r\",nonce=\"n\",algorithm=md5-sess";
    let long = [CHALLENGE, b",x=\"", &[b'y'; 8000], b"\""].concat();
    let table: [(&[&[u8]], &str); 8] = [
        (&[b"\0\xff garbage"], "the challenge is malformed"),
        (&[b""], "no nonce"),
        (&[&long], "the challenge is malformed"),
        (&[CHALLENGE, CHALLENGE], "does not prove that it knows the password"),
        (&[CHALLENGE, b"rspauth=00000000000000000000000000000000"], "its proof (rspauth) is wrong"),
        (&[CHALLENGE, b""], "does not prove that it knows the password"),
        (&[CHALLENGE, &[0xFF; 5000]], "the server's proof is malformed"),
        (&[b"nonce=\"n\",algorithm=md5-sess,qop=\"auth-conf\""], "signing or encryption"),
    ];
    for (tokens, reason) in table {
        let mut config = settings();
        config.sasl = Some(Arc::new(DigestMd5::new("bob", "secret")));
        let mut pair = Pair::new(config);
        pair.connect(&Greeting::default());

        for token in tokens {
            let asked = pair.ask();
            let answer = SetSaslResponse { token: Secret::from(token.to_vec()) };
            for byte in &reply(asked.xid, 0, ErrorCode::Ok, &record(&answer)) {
                pair.send(&[*byte]);
            }
        }

        let failure = pair.session().auth_failure().expect("it was found out").to_string();
        assert!(failure.contains(reason) && !failure.contains("secret"), "{reason}: {failure}");
    }
}

#[test]
fn a_token_that_nobody_asked_for_costs_the_link() {
    let mut config = settings();
    config.sasl = Some(Arc::new(DigestMd5::new("bob", "secret")));
    let mut pair = Pair::new(config);
    pair.connect(&Greeting::default());

    // Ahead of our first word.
    pair.send(&reply(1, 0, ErrorCode::Ok, &record(&SetSaslResponse { token: Secret::from(Vec::new()) })));

    assert_eq!(pair.told(), ["LinkFailed a:2181 Violation(Unasked(1))"]);
}

fn accepted() -> Bytes {
    reply(-4, 0, ErrorCode::Ok, &[])
}

fn challenge(asked: &Asked, token: Option<&'static str>) -> Bytes {
    let token = Secret(token.map(|token| token.as_bytes().into()));
    reply(asked.xid, 0, ErrorCode::Ok, &record(&SetSaslResponse { token }))
}

fn with_sasl(steps: &[Step]) -> Config {
    let mut config = settings();
    config.sasl = Some(Arc::new(Script(steps.to_vec())));
    config
}

/// A mechanism that goes by a script.
#[derive(Clone)]
struct Script(Vec<Step>);

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Factory for Script {
    fn start(&self, _: &Server, _: [u8; 16]) -> Box<dyn Mechanism> {
        Box::new(self.clone())
    }
}

impl Mechanism for Script {
    fn step(&mut self, _: Option<Bytes>) -> Step {
        self.0.remove(0)
    }
}
