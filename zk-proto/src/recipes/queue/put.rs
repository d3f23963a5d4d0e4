//! Putting entries into a queue.
//!
//! An entry is nobody's: it outlives its session, and others take it as soon as it is there. So after a lost reply, that it is found
//! proves that it was made, but that it is not found proves nothing.

use super::{
    super::{guid::Guid, session::session},
    form::Label,
    frame,
    item::{Put, WhenFull},
    number::{self, pass_over},
    receipt::{Fate, Receipt},
    store::{Store, go_on, in_one_session, watched},
};
use crate::{
    broken::broken,
    client::Error,
    code::{CreateMode, ErrorCode},
    request::Create2,
};

/// How often the parents may vanish again before an entry is made below them.
const PATIENCE: usize = 16;

/// What was found out about a put without a reply.
enum Found {
    Known(Put),
    /// It was not carried out.
    NotThere,
    /// It may have been, and is done again on demand.
    PerhapsThere,
}

impl Store {
    /// Puts data into the queue: in one entry where that can hold several, else in one each; all or nothing.
    pub(super) async fn put(&self, label: Label<'_>, parts: &[&[u8]]) -> Result<Put, Error> {
        if !self.make_room().await? {
            return Ok(Put::Full);
        }
        let prefix = self.form.prefix(label, &Guid::new(&self.client).dashed());
        let framed = self.form.is_framed().then(|| frame::encode(parts));
        let data = match &framed {
            Some(framed) => vec![framed.as_slice()],
            None => parts.to_vec(),
        };
        let mut is_perhaps_there = false;
        match self.put_until_known(&prefix, &data, &mut is_perhaps_there).await {
            // That it cannot be put again says nothing of the first time.
            Err(_) if is_perhaps_there => Ok(Put::Unknown),
            put => put,
        }
    }

    async fn put_until_known(&self, prefix: &str, data: &[&[u8]], is_perhaps_there: &mut bool) -> Result<Put, Error> {
        let (mut tries, mut taken) = (PATIENCE, 0);
        loop {
            let mut receipt = match &self.receipts {
                Some(parent) => {
                    let session = session(&self.client).await?;
                    // Each has a name of its own: the one before is deleted in the background, whenever that comes about.
                    let name = Guid::new(&self.client).dashed();
                    Some(Receipt::new(&self.client, session, parent, &name, Fate::Delete))
                }
                None => None,
            };
            let Err(error) = self.create(prefix, data, receipt.as_ref(), taken).await else { return Ok(Put::Done) };
            if let Some(receipt) = receipt.as_mut().filter(|_| error.is_certainly_not_applied()) {
                receipt.fate = Fate::Nothing;
            }
            if error.code() == Some(ErrorCode::NoNode) && tries > 0 {
                tries -= 1;
                for path in [Some(&self.path), self.receipts.as_ref()].into_iter().flatten() {
                    self.ensure(path).await?;
                }
            } else if error.code() == Some(ErrorCode::NodeExists) && tries > 0 && !self.is_at_its_end(taken + 1).await?
            {
                (tries, taken) = (tries - 1, taken + 1);
            } else if error.is_certainly_not_applied() {
                go_on(&self.client, error).await?;
            } else {
                match self.find_out(prefix, receipt.as_ref(), error).await? {
                    Found::Known(put) => return Ok(put),
                    Found::NotThere => {}
                    Found::PerhapsThere => *is_perhaps_there = true,
                }
            }
        }
    }

    /// Makes the entries, when so many numbers were found to be taken.
    async fn create(&self, prefix: &str, data: &[&[u8]], receipt: Option<&Receipt>, taken: usize) -> Result<(), Error> {
        let (path, placeholder) = (self.child(prefix), self.child(&Guid::new(&self.client).dashed()));
        let create = |data| {
            let mut create = Create2::new(&path, data).mode(CreateMode::PersistentSequential);
            create.acl = self.acl();
            create
        };
        match (data, receipt, taken) {
            ([data], None, 0) => self.client.request(create(*data)).await.map(|_| ()),
            _ => {
                let mut multi = pass_over(self.client.multi(), &placeholder, taken);
                for data in data {
                    multi = multi.create_with(create(*data));
                }
                if let Some(receipt) = receipt {
                    multi = multi.op(receipt.op()).pin(receipt.session());
                }
                multi.await.map(|_| ())
            }
        }
    }

    /// Asks whether there is no number for an entry when so many are passed over.
    async fn is_at_its_end(&self, taken: usize) -> Result<bool, Error> {
        Ok(self.stat().await?.is_some_and(|stat| number::is_at_its_end(&stat, taken)))
    }

    /// Finds out whether something was put.
    async fn find_out(&self, prefix: &str, receipt: Option<&Receipt>, error: Error) -> Result<Found, Error> {
        if let Error::Malformed(_) = error {
            return Ok(Found::Known(Put::Done));
        }
        if broken!("queue: puts again what it may have put") {
            return go_on(&self.client, error).await.map(|()| Found::NotThere);
        }
        if let Some(receipt) = receipt {
            match receipt.is_there().await {
                Ok(true) => return Ok(Found::Known(Put::Done)),
                Ok(false) => return Ok(Found::NotThere),
                // The receipt is gone with the session.
                Err(_) => {}
            }
        }
        if self.form.is_unique() && matches!(self.has(prefix).await, Ok(true)) {
            return Ok(Found::Known(Put::Done));
        }
        let goes_on = self.puts_again && go_on(&self.client, error).await.is_ok();
        Ok(if goes_on { Found::PerhapsThere } else { Found::Known(Put::Unknown) })
    }

    /// Waits until there is room; false where that is not to be waited for.
    async fn make_room(&self) -> Result<bool, Error> {
        let Some((limit, when_full)) = self.limit else { return Ok(true) };
        while self.len().await? >= limit {
            match when_full {
                WhenFull::Refuse => return Ok(false),
                WhenFull::Wait => {
                    let listed = in_one_session(&self.client, |session| watched(self, session, &self.path));
                    let (_, (names, mut watcher)) = listed.await?;
                    if names.len() >= limit {
                        // When the session ends, it is looked again, too.
                        _ = watcher.changed().await;
                    }
                }
            }
        }
        Ok(true)
    }
}
