//! The ways in which a call can be made, waited for, and not waited for.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use zk_proto::{
    client::{Call, Client, Error},
    request::Request,
};

use crate::sim::Dice;

/// What is done with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// It is awaited.
    Await,
    /// It is sent, then awaited.
    Send,
    /// It is sent, and nobody listens.
    Detach,
    /// It is sent, and taken back at once.
    Drop,
    /// It is awaited for some time only.
    Abandon(Duration),
}

/// How a call is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) style: Style,
    pub(super) timeout: Option<Duration>,
    pub(super) is_pinned: bool,
}

impl Manner {
    pub(super) fn thrown(dice: &mut Dice) -> Self {
        let style = match dice.below(12) {
            0 => Style::Detach,
            1 => Style::Drop,
            2 | 3 => Style::Abandon(dice.millis(0, 300)),
            4..=6 => Style::Send,
            _ => Style::Await,
        };
        let timeout = dice.once_in(4).then(|| dice.millis(1, 3_000));
        Self { style, timeout, is_pinned: dice.once_in(8) }
    }
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Came<T> {
    /// It is over.
    Back(Result<T, Error>),
    /// It was taken back before anybody could have sent it.
    TakenBack,
    /// Nobody waited for it.
    Unheard,
}

/// Makes a call.
pub(super) async fn make<R: Request, T>(client: &Client, call: Call<'_, R, T>, manner: Manner) -> Came<T> {
    let call = match manner.timeout {
        Some(timeout) => call.timeout(timeout),
        None => call,
    };
    let call = match client.session().filter(|_| manner.is_pinned) {
        Some(session) => call.pin(session),
        None => call,
    };
    match manner.style {
        Style::Await => Came::Back(call.await),
        Style::Send => Came::Back(call.send().await),
        Style::Detach => {
            call.send().detach();
            Came::Unheard
        }
        Style::Drop => {
            drop(call.send());
            Came::TakenBack
        }
        Style::Abandon(patience) => {
            let (mut call, mut sleep) = (pin!(call.into_future()), pin!(client.sleep(patience)));
            poll_fn(|cx| match call.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Came::Back(result)),
                Poll::Pending => sleep.as_mut().poll(cx).map(|_| Came::Unheard),
            })
            .await
        }
    }
}
