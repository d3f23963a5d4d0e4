//! What can be said about every queue.

/// Settings of everything that is put into.
macro_rules! putting {
    ($queue:ident) => {
        impl $queue {
            /// Sets the access control list of the entries, and of the nodes above them if they are made. Default: open to
            /// everybody.
            pub fn acl(mut self, acl: &[crate::record::Acl]) -> Self {
                self.store.acl = Some(acl.into());
                self
            }

            /// Makes every write leave a receipt, by which the client sees whether it was carried out when the reply is lost: an
            /// ephemeral node below `<path>-receipts`, made in the same transaction and deleted in the background, so each
            /// put and take costs a second write. As long as the session lives, nothing is unknown then.
            ///
            /// All clients that understand the layout understand the queue as before.
            pub fn exact(mut self) -> Self {
                self.store.receipts = Some(crate::recipes::queue::beside(self.path(), "receipts"));
                self
            }

            /// Puts something again when nobody can tell whether it is there already, instead of saying
            /// [`Unknown`](crate::recipes::Put::Unknown): for those who would rather have it twice than not at all.
            pub fn put_again(mut self) -> Self {
                self.store.puts_again = true;
                self
            }

            /// Puts nothing into a queue that has so many entries. It is a limit by and large: several who put at the same time
            /// may all find room for one. Default: none.
            pub fn limit(mut self, entries: usize, when_full: crate::recipes::WhenFull) -> Self {
                self.store.limit = Some((entries, when_full));
                self
            }

            /// Counts the entries, by what the server says of the node above them. It reads no names, so it works when there
            /// are too many to be listed, too.
            ///
            /// # Errors
            ///
            /// The server's, but none where there is no queue yet.
            pub async fn len(&self) -> Result<usize, crate::client::Error> {
                self.store.len().await
            }

            /// Returns whether there are no entries, as [`len`](Self::len) does.
            ///
            /// # Errors
            ///
            /// As [`len`](Self::len).
            pub async fn is_empty(&self) -> Result<bool, crate::client::Error> {
                Ok(self.len().await? == 0)
            }
        }
    };
}

/// Operations of queues of which an item is gone once it is taken.
macro_rules! taking {
    ($queue:ident) => {
        impl $queue {
            /// Takes one of the first so many entries by the dice, instead of the very first: where many take, fewer are in
            /// each other's way, and the order holds only by and large. Default: 1.
            pub fn among(mut self, first: usize) -> Self {
                self.manner.among = first;
                self
            }

            /// Lets those who wait stand in line, by a [`Lock`](crate::recipes::Lock) at `<path>-turn`: an entry wakes one of them, not
            /// all, and they take strictly one after the other. [`try_take`](Self::try_take) does not stand in line.
            pub fn in_turn(mut self) -> Self {
                let path = crate::recipes::queue::beside(self.path(), "turn");
                // A path with something appended is one.
                self.manner.turn = crate::recipes::Lock::new(&self.store.client, &path).ok();
                self
            }

            /// Returns the path.
            pub fn path(&self) -> &str {
                &self.store.path
            }

            /// Takes what comes first, and waits for it where there is nothing.
            ///
            /// Dropping the future is giving up, but the item may have been taken out by then: it is put back if every write
            /// leaves a [receipt](Self::exact), and lost otherwise.
            ///
            /// # Errors
            ///
            /// When the client is over, or the server refuses: [`NoAuth`](crate::code::ErrorCode::NoAuth), for instance.
            pub async fn take(&self) -> Result<crate::recipes::Taken, crate::client::Error> {
                match self.store.take(&self.manner, crate::recipes::queue::Patience::endless()).await? {
                    Some(taken) => Ok(taken),
                    None => unreachable!("it is waited for"),
                }
            }

            /// Takes what comes first, and waits for it for so long; `None` when there was nothing.
            ///
            /// When the time is up in the middle of taking, that gives [`Unknown`](crate::recipes::Taken::Unknown), or `None` where
            /// every write leaves a [receipt](Self::exact), because it is put back then.
            ///
            /// # Errors
            ///
            /// As [`take`](Self::take).
            pub async fn take_timeout(
                &self,
                limit: core::time::Duration,
            ) -> Result<Option<crate::recipes::Taken>, crate::client::Error> {
                self.store
                    .take(&self.manner, crate::recipes::queue::Patience::until_in(&self.store.client, limit))
                    .await
            }

            /// Takes what comes first; `None` where there is nothing.
            ///
            /// # Errors
            ///
            /// As [`take`](Self::take). It does wait for a connection.
            pub async fn try_take(&self) -> Result<Option<crate::recipes::Taken>, crate::client::Error> {
                self.store.try_take(&self.manner).await
            }

            /// Reads what comes first, due or not, and leaves it there; `None` where there is nothing.
            ///
            /// # Errors
            ///
            /// As [`take`](Self::take).
            pub async fn peek(&self) -> Result<Option<crate::recipes::Item>, crate::client::Error> {
                self.store.first().await
            }
        }
    };
}

pub(super) use {putting, taking};
