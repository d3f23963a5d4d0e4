//! Who we are: SASL, credentials, and what a server that refuses them says.
//!
//! SASL comes first on a link, then the credentials; everything else waits for them, because a server that demands
//! authentication answers whatever comes earlier with an error and hangs up. What is refused once is not presented again: the
//! session ends.

use alloc::{boxed::Box, string::String};

use bytes::Bytes;

use super::{
    Cause, End, Event, Reply, Session, Violation,
    phase::{Attempt, Exchange, Greeted, Phase},
    xid,
};
use crate::{
    LinkId, Zxid,
    broken::broken,
    code::ErrorCode,
    record::{ReplyHeader, SetSaslResponse},
    sasl::{SaslFailure, Step, Work},
    wire::{Decoder, Secret},
};

/// No honest token is longer: those of Kerberos stay below 64 KiB.
pub(super) const LIMIT_BYTES: usize = 128 << 10;

/// Why authentication failed. Servers tell no more than a number; what they log stays with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The server refused credentials: it has no such scheme, or does not like what came with it.
    #[error("credentials of the scheme {scheme:?} were refused: {error}")]
    Credentials {
        /// Their scheme.
        scheme: String,
        /// The server's error.
        error: ErrorCode,
    },
    /// The server serves only those who have authenticated, by SASL or by a scheme of its choice.
    #[error("the server demands an authentication that was not made")]
    Required,
    /// The server refused a step of SASL: an unknown user, a wrong password, a ticket for another service.
    #[error("SASL was refused by the server: {0}")]
    Refused(ErrorCode),
    /// The server gave no token although the mechanism was not done: it does not do SASL, or lets those in who fail.
    #[error("SASL was not carried out: the server answered without a token")]
    NoToken,
    /// The mechanism gave up: the server could not prove who it is, or there is no ticket, for instance.
    #[error(transparent)]
    Mechanism(#[from] SaslFailure),
}

impl<T, W: Clone> Session<T, W> {
    /// Returns the work that gives a SASL step which was put off ([`Event::Challenge`]), to be awaited and then
    /// [answered](Self::answer). It is given once. `None` where the mechanism leaves the answer to whoever drives the session.
    pub fn deferred(&mut self, link: LinkId) -> Option<Work> {
        let is_this = self.phase.is(link);
        let Phase::Sasl { exchange, .. } = &mut self.phase else { return None };
        if is_this && exchange.deferred { exchange.mechanism.deferred() } else { None }
    }

    /// Continues a SASL exchange whose step was put off ([`Event::Challenge`]). An answer that nobody waits for is ignored; so is
    /// [`Step::Deferred`], after which the answer is still due.
    pub fn answer(&mut self, link: LinkId, step: Step) {
        let is_this = self.phase.is(link);
        let Phase::Sasl { exchange, .. } = &mut self.phase else { return };
        if is_this && exchange.deferred && step != Step::Deferred {
            exchange.deferred = false;
            self.take_step(step, None);
        }
    }

    /// Returns why authentication failed, after a session has [ended](End::AuthFailed) by that.
    pub fn auth_failure(&self) -> Option<&AuthFailure> {
        self.auth_failure.as_deref()
    }

    /// Begins with SASL if there is any.
    pub(super) fn secure(&mut self, attempt: Box<Attempt>, welcome: Greeted) {
        let Some(factory) = self.config.sasl.clone() else { return self.authenticate(attempt, welcome) };
        let mut nonce = [0; 16];
        self.rng.fill(&mut nonce);
        let mechanism = factory.start(&attempt.server, nonce);
        let exchange = Box::new(Exchange { mechanism, outgoing: None, last: false, deferred: false });
        self.enter(Phase::Sasl { attempt, welcome, exchange });
        self.sasl_step(None);
    }

    fn sasl_step(&mut self, token: Option<Bytes>) {
        let Phase::Sasl { exchange, .. } = &mut self.phase else { return };
        let step = exchange.mechanism.step(token.clone());
        self.take_step(step, token);
    }

    /// Does what the mechanism says about the server's token.
    fn take_step(&mut self, step: Step, token: Option<Bytes>) {
        let Phase::Sasl { attempt, welcome, exchange } = &mut self.phase else { return };
        match step {
            Step::Send(token) => exchange.outgoing = Some(token),
            Step::SendLast(token) => (exchange.outgoing, exchange.last) = (Some(token), true),
            Step::Done => {
                let (attempt, welcome) = (attempt.clone(), *welcome);
                self.authenticate(attempt, welcome);
            }
            Step::Deferred => {
                exchange.deferred = true;
                let (link, server) = (attempt.id, attempt.server.clone());
                self.events.push_back(Event::Challenge { link, server, token: Secret(token) });
            }
            Step::Fail(failure) => self.fail_auth(failure.into()),
            Step::Abort(failure) => self.drop_link(Cause::Sasl(failure)),
        }
    }

