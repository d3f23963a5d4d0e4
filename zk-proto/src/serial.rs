//! `serde` for what programs keep in files and show as JSON: stats, access control lists, ids, and how to connect.
//!
//! Ids are numbers, permissions are letters as ZooKeeper's shell has them (`cdrwa`), texts are strings, and lists of servers are as in a
//! connect string. Credentials can be read from a configuration, and cannot be written: what is not there cannot leak.

use alloc::string::String;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{AuthInfo, ConnectString, Server, Servers, acl::Perms, wire::Text};

/// As a string, by what a type displays as.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

as_text!(ConnectString, Server, Servers, Perms);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for AuthInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Plain {
            scheme: String,
            secret: String,
        }

        let Plain { scheme, secret } = Plain::deserialize(deserializer)?;
        Ok(Self::new(&scheme, secret.as_bytes()))
    }
}
