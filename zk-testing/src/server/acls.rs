//! Access control lists: what may stand in one, what it is stored as, and what it allows.

use zk_proto::{
    acl::Perms,
    code::ErrorCode,
    record::{Acl, Id},
    wire::Text,
};

use super::{
    auth::{self, Identity},
    java,
    options::Options,
};

/// Returns whether a list allows one of `wanted` to a connection with these identities.
pub(super) fn allows(list: &[Acl], wanted: Perms, identities: &[Identity]) -> bool {
    if list.is_empty() || identities.iter().any(Identity::is_super) {
        return true;
    }
    list.iter().filter(|acl| acl.perms.0 & wanted.0 != 0).any(|acl| {
        let (scheme, id) = parts(&acl.id);
        scheme == "world" && id == "anyone" || identities.iter().any(|identity| auth::matches(identity, scheme, id))
    })
}

/// Returns the list as it is stored: without duplicates, `auth` replaced by the identities of the connection.
///
/// # Errors
///
/// `InvalidAcl` for what real servers refuse, `MarshallingError` for the null ids over which they stumble.
pub(super) fn checked(list: Option<&[Acl]>, identities: &[Identity], options: &Options) -> Result<Vec<Acl>, ErrorCode> {
    let mut stored = Vec::new();
    for acl in without_duplicates(list.unwrap_or_default())? {
        let scheme = acl.id.scheme.as_ref().ok_or(ErrorCode::InvalidAcl)?;
        let scheme = java::read(scheme);
        let id = || acl.id.id.as_ref().map(java::read).ok_or(ErrorCode::MarshallingError);
        match &*scheme {
            "world" if id()? == "anyone" => stored.push(Acl::new(acl.perms, "world", "anyone")),
            "auth" => {
                let before = stored.len();
                let authenticated = identities.iter().filter(|identity| identity.is_authenticated());
                stored.extend(authenticated.map(|identity| entry(acl.perms, identity.scheme, &identity.id)));
                if stored.len() == before {
                    return Err(ErrorCode::InvalidAcl);
                }
            }
            // Unknown to servers that do not do it.
            "sasl" if options.sasl_users.is_empty() => return Err(ErrorCode::InvalidAcl),
            "x509" if !options.certificates => return Err(ErrorCode::InvalidAcl),
            scheme @ ("digest" | "ip" | "sasl" | "x509") => {
                let id = id()?;
                if auth::is_valid(scheme, &id) != Some(true) {
                    return Err(ErrorCode::InvalidAcl);
                }
                stored.push(entry(acl.perms, scheme, &id));
            }
            _ => return Err(ErrorCode::InvalidAcl),
        }
    }
    if stored.is_empty() { Err(ErrorCode::InvalidAcl) } else { Ok(stored) }
}

/// Returns the entries that differ, in their order.
fn without_duplicates(list: &[Acl]) -> Result<Vec<&Acl>, ErrorCode> {
    let mut kept: Vec<&Acl> = Vec::with_capacity(list.len());
    for acl in list {
        let mut is_known = false;
        for other in &kept {
            is_known = is_known || equals(acl, other)?;
        }
        if !is_known {
            kept.push(acl);
        }
    }
    Ok(kept)
}

