//! One client's requests, and what they are answered.

use std::sync::atomic::Ordering::Relaxed;

use bench_harness::{BIG, BIG_BYTES, DROP, FIRE, PINGS, REWATCHED, SMALL_DATA};

use crate::state::State;

const NOTIFICATION: i32 = -1;
const UNIMPLEMENTED: i32 = -6;

mod op {
    pub(super) const CREATE: i32 = 1;
    pub(super) const EXISTS: i32 = 3;
    pub(super) const GET_DATA: i32 = 4;
    pub(super) const SET_DATA: i32 = 5;
    pub(super) const PING: i32 = 11;
    pub(super) const SET_WATCHES: i32 = 101;
    pub(super) const SET_WATCHES_2: i32 = 105;
    pub(super) const CLOSE: i32 = -11;
}

/// What to do after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Go,
    HangUp,
}

pub(crate) struct Conversation<'a> {
    state: &'a State,
    is_greeted: bool,
    watches: Vec<Vec<u8>>,
    stat: [u8; 68],
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(state: &'a State) -> Self {
        let mut stat = [0; 68];
        // Created and modified by transaction 1; some clients look at the length of the data.
        (stat[7], stat[15], stat[55]) = (1, 1, 100);
        Self { state, is_greeted: false, watches: Vec::new(), stat }
    }

    /// Answers one frame.
    pub(crate) fn answer(&mut self, frame: &[u8], output: &mut Vec<u8>) -> Next {
        if !self.is_greeted {
            self.is_greeted = true;
            return self.greet(frame, output);
        }
        let mut input = Input(frame);
        let (xid, op) = (input.int(), input.int());
        match op {
            op::GET_DATA => self.get_data(xid, input, output),
            op::SET_DATA => return self.set_data(xid, input, output),
            op::PING => {
                self.state.pings.fetch_add(1, Relaxed);
                reply(output, xid, 0, &[]);
            }
            op::EXISTS => {
                self.watch(input);
                reply(output, xid, 0, &[&self.stat]);
            }
            op::CREATE => {
                let path = input.buffer();
                reply(output, xid, 0, &[&length(path), path]);
            }
            op::SET_WATCHES | op::SET_WATCHES_2 => {
                input.skip(8);
                while !input.0.is_empty() {
                    for _ in 0..input.int() {
                        self.watches.push(input.buffer().to_vec());
                    }
                }
                self.state.has_set(self.watches.len());
                reply(output, xid, 0, &[]);
            }
            op::CLOSE => {
                reply(output, xid, 0, &[]);
                return Next::HangUp;
            }
            _ => reply(output, xid, UNIMPLEMENTED, &[]),
        }
        Next::Go
    }

    /// Gives what is asked for: the time-out, and the session if there is one already.
    fn greet(&self, frame: &[u8], output: &mut Vec<u8>) -> Next {
        let mut input = Input(frame);
        input.skip(12);
        let timeout = input.int();
        let asked = input.long();
        let session = if asked == 0 { self.state.new_session() } else { asked };
        output.extend(37_i32.to_be_bytes());
        output.extend([0; 4]);
        output.extend(timeout.to_be_bytes());
        output.extend(session.to_be_bytes());
        output.extend(16_i32.to_be_bytes());
        output.extend([1; 16]);
        output.push(0);
        Next::Go
    }

    fn get_data(&mut self, xid: i32, mut input: Input<'_>, output: &mut Vec<u8>) {
        let path = input.buffer();
        if input.0.first() == Some(&1) {
            self.watches.push(path.to_vec());
        }
        let told;
        let data: &[u8] = match path {
            path if path == BIG.as_bytes() => &[b'y'; BIG_BYTES],
            path if path == REWATCHED.as_bytes() => {
                let time = self.state.rewatched();
                told = time.map_or(String::new(), |time| (time.as_secs_f64() * 1e3).to_string());
                told.as_bytes()
            }
            path if path == PINGS.as_bytes() => {
                told = self.state.pings.load(Relaxed).to_string();
                told.as_bytes()
            }
            _ => &SMALL_DATA,
        };
        reply(output, xid, 0, &[&length(data), data, &self.stat]);
    }

    fn set_data(&mut self, xid: i32, mut input: Input<'_>, output: &mut Vec<u8>) -> Next {
        let path = input.buffer();
        reply(output, xid, 0, &[&self.stat]);
        if path == FIRE.as_bytes() {
            for path in self.watches.drain(..) {
                // The data was changed; connected.
                let event = [3_i32.to_be_bytes(), 3_i32.to_be_bytes()].concat();
                notify(output, &[&event, &length(&path), &path]);
            }
        }
        if path == DROP.as_bytes() {
            self.state.lost(self.watches.len());
            return Next::HangUp;
        }
        Next::Go
    }

    fn watch(&mut self, mut input: Input<'_>) {
        let path = input.buffer();
        if input.0.first() == Some(&1) {
            self.watches.push(path.to_vec());
        }
    }
}

fn reply(output: &mut Vec<u8>, xid: i32, error: i32, body: &[&[u8]]) {
    write(output, xid, 1, error, body);
}

fn notify(output: &mut Vec<u8>, body: &[&[u8]]) {
    write(output, NOTIFICATION, -1, 0, body);
}

fn write(output: &mut Vec<u8>, xid: i32, zxid: i64, error: i32, body: &[&[u8]]) {
    let bytes = 16 + body.iter().map(|part| part.len()).sum::<usize>();
    output.reserve(4 + bytes);
    output.extend(i32::try_from(bytes).expect("replies are below the limit").to_be_bytes());
    output.extend(xid.to_be_bytes());
    output.extend(zxid.to_be_bytes());
    output.extend(error.to_be_bytes());
    body.iter().for_each(|part| output.extend_from_slice(part));
}

fn length(bytes: &[u8]) -> [u8; 4] {
    i32::try_from(bytes.len()).expect("it is below the limit").to_be_bytes()
}

/// The rest of a request. What is not there reads as nothing: only clients that work are measured.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn skip(&mut self, count: usize) {
        self.take(count);
    }

    fn int(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap_or_default())
    }

    fn long(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().unwrap_or_default())
    }

    fn buffer(&mut self) -> &'a [u8] {
        let length = self.int();
        self.take(usize::try_from(length).unwrap_or(0))
    }
}
