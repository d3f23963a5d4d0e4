//! Several operations as one call.

use super::{Call, Client, Error, pending::Outcome};
use crate::{
    request::{
        Create2, Delete, GetChildren, GetData, Multi, MultiRead, Op, OpResult, ReadOp, ReadResult, SetData, Version,
    },
    wire::Payload,
};

impl Client {
    /// Begins a list of writes and checks that are carried out all or not at all.
    ///
    /// Fails with [`Error::Multi`], which names the operation that failed.
    ///
    /// ```
    /// # use zk_proto::client::{Client, Error};
    /// # async fn example(client: Client) -> Result<(), Error> {
    /// let results = client.multi().check("/a", 4).create("/b", b"").delete("/c", None).await?;
    /// assert_eq!(results.len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn multi<'a>(&'a self) -> Call<'a, Multi<'a>, Vec<OpResult>> {
        Call::new(self, Multi::default(), |outcome: Outcome<'_>| outcome.reply::<Multi<'_>>()?.map_err(Error::from))
    }

    /// Begins a list of reads that see one moment of the server. Since 3.6.0. One that fails does not affect the others.
    pub fn multi_read<'a>(&'a self) -> Call<'a, MultiRead<'a>, Vec<ReadResult>> {
        self.request(MultiRead::default())
    }
}

impl<'a, T> Call<'a, Multi<'a>, T> {
    /// Adds an operation.
    pub fn op(mut self, op: Op<'a>) -> Self {
        self.request.ops.push(op);
        self
    }

    /// Adds a check that a node has this version; without a version, that it exists.
    pub fn check(self, path: &'a str, version: impl Into<Version>) -> Self {
        self.op(Op::Check { path, version: version.into() })
    }

    /// Adds the creation of a persistent node that is open to everybody.
    pub fn create(self, path: &'a str, data: impl Into<Payload<'a>>) -> Self {
        self.create_with(Create2::new(path, data))
    }

    /// Adds the creation of a node of any kind.
    pub fn create_with(self, create: Create2<'a>) -> Self {
        self.op(Op::Create(create))
    }

    /// Adds the replacement of a node's data, if it has this version.
    pub fn set_data(self, path: &'a str, data: impl Into<Payload<'a>>, version: impl Into<Version>) -> Self {
        self.op(Op::SetData(SetData { path, data: data.into(), version: version.into() }))
    }

    /// Adds the deletion of a node, if it has this version.
    pub fn delete(self, path: &'a str, version: impl Into<Version>) -> Self {
        self.op(Op::Delete(Delete { path, version: version.into() }))
    }
}

impl<'a, T> Call<'a, MultiRead<'a>, T> {
    /// Adds reading a node's data.
    pub fn get_data(mut self, path: &'a str) -> Self {
        self.request.ops.push(ReadOp::GetData(GetData::new(path)));
        self
    }

    /// Adds listing a node's children.
    pub fn get_children(mut self, path: &'a str) -> Self {
        self.request.ops.push(ReadOp::GetChildren(GetChildren::new(path)));
        self
    }
}
