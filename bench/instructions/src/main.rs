//! What zk-proto does, to be counted in instructions: `bench-instructions CASE ITERATIONS`, or `bench-instructions` for the names.
//!
//! `.ci/instructions` runs each case under valgrind with two numbers of iterations. The difference is what an iteration takes, to the
//! instruction, however busy the machine is. Time is another matter: that is what the rest of `bench` is for.

mod codec;
mod through_memory;

use std::{env, process::ExitCode};

type Case = (&'static str, fn(usize));

const CASES: &[Case] = &[
    ("encode-get-data", codec::encode_get_data),
    ("encode-set-data", codec::encode_set_data),
    ("encode-multi", codec::encode_multi),
    ("decode-get-data", codec::decode_get_data),
    ("decode-children", codec::decode_children),
    ("split-frames", codec::split_frames),
    ("session-one-by-one", through_memory::session_one_by_one),
    ("session-batch", through_memory::session_batch),
    ("session-writes", through_memory::session_writes),
    ("session-watches", through_memory::session_watches),
    ("client-one-by-one", through_memory::client_one_by_one),
    ("client-batch", through_memory::client_batch),
    ("client-writes", through_memory::client_writes),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args[..] {
        [] => CASES.iter().for_each(|(name, _)| println!("{name}")),
        [name, iterations] => {
            let case = CASES.iter().find(|(case, _)| case == name);
            let (Some((_, run)), Ok(iterations)) = (case, iterations.parse()) else {
                eprintln!("there is no case {name}, or {iterations} is no number");
                return ExitCode::from(2);
            };
            run(iterations);
        }
        _ => {
            eprintln!("usage: bench-instructions [CASE ITERATIONS]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
