//! Claims to entries: who has made the ephemeral node of an entry's name works on it.
//!
//! The name is the same for everybody, so that only one can make it. Whose it is tells its data, which nobody else writes: that it
//! belongs to our session proves nothing where several of one client's workers contend.

use super::super::{
    super::{
        guid::Guid,
        janitor::{child, search_shared},
        parents::ensure_path_as,
        protected::OwnNode,
        session::Trouble,
    },
    item::Item,
};
use crate::{
    SessionId,
    broken::broken,
    client::{Client, Error},
    code::{CreateMode, ErrorCode},
    path,
    record::Acl,
    request::{Create2, Op, OpResult, SetData},
};

/// How often the node above the claims may vanish again before a claim is made.
const PATIENCE: usize = 16;

/// What came of claiming an entry.
#[derive(Debug)]
pub(super) enum Claimed {
    Ours(OwnNode),
    /// Somebody else has it.
    Theirs,
    /// There is no such entry any more.
    Gone,
    /// It is not what it was when it was read.
    Changed,
}

/// What is to be claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The entry's path.
    pub(super) entry: &'a str,
    /// Where the claims are.
    pub(super) claims: &'a str,
    /// How what is above the claims is made.
    pub(super) above: CreateMode,
    pub(super) acl: Option<&'a [Acl]>,
    /// What was read, where claims are counted: by the version of the entry, so each writes it anew.
    pub(super) counted: Option<&'a Item>,
}

impl Wanted<'_> {
    /// Returns what makes the claim fail where the entry is gone, and counts it.
    fn condition(&self) -> Op<'_> {
        match self.counted {
            Some(item) => Op::SetData(SetData { path: self.entry, data: item.raw().into(), version: item.version() }),
            None => Op::Check { path: self.entry, version: None.into() },
        }
    }

    /// Claims the entry, if nobody has.
    ///
    /// # Errors
    ///
    /// When the session is over ([`Trouble::SessionOver`]), and the server's.
    pub(super) async fn claim(&self, client: &Client, session: SessionId) -> Result<Claimed, Error> {
        let token = Guid::new(client).plain();
        let claim = child(self.claims, path::name(self.entry));
        let mut own = OwnNode::shared(client, session, claim.clone(), token.clone());
        let mut tries = PATIENCE;
        loop {
            let mut create = Create2::new(&claim, token.as_bytes()).mode(CreateMode::Ephemeral);
            create.acl = self.acl;
            let error = match client.multi().op(self.condition()).create_with(create).pin(session).await {
                Ok(results) => {
                    let created = match results.last() {
                        Some(OpResult::Created { stat: Some(stat), .. }) => Some(stat.czxid),
                        // Servers before 3.9.0 do not say so in a transaction (ZOOKEEPER-4026).
                        _ => search_shared(client, session, &claim, &token).await?,
                    };
                    return match created {
                        Some(created) => {
                            own.was_created(created);
                            Ok(Claimed::Ours(own))
                        }
                        // Somebody has deleted it.
                        None => Ok(Claimed::Changed),
                    };
                }
                Err(error) => error,
            };
            if let Error::Multi(failure) = &error {
                let is_missing = (failure.index, failure.error) == (1, ErrorCode::NoNode);
                if !is_missing || tries == 0 {
                    own.forget();
                    return match (failure.index, failure.error) {
                        (0, ErrorCode::NoNode) => Ok(Claimed::Gone),
                        (0, ErrorCode::BadVersion) => Ok(Claimed::Changed),
                        (1, ErrorCode::NodeExists) => Ok(Claimed::Theirs),
                        _ => Err(error),
                    };
                }
                tries -= 1;
                ensure_path_as(client, self.claims, self.acl, self.above).await?;
                continue;
            }
            match Trouble::of(&error) {
                Trouble::InDoubt => {
                    if broken!("work queue: takes any claim of its session for its own") {
                        if let Some(stat) = client.exists(&claim).pin(session).resend().await? {
                            if stat.ephemeral_owner == session {
                                own.was_created(stat.czxid);
                                return Ok(Claimed::Ours(own));
                            }
                        }
                    }
                    if let Some(created) = search_shared(client, session, &claim, &token).await? {
                        own.was_created(created);
                        return Ok(Claimed::Ours(own));
                    }
                }
                Trouble::SessionOver => {
                    own.forget();
                    return Err(error);
                }
                Trouble::Definite => {
                    if error.is_certainly_not_applied() {
                        own.forget();
                    }
                    return Err(error);
                }
            }
        }
    }
}
