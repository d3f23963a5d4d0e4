//! An instance of a service, and its JSON.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Format, UriSpec};
use crate::client::Error;

/// An instance of a service: where it is, and what it says about itself.
///
/// On the server it is JSON, with the fields in Curator's order and `null` for what is not set. When it is read, fields that are not
/// known are ignored, and those that are missing or `null` are as in [`new`](Self::new); but a name and an id there must be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ServiceInstance {
    /// The service.
    pub name: String,
    /// What tells it from other instances of the service.
    pub id: String,
    /// Its host.
    #[serde(default)]
    pub address: Option<String>,
    /// Its port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Its port for encrypted connections.
    #[serde(default, rename = "sslPort")]
    pub ssl_port: Option<u16>,
    /// Whatever else it says. Curator's clients put text here, or objects with their [class](Self::payload_class).
    #[serde(default)]
    pub payload: Option<Value>,
    /// When it was registered, in milliseconds since 1970, by the clock of who has made it: nothing here reads a clock.
    #[serde(default, deserialize_with = "or_default", rename = "registrationTimeUTC")]
    pub registered_at_ms: i64,
    /// How long it is listed.
    #[serde(default, deserialize_with = "or_default", rename = "serviceType")]
    pub service_type: ServiceType,
    /// How its URI is made.
    #[serde(default, rename = "uriSpec")]
    pub uri_spec: Option<UriSpec>,
    /// Whether it is to be used.
    #[serde(default = "enabled", deserialize_with = "or_enabled")]
    pub enabled: bool,
}

/// How long an instance is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ServiceType {
    /// As long as its process has a session.
    #[default]
    Dynamic,
    /// Until it is unregistered.
    Static,
    /// Until it is unregistered.
    Permanent,
    /// As long as its process has a session, and its node is numbered by the server.
    DynamicSequential,
    /// One that is not known here, by its name. Such an instance can be read, and is registered like a dynamic one.
    #[serde(untagged)]
    Other(String),
}

/// Why a node cannot be read as an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// It has no data (CURATOR-574).
    #[error("there is no data")]
    Empty,
    /// What it has is not the JSON of an instance, for the reason given.
    #[error("not the JSON of an instance: {0}")]
    Json(String),
    /// The server does not let the client read it.
    #[error("the server does not let it be read: {0}")]
    Refused(Error),
}

/// What says which class of Java's an object is.
const CLASS: &str = "@class";

fn enabled() -> bool {
    true
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn or_enabled<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_else(enabled))
}

impl ServiceInstance {
    /// Makes an instance of a service that has nothing but an id yet.
    pub fn new(service: &str, id: &str) -> Self {
        Self { name: service.to_string(), id: id.to_string(), enabled: true, ..Self::default() }
    }

    /// Sets the host.
    pub fn address(mut self, address: &str) -> Self {
        self.address = Some(address.to_string());
        self
    }

    /// Sets the port.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the port for encrypted connections.
    pub fn ssl_port(mut self, port: u16) -> Self {
        self.ssl_port = Some(port);
        self
    }

    /// Sets what else it says.
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Sets what else it says to an object of a class, for clients of Curator that expect one: its fields, with the name of the class
    /// as `@class` beside them.
    pub fn payload_of_class(self, class: &str, mut fields: Map<String, Value>) -> Self {
        fields.insert(CLASS.to_string(), class.into());
        self.payload(fields)
    }

    /// Returns the class of Java's that the payload is an object of, if it says so.
    pub fn payload_class(&self) -> Option<&str> {
        self.payload.as_ref()?.get(CLASS)?.as_str()
    }

    /// Sets when it is registered, in milliseconds since 1970.
    pub fn registered_at_ms(mut self, time: i64) -> Self {
        self.registered_at_ms = time;
        self
    }

    /// Sets how long it is listed.
    pub fn service_type(mut self, service_type: ServiceType) -> Self {
        self.service_type = service_type;
        self
    }

