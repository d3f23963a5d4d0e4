//! One real server: started, asked, broken, mended.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use zk_testing::ensemble::{Builder, Mode, Server, shared};

#[test]
fn a_server_serves_once_it_is_started() -> io::Result<()> {
    let server = Server::start()?;

    assert_eq!(server.mode()?, Some(Mode::Standalone));
    assert_eq!(server.four_letter("ruok")?, "imok");
    Ok(())
}

#[test]
fn data_survives_a_kill_and_a_stop_but_not_a_wipe() -> io::Result<()> {
    let server = Server::start()?;
    server.create_node("/a/b/c")?;

    server.kill()?;
    assert!(server.four_letter("ruok").is_err(), "it is down");
    server.start_again()?;
    assert!(server.node_exists("/a/b/c")?, "after a kill");

    server.stop()?;
    server.start_again()?;
    assert!(server.node_exists("/a/b/c")?, "after a stop");

    server.stop()?;
    server.wipe()?;
    server.start_again()?;
    assert!(!server.node_exists("/a")?, "after a wipe");
    Ok(())
}

#[test]
fn what_does_not_fit_the_state_of_a_server_is_an_error() -> io::Result<()> {
    let server = Server::start()?;

    assert!(server.start_again().is_err(), "it is running");
    assert!(server.wipe().is_err(), "it is running");
    server.stop()?;
    assert!(server.stop().is_err(), "it is down");
    assert!(server.kill().is_err(), "it is down");
    assert!(server.pause().is_err(), "it is down");
    assert!(server.wait_ready(Duration::from_secs(1)).is_err(), "it is down");
    Ok(())
}

#[test]
fn a_paused_server_is_silent_until_it_goes_on() -> io::Result<()> {
    let server = Server::start()?;
    server.pause()?;

    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(b"ruok")?;
    assert!(stream.read(&mut [0]).is_err(), "nothing comes");

    server.resume()?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert_eq!(answer, "imok");
    Ok(())
}

#[test]
fn a_paused_server_can_be_stopped() -> io::Result<()> {
    let server = Server::start()?;
    server.pause()?;
    server.stop()?;
    assert_eq!(server.process_id(), None);
    Ok(())
}

#[test]
fn settings_reach_the_server() -> io::Result<()> {
    let server = Builder::new()
        .tick_time(Duration::from_millis(250))
        .min_session_timeout(Duration::from_millis(700))
        .max_session_timeout(Duration::from_secs(7))
        .property("maxClientCnxns", "17")
        .system_property("user.name", "somebody")
        .env("JAVA_TOOL_OPTIONS", "-Duser.home=/somewhere")
        .four_letter_words("conf,envi")
        .start()?;

    let text = server.four_letter("conf")? + &server.four_letter("envi")?;
    for line in [
        "tickTime=250",
        "minSessionTimeout=700",
        "maxSessionTimeout=7000",
        "maxClientCnxns=17",
        "user.name=somebody",
        "user.home=/somewhere",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
    assert!(server.four_letter("ruok")?.contains("not in the whitelist"));
    Ok(())
}

#[test]
fn sasl_takes_the_login_configuration() -> io::Result<()> {
    let server = Builder::new()
        .jaas("Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob=\"secret\"; };")
        .start()?;

    assert!(server.log()?.contains("successfully logged in"), "{}", server.log()?);
    Ok(())
}

#[test]
fn tls_has_a_port_of_its_own() -> io::Result<()> {
    let stores = Stores::new()?;
    let server = Builder::new()
        .tls(&stores.key_store, &stores.trust_store)
        .property("ssl.keyStore.password", "secret")
        .property("ssl.clientAuth", "none")
        .start()?;
    let mut stream = TcpStream::connect(server.secure_address().expect("TLS is on"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;

    stream.write_all(&client_hello())?;
    let mut record = [0; 6];
    stream.read_exact(&mut record)?;

    assert_eq!((record[0], record[5]), (22, 2), "a handshake record with a hello of the server's");
    assert_eq!(server.four_letter("ruok")?, "imok", "the other port speaks no TLS");
    Ok(())
}

#[test]
fn the_shared_server_gives_everybody_another_chroot() -> io::Result<()> {
    let (one, other) = (shared().chroot("test")?, shared().chroot("test")?);

    assert_ne!(one, other);
    assert!(shared().node_exists(&one)?);
    assert!(shared().node_exists(&other)?);
    assert!(!shared().node_exists("/test-of-another")?);
    Ok(())
}

#[test]
fn an_error_tells_what_to_install() -> io::Result<()> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "--nocapture", "a_server_serves_once_it_is_started"])
        .env("JAVA_HOME", "/nowhere")
        .output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    assert!(!output.status.success());
    assert!(text.contains("run .ci/install-zookeeper"), "{text}");
    Ok(())
}

/// A key with its certificate, and the certificate alone, as those who trust it have it.
struct Stores {
    key_store: PathBuf,
    trust_store: PathBuf,
}

impl Stores {
    fn new() -> io::Result<Self> {
        let path = |name: &str| std::env::temp_dir().join(format!("zk-testing-{}-{name}", std::process::id()));
        let stores = Self { key_store: path("key.p12"), trust_store: path("trust.pem") };
        stores.keytool("-genkeypair -keyalg EC -groupname secp256r1 -dname CN=localhost -storetype PKCS12", &[])?;
        stores.keytool("-exportcert -rfc -file", &[&stores.trust_store])?;
        Ok(stores)
    }

    fn keytool(&self, options: &str, last: &[&Path]) -> io::Result<()> {
        let output = Command::new("keytool")
            .args(options.split(' '))
            .args(last)
            .args(["-alias", "server", "-storepass", "secret", "-keystore"])
            .arg(&self.key_store)
            .output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }
}

impl Drop for Stores {
    fn drop(&mut self) {
        for path in [&self.key_store, &self.trust_store] {
            // It may not be there yet.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Returns the shortest opening of TLS 1.2 that a server with an elliptic key goes along with.
fn client_hello() -> Vec<u8> {
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23], // supported groups: secp256r1
        &[0, 11, 0, 2, 1, 0],        // point formats: uncompressed
        &[0, 13, 0, 4, 0, 2, 4, 3],  // signatures: ECDSA with SHA-256
    ];
    let extensions = extensions.concat();
    let mut hello = vec![3, 3]; // TLS 1.2
    hello.extend([7; 32]); // random
    hello.push(0); // no session to resume
    hello.extend([0, 2, 0xc0, 0x2b]); // one suite: ECDHE, ECDSA, AES 128 GCM, SHA-256
    hello.extend([1, 0]); // no compression
    hello.extend([0, short(&extensions)]);
    hello.extend(extensions);

    let mut record = vec![22, 3, 1, 0, short(&hello) + 4]; // handshake
    record.extend([1, 0, 0, short(&hello)]); // of the kind client hello
    record.extend(hello);
    record
}

fn short(bytes: &[u8]) -> u8 {
    u8::try_from(bytes.len()).expect("the shortest opening is short")
}
