//! SASL by DIGEST-MD5, as real servers do it: one exchange for each connection, and hanging up on who fails.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use zk_proto::{
    code::ErrorCode,
    record::{GetSaslRequest, SetSaslResponse},
    sasl::digest_md5::{Directives, Proof, encode, quote},
    wire::Secret,
};

use super::{Server, answer::header, auth::Identity, connections::Slot, input::decode};

const REALM: &str = "zk-sasl-md5";
const URI: &str = "zookeeper/zk-sasl-md5";

/// Who may authenticate by SASL, and their passwords. `Debug` does not show the passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Users(BTreeMap<String, String>);

impl Users {
    /// Adds a user, or changes the password of one.
    pub fn add(&mut self, user: &str, password: &str) {
        self.0.insert(user.to_owned(), password.to_owned());
    }

    /// Returns whether there are none: then the server does not do SASL.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How far the exchange of a connection has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Exchange {
    #[default]
    NotBegun,
    /// The server's nonce is out.
    Challenged(String),
    /// There is no second one.
    Over,
}

impl Server {
    pub(super) fn serve_sasl(&mut self, slot: Slot, xid: i32, body: Bytes) {
        let Ok(GetSaslRequest { token: Secret(Some(token)) }) = decode(body) else {
            return self.close_connection(slot);
        };
        if self.options.sasl_users.is_empty() {
            // As a server without SASL says it: by success, and no token.
            return self.send_token(slot, xid, ErrorCode::Ok, None);
        }
        match self.evaluate(slot, &token) {
            Some(answer) => self.send_token(slot, xid, ErrorCode::Ok, Some(answer)),
            None => {
                let is_required = self.options.required_auth.iter().any(|scheme| scheme == "sasl");
                let error = if is_required { ErrorCode::SessionClosedRequireSaslAuth } else { ErrorCode::AuthFailed };
                self.send_token(slot, xid, error, None);
                self.close_connection(slot);
            }
        }
    }

    /// Returns the answer to a client's token, or `None` where it is refused.
    fn evaluate(&mut self, slot: Slot, token: &[u8]) -> Option<Vec<u8>> {
        let exchange = std::mem::replace(&mut self.connections.get_mut(slot)?.sasl, Exchange::Over);
        match exchange {
            Exchange::NotBegun if token.is_empty() => {
                self.nonces += 1;
                // Different each time, which is all that a test needs; a real server's cannot be guessed.
                let nonce = format!("{:016x}{:016x}", self.now.as_nanos(), self.nonces);
                let mut challenge = Vec::new();
                quote(&mut challenge, "realm", REALM.as_bytes());
                quote(&mut challenge, "nonce", nonce.as_bytes());
                challenge.extend_from_slice(b"charset=utf-8,algorithm=md5-sess");
                self.connections.get_mut(slot)?.sasl = Exchange::Challenged(nonce);
                Some(challenge)
            }
            Exchange::Challenged(nonce) => {
                let (user, rspauth) = self.options.sasl_users.verify(token, &nonce)?;
                let identity = Identity { scheme: "sasl", id: user };
                self.connections.get_mut(slot)?.identities.push(identity);
                Some([&b"rspauth="[..], &rspauth].concat())
            }
            Exchange::NotBegun | Exchange::Over => None,
        }
    }

    fn send_token(&mut self, slot: Slot, xid: i32, error: ErrorCode, token: Option<Vec<u8>>) {
        self.statistics.sent += 1;
        self.connections.send(slot, self.options.output_limit_bytes, |out| {
            header(out, xid, super::input::NO_ZXID, error);
            out.put(&SetSaslResponse { token: Secret(token.map(Bytes::from)) });
        });
    }
}

impl Users {
    /// Returns who has made a response, and the server's own proof; `None` where the response is not right.
    fn verify(&self, response: &[u8], nonce: &str) -> Option<(String, [u8; 32])> {
        let directives = Directives::parse(response).ok()?;
        let value = |name| directives.once(name).ok().flatten();
        let is_utf8 = value("charset").is_some();
        let name = value("username")?;
        let user = if is_utf8 {
            String::from_utf8(name.to_vec()).ok()?
        } else {
            name.iter().map(|byte| char::from(*byte)).collect()
        };
        let as_expected = value("realm")? == REALM.as_bytes()
            && value("nonce")? == nonce.as_bytes()
            && value("nc")? == b"00000001"
            && value("digest-uri")? == URI.as_bytes()
            && value("qop").unwrap_or(b"auth") == b"auth";
        let proof = Proof {
            user: &encode(&user, is_utf8)?,
            realm: REALM.as_bytes(),
            password: &encode(self.0.get(&user)?, is_utf8)?,
            nonce: nonce.as_bytes(),
            cnonce: value("cnonce")?,
            nonce_count: b"00000001",
            uri: URI.as_bytes(),
        };
        let is_right = as_expected && value("response")? == proof.response();
        is_right.then(|| (user, proof.rspauth()))
    }
}

