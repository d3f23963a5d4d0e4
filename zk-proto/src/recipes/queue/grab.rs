//! Taking an entry out of a queue: the deletion decides who gets it.

use super::{
    super::guid::Guid,
    item::Item,
    receipt::{self, Fate, Receipt},
    store::Store,
    take::Patience,
};
use crate::{SessionId, broken::broken, client::Error, code::ErrorCode};

/// What came of it.
#[derive(Debug)]
pub(super) enum Grab {
    Ours(Item),
    /// Somebody else was faster.
    Gone,
    /// It is gone, and nobody can tell who has deleted it.
    Unknown(Item),
}

/// What came of deleting an entry.
enum Deleted {
    Done,
    Gone,
    /// It was not deleted, and is to be read again: it may be another one by now, or have other data.
    NotYet,
    Unknown,
}

impl Store {
    /// Takes an entry; nothing when the time is up. It is still there then, or is put back, if every write leaves a receipt.
    ///
    /// # Errors
    ///
    /// When the session, which is that of the list, was over before anything was done
    /// ([`Trouble::SessionOver`](super::super::session::Trouble::SessionOver)), and the server's.
    pub(super) async fn grab(
        &self,
        session: SessionId,
        name: &str,
        patience: &mut Patience,
    ) -> Result<Option<Grab>, Error> {
        loop {
            // In layouts of others, names come again when the queue's node is made anew. So what was read is deleted at once, or is
            // read again: never in a later session.
            let Some(read) = patience.wait_for(self.read(session, name)).await? else { return Ok(None) };
            let Some(item) = read? else { return Ok(Some(Grab::Gone)) };
            let deleted = match &self.receipts {
                Some(receipts) => {
                    match patience.wait_for(self.delete_against_receipt(session, &item, receipts)).await {
                        Ok(Some(deleted)) => deleted?,
                        // If it was deleted, it is put back.
                        Ok(None) => return Ok(None),
                        Err(_) => Deleted::Unknown,
                    }
                }
                None => match patience.wait_for(self.delete(session, &item)).await {
                    Ok(Some(deleted)) => deleted?,
                    // It was on its way.
                    Ok(None) | Err(_) => Deleted::Unknown,
                },
            };
            match deleted {
                Deleted::Done => return Ok(Some(Grab::Ours(item))),
                Deleted::Gone => return Ok(Some(Grab::Gone)),
                Deleted::NotYet => {}
                Deleted::Unknown => return Ok(Some(Grab::Unknown(item))),
            }
        }
    }

    async fn delete(&self, session: SessionId, item: &Item) -> Result<Deleted, Error> {
        let Err(error) = self.client.delete(item.path()).version(item.version()).pin(session).await else {
            return Ok(Deleted::Done);
        };
        match error.code() {
            Some(ErrorCode::NoNode) => return Ok(Deleted::Gone),
            Some(ErrorCode::BadVersion) => return Ok(Deleted::NotYet),
            _ => {}
        }
        if error.is_certainly_not_applied() {
            return Err(error);
        }
        if broken!("queue: takes a deletion without a reply for its own") {
            return Ok(Deleted::Done);
        }
        Ok(if matches!(self.is_there(item).await, Ok(true)) { Deleted::NotYet } else { Deleted::Unknown })
    }

    async fn delete_against_receipt(&self, session: SessionId, item: &Item, receipts: &str) -> Result<Deleted, Error> {
        let guid = Guid::new(&self.client).dashed();
        let entry = receipt::Entry {
            path: item.path().to_string(),
            prefix: self.child(&self.form.prefix(item.label(), &guid)),
            above: self.form.above(),
            data: item.raw().clone(),
            acl: self.acl.clone(),
        };
        let mut receipt = Receipt::new(&self.client, session, receipts, &guid, Fate::PutBack(entry));
        let multi = self.client.multi().delete(item.path(), item.version()).op(receipt.op()).pin(session);
        let Err(error) = multi.await else {
            receipt.fate = Fate::Delete;
            return Ok(Deleted::Done);
        };
        if let Error::Multi(failure) = &error {
            receipt.fate = Fate::Nothing;
            return match (failure.index, failure.error) {
                (0, ErrorCode::NoNode) => Ok(Deleted::Gone),
                (0, ErrorCode::BadVersion) => Ok(Deleted::NotYet),
                (1, ErrorCode::NoNode) => self.ensure(receipts).await.map(|()| Deleted::NotYet),
                _ => Err(error),
            };
        }
        if error.is_certainly_not_applied() {
            receipt.fate = Fate::Nothing;
            return Err(error);
        }
        if broken!("queue: calls it gone when a deletion had no reply") {
            receipt.fate = Fate::Delete;
            return Ok(Deleted::Gone);
        }
        match receipt.is_there().await {
            Ok(true) => {
                receipt.fate = Fate::Delete;
                return Ok(Deleted::Done);
            }
            Ok(false) => {
                receipt.fate = Fate::Nothing;
                return Ok(Deleted::NotYet);
            }
            Err(_) => receipt.fate = Fate::Nothing,
        }
        // The receipt is gone with the session; only that the entry is there still tells something.
        Ok(if matches!(self.is_there(item).await, Ok(true)) { Deleted::NotYet } else { Deleted::Unknown })
    }
}
