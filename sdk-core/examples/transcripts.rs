//! Writes the outputs of this core into the transcripts: `cargo run -p realtime-gateway-sdk-core --example transcripts`.
//! A new transcript begins as a file with the configuration, the inputs and the takes only.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a tool of the developers: it ends with a sentence")]

use std::{fs, io, path::Path};

#[path = "../tests/it/replay.rs"]
mod replay;

fn main() -> io::Result<()> {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts"))? {
        let path = entry?.path();
        let replayed = replay::replay(&fs::read_to_string(&path)?);
        fs::write(&path, replayed)?;
    }
    Ok(())
}
