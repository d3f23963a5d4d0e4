//! Things that clients meet seldom: operations that no server knows, and SASL.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use zk_proto::{
    Server,
    code::OpCode,
    request::{InvalidRequest, Request},
    sasl::{Factory, Mechanism, SaslFailure, Step, Work},
    wire::{DecodeError, Decoder, Encoder},
};

/// An operation that no server knows: it answers at once, ahead of others, and hangs up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unknown;

impl Request for Unknown {
    type Reply = ();

    fn op(&self) -> OpCode {
        OpCode::from(4_242)
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        Ok(())
    }

    fn encode(&self, _out: &mut Encoder<'_>) {}

    fn decode(_body: &mut Decoder) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// How a SASL exchange with a server that does not do SASL goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sasl {
    /// The client does not care about the answer.
    OneWay,
    /// As `OneWay`, but it takes the application to make the token.
    PutOff,
    /// As `OneWay`, but it takes the mechanism a while to make the token.
    Slow,
    /// It does care.
    Strict,
    /// The mechanism gives up.
    Fails,
    /// It gives up two times out of three, for now, and otherwise does as `OneWay`.
    Hesitates,
}

impl Factory for Sasl {
    fn start(&self, _server: &Server, nonce: [u8; 16]) -> Box<dyn Mechanism> {
        Box::new(Exchange { sasl: *self, steps: 0, nonce: nonce[0] })
    }
}

impl Sasl {
    pub(super) fn factory(self) -> Arc<dyn Factory> {
        Arc::new(self)
    }
}

struct Exchange {
    sasl: Sasl,
    steps: u32,
    nonce: u8,
}

impl Mechanism for Exchange {
    fn step(&mut self, _token: Option<Bytes>) -> Step {
        self.steps += 1;
        match (self.sasl, self.steps) {
            (Sasl::OneWay, _) => Step::SendLast("token".into()),
            (Sasl::PutOff, 1) => Step::Deferred,
            (Sasl::Slow, 1) => Step::Deferred,
            (Sasl::PutOff | Sasl::Slow, _) => Step::Done,
            (Sasl::Hesitates, _) if self.nonce % 3 != 0 => Step::Abort(SaslFailure("not now".to_owned())),
            (Sasl::Hesitates, _) => Step::SendLast("token".into()),
            (Sasl::Strict, _) => Step::Send("token".into()),
            (Sasl::Fails, _) => Step::Fail(SaslFailure("no ticket".to_owned())),
        }
    }

    fn deferred(&mut self) -> Option<Work> {
        (self.sasl == Sasl::Slow).then(|| Box::pin(a_while_later(Step::Send("token".into()))) as Work)
    }
}

/// Gives the step when it was asked a few times.
async fn a_while_later(step: Step) -> Step {
    for _ in 0..3 {
        let mut is_first = true;
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::take(&mut is_first) { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
    step
}
