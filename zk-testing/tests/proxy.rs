//! What a proxy does to the connections through it, in front of an echo.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use zk_testing::ensemble::{Direction, Proxy, Server};

#[test]
fn bytes_and_the_end_go_through() -> io::Result<()> {
    let proxy = Proxy::start(echo()?)?;
    let mut client = connect(&proxy)?;

    client.write_all(b"there and back")?;
    client.shutdown(std::net::Shutdown::Write)?;
    let mut text = String::new();
    client.read_to_string(&mut text)?;

    assert_eq!(text, "there and back");
    Ok(())
}

#[test]
fn a_server_can_be_asked_through_a_proxy() -> io::Result<()> {
    let server = Server::start()?;
    let proxy = Proxy::start(server.address())?;
    let mut client = connect(&proxy)?;

    client.write_all(b"ruok")?;
    let mut text = String::new();
    client.read_to_string(&mut text)?;

    assert_eq!(text, "imok");
    Ok(())
}

#[test]
fn a_cut_closes_what_is_open_and_nothing_else() -> io::Result<()> {
    let proxy = Proxy::start(echo()?)?;
    let mut client = connect(&proxy)?;
    assert!(is_echoed(&mut client)?);
    assert_eq!(proxy.connections(), 1);

    proxy.cut();

    assert_eq!(proxy.connections(), 0);
    assert!(is_closed(&mut client));
    assert!(is_echoed(&mut connect(&proxy)?)?, "a new one is welcome");
    Ok(())
}

#[test]
fn refusing_is_for_new_connections_only() -> io::Result<()> {
    let proxy = Proxy::start(echo()?)?;
    let mut client = connect(&proxy)?;
    assert!(is_echoed(&mut client)?);

    proxy.refuse();
    proxy.refuse();
    let error = connect(&proxy).expect_err("nobody listens");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(is_echoed(&mut client)?);

    proxy.allow()?;
    proxy.allow()?;
    assert!(is_echoed(&mut connect(&proxy)?)?);
    assert!(is_echoed(&mut client)?);
    Ok(())
}

#[test]
fn a_black_hole_keeps_what_was_sent_for_later() -> io::Result<()> {
    for direction in [Direction::ToServer, Direction::ToClient, Direction::Both] {
        let proxy = Proxy::start(echo()?)?;
        let mut old = connect(&proxy)?;
        assert!(is_echoed(&mut old)?);

        proxy.black_hole(direction);
        let mut new = connect(&proxy)?;
        for client in [&mut old, &mut new] {
            client.write_all(b"late")?;
            assert!(is_silent(client)?, "{direction:?}");
        }

        proxy.allow()?;
        for client in [&mut old, &mut new] {
            let mut text = [0; 4];
            client.read_exact(&mut text)?;
            assert_eq!(&text, b"late", "{direction:?}");
        }
    }
    Ok(())
}

#[test]
fn a_black_hole_swallows_only_its_own_direction() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let proxy = Proxy::start(listener.local_addr()?)?;
    let mut client = connect(&proxy)?;
    let (mut server, _) = listener.accept()?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;

    proxy.black_hole(Direction::ToClient);
    client.write_all(b"request")?;
    let mut text = [0; 7];
    server.read_exact(&mut text)?;
    assert_eq!(&text, b"request");
    server.write_all(b"reply")?;
    assert!(is_silent(&mut client)?);

    proxy.allow()?;
    proxy.black_hole(Direction::ToServer);
    let mut text = [0; 5];
    client.read_exact(&mut text)?;
    assert_eq!(&text, b"reply");
    client.write_all(b"again")?;
    assert!(is_silent(&mut server)?);
    Ok(())
}

#[test]
fn a_black_hole_hides_the_end_of_the_server_too() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let proxy = Proxy::start(listener.local_addr()?)?;
    let mut client = connect(&proxy)?;
    let (server, _) = listener.accept()?;

    proxy.black_hole(Direction::ToClient);
    // With bytes unread, the end is a reset, and the client's next bytes meet nobody.
    client.write_all(b"unread")?;
    server.peek(&mut [0; 1])?;
    drop(server);
    assert!(is_silent(&mut client)?);
    client.write_all(b"into the void")?;
    assert!(is_silent(&mut client)?);

    proxy.allow()?;
    assert!(is_closed(&mut client));
    Ok(())
}

#[test]
fn a_stalled_connection_can_be_cut() -> io::Result<()> {
    let proxy = Proxy::start(echo()?)?;
    let mut client = connect(&proxy)?;
    assert!(is_echoed(&mut client)?);
    proxy.black_hole(Direction::Both);
    client.write_all(b"lost")?;

    proxy.cut();

    assert!(is_closed(&mut client));
    Ok(())
}

#[test]
fn a_dropped_proxy_leaves_nothing_open() -> io::Result<()> {
    let proxy = Proxy::start(echo()?)?;
    let address = proxy.address();
    let mut client = connect(&proxy)?;
    assert!(is_echoed(&mut client)?);

    drop(proxy);

    assert!(is_closed(&mut client));
    assert!(TcpStream::connect(address).is_err());
    Ok(())
}

#[test]
fn a_client_is_closed_when_the_server_is_down() -> io::Result<()> {
    let target = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.local_addr()?
    };
    let proxy = Proxy::start(target)?;
    assert!(is_closed(&mut connect(&proxy)?));
    Ok(())
}

/// Starts a server that sends everything back.
fn echo() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    Ok(address)
}

fn connect(proxy: &Proxy) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(proxy.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    Ok(stream)
}

fn is_echoed(client: &mut TcpStream) -> io::Result<bool> {
    client.write_all(b"ping")?;
    let mut text = [0; 4];
    client.read_exact(&mut text)?;
    Ok(&text == b"ping")
}

fn is_silent(stream: &mut TcpStream) -> io::Result<bool> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let outcome = stream.read(&mut [0]);
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    match outcome {
        Ok(_) => Ok(false),
        Err(error) => Ok(matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)),
    }
}

fn is_closed(client: &mut TcpStream) -> bool {
    match client.read(&mut [0]) {
        Ok(len) => len == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}