    pub(super) fn take_sasl(&mut self, mut input: Decoder) -> Result<(), Violation> {
        let Phase::Sasl { exchange, attempt, welcome } = &self.phase else { return Ok(()) };
        let header: ReplyHeader = input.get()?;
        if header.err != ErrorCode::Ok {
            self.fail_auth(AuthFailure::Refused(header.err));
            return Ok(());
        }
        if exchange.outgoing.is_some() || exchange.deferred {
            return Err(Violation::Unasked(header.xid));
        }
        if exchange.last {
            let (attempt, welcome) = (attempt.clone(), *welcome);
            self.authenticate(attempt, welcome);
            return Ok(());
        }
        match input.get::<SetSaslResponse>()?.token.0 {
            Some(token) => self.sasl_step(Some(token)),
            // A server that does not do SASL says this and goes on as if nothing were.
            None => self.fail_auth(AuthFailure::NoToken),
        }
        Ok(())
    }

    /// Presents the credentials if there are any.
    fn authenticate(&mut self, attempt: Box<Attempt>, welcome: Greeted) {
        let is_forgotten = welcome.resumed && broken!("sends no credentials on later links");
        if self.auths.is_empty() || is_forgotten {
            self.become_ready(*attempt, welcome);
        } else {
            self.enter(Phase::Auth { attempt, welcome, sent: 0, accepted: 0 });
        }
    }

    pub(super) fn take_auth(&mut self, mut input: Decoder) -> Result<(), Violation> {
        let Phase::Auth { attempt, welcome, sent, accepted } = &mut self.phase else { return Ok(()) };
        let header: ReplyHeader = input.get()?;
        if header.xid != xid::AUTH || *accepted >= *sent {
            return Err(Violation::Unasked(header.xid));
        }
        let index = *accepted;
        *accepted += 1;
        let is_last = header.err == ErrorCode::Ok && *accepted == self.auths.len();
        let ready = is_last.then(|| (attempt.clone(), *welcome));
        self.auth_answered(index, header.err);
        if let Some((attempt, welcome)) = ready {
            self.become_ready(*attempt, welcome);
        }
        Ok(())
    }

    /// Tells whoever added the credentials that they count; the session ends where they do not.
    pub(super) fn auth_answered(&mut self, index: usize, error: ErrorCode) {
        let Some(auth) = self.auths.get_mut(index) else { return };
        if error != ErrorCode::Ok {
            let scheme = auth.info.scheme.clone();
            return self.fail_auth(AuthFailure::Credentials { scheme, error });
        }
        auth.accepted = self.phase.link().map(|(link, _)| link);
        let Some(tag) = auth.tag.take() else { return };
        self.tell_accepted(tag);
    }

    /// Adds credentials once more: what is to be told about them is known, or will be with the next answer.
    pub(super) fn add_known_auth(&mut self, index: usize, tag: T) {
        let link = self.phase.link().map(|(link, _)| link);
        let Some(auth) = self.auths.get_mut(index) else { return };
        if link.is_some() && auth.accepted == link {
            self.tell_accepted(tag);
        } else {
            auth.tag = Some(tag);
        }
    }

    fn tell_accepted(&mut self, tag: T) {
        let reply = Reply { zxid: Zxid(0), session: self.session_id(), body: Bytes::new(), root: Default::default() };
        self.events.push_back(Event::Reply { tag, result: Ok(reply) });
    }

    /// Ends the session where a server says that it serves only those who have authenticated otherwise.
    pub(super) fn check_demand(&mut self, error: ErrorCode) {
        if error == ErrorCode::SessionClosedRequireSaslAuth {
            self.fail_auth(AuthFailure::Required);
        }
    }

    fn fail_auth(&mut self, failure: AuthFailure) {
        if let (Some((_, server)), true) = (self.phase.link(), self.events.len() < self.config.limits.events) {
            let (server, cause) = (server.clone(), Cause::AuthFailed(failure.clone()));
            self.events.push_back(Event::LinkFailed { server, cause });
        }
        self.auth_failure = Some(Box::new(failure));
        self.end(End::AuthFailed);
    }
}
