//! Requests about the ensemble and the connection rather than about nodes.

use alloc::vec::Vec;

use super::{InvalidRequest, NodeData, Request, WatchKind, Watched};
use crate::{
    Zxid,
    code::OpCode,
    path::CONFIG_NODE,
    record::ClientInfo,
    wire::{DecodeError, Decoder, Encoder},
};

/// Reads the ensemble's configuration: the data of `/zookeeper/config`, which lies outside of every chroot. Since 3.5.0.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetConfig;

impl Request for GetConfig {
    type Reply = NodeData;

    fn op(&self) -> OpCode {
        OpCode::GetData
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        Ok(())
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        out.path(CONFIG_NODE);
        out.watch_flag();
    }

    fn decode(body: &mut Decoder) -> Result<NodeData, DecodeError> {
        NodeData::decode(body)
    }
}

impl Watched for GetConfig {
    fn kind(&self) -> WatchKind {
        WatchKind::Data
    }

    fn path(&self) -> &str {
        CONFIG_NODE
    }
}

/// Changes the members of the ensemble. Since 3.5.0; usually for the super user only.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reconfig<'a> {
    /// Servers to add or change: `server.3=host:quorum:election:role;clientport`, separated by commas.
    pub joining: Option<&'a str>,
    /// Numbers of servers to take out, separated by commas.
    pub leaving: Option<&'a str>,
    /// The whole new list, instead of the two above.
    pub members: Option<&'a str>,
    /// The version that the present configuration must have: the `version` in its text. `None` for any.
    pub from_config: Option<Zxid>,
}

impl Request for Reconfig<'_> {
    type Reply = NodeData;

    fn op(&self) -> OpCode {
        OpCode::Reconfig
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        Ok(())
    }

    fn encode(&self, out: &mut Encoder<'_>) {
        for list in [self.joining, self.leaving, self.members] {
            out.buffer(list.map(str::as_bytes));
        }
        out.long(self.from_config.map_or(-1, |zxid| zxid.0));
    }

    fn decode(body: &mut Decoder) -> Result<NodeData, DecodeError> {
        NodeData::decode(body)
    }
}

/// Asks for the credentials of the connection. Since 3.7.0.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhoAmI;

impl Request for WhoAmI {
    type Reply = Vec<ClientInfo>;

    fn op(&self) -> OpCode {
        OpCode::WhoAmI
    }

    fn validate(&self) -> Result<(), InvalidRequest> {
        Ok(())
    }

    fn encode(&self, _: &mut Encoder<'_>) {}

    fn decode(body: &mut Decoder) -> Result<Vec<ClientInfo>, DecodeError> {
        Ok(body.vector()?.unwrap_or_default())
    }
}
