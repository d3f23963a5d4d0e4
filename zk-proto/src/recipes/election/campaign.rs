//! Standing for election, for as long as anybody wants to lead.
//!
//! One node after the other: each stands in line until it is the first, and leads as long as it is certain to be there, which
//! [`Held`] looks after. It is the node that is kept over lost connections: two participants that delete and make anew theirs whenever
//! a connection is lost do so for ever (CURATOR-504, -644).

use core::time::Duration;
use std::pin::pin;

use super::{
    super::{
        line::Line,
        lock::{Held, Loss, Tenure},
        protected::OwnNode,
        session::leaving,
        together::{Either, either},
    },
    desk::{Desk, LeadershipLoss, Term},
};
use crate::{
    broken::broken,
    client::{Background, Client, Error},
};

/// How long to wait before standing again, where the server has refused, and how long at most after many times.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// When to count leadership as lost while there is no connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnSuspend {
    /// As soon as the connection is lost, as Curator does. The server still counts the node, so when the connection is back in time,
    /// the same term goes on.
    #[default]
    GiveUpNow,
    /// When the session is not certain to live any more: at
    /// [`Client::valid_until`](crate::client::Client::valid_until). No other can lead before that, short of somebody deleting
    /// the node. For those to whom a change of leaders is expensive.
    UntilPresumedLost,
    /// When the server says so. Others may lead meanwhile, for as long as the connection is lost: **two leaders at once**, which only
    /// [transactions](super::Candidacy::transaction) and [fencing tokens](Term::fencing_token) tell apart.
    UntilExpired,
}

/// The background's end of a desk, which says so when that is no more, for whatever reason.
#[derive(Debug)]
pub(super) struct Clerk(pub(super) Desk);

impl Drop for Clerk {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Stands until the handle is gone, or the session is to be closed. What is dropped then is cleaned up in the background.
pub(super) async fn campaign(client: Background, line: Line, on_suspend: OnSuspend, clerk: Clerk) {
    let desk = &clerk.0;
    // The session is not to stay open for its sake.
    let line = Line { client: Client::clone(&client), ..line };
    let left = pin!(desk.left());
    let closing = pin!(leaving(&client));
    let end = pin!(either(left, closing));
    let terms = pin!(stand(&client, &line, on_suspend, desk));
    either(end, terms).await;
}

/// Stands again and again, until there is no session any more.
async fn stand(client: &Client, line: &Line, on_suspend: OnSuspend, desk: &Desk) {
    let mut pause = FIRST_PAUSE;
    loop {
        let served = match line.wait().await {
            Ok(own) => serve(own, on_suspend, desk).await,
            Err(error) => Err(error),
        };
        match served {
            Ok(()) => pause = FIRST_PAUSE,
            Err(Error::Ended { .. }) => return,
            Err(error) => {
                desk.refuse(error);
                if client.sleep(pause).await.is_err() {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
                desk.stand();
            }
        }
    }
}

/// Leads with a node that is the first, until it is gone or given up.
async fn serve(own: OwnNode, on_suspend: OnSuspend, desk: &Desk) -> Result<(), Error> {
    let held = Held::hoping(own);
    let term = Term::of(&held);
    let mut tenure = held.tenure();
    // Not before the server has shown the node as this session's (CURATOR-696).
    let mut is_confirmed = false;
    let outcome = loop {
        is_confirmed |= tenure == Tenure::Held;
        match ruling(on_suspend, tenure) {
            Ruling::Leads if is_confirmed => desk.gain(&term),
            Ruling::Leads => {}
            Ruling::Pauses(loss) => desk.lose(loss),
            Ruling::Ends(loss) => {
                desk.lose(loss);
                break Ok(());
            }
        }
        let news = {
            let given_up = pin!(desk.given_up());
            let changed = pin!(held.changed(tenure));
            either(given_up, changed).await
        };
        match news {
            Either::First(()) => break held.release().await,
            Either::Second(now) => tenure = now,
        }
    };
    desk.turn_over();
    outcome
}

/// Whether the first in line leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    Leads,
    /// Not now, but perhaps with the same node again.
    Pauses(LeadershipLoss),
    /// Never again with this node.
    Ends(LeadershipLoss),
}

fn ruling(on_suspend: OnSuspend, tenure: Tenure) -> Ruling {
    let is_deaf = broken!("election: leads on while the connection is lost, whatever was agreed");
    let on_suspend = if is_deaf { OnSuspend::UntilExpired } else { on_suspend };
    match (tenure, on_suspend) {
        (Tenure::Held, _)
        | (Tenure::InDoubt { .. }, OnSuspend::UntilPresumedLost | OnSuspend::UntilExpired)
        | (Tenure::Lost(Loss::Presumed), OnSuspend::UntilExpired) => Ruling::Leads,
        (Tenure::InDoubt { .. }, OnSuspend::GiveUpNow) => Ruling::Pauses(LeadershipLoss::Suspended),
        (Tenure::Lost(Loss::Presumed), OnSuspend::GiveUpNow | OnSuspend::UntilPresumedLost) => {
            Ruling::Pauses(LeadershipLoss::Presumed)
        }
        (Tenure::Lost(Loss::SessionOver), _) => Ruling::Ends(LeadershipLoss::SessionOver),
        (Tenure::Lost(Loss::Removed), _) if broken!("election: leads on when somebody has deleted its node") => {
            Ruling::Leads
        }
        (Tenure::Lost(Loss::Removed), _) => Ruling::Ends(LeadershipLoss::Removed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Instant;

    #[test]
    fn each_policy_says_how_long_the_first_in_line_leads_without_a_connection() {
        use LeadershipLoss::{Presumed, Removed, SessionOver, Suspended};
        use OnSuspend::{GiveUpNow, UntilExpired, UntilPresumedLost};
        use Ruling::{Ends, Leads, Pauses};
        let in_doubt = Tenure::InDoubt { valid_until: Instant::ORIGIN };
        let lost = Tenure::Lost;
        for (tenure, expected) in [
            (Tenure::Held, [Leads, Leads, Leads]),
            (in_doubt, [Pauses(Suspended), Leads, Leads]),
            (lost(Loss::Presumed), [Pauses(Presumed), Pauses(Presumed), Leads]),
            (lost(Loss::SessionOver), [Ends(SessionOver); 3]),
            (lost(Loss::Removed), [Ends(Removed); 3]),
        ] {
            let rulings = [GiveUpNow, UntilPresumedLost, UntilExpired].map(|policy| ruling(policy, tenure));
            assert_eq!(rulings, expected, "{tenure:?}");
        }
    }
}
