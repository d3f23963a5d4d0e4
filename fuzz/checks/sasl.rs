//! Whatever tokens a server sends, DIGEST-MD5 says in the end that it is done or that it failed, and never says the password.
//!
//! The input is a list of tokens, each with its length before it in one byte (a length of 255 goes on in the next one).

use bytes::Bytes;
use zk_proto::{
    Server,
    sasl::{DigestMd5, Factory, Step, digest_md5::Directives},
};

const PASSWORD: &str = "correct horse battery staple";

/// Checks one input.
pub fn check(data: &[u8]) {
    // What the server says itself is no secret, and comes back to it.
    let unquoted: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\\').collect();
    if contains(&unquoted, PASSWORD.as_bytes()) {
        return;
    }
    let server: Server = "zk1:2181".parse().expect("a server");
    let mut mechanism = DigestMd5::new("bob", PASSWORD).start(&server, [7; 16]);
    assert!(goes_on(mechanism.step(None)), "it does not begin");
    let mut rounds = 0;
    for token in tokens(data) {
        if let Ok(directives) = Directives::parse(&token) {
            assert!(directives.all("nonce").all(|nonce| nonce.len() <= token.len()));
        }
        let goes_on = goes_on(mechanism.step(Some(token)));
        rounds += 1;
        assert!(!goes_on || rounds < 2, "it goes on for ever");
    }
}

/// Checks a step, and returns whether the exchange goes on after it.
fn goes_on(step: Step) -> bool {
    match step {
        Step::Send(said) | Step::SendLast(said) => {
            assert!(!contains(&said, PASSWORD.as_bytes()), "the password is on the wire");
            assert!(said.len() < 16 << 10, "{} bytes", said.len());
            true
        }
        Step::Fail(why) | Step::Abort(why) => {
            assert!(!why.0.is_empty() && !why.0.contains(PASSWORD));
            false
        }
        // Nobody who does not know the password can prove that he does.
        Step::Done => panic!("a proof came from nowhere"),
        other => panic!("what is {other:?}?"),
    }
}

fn tokens(mut data: &[u8]) -> Vec<Bytes> {
    let mut tokens = Vec::new();
    while let Some((&first, mut rest)) = data.split_first() {
        let mut len = usize::from(first);
        while let (255, Some((&more, after))) = (data[0], rest.split_first()) {
            (len, rest) = (len + usize::from(more), after);
            if more < 255 {
                break;
            }
        }
        let (token, after) = rest.split_at(len.min(rest.len()));
        tokens.push(Bytes::copy_from_slice(token));
        data = after;
    }
    tokens
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
