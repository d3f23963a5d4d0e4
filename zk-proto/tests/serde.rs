//! What programs keep in files and show as JSON.
#![cfg(feature = "serde")]

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json, to_value};
use zk_proto::{
    AuthInfo, ConnectString, Servers, SessionId, Zxid,
    acl::Perms,
    record::{Acl, ClientInfo, Stat},
};

#[track_caller]
fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, expected: Value) {
    assert_eq!(to_value(&value).unwrap(), expected);
    assert_eq!(from_value::<T>(expected).unwrap(), value);
}

#[test]
fn ids_are_numbers_and_permissions_are_letters() {
    is(Zxid(i64::MAX), json!(i64::MAX));
    is(SessionId(-1), json!(-1));
    is(Perms::READ | Perms::CREATE, json!("cr"));
    is(
        Acl::digest(Perms::ALL, "bob:hash"),
        json!({ "perms": "cdrwa", "id": { "scheme": "digest", "id": "bob:hash" } }),
    );
    is(ClientInfo { auth_scheme: Some("ip".into()), user: None }, json!({ "auth_scheme": "ip", "user": null }));
}

#[test]
fn a_stat_has_the_names_of_its_fields() {
    let stat = Stat { czxid: Zxid(7), version: 3, ephemeral_owner: SessionId(9), data_length: 5, ..Stat::default() };
    let value = json!({
        "czxid": 7, "mzxid": 0, "ctime": 0, "mtime": 0, "version": 3, "cversion": 0, "aversion": 0,
        "ephemeral_owner": 9, "data_length": 5, "num_children": 0, "pzxid": 0,
    });
    is(stat, value);
}

#[test]
fn servers_are_as_in_a_connect_string() {
    let connect: ConnectString = "zk1:2181,[::1]:2182/app".parse().unwrap();
    let read: ConnectString = from_value(json!("zk1:2181,[::1]:2182/app")).unwrap();
    assert_eq!(read.to_string(), connect.to_string());
    assert_eq!(to_value(&connect).unwrap(), json!(connect.to_string()));
    let servers: Servers = from_value(json!("zk1,zk2:99")).unwrap();
    assert_eq!(servers.len(), 2);
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let reason = |error: serde_json::Error| error.to_string();
    assert!(reason(from_value::<Perms>(json!("rx")).unwrap_err()).contains("'x' is no permission"));
    assert!(from_value::<ConnectString>(json!("zk1:port")).is_err());
    assert!(from_value::<Zxid>(json!("7")).is_err());
    assert!(from_value::<AuthInfo>(json!({ "scheme": "digest", "password": "bob:swordfish" })).is_err());
}

#[test]
fn credentials_are_read_and_never_shown() {
    let auth: AuthInfo = from_value(json!({ "scheme": "digest", "secret": "bob:swordfish" })).unwrap();
    assert_eq!(auth, AuthInfo::digest("bob", "swordfish"));
    assert!(!format!("{auth:?}").contains("swordfish"));
}
