//! The layer between a machine and its transport.

use core::{
    fmt, mem,
    task::{Context, Poll},
};

use bytes::BytesMut;

use super::{
    Tls,
    channel::{Broken, Channel},
};
use crate::{Instant, LinkId, Machine, Security, Server, Transmit, Wants, wire::LARGE_BYTES};

/// A machine that speaks TLS where it should: ciphertext on the outside, the machine's own bytes inside.
///
/// The machine is told of a connection when the handshake is over, so its limit for a link covers the handshake; and that a link has
/// failed, with the reason, when a certificate is not to be trusted or what arrives is not TLS.
///
/// ```no_run
/// # fn example(tls: zk_proto::tls::Tls, connect: zk_proto::ConnectString) {
/// use zk_proto::{Config, Machine, Session, tls::Secured};
///
/// let mut machine = Secured::new(Session::<()>::new(Config::from(connect), [0; 32]), Some(tls));
/// let wanted = machine.wants(); // … and so on, as with a bare session,
/// let session = machine.get_mut(); // … whose own calls are made here.
/// # _ = (wanted, session.poll_event());
/// # }
/// ```
#[derive(Debug)]
pub struct Secured<M> {
    machine: M,
    // Little where there is no TLS, for there can be a thousand idle sessions.
    tls: Option<Box<Tls>>,
    link: Option<Box<Layer>>,
    probe: Option<Box<Layer>>,
    last_failure: Option<Box<str>>,
}

/// What lies over one link.
struct Layer {
    link: LinkId,
    channel: Channel,
    /// Why it cannot go on: told when what TLS has to say about it was handed out.
    broken: Option<Broken>,
}

impl<M: Machine> Secured<M> {
    /// Wraps a machine. Without a configuration, servers are spoken to in plain text, but for those that must not be.
    pub fn new(machine: M, tls: Option<Tls>) -> Self {
        Self { machine, tls: tls.map(Box::new), link: None, probe: None, last_failure: None }
    }

    /// Returns the machine.
    pub fn get_ref(&self) -> &M {
        &self.machine
    }

    /// Returns the machine, to do what is not a matter of bytes and links.
    pub fn get_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Returns why TLS could not go on with the last link on which it could not. It is also told to the machine, by
    /// [`handle_failure`](Machine::handle_failure); a bare session does not listen to that.
    pub fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    /// Returns the machine, and forgets what was secured.
    pub fn into_inner(self) -> M {
        self.machine
    }

    /// Makes what is to lie over a link that was opened.
    fn open(&self, server: &Server) -> Result<Option<Channel>, Failure> {
        match (server.security, &self.tls) {
            (Security::Plain, _) | (Security::AsConfigured, None) => Ok(None),
            (Security::Tls, None) => Err(Failure::NotConfigured),
            (Security::Tls | Security::AsConfigured, Some(tls)) => Ok(Some(Channel::new(tls, server)?)),
        }
    }

    /// Returns what lies over a link, if there is anything, and the machine.
    fn layer(&mut self, link: LinkId) -> (Option<&mut Layer>, &mut M) {
        let Self { machine, link: main, probe, .. } = self;
        let layer = [main, probe].into_iter().filter_map(Option::as_deref_mut).find(|layer| layer.link == link);
        (layer, machine)
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        [&self.link, &self.probe].into_iter().filter_map(Option::as_deref)
    }

    fn take_broken(&mut self) -> Option<(LinkId, Broken)> {
        let mut layers = [&mut self.link, &mut self.probe].into_iter().flatten();
        layers.find_map(|layer| Some((layer.link, layer.broken.take()?)))
    }

    fn forget(&mut self, link: LinkId) {
        for layer in [&mut self.link, &mut self.probe] {
            layer.take_if(|layer| layer.link == link);
        }
    }

    /// A link that TLS cannot go on with.
    fn give_up(&mut self, link: LinkId, failure: &dyn fmt::Display, now: Instant) {
        self.forget(link);
        let failure = self.last_failure.insert(failure.to_string().into());
        self.machine.handle_failure(link, failure, now);
    }
}

/// Why there is no link to a server of `tls://`.
pub(crate) const NOT_CONFIGURED: &str =
    "TLS: the server is to be spoken to by TLS, and the client was not configured for it";

