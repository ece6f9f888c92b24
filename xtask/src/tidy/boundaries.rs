//! Boundaries: which files may name which dependency, and which code must be free of I/O (ARCHITECTURE.md, invariants).

use super::{
    Finding,
    code::{code_only, lines_naming},
    tree::Tree,
};

/// A path that only some files below a directory may name.
struct Restriction {
    word: &'static str,
    within: &'static str,
    /// Prefixes of the file paths that are exempt.
    exempt: &'static [&'static str],
    why: &'static str,
}

/// All restricted paths.
const RESTRICTIONS: [Restriction; 18] = [
    Restriction {
        word: "tokio_tungstenite",
        within: "server/src/",
        exempt: &["server/src/edge/connection", "server/src/edge/upgrade", "server/src/cli/bench/socket.rs"],
        why: "only the connection and upgrade files, and the client of `gateway bench`, name tungstenite",
    },
    Restriction {
        word: "tungstenite",
        within: "server/src/",
        exempt: &["server/src/edge/connection", "server/src/edge/upgrade", "server/src/cli/bench/socket.rs"],
        why: "only the connection and upgrade files, and the client of `gateway bench`, name tungstenite",
    },
    Restriction { word: "poem", within: "server/src/", exempt: &["server/src/http"], why: "only `http*` names poem" },
    Restriction {
        word: "poem_openapi",
        within: "server/src/",
        exempt: &["server/src/http"],
        why: "only `http*` names poem",
    },
    Restriction {
        word: "lapin",
        within: "server/src/",
        exempt: &["server/src/bus/rabbitmq"],
        why: "only `bus/rabbitmq*` names lapin",
    },
    Restriction {
        word: "redis",
        within: "store/src/",
        // `lib.rs` declares the module.
        exempt: &["store/src/redis", "store/src/lib.rs"],
        why: "only `redis*` of the store names redis",
    },
    Restriction {
        word: "redb",
        within: "store/src/",
        // `lib.rs` declares the module.
        exempt: &["store/src/redb", "store/src/lib.rs"],
        why: "only `redb*` of the store names redb",
    },
    Restriction {
        word: "std::env",
        within: "store/src/",
        exempt: &[],
        why: "only the configuration reads the environment",
    },
    Restriction {
        word: "env::",
        within: "store/src/",
        exempt: &[],
        why: "only the configuration reads the environment",
    },
    Restriction { word: "gateway", within: "store/src/", exempt: &[], why: "the store does not depend on the server" },
    Restriction {
        word: "SystemTime::now",
        within: "store/src/",
        // A clock for tests.
        exempt: &["store/src/clock.rs"],
        why: "the wall clock may jump: a store takes the time from its `Clock`",
    },
    Restriction {
        word: "std::env",
        within: "server/src/",
        exempt: &["server/src/config"],
        why: "only the configuration reads the environment",
    },
    Restriction {
        word: "env::",
        within: "server/src/",
        exempt: &["server/src/config"],
        why: "only the configuration reads the environment",
    },
    Restriction {
        word: "tokio_tungstenite",
        within: "sdk-rust/src/",
        exempt: &["sdk-rust/src/driver"],
        why: "only the SDK's driver names tungstenite",
    },
    Restriction {
        word: "HashMap",
        within: "sdk-core/src/",
        exempt: &[],
        why: "the core's output depends on its input alone: a hash map iterates in a random order, `Table` does not",
    },
    Restriction {
        word: "HashSet",
        within: "sdk-core/src/",
        exempt: &[],
        why: "the core's output depends on its input alone: a hash set iterates in a random order, `IdSet` does not",
    },
    Restriction {
        word: "SystemTime::now",
        within: "server/src/",
        exempt: &[
            "server/src/runtime/clock/",
            // Tokens are verified and issued with the wall clock.
            "server/src/auth/",
            // Only displayed.
            "server/src/bus/rabbitmq/",
            "server/src/bus/backend_events/",
        ],
        why: "the wall clock may jump: ask the node's clock (`clock.rs`)",
    },
    Restriction {
        word: "Xml",
        within: "server/src/",
        exempt: &[],
        why: "poem parses XML with a version that RUSTSEC-2026-0194 names: deny.toml ignores it because nothing here does",
    },
];

/// Directories whose code does no I/O and reads no clock, so that it compiles for wasm32 and tests control time and
/// bytes.
const PURE: [&str; 2] = ["protocol/src/", "sdk-core/src/"];

/// Paths that do I/O, fully qualified or after an import.
const IMPURE_PATHS: [&str; 11] = [
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

/// The call that reads any clock. Instants that are passed in are allowed.
const CLOCK_CALL: &str = "::now(";

/// Finds restricted paths in files that are not exempt.
pub(super) fn dependencies(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for restriction in &RESTRICTIONS {
        let others = tree.rust().filter(|file| {
            let is_exempt =
                is_test(&file.path) || restriction.exempt.iter().any(|prefix| file.path.starts_with(prefix));
            file.path.starts_with(restriction.within) && !is_exempt
        });
        for file in others {
            let code = code_only(&file.text);
            let lines = lines_naming(&code, restriction.word);
            findings
                .extend(lines.map(|line| {
                    Finding::new(&file.path, line, format!("`{}`: {}", restriction.word, restriction.why))
                }));
        }
    }
    findings
}

/// Finds I/O and clock reads in code that must be pure.
pub(super) fn pure(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| PURE.iter().any(|prefix| file.path.starts_with(prefix))) {
        let code = code_only(&file.text);
        for word in IMPURE_PATHS {
            findings.extend(lines_naming(&code, word).map(|line| impure(&file.path, line, word)));
        }
        let clocks = code.lines().enumerate().filter(|(_, line)| line.contains(CLOCK_CALL));
        findings.extend(clocks.map(|(index, _)| impure(&file.path, index + 1, CLOCK_CALL)));
    }
    findings
}

/// Returns whether the file contains only tests. The rules are for shipped code: a test may act as a client.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn impure(path: &str, line: usize, word: &str) -> Finding {
    Finding::new(path, line, format!("`{word}`: this code does no I/O and reads no clock; time and bytes are inputs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_restricted_dependency() {
        for restriction in &RESTRICTIONS {
            let text = format!("//! Talks about {0}.\n\nfn f() {{\n    {0}::open();\n}}\n", restriction.word);
            let other = format!("{}other.rs", restriction.within);
            let allowed = restriction.exempt.first().map_or("other/src/a.rs".to_owned(), |path| format!("{path}.rs"));
            let test = format!("{}other/tests.rs", restriction.within);
            let findings = dependencies(&Tree::of(&[(&other, &text), (&allowed, &text), (&test, &text)]));
            let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
            assert_eq!(places, [(other.as_str(), 4)], "{}", restriction.word);
        }
    }

    #[test]
    fn finds_io_and_clock_reads_in_pure_code() {
        let clock = "//! A clock.\nuse std::time::SystemTime;\nfn f() -> SystemTime { SystemTime::now() }\n";
        let tree = Tree::of(&[
            ("protocol/src/timestamp.rs", clock),
            ("sdk-core/src/machine/backoff.rs", "//! Waits.\nasync fn f() { tokio::time::sleep(x).await }\n"),
            ("sdk-rust/src/client.rs", clock),
            ("protocol/tests/a.rs", clock),
        ]);
        let findings = pure(&tree);
        let places: Vec<_> = findings.iter().map(|it| (it.path.as_str(), it.line)).collect();
        assert_eq!(places, [("protocol/src/timestamp.rs", 3), ("sdk-core/src/machine/backoff.rs", 2)]);
    }
}
