//! Nodes in JSON.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use zk_blocking::Stat;

/// Writes data under `data` where it is text (or null), and encoded under `base64` where it is not.
pub(crate) fn put_data(object: &mut Map<String, Value>, data: Option<&[u8]>) {
    let (name, value) = match data.map(|data| (data, std::str::from_utf8(data))) {
        None => ("data", Value::Null),
        Some((_, Ok(text))) => ("data", text.into()),
        Some((data, Err(_))) => ("base64", BASE64_STANDARD.encode(data).into()),
    };
    object.insert(name.into(), value);
}

/// Reads what [`put_data`] has written.
pub(crate) fn data(object: &Map<String, Value>) -> Result<Option<Vec<u8>>, &'static str> {
    match (object.get("data"), object.get("base64")) {
        (Some(Value::String(text)), None) => Ok(Some(text.as_bytes().to_vec())),
        (None, Some(Value::String(text))) => BASE64_STANDARD.decode(text).map(Some).map_err(|_| "bad base64"),
        (None | Some(Value::Null), None) => Ok(None),
        (Some(_), Some(_)) => Err("either \"data\" or \"base64\", not both"),
        (_, Some(_)) => Err("\"base64\" must be a string"),
        (Some(_), None) => Err("\"data\" must be a string or null"),
    }
}

pub(crate) fn stat(stat: &Stat) -> Value {
    Value::Object(fields(stat).into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// Returns a node's figures by ZooKeeper's names for them: what is counted in numbers, what is compared in text.
pub(crate) fn fields(stat: &Stat) -> [(&'static str, Value); 11] {
    [
        ("czxid", stat.czxid.to_string().into()),
        ("mzxid", stat.mzxid.to_string().into()),
        ("pzxid", stat.pzxid.to_string().into()),
        ("ctime", crate::text::utc(stat.ctime).into()),
        ("mtime", crate::text::utc(stat.mtime).into()),
        ("version", json!(stat.version)),
        ("cversion", json!(stat.cversion)),
        ("aversion", json!(stat.aversion)),
        ("ephemeralOwner", stat.ephemeral_owner.to_string().into()),
        ("dataLength", json!(stat.data_length)),
        ("numChildren", json!(stat.num_children)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_back_whatever_it_is() {
        for original in [None, Some(&b""[..]), Some(b"text"), Some("größe".as_bytes()), Some(b"\xff\x00")] {
            let mut object = Map::new();
            put_data(&mut object, original);
            assert_eq!(data(&object), Ok(original.map(<[u8]>::to_vec)));
        }
    }

    #[test]
    fn data_of_another_form_is_refused() {
        for bad in [r#"{"data":1}"#, r#"{"base64":"!"}"#, r#"{"base64":null}"#, r#"{"data":"a","base64":"YQ=="}"#] {
            let Value::Object(object) = serde_json::from_str(bad).unwrap() else { panic!("{bad}") };
            assert!(data(&object).is_err(), "{bad}");
        }
        assert_eq!(data(&Map::new()), Ok(None));
    }
}
