//! What the session promises, one test a promise and one a trap, by bytes and virtual time alone.

mod backlog;
mod chroot;
mod ending;
mod greeting;
mod heartbeat;
mod hostile;
mod hosts;
mod links;
mod metrics;
#[cfg(zk_broken)]
mod mistakes;
mod mixed_watches;
mod old_servers;
mod read_only;
mod rejected;
mod removal;
mod replay;
mod replies;
mod requests;
mod resend;
mod secure;
mod support;
mod time_limits;
mod validity;
mod watches;
