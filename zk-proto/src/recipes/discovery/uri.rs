//! URIs with variables in them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{ServiceInstance, ServiceType};

/// How the URI of an instance is made: text with variables in braces, as `{scheme}://{address}:{port}/search`.
///
/// An instance has the variables `name`, `id`, `address`, `port`, `ssl-port`, `registration-time-utc` and `service-type`. `scheme` is
/// `https` where there is an encrypted port, else `http`. `{[}` and `{]}` stand for the braces themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct UriSpec {
    #[serde(default)]
    parts: Vec<UriPart>,
}

/// A part of a [`UriSpec`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct UriPart {
    /// The text, or the name of the variable.
    #[serde(default)]
    pub value: String,
    /// Whether it is a variable.
    #[serde(default)]
    pub variable: bool,
}

/// Braces that do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriSpecError {
    /// A variable begins in another one.
    #[error("'{{' inside of a variable, at byte {at}")]
    Nested {
        /// Where.
        at: usize,
    },
    /// A variable ends that has not begun.
    #[error("'}}' without a '{{', at byte {at}")]
    NotOpen {
        /// Where.
        at: usize,
    },
    /// The last variable does not end.
    #[error("the last variable is not closed")]
    NotClosed,
}

impl UriSpec {
    /// Returns the parts.
    pub fn parts(&self) -> &[UriPart] {
        &self.parts
    }

    /// Puts it together. Variables are taken from the function, then from the instance; those that nobody knows are left out.
    pub fn build(&self, instance: Option<&ServiceInstance>, variable: impl Fn(&str) -> Option<String>) -> String {
        let value = |part: &UriPart| match part.variable {
            true => variable(&part.value).or_else(|| known(&part.value, instance)).unwrap_or_default(),
            false => part.value.clone(),
        };
        self.parts.iter().map(value).collect()
    }
}

/// Returns a variable that everybody knows, or that an instance has.
fn known(variable: &str, instance: Option<&ServiceInstance>) -> Option<String> {
    match variable {
        "[" => return Some("{".to_string()),
        "]" => return Some("}".to_string()),
        "scheme" => {
            let is_encrypted = instance.is_some_and(|instance| instance.ssl_port.is_some());
            return Some(if is_encrypted { "https" } else { "http" }.to_string());
        }
        _ => {}
    }
    let instance = instance?;
    match variable {
        "name" => Some(instance.name.clone()),
        "id" => Some(instance.id.clone()),
        "address" => instance.address.clone(),
        "port" => instance.port.map(|port| port.to_string()),
        "ssl-port" => instance.ssl_port.map(|port| port.to_string()),
        "registration-time-utc" => Some(instance.registered_at_ms.to_string()),
        "service-type" => match &instance.service_type {
            ServiceType::Dynamic => Some("dynamic".to_string()),
            ServiceType::Static => Some("static".to_string()),
            ServiceType::Permanent => Some("permanent".to_string()),
            ServiceType::DynamicSequential => Some("dynamic_sequential".to_string()),
            ServiceType::Other(name) => Some(name.to_lowercase()),
        },
        _ => None,
    }
}

impl FromStr for UriSpec {
    type Err = UriSpecError;

    fn from_str(text: &str) -> Result<Self, UriSpecError> {
        let mut parts = Vec::new();
        let (mut rest, mut at, mut is_variable) = (text, 0, false);
        while let Some(brace) = rest.find(['{', '}']) {
            add(&mut parts, &rest[..brace], is_variable);
            is_variable = match (rest.as_bytes()[brace], is_variable) {
                (b'{', false) => true,
                (b'{', true) => return Err(UriSpecError::Nested { at: at + brace }),
                (_, true) => false,
                (_, false) => return Err(UriSpecError::NotOpen { at: at + brace }),
            };
            (rest, at) = (&rest[brace + 1..], at + brace + 1);
        }
        add(&mut parts, rest, is_variable);
        if is_variable { Err(UriSpecError::NotClosed) } else { Ok(Self { parts }) }
    }
}

fn add(parts: &mut Vec<UriPart>, text: &str, variable: bool) {
    if !text.is_empty() {
        let value = if variable { text.trim() } else { text }.to_string();
        parts.push(UriPart { value, variable });
    }
}

impl fmt::Display for UriSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part.variable {
            true => write!(f, "{{{}}}", part.value),
            false => f.write_str(&part.value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_those_of_the_instance_and_of_the_caller() {
        let plain = ServiceInstance::new("svc", "id1").address("10.0.0.7").port(80);
        let encrypted = plain.clone().ssl_port(443).service_type(ServiceType::DynamicSequential);
        let table = [
            ("{scheme}://foo.com:{port}", &plain, "http://foo.com:80"),
            ("{scheme}://foo.com:{ssl-port}", &encrypted, "https://foo.com:443"),
            ("{ address }/{name}/{id}{nobody}", &plain, "10.0.0.7/svc/id1"),
            ("{[}{]}{service-type}", &encrypted, "{}dynamic_sequential"),
            ("{registration-time-utc}{ssl-port}", &plain, "0"),
            ("", &plain, ""),
        ];
        for (spec, instance, expected) in table {
            let spec: UriSpec = spec.parse().unwrap();
            assert_eq!(spec.build(Some(instance), |_| None), expected, "{spec}");
        }
        let spec: UriSpec = "{scheme}/{name}/{user}".parse().unwrap();
        let user = |name: &str| (name == "user").then(|| "ann".to_string());
        assert_eq!(spec.build(None, user), "http//ann");
        assert_eq!(spec.to_string(), "{scheme}/{name}/{user}");
    }

    #[test]
    fn braces_must_match() {
        let table = [
            ("a{b{c}}", UriSpecError::Nested { at: 3 }),
            ("a}b", UriSpecError::NotOpen { at: 1 }),
            ("{a}}", UriSpecError::NotOpen { at: 3 }),
            ("a{b", UriSpecError::NotClosed),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<UriSpec>(), Err(expected), "{text}");
        }
    }
}
