//! The first message of each direction.

use crate::{
    ids::{SessionId, Zxid},
    wire::Secret,
};

records! {
    /// What a client sends first. 44 or 45 bytes with a password of 16.
    pub struct ConnectRequest = "ConnectRequest" {
        /// 0.
        protocol_version = "protocolVersion": i32,
        /// The last transaction that the client knows of. A server that is behind hangs up.
        last_zxid_seen = "lastZxidSeen": Zxid,
        /// The session timeout that the client wants: milliseconds.
        timeout_ms = "timeOut": i32,
        /// The session to take up again; zero for a new one.
        session_id = "sessionId": SessionId,
        /// Its password; 16 zero bytes for a new one.
        passwd = "passwd": Secret,
        /// Whether a read-only server will do. Absent in clients before 3.4.
        read_only = "readOnly": Option<bool>,
    }

    /// What a server answers. 36 or 37 bytes with a password of 16.
    pub struct ConnectResponse = "ConnectResponse" {
        /// 0.
        protocol_version = "protocolVersion": i32,
        /// The session timeout that is in force: milliseconds; zero or less where the session is refused.
        timeout_ms = "timeOut": i32,
        /// The session; zero where it is refused.
        session_id = "sessionId": SessionId,
        /// Its password.
        passwd = "passwd": Secret,
        /// Whether the server is read-only. Present when the request had it, and the server is not older than 3.4.
        read_only = "readOnly": Option<bool>,
    }
}
