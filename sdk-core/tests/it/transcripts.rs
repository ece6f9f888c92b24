//! The transcripts are what this core does.

use std::{fs, path::Path};

use crate::replay::replay;

#[test]
fn replays_committed_transcripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let committed = fs::read_to_string(&path).unwrap();
        let now = replay(&committed);
        let first = committed.lines().zip(now.lines()).find(|(committed, now)| committed != now);
        assert!(
            committed == now,
            "{}: another output than the committed one. If that is intended, run `cargo run -p \
             realtime-gateway-sdk-core --example transcripts` and commit what it writes. The first difference: {first:#?}",
            path.display()
        );
        replayed += 1;
    }
    assert!(replayed >= 7, "{replayed} transcripts");
}
