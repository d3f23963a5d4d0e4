//! The right to do something for the next hour, by the clock on the wall.

mod calendar;
mod record;

use core::{fmt, time::Duration};
use std::{sync::Arc, time::SystemTime};

use super::{
    janitor::child,
    lock::{Held, Lock, LockLayout},
    session::Trouble,
};
use crate::{
    broken::broken,
    client::{Client, Error},
    code::ErrorCode,
    record::{Acl, Stat},
    request::{Create2, Op, SetData, Version},
};

use record::{Read, Record};

/// The node that says who has the lease.
const HOLDER: &str = "lease_holder";

/// The right to do something up to a time of day, which survives the session and the process: "this host runs the nightly job".
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use zk_proto::client::{Client, Error};
/// use zk_proto::recipes::{Leased, TimeLease};
///
/// # async fn example(client: Client) -> Result<(), Error> {
/// let lease = TimeLease::new(&client, "/leases/report", "host-7", SystemTime::now)?;
/// match lease.try_obtain(Duration::from_secs(3_600)).await? {
///     Leased::Obtained { until } => println!("ours until {until:?}"),
///     Leased::Held { holder, until } => println!("{holder} has it until {until:?}"),
///     other => println!("not obtained: {other:?}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// Whoever obtains it has seen that it was free, or his own, or had run out, **by his clock**, and nobody else has obtained it at the same
/// time. The clock is an argument: a clock that is ahead by some seconds takes a lease those seconds too early, while the holder
/// still believes that he has it; one that is behind waits longer than it needs to. So clocks must agree to within what the work can
/// stand, and holders stop in good time: where no two clocks are further apart than some seconds, whoever stops those seconds before
/// `until` is alone. Where that is not enough, use a [`Lock`].
///
/// | what happens | what comes of it |
/// |---|---|
/// | the holder asks again | it is renewed from now on, even where that is shorter |
/// | the session ends, or the process | it is held until its time is up |
/// | connection lost before the reply | asked again: it is ours already, or not |
/// | the future is dropped | it was obtained, or not |
/// | the node is deleted | it is free |
/// | the node contains something else, or a later format | [`Leased::Unreadable`]; nothing is changed |
///
/// # Layout
///
/// As kazoo's `NonBlockingLease`: the node `lease_holder` below the path contains a JSON object of `holder` and `end`, in UTC and
/// whole seconds. It is written under a lock of kazoo's on the path itself, so this waits while somebody else is about to obtain
/// or refuse it, but not for the lease.
#[derive(Clone)]
pub struct TimeLease {
    lock: Lock,
    client: Client,
    node: Arc<str>,
    holder: Arc<str>,
    acl: Option<Arc<[Acl]>>,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

/// What came of asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it may not have been obtained"]
#[non_exhaustive]
pub enum Leased {
    /// It is ours until then.
    Obtained {
        /// When it ends, to the second.
        until: SystemTime,
    },
    /// Somebody else has it until then.
    Held {
        /// Who.
        holder: String,
        /// When it ends.
        until: SystemTime,
    },
    /// What the node contains is of a later format, or something else. It may be that somebody holds it.
    Unreadable,
}

impl TimeLease {
    /// Makes a lease of a path, for a holder of that name, with a clock. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(
        client: &Client,
        path: &str,
        holder: &str,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::with_clock(client, path, holder, Arc::new(now))
    }

    fn with_clock(
        client: &Client,
        path: &str,
        holder: &str,
        now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    ) -> Result<Self, Error> {
        let lock = Lock::new(client, path)?.layout(LockLayout::Kazoo).data(holder.as_bytes());
        Ok(Self {
            lock,
            client: client.clone(),
            node: child(path, HOLDER).into(),
            holder: holder.into(),
            acl: None,
            now,
        })
    }

    /// Sets the access control list of the nodes. Default: open to everybody.
    pub fn acl(mut self, acl: &[Acl]) -> Self {
        self.lock = self.lock.acl(acl);
        self.acl = Some(acl.into());
        self
    }