#[cfg(test)]
mod tests {
    use zk_proto::{
        code::OpCode,
        sasl::{DigestMd5, Factory, Mechanism, Step},
    };

    use super::*;
    use crate::server::testing::{Bench, NOTHING};

    fn bench(required: &[&str]) -> Bench {
        Bench::with(|options| {
            options.sasl_users.add("bob", "secret");
            options.required_auth = required.iter().map(|scheme| (*scheme).to_owned()).collect();
        })
    }

    fn mechanism(password: &str) -> Box<dyn Mechanism> {
        DigestMd5::new("bob", password).start(&zk_proto::Server::new("zk", 2181), [1; 16])
    }

    fn token(step: Step) -> GetSaslRequest {
        let Step::Send(token) = step else { panic!("{step:?}") };
        GetSaslRequest { token: token.into() }
    }

    #[test]
    fn who_knows_the_password_is_who_he_says_he_is() {
        let mut bench = bench(&["sasl"]);
        let (connection, mut bob) = (bench.connect(), mechanism("secret"));

        let challenge = bench.call(connection, OpCode::Sasl, &token(bob.step(None))).decode::<SetSaslResponse>();
        let response = token(bob.step(challenge.token.0));
        let proof = bench.call(connection, OpCode::Sasl, &response).decode::<SetSaslResponse>();

        assert_eq!(bob.step(proof.token.0), Step::Done);
        assert_eq!(bench.ask(connection, OpCode::Ping).header.err, ErrorCode::Ok);
        let again = bench.call(connection, OpCode::Sasl, &token(mechanism("secret").step(None)));
        assert_eq!(again.header.err, ErrorCode::SessionClosedRequireSaslAuth, "once for each connection");
    }

    #[test]
    fn who_does_not_is_told_and_hung_up_on() {
        for (required, error) in
            [(&[][..], ErrorCode::AuthFailed), (&["sasl"], ErrorCode::SessionClosedRequireSaslAuth)]
        {
            let mut bench = bench(required);
            let (connection, mut bob) = (bench.connect(), mechanism("wrong"));
            let challenge = bench.call(connection, OpCode::Sasl, &token(bob.step(None))).decode::<SetSaslResponse>();

            let refused = bench.call(connection, OpCode::Sasl, &token(bob.step(challenge.token.0)));

            assert_eq!(refused.header.err, error);
            assert_eq!(refused.decode::<SetSaslResponse>().token.0, None);
            assert!(bench.wants_close(connection));
        }
    }

    #[test]
    fn a_response_to_another_challenge_is_refused() {
        let mut bench = bench(&[]);
        let (one, other) = (bench.connect(), bench.connect());
        let mut bob = mechanism("secret");
        let challenge = bench.call(one, OpCode::Sasl, &token(bob.step(None))).decode::<SetSaslResponse>();
        let response = token(bob.step(challenge.token.0));
        bench.call(other, OpCode::Sasl, &GetSaslRequest { token: Vec::new().into() });

        assert_eq!(bench.call(other, OpCode::Sasl, &response).header.err, ErrorCode::AuthFailed);
    }

    #[test]
    fn nonsense_costs_the_connection_alone() {
        for bytes in [&b"x"[..], b"username=\"bob\"", &[0xff; 5000]] {
            let mut bench = bench(&[]);
            let connection = bench.connect();
            let request = GetSaslRequest { token: bytes.to_vec().into() };
            assert_eq!(bench.call(connection, OpCode::Sasl, &request).header.err, ErrorCode::AuthFailed);
            let connection = bench.connect();
            assert_eq!(bench.exchange(connection, OpCode::Sasl, &NOTHING), []);
        }
    }

    #[test]
    fn passwords_do_not_show() {
        let mut users = Users::default();
        users.add("bob", "secret");
        assert_eq!(format!("{users:?}"), "{\"bob\"}");
    }
}
