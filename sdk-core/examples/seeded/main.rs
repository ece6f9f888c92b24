//! Prints random conversations with the core, as a transcript without outputs: `seeded [SEED] [INPUTS]`. The last line has the
//! digest of the outputs of this crate, which every other form of the core must have too.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a tool of the developers: it ends with a sentence")]

mod conversation;

use std::{
    env,
    io::{self, BufWriter, Write as _},
};

use conversation::{Call, Outputs, conversations};
use serde_json::json;

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse().expect("a whole number"));
    let (seed, inputs) = (arguments.next().unwrap_or(1), arguments.next().unwrap_or(10_000));
    let mut out = BufWriter::new(io::stdout().lock());
    let mut outputs = Outputs::default();
    let calls = conversations(seed, inputs, &mut outputs);
    for call in &calls {
        let line = match call {
            Call::Open(config) => json!({ "open": config }),
            Call::Handle(now, input) => json!({ "now": now, "input": input }),
            Call::Take(stream) => json!({ "take": stream }),
        };
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{}", json!({ "inputs": inputs, "sha256": outputs.digest() }))?;
    out.flush()
}
