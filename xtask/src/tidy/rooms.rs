//! Rooms: which files may name which dependency, and which may touch the world at all (ARCHITECTURE.md, invariants).

use super::{
    Finding,
    code::{code_only, lines_naming},
    tree::Tree,
};

/// A dependency that only a few files below a directory may name.
struct Room {
    word: &'static str,
    within: &'static str,
    /// Beginnings of the paths that may.
    may: &'static [&'static str],
    why: &'static str,
}

const ROOMS: [Room; 11] = [
    Room {
        word: "tokio_tungstenite",
        within: "server/src/",
        may: &["server/src/connection", "server/src/upgrade", "server/src/http/upgrade"],
        why: "only the connection and upgrade files name tungstenite",
    },
    Room {
        word: "tungstenite",
        within: "server/src/",
        may: &["server/src/connection", "server/src/upgrade", "server/src/http/upgrade"],
        why: "only the connection and upgrade files name tungstenite",
    },
    Room { word: "poem", within: "server/src/", may: &["server/src/http"], why: "only `http*` names poem" },
    Room { word: "poem_openapi", within: "server/src/", may: &["server/src/http"], why: "only `http*` names poem" },
    Room {
        word: "lapin",
        within: "server/src/",
        may: &["server/src/bus/rabbitmq"],
        why: "only `bus/rabbitmq*` names lapin",
    },
    Room {
        word: "redis",
        within: "server/src/",
        // The second declares the first.
        may: &["server/src/store/redis", "server/src/store.rs"],
        why: "only `store/redis*` names redis",
    },
    Room {
        word: "std::env",
        within: "server/src/",
        may: &["server/src/config"],
        why: "only the configuration reads the environment",
    },
    Room {
        word: "env::",
        within: "server/src/",
        may: &["server/src/config"],
        why: "only the configuration reads the environment",
    },
    Room {
        word: "tokio_tungstenite",
        within: "sdk-rust/src/",
        may: &["sdk-rust/src/driver"],
        why: "only the SDK's driver names tungstenite",
    },
    Room {
        word: "SystemTime::now",
        within: "server/src/",
        may: &[
            "server/src/clock/",
            // Tokens are checked and made with the wall clock.
            "server/src/auth/",
            // What is only shown.
            "server/src/bus/rabbitmq/",
            // A clock for tests.
            "server/src/store/clock.rs",
        ],
        why: "the wall clock may jump: ask the node's clock (`clock.rs`)",
    },
    Room {
        word: "Xml",
        within: "server/src/",
        may: &[],
        why: "poem parses XML with a version that RUSTSEC-2026-0194 names: deny.toml ignores it because nothing here does",
    },
];

/// Directories whose code does no I/O and reads no clock, so that it compiles for wasm32 and is driven by tests.
const PURE: [&str; 2] = ["protocol/src/", "sdk-rust/src/machine"];

/// What touches the world, by its full path or after an import.
const WORLD: [&str; 11] = [
    "std::env",
    "env::",
    "std::fs",
    "fs::",
    "std::net",
    "net::",
    "std::process",
    "process::",
    "std::thread",
    "thread::",
    "tokio",
];

/// How every clock is read, whatever its type; a point in time that is handed in is no clock.
const READS_A_CLOCK: &str = "::now(";

/// Dependencies stay in their rooms.
pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for room in &ROOMS {
        let strangers = tree.rust().filter(|file| {
            let may = is_test(&file.path) || room.may.iter().any(|prefix| file.path.starts_with(prefix));
            file.path.starts_with(room.within) && !may
        });
        for file in strangers {
            let code = code_only(&file.text);
            let lines = lines_naming(&code, room.word);
            findings.extend(lines.map(|line| Finding::new(&file.path, line, format!("`{}`: {}", room.word, room.why))));
        }
    }
    findings
}

/// The protocol and the SDK's machine touch nothing.
pub(super) fn pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| PURE.iter().any(|prefix| file.path.starts_with(prefix))) {
        let code = code_only(&file.text);
        for word in WORLD {
            findings.extend(lines_naming(&code, word).map(|line| impure(&file.path, line, word)));
        }
        let clocks = code.lines().enumerate().filter(|(_, line)| line.contains(READS_A_CLOCK));
        findings.extend(clocks.map(|(index, _)| impure(&file.path, index + 1, READS_A_CLOCK)));
    }
    findings
}

/// Whether the file holds tests only: rooms are about what ships, and a test may come as a client or start itself again.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn impure(path: &str, line: usize, word: &str) -> Finding {
    Finding::new(path, line, format!("`{word}`: no I/O and no clock here, time and bytes are inputs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_outside_its_room_is_found() {
        for room in &ROOMS {
            let text = format!("//! Talks about {0}.\n\nfn f() {{\n    {0}::open();\n}}\n", room.word);
            let stranger = format!("{}stranger.rs", room.within);
            let guest = room.may.first().map_or("other/src/a.rs".to_owned(), |path| format!("{path}.rs"));
            let test = format!("{}stranger/tests.rs", room.within);
            let findings = dependencies(&Tree::of(&[(&stranger, &text), (&guest, &text), (&test, &text)]));
            let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
            assert_eq!(places, [(stranger.as_str(), 4)], "{}", room.word);
        }
    }

    #[test]
    fn the_world_is_kept_out_of_what_is_pure() {
        let clock = "//! A clock.\nuse std::time::SystemTime;\nfn f() -> SystemTime { SystemTime::now() }\n";
        let tree = Tree::of(&[
            ("protocol/src/timestamp.rs", clock),
            ("sdk-rust/src/machine/backoff.rs", "//! Waits.\nasync fn f() { tokio::time::sleep(x).await }\n"),
            ("sdk-rust/src/client.rs", clock),
            ("protocol/tests/a.rs", clock),
        ]);
        let findings = pure(&tree);
        let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
        assert_eq!(places, [("protocol/src/timestamp.rs", 3), ("sdk-rust/src/machine/backoff.rs", 2)]);
    }
}