/// Why a link was not secured.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{NOT_CONFIGURED}")]
    NotConfigured,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl<M: Machine> Machine for Secured<M> {
    fn handle_connected(&mut self, link: LinkId, now: Instant) {
        let server = match (self.machine.wants(), self.machine.wants_probe()) {
            (Wants::Link { id, server }, _) if id == link => server,
            (_, Some((id, server))) if id == link => server,
            // Not wanted any more, which the machine will say.
            _ => return self.machine.handle_connected(link, now),
        };
        let is_probe = self.machine.wants_probe().is_some_and(|(id, _)| id == link);
        match self.open(&server) {
            Ok(Some(channel)) => {
                let layer = if is_probe { &mut self.probe } else { &mut self.link };
                *layer = Some(Box::new(Layer { link, channel, broken: None }));
            }
            Ok(None) => self.machine.handle_connected(link, now),
            Err(failure) => self.give_up(link, &failure, now),
        }
    }

    fn handle_input(&mut self, link: LinkId, input: &mut BytesMut, now: Instant) {
        let (Some(Layer { channel, broken, .. }), machine) = self.layer(link) else {
            return self.machine.handle_input(link, input, now);
        };
        let was_established = channel.is_established();
        if broken.is_some() || was_established && !machine.wants_input() {
            return;
        }
        let mut take = |plain: &mut BytesMut| {
            if was_established {
                machine.handle_input(link, plain, now);
            }
        };
        *broken = channel.decrypt(input, &mut take).err();
        if channel.is_established() {
            if !was_established {
                machine.handle_connected(link, now);
            }
            // What came before the end is whole and true.
            machine.handle_input(link, &mut channel.plain, now);
            if channel.plain.is_empty() && channel.plain.capacity() < LARGE_BYTES {
                // Under load it is made again with each helping; an idle link keeps none. What is larger, the session has made room with
                // for a large frame, and lets go of.
                drop(mem::take(&mut channel.plain));
            }
        }
    }

    fn handle_disconnected(&mut self, link: LinkId, now: Instant) {
        self.forget(link);
        self.machine.handle_disconnected(link, now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        while let Some((link, broken)) = self.take_broken() {
            self.give_up(link, &broken, now);
        }
        self.machine.handle_timeout(now);
    }

    fn wants(&self) -> Wants {
        self.machine.wants()
    }

    fn wants_probe(&self) -> Option<(LinkId, Server)> {
        self.machine.wants_probe()
    }

    fn wants_input(&self) -> bool {
        self.machine.wants_input()
    }

    fn is_content_with(&self, link: Option<LinkId>, probe: Option<LinkId>) -> bool {
        self.machine.is_content_with(link, probe)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // What is broken is told at once.
        if self.layers().any(|layer| layer.broken.is_some()) {
            Some(Instant::ORIGIN)
        } else {
            self.machine.poll_timeout()
        }
    }

    fn poll_transmit(&mut self, link: LinkId, now: Instant) -> Option<Transmit> {
        let (Some(Layer { channel, broken, .. }), machine) = self.layer(link) else {
            return self.machine.poll_transmit(link, now);
        };
        if let Some(own) = channel.poll_own() {
            return Some(own);
        }
        if broken.is_some() || !channel.is_established() {
            return None;
        }
        if !channel.has_more_to_say() {
            let Some(transmit) = machine.poll_transmit(link, now) else {
                channel.rest();
                return None;
            };
            channel.say(transmit);
        }
        channel.encrypt().map_err(|why| *broken = Some(why)).ok()
    }

    fn handle_failure(&mut self, link: LinkId, complaint: &dyn fmt::Display, now: Instant) {
        let (layer, _) = self.layer(link);
        if layer.is_some_and(|layer| !layer.channel.is_established()) {
            // It is often a server's way to say that it does not speak TLS, or does not trust us.
            return self.give_up(link, &format_args!("{complaint}, during the TLS handshake"), now);
        }
        self.forget(link);
        self.machine.handle_failure(link, complaint, now);
    }

    fn poll_work(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        self.machine.poll_work(cx, now)
    }
}

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layer").field("link", &self.link).field("broken", &self.broken).finish_non_exhaustive()
    }
}