/// Returns whether an entry equals another one, as real servers see it: field by field until one differs, where they
/// stumble over null.
fn equals(acl: &Acl, other: &Acl) -> Result<bool, ErrorCode> {
    if acl.perms != other.perms {
        return Ok(false);
    }
    for (field, other) in [(&acl.id.scheme, &other.id.scheme), (&acl.id.id, &other.id.id)] {
        let field = field.as_ref().ok_or(ErrorCode::MarshallingError)?;
        if other.as_ref().map(java::read) != Some(java::read(field)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns an entry as those see it who may not administrate: digests without their hash.
pub(super) fn masked(acl: &Acl) -> Acl {
    match parts(&acl.id) {
        ("digest", id) => entry(acl.perms, "digest", &format!("{}:x", id.split(':').next().unwrap_or_default())),
        _ => acl.clone(),
    }
}

fn entry(perms: Perms, scheme: &str, id: &str) -> Acl {
    Acl { perms, id: Id { scheme: Some(Text::from(scheme)), id: Some(java::write(id)) } }
}

fn parts(id: &Id) -> (&str, &str) {
    (id.scheme.as_deref().unwrap_or_default(), id.id.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: (&str, &str) = ("world", "anyone");

    #[test]
    fn a_list_without_a_usable_entry_is_invalid() {
        let table: [&[(&str, &str)]; 9] = [
            &[],
            &[("world", "someone")],
            &[("auth", "")],
            &[("digest", "nobody")],
            &[("ip", "localhost")],
            &[("super", "")],
            &[("sasl", "bob")],
            &[("x509", "CN=a")],
            &[OPEN, ("nosuch", "x")],
        ];
        for ids in table {
            assert_eq!(checked(Some(&list(ids)), &[local()]), Err(ErrorCode::InvalidAcl), "{ids:?}");
        }
        assert_eq!(checked(None, &[local()]), Err(ErrorCode::InvalidAcl));
    }

    #[test]
    fn a_null_scheme_is_invalid_and_a_null_id_cannot_be_read() {
        let acl = |scheme: Option<&str>| Acl { perms: Perms::ALL, id: Id { scheme: scheme.map(Text::from), id: None } };

        assert_eq!(checked(Some(&[acl(None)]), &[]), Err(ErrorCode::InvalidAcl));
        for scheme in ["world", "digest", "ip"] {
            assert_eq!(checked(Some(&[acl(Some(scheme))]), &[]), Err(ErrorCode::MarshallingError), "{scheme}");
        }
    }

    #[test]
    fn null_is_stumbled_over_when_an_entry_is_compared_with_those_before_it() {
        let acl = |perms, scheme: Option<&str>, id: Option<&str>| Acl {
            perms,
            id: Id { scheme: scheme.map(Text::from), id: id.map(Text::from) },
        };
        let bad = acl(Perms::READ, Some("world"), Some("nobody"));
        let table = [
            (acl(Perms::READ, None, None), ErrorCode::MarshallingError),
            (acl(Perms::READ, Some("world"), None), ErrorCode::MarshallingError),
            (acl(Perms::READ, Some("ip"), None), ErrorCode::InvalidAcl),
            (acl(Perms::WRITE, Some("world"), None), ErrorCode::InvalidAcl),
            (acl(Perms::WRITE, None, None), ErrorCode::InvalidAcl),
        ];

        for (second, expected) in table {
            assert_eq!(checked(Some(&[bad.clone(), second.clone()]), &[]), Err(expected), "{second:?}");
        }
    }

    #[test]
    fn auth_stands_for_every_authenticated_identity_and_duplicates_go() {
        let identities = [local(), digest("a:1"), digest("b:2")];

        let stored = checked(Some(&list(&[("auth", "ignored"), OPEN, OPEN])), &identities);

        assert_eq!(stored, Ok(list(&[("digest", "a:1"), ("digest", "b:2"), OPEN])));
    }

    #[test]
    fn one_of_the_wanted_permissions_is_enough() {
        let list = [Acl::new(Perms::READ, "digest", "a:1")];

        assert!(allows(&list, Perms::READ | Perms::ADMIN, &[digest("a:1")]));
        assert!(!allows(&list, Perms::ADMIN, &[digest("a:1")]));
        assert!(!allows(&list, Perms::READ, &[digest("a:2"), local()]));
    }

    #[test]
    fn the_super_user_and_an_empty_list_know_no_limits() {
        let super_user = Identity { scheme: "super", id: String::new() };

        assert!(allows(&[Acl::new(Perms::NONE, "world", "anyone")], Perms::WRITE, &[super_user]));
        assert!(allows(&[], Perms::WRITE, &[]));
    }

    #[test]
    fn hashes_are_masked() {
        assert_eq!(masked(&Acl::new(Perms::READ, "digest", "a:hash")), Acl::new(Perms::READ, "digest", "a:x"));
        assert_eq!(masked(&Acl::new(Perms::READ, "ip", "1.2.3.4")), Acl::new(Perms::READ, "ip", "1.2.3.4"));
    }

    fn checked(list: Option<&[Acl]>, identities: &[Identity]) -> Result<Vec<Acl>, ErrorCode> {
        super::checked(list, identities, &Options::default())
    }

    fn list(ids: &[(&str, &str)]) -> Vec<Acl> {
        ids.iter().map(|(scheme, id)| Acl::new(Perms::ALL, scheme, id)).collect()
    }

    fn local() -> Identity {
        Identity::of_address([127, 0, 0, 1].into())
    }

    fn digest(id: &str) -> Identity {
        Identity { scheme: "digest", id: id.to_owned() }
    }
}
