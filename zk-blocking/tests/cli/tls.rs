//! Servers that speak TLS.

use zk_testing::{Authority, TestServer};

use crate::support::{Zk, file};

#[test]
fn tls_is_spoken_with_the_files_that_are_named() {
    let authority = Authority::new("an authority");
    let (identity, own) = (authority.issue(["127.0.0.1"]), authority.issue(["a client"]));
    let server = TestServer::builder().mutual_tls(&identity, &authority.pem()).start().unwrap();
    let ca = file("ca.pem", authority.pem().as_bytes());
    let (cert, key) = (file("own.pem", own.certificates.as_bytes()), file("own.key", own.key.as_bytes()));
    let (zk, secure) = (Zk::on(server.connect_string()), format!("--tls-ca {ca} --tls-cert {cert} --tls-key {key}"));

    zk.ok(&format!("{secure} create /a secret"));
    let mut by_environment = zk.command(&["get", "/a"]);
    by_environment.env("ZK_TLS_CA", &ca).env("ZK_TLS_CERT", &cert).env("ZK_TLS_KEY", &key);
    assert_eq!(by_environment.output().unwrap().stdout, b"secret");

    let by_scheme = Zk::on(format!("tls://{}", server.connect_string()));
    assert_eq!(by_scheme.ok(&format!("{secure} get /a")), "secret");
    by_scheme.run("--timeout 300ms get /a").fails(6, &["not configured for it"]);
    by_scheme.run("ruok").fails(2, &["plain text", "tls://127.0.0.1"]);
}

#[test]
fn whom_nobody_trusts_is_not_told_anything() {
    let authority = Authority::new("an authority");
    let server = TestServer::builder().tls(&authority.issue(["elsewhere"])).start().unwrap();
    let zk = Zk::on(server.connect_string());
    let trusted = file("trusted.pem", authority.pem().as_bytes());
    let other = file("other.pem", Authority::new("another").pem().as_bytes());
    let revoked = file("none.crl", b"");

    zk.run(&format!("--timeout 300ms --tls-ca {trusted} ls")).fails(6, &["not valid for name"]);
    zk.run(&format!("--timeout 300ms --tls-ca {other} ls")).fails(6, &["UnknownIssuer"]);
    assert_eq!(zk.ok(&format!("--tls-ca {trusted} --tls-name elsewhere ls /")), "zookeeper\n");
    zk.run("--tls-ca /no/such/file ls").fails(2, &["zk: TLS: cannot read /no/such/file"]);
    zk.run(&format!("--tls-ca {trusted} --tls-crl {revoked} ls")).fails(2, &["zk: TLS: ", "none.crl"]);
    zk.run(&format!("--tls-cert {trusted} ls")).fails(2, &["--tls-key"]);
}