    /// Sets how its URI is made.
    pub fn uri_spec(mut self, spec: UriSpec) -> Self {
        self.uri_spec = Some(spec);
        self
    }

    /// Makes its URI, if it says how; other variables than its own are taken from the function.
    pub fn uri(&self, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        self.uri_spec.as_ref().map(|spec| spec.build(Some(self), variable))
    }

    /// Writes it as JSON, as it is on the server.
    pub fn to_json(&self) -> Vec<u8> {
        self.encode(Format::Full)
    }

    pub(super) fn encode(&self, format: Format) -> Vec<u8> {
        let written = match format {
            Format::Full => serde_json::to_vec(self),
            Format::Old => serde_json::to_vec(&Old::of(self)),
        };
        written.expect("numbers, strings and JSON can be written as JSON")
    }

    /// Reads it from JSON, as any client of Curator's layout may have written it.
    ///
    /// # Errors
    ///
    /// [`InstanceError::Empty`] and [`InstanceError::Json`].
    pub fn from_json(data: &[u8]) -> Result<Self, InstanceError> {
        if data.is_empty() {
            return Err(InstanceError::Empty);
        }
        serde_json::from_slice(data).map_err(|error| InstanceError::Json(error.to_string()))
    }
}

/// An instance as Curator's clients before 4.0 know it.
#[derive(Serialize)]
struct Old<'a> {
    name: &'a str,
    id: &'a str,
    address: Option<&'a str>,
    port: Option<u16>,
    #[serde(rename = "sslPort")]
    ssl_port: Option<u16>,
    payload: Option<&'a Value>,
    #[serde(rename = "registrationTimeUTC")]
    registered_at_ms: i64,
    #[serde(rename = "serviceType")]
    service_type: &'a ServiceType,
    #[serde(rename = "uriSpec")]
    uri_spec: Option<&'a UriSpec>,
}

