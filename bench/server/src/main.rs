//! A server that never limits its clients: it answers whole batches from prepared bytes, and knows nothing of nodes.
//!
//! `bench-server [CERTIFICATE KEY]` prints its address, and with a certificate another one for TLS. Each connection has a thread.
//! Reading some paths tells something, and writing to others does something; see `bench_harness`.

mod frames;
mod replies;
mod state;
mod tls;

use std::{
    env,
    error::Error,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use crate::{
    frames::Frames,
    replies::{Conversation, Next},
    state::State,
};

/// Small, for there can be a thousand threads.
const STACK_BYTES: usize = 256 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let state = Arc::new(State::default());
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut addresses = listener.local_addr()?.to_string();
    let args: Vec<String> = env::args().skip(1).collect();
    if let [certificate, key] = &args[..] {
        let secure = tls::config(certificate, key)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        addresses = format!("{addresses} {}", listener.local_addr()?);
        let state = state.clone();
        thread::spawn(move || {
            accept(&listener, &state, move |stream, state| tls::serve(stream, secure.clone(), state));
        });
    }
    println!("{addresses}");
    accept(&listener, &state, |stream, state| serve(&mut &stream, state));
    Ok(())
}

fn accept(
    listener: &TcpListener,
    state: &Arc<State>,
    serve: impl Fn(TcpStream, &State) -> io::Result<()> + Clone + Send + 'static,
) {
    for stream in listener.incoming().flatten() {
        let (state, serve) = (state.clone(), serve.clone());
        let served = move || {
            let _ = stream.set_nodelay(true);
            // A client that goes away is nothing to talk about.
            let _ = serve(stream, &state);
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(served);
        thread.expect("the system has a thread for a connection");
    }
}

/// Answers everything that a read has brought in one write.
fn serve(stream: &mut (impl Read + Write), state: &State) -> io::Result<()> {
    let mut frames = Frames::default();
    let mut conversation = Conversation::new(state);
    let mut output = Vec::new();
    while frames.fill(stream)? {
        let mut next = Next::Go;
        while let (Next::Go, Some(frame)) = (next, frames.next()?) {
            next = conversation.answer(frame, &mut output);
            // A large batch of large replies is written in pieces.
            if output.len() > 1 << 20 {
                stream.write_all(&output)?;
                output.clear();
            }
        }
        stream.write_all(&output)?;
        output.clear();
        if next == Next::HangUp {
            break;
        }
    }
    Ok(())
}
