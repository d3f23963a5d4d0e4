//! The soak of `examples/soak`, for some seconds: what is flat is found to be, and what leaks on purpose is caught.
//!
//! One test, as it looks at what the whole process has.

#![cfg(target_os = "linux")]

#[path = "../examples/soak/args.rs"]
mod args;
#[path = "../examples/soak/churn.rs"]
mod churn;
#[path = "../examples/soak/gauge.rs"]
mod gauge;
#[path = "../examples/soak/plot.rs"]
mod plot;
#[path = "../examples/soak/rounds.rs"]
mod rounds;
#[path = "../examples/soak/verdict.rs"]
mod verdict;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

/// Runs for some seconds, and returns what grew.
fn grown(words: &[&str]) -> Vec<&'static str> {
    let args = args::Args::parse(words.iter().map(|word| (*word).to_owned())).unwrap();
    let samples = rounds::run(&args, || ALLOCATOR.allocated());
    assert!(plot::svg(&samples).matches("<polyline").count() > 4);
    let verdicts = verdict::judge(&samples);
    verdicts.iter().for_each(|verdict| eprintln!("{verdict}"));
    verdicts.iter().filter(|verdict| !verdict.is_flat()).map(|verdict| verdict.name).collect()
}

#[test]
fn clients_that_come_and_go_leave_nothing_and_what_is_left_on_purpose_is_found() {
    assert_eq!(grown(&["--seconds", "14", "--round", "1"]), [""; 0]);
    assert!(grown(&["--seconds", "14", "--round", "1", "--leak", "memory"]).contains(&"allocated bytes"));
    assert!(grown(&["--seconds", "14", "--round", "1", "--leak", "client"]).contains(&"sessions on the server"));
}