impl<'a> Old<'a> {
    fn of(instance: &'a ServiceInstance) -> Self {
        Self {
            name: &instance.name,
            id: &instance.id,
            address: instance.address.as_deref(),
            port: instance.port,
            ssl_port: instance.ssl_port,
            payload: instance.payload.as_ref(),
            registered_at_ms: instance.registered_at_ms,
            service_type: &instance.service_type,
            uri_spec: instance.uri_spec.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(instance: &ServiceInstance, format: Format) -> String {
        String::from_utf8(instance.encode(format)).unwrap()
    }

    #[test]
    fn json_has_the_fields_of_curator_in_its_order_and_null_for_what_is_not_set() {
        let bare = ServiceInstance::new("svc", "id1");
        let rest = r#""payload":null,"registrationTimeUTC":0,"serviceType":"DYNAMIC","uriSpec":null"#;
        let expected = format!(r#"{{"name":"svc","id":"id1","address":null,"port":null,"sslPort":null,{rest}"#);
        assert_eq!(text(&bare, Format::Old), format!("{expected}}}"));
        assert_eq!(text(&bare, Format::Full), format!(r#"{expected},"enabled":true}}"#));

        let full = ServiceInstance::new("svc", "id1")
            .address("10.0.0.7")
            .port(80)
            .ssl_port(443)
            .payload("text")
            .registered_at_ms(1_700_000_000_000)
            .service_type(ServiceType::DynamicSequential)
            .uri_spec("{scheme}://{address}".parse().unwrap());
        let parts = concat!(
            r#"{"value":"scheme","variable":true},{"value":"://","variable":false},"#,
            r#"{"value":"address","variable":true}"#
        );
        let expected = format!(
            concat!(
                r#"{{"name":"svc","id":"id1","address":"10.0.0.7","port":80,"sslPort":443,"payload":"text","#,
                r#""registrationTimeUTC":1700000000000,"serviceType":"DYNAMIC_SEQUENTIAL","#,
                r#""uriSpec":{{"parts":[{parts}]}},"enabled":true}}"#
            ),
            parts = parts
        );
        assert_eq!(text(&full, Format::Full), expected);
        assert_eq!(ServiceInstance::from_json(expected.as_bytes()), Ok(full));
    }

    #[test]
    fn what_older_newer_and_other_clients_write_is_read() {
        let instance = ServiceInstance::new("svc", "id1");
        let table = [
            (r#"{"name":"svc","id":"id1"}"#, instance.clone()),
            (r#"{"name":"svc","id":"id1","enabled":false}"#, ServiceInstance { enabled: false, ..instance.clone() }),
            (r#"{"future":[1,{}],"name":"svc","id":"id1","port":null}"#, instance.clone()),
            (
                r#"{"name":"svc","id":"id1","serviceType":"ETERNAL"}"#,
                instance.clone().service_type(ServiceType::Other("ETERNAL".to_string())),
            ),
            (
                r#"{"name":"svc","id":"id1","serviceType":null,"registrationTimeUTC":null,"enabled":null}"#,
                instance.clone(),
            ),
            (
                r#"{"name":"svc","id":"id1","payload":{"@class":"com.example.Payload","weight":3}}"#,
                instance.clone().payload(json!({"@class": "com.example.Payload", "weight": 3})),
            ),
            (r#"{"name":"svc","id":"id1","payload":["a","b"]}"#, instance.clone().payload(json!(["a", "b"]))),
        ];
        for (text, expected) in table {
            assert_eq!(ServiceInstance::from_json(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn types_are_written_as_they_were_read() {
        for name in ["DYNAMIC", "STATIC", "PERMANENT", "DYNAMIC_SEQUENTIAL", "ETERNAL", "dynamic"] {
            let text = format!(r#"{{"name":"svc","id":"id1","serviceType":"{name}"}}"#);
            let instance = ServiceInstance::from_json(text.as_bytes()).unwrap();
            let is_other = matches!(instance.service_type, ServiceType::Other(_));
            assert_eq!(is_other, ["ETERNAL", "dynamic"].contains(&name), "{name}");
            let written: Value = serde_json::from_slice(&instance.to_json()).unwrap();
            assert_eq!(written["serviceType"], name);
        }
    }

    #[test]
    fn payloads_say_of_which_class_they_are() {
        let fields = Map::from_iter([("weight".to_string(), json!(3))]);
        let instance = ServiceInstance::new("svc", "id1").payload_of_class("com.example.Payload", fields);
        assert_eq!(instance.payload, Some(json!({"@class": "com.example.Payload", "weight": 3})));
        assert_eq!(instance.payload_class(), Some("com.example.Payload"));
        for payload in [json!("text"), json!({"weight": 3}), json!({"@class": 3}), json!(["@class"])] {
            assert_eq!(instance.clone().payload(payload).payload_class(), None);
        }
    }

    #[test]
    fn what_is_no_instance_is_an_error_in_words_at_every_length() {
        assert_eq!(ServiceInstance::from_json(b""), Err(InstanceError::Empty));
        let table = [
            ("plain", "expected value"),
            ("[]", "invalid length 0"),
            ("null", "invalid type: null"),
            ("{}", "missing field `name`"),
            (r#"{"name":"svc"}"#, "missing field `id`"),
            (r#"{"name":7,"id":"id1"}"#, "invalid type: integer `7`"),
            (r#"{"name":"svc","id":"id1","port":"80"}"#, "invalid type: string"),
            (r#"{"name":"svc","id":"id1","port":70000}"#, "70000"),
            (r#"{"name":"svc","id":"id1","serviceType":7}"#, "ServiceType"),
        ];
        for (text, expected) in table {
            match ServiceInstance::from_json(text.as_bytes()) {
                Err(InstanceError::Json(reason)) => assert!(reason.contains(expected), "{text}: {reason}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        let whole = ServiceInstance::new("svc", "id1").payload(json!({"a": [1, 2]})).encode(Format::Full);
        for length in 0..whole.len() {
            assert!(ServiceInstance::from_json(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(ServiceInstance::from_json(&whole).is_ok());
    }
}
