//! What a client is told to do.

use std::{env, fmt, process::exit, str::FromStr};

macro_rules! workloads {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// What is measured.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Workload {
            $($(#[doc = $doc])* $name,)*
        }

        impl Workload {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns what it is called.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

workloads! {
    /// One read of 100 bytes at a time.
    OneByOne = "w1",
    /// A thousand reads of 100 bytes in flight on one session.
    Reads = "w2",
    /// A thousand writes of 100 bytes in flight on one session.
    Writes = "w3",
    /// 256 tasks or threads that each read one by one, on one session.
    Crowd = "w4",
    /// Reads of 512 kB, 8 in flight, each payload dropped when it is there.
    BigReads = "w5",
    /// Reads of 512 kB, 8 in flight, every payload kept.
    BigReadsKept = "w5-kept",
    /// Writes of 512 kB, 8 in flight.
    BigWrites = "w5-writes",
    /// One-shot watches on paths of their own, which then all fire.
    Watches = "w6",
    /// Idle sessions in one process.
    Idle = "w7",
    /// Watches that are set again after the server has hung up.
    Rewatch = "w8",
    /// [`Reads`](Self::Reads) over TLS.
    TlsReads = "w9-reads",
    /// [`BigReads`](Self::BigReads) over TLS.
    TlsBigReads = "w9-big",
    /// [`BigWrites`](Self::BigWrites) over TLS.
    TlsBigWrites = "w9-big-writes",
    /// A lock that nobody else wants, again and again, on a server that answers late: what counts is how often one waits for it.
    Lock = "w10",
    /// A hundred contenders for one lock, who pass it on.
    LockChain = "w10-chain",
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::ALL.iter().copied();
        all.find(|workload| workload.name() == name).ok_or_else(|| format!("there is no workload {name}"))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a client is told to do.
#[derive(Clone, Debug)]
pub struct Order {
    /// What to measure.
    pub workload: Workload,
    /// Where the server is.
    pub server: String,
    /// How many operations to measure; for some workloads, how many watches or sessions.
    pub operations: usize,
    /// Which of several forms of the client is meant.
    pub flavour: String,
}

impl Order {
    /// Reads the command line; ends the program where that makes no sense.
    pub fn from_args() -> Self {
        let args: Vec<String> = env::args().skip(1).collect();
        let order = match &args[..] {
            [workload, server, operations, flavour @ ..] if flavour.len() < 2 => {
                workload.parse().ok().zip(operations.parse().ok()).map(|(workload, operations)| Self {
                    workload,
                    server: server.clone(),
                    operations,
                    flavour: flavour.first().cloned().unwrap_or_default(),
                })
            }
            _ => None,
        };
        order.unwrap_or_else(|| {
            let names: Vec<_> = Workload::ALL.iter().map(|workload| workload.name()).collect();
            eprintln!("usage: CLIENT {} HOST:PORT OPERATIONS [FLAVOUR]", names.join("|"));
            exit(2)
        })
    }

    /// Returns how many operations to make before it counts.
    pub fn warm_up(&self) -> usize {
        match self.workload {
            Workload::OneByOne => 2000,
            Workload::Reads | Workload::Writes | Workload::Crowd | Workload::TlsReads => 20_000.min(self.operations),
            Workload::BigReads
            | Workload::BigReadsKept
            | Workload::BigWrites
            | Workload::TlsBigReads
            | Workload::TlsBigWrites => 16,
            Workload::Watches | Workload::Idle | Workload::Rewatch | Workload::Lock | Workload::LockChain => 0,
        }
    }

    /// Ends the program: this client cannot do that.
    pub fn refuse(&self) -> ! {
        eprintln!("this client does not know how to do {}", self.workload);
        exit(3)
    }
}
