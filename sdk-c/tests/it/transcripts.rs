//! The transcripts of the core, through the C interface: the same bytes as in the crate.

use std::{fs, path::Path};

use gateway_core::GW_OK;
use serde_json::Value;

#[path = "../../../sdk-core/examples/seeded/conversation.rs"]
mod conversation;

use conversation::{Call, Outputs};

use crate::library::{close, deadline, handle, open, take};

#[test]
fn replays_transcripts_of_the_core() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk-core/transcripts");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let transcript = fs::read_to_string(&path).unwrap();
        let mut lines = transcript.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let (client, problem) = open(lines.next().unwrap()["open"].to_string().as_bytes());
        assert_eq!(problem, "");
        for (index, line) in lines.enumerate() {
            let (status, output) = match line["take"].as_u64() {
                Some(stream) => take(client, stream),
                None => handle(client, line["now"].as_u64().unwrap(), line["input"].as_str().unwrap().as_bytes()),
            };
            let place = || format!("{} line {}", path.display(), index + 2);
            assert_eq!((status, output.as_str()), (GW_OK, line["output"].as_str().unwrap()), "{}", place());
            assert_eq!(deadline(client), line["deadline"].as_u64(), "{}", place());
        }
        assert_eq!(close(client), GW_OK);
        replayed += 1;
    }
    assert!(replayed >= 7, "{replayed} transcripts");
}

#[test]
fn seeded_inputs_give_the_outputs_of_the_crate() {
    let (mut expected, mut outputs, mut client) = (Outputs::default(), Outputs::default(), 0);
    for call in conversation::conversations(1, 10_000, &mut expected) {
        let (status, output) = match call {
            Call::Open(config) => {
                close(client);
                client = open(config.to_string().as_bytes()).0;
                continue;
            }
            Call::Handle(now, input) => handle(client, now, input.as_bytes()),
            Call::Take(stream) => take(client, stream),
        };
        assert_eq!(status, GW_OK);
        outputs.add(&output, deadline(client));
    }
    close(client);
    assert_eq!(outputs.digest(), expected.digest());
}