    /// Obtains the lease from now on for so long, or renews it, unless somebody else has it.
    ///
    /// # Errors
    ///
    /// When the client is over, or the server refuses.
    pub async fn try_obtain(&self, duration: Duration) -> Result<Leased, Error> {
        loop {
            let held = self.lock.acquire().await?;
            let leased = self.obtain(&held, duration).await;
            match leased {
                Ok(leased) => {
                    // What cannot be deleted goes with the session; the lease is what was asked for.
                    _ = held.release().await;
                    return Ok(leased);
                }
                // Somebody has deleted the lock's node, or written without it.
                Err(error) if is_race(&error) => {}
                // Whoever has it already may ask again.
                Err(error) if Trouble::of(&error) != Trouble::Definite => self.client.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Obtains it under the lock.
    async fn obtain(&self, held: &Held, duration: Duration) -> Result<Leased, Error> {
        let found = self.find(held).await?;
        let now = (self.now)();
        match &found {
            Some((Read::Record(record), _)) if *record.holder != *self.holder && now < record.end => {
                return Ok(Leased::Held { holder: record.holder.clone(), until: record.end });
            }
            Some((Read::OtherVersion | Read::Unreadable, _)) => return Ok(Leased::Unreadable),
            Some((Read::Record(_), _)) | None => {}
        }
        let record = Record { holder: self.holder.to_string(), end: calendar::end(now, duration) };
        let data = record.write();
        if found.is_some() && broken!("time lease: writes without asking whether it still has the lock") {
            self.client.set_data(&self.node, data).await?;
            return Ok(Leased::Obtained { until: record.end });
        }
        let write = match found {
            Some((_, stat)) => {
                Op::SetData(SetData { path: &self.node, data: data.into(), version: Version::Exactly(stat.version) })
            }
            None => Op::Create(Create2 { acl: self.acl.as_deref(), ..Create2::new(&self.node, data) }),
        };
        held.transaction().op(write).await?;
        Ok(Leased::Obtained { until: record.end })
    }

    async fn find(&self, held: &Held) -> Result<Option<(Read, Stat)>, Error> {
        // Whoever had the lock before has written before: a create that is answered is behind that, and so is this read.
        match self.client.get_data(&self.node).pin(held.session()).resend().await {
            Ok((data, stat)) => Ok(Some((Record::read(&data), stat))),
            Err(Error::Server(ErrorCode::NoNode)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the lease up before its time, if it is ours, and returns whether it was.
    ///
    /// # Errors
    ///
    /// As [`try_obtain`](Self::try_obtain).
    pub async fn give_up(&self) -> Result<bool, Error> {
        let mut was_ours = false;
        loop {
            let held = self.lock.acquire().await?;
            let given = match self.find(&held).await {
                Ok(Some((Read::Record(record), stat)))
                    if *record.holder == *self.holder || broken!("time lease: gives up what somebody else has") =>
                {
                    was_ours = true;
                    held.transaction().delete(&self.node, stat.version).await.map(|_| ())
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            match given {
                Ok(()) => {
                    _ = held.release().await;
                    return Ok(was_ours);
                }
                Err(error) if is_race(&error) => {}
                Err(error) if Trouble::of(&error) != Trouble::Definite => self.client.connected().await?,
                Err(error) => return Err(error),
            }
        }
    }
}

/// Several leases below one path, of which a holder takes the first that is free: so many may work at a time. As kazoo's
/// `MultiNonBlockingLease`: they are called `0`, `1`, and so on.
#[derive(Clone, Debug)]
pub struct MultiTimeLease(Vec<TimeLease>);

impl MultiTimeLease {
    /// Makes so many leases below a path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when the path cannot be one.
    pub fn new(
        client: &Client,
        path: &str,
        count: usize,
        holder: &str,
        now: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let now: Arc<dyn Fn() -> SystemTime + Send + Sync> = Arc::new(now);
        let lease =
            |number: usize| TimeLease::with_clock(client, &child(path, &number.to_string()), holder, now.clone());
        (0..count).map(lease).collect::<Result<_, _>>().map(Self)
    }

    /// Obtains or renews one of them, from now on for so long, and returns its number with when it ends; `None` when all are held
    /// by others.
    ///
    /// They are tried in order, so a holder of a later one may get an earlier one besides, as with kazoo.
    ///
    /// # Errors
    ///
    /// As [`TimeLease::try_obtain`].
    pub async fn try_obtain(&self, duration: Duration) -> Result<Option<(usize, SystemTime)>, Error> {
        for (number, lease) in self.0.iter().enumerate() {
            if let Leased::Obtained { until } = lease.try_obtain(duration).await? {
                return Ok(Some((number, until)));
            }
        }
        Ok(None)
    }
}

/// Returns whether somebody has written or deleted without minding the lock.
fn is_race(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::BadVersion | ErrorCode::NoNode | ErrorCode::NodeExists))
}

impl fmt::Debug for TimeLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeLease").field("node", &self.node).field("holder", &self.holder).finish_non_exhaustive()
    }
}
