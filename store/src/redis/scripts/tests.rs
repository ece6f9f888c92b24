//! Tests that the names of arguments agree between Rust and Lua.

use std::collections::HashSet;

use super::*;

fn words(code: &str) -> HashSet<&str> {
    let code = code.lines().map(|line| line.split("--").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect()
}

/// Returns the names that a piece declares at its top level.
fn top_level_names(code: &str) -> impl Iterator<Item = &str> {
    let locals = code.lines().filter_map(|line| line.strip_prefix("local "));
    locals.flat_map(|line| {
        let names = line.strip_prefix("function ").map_or(line, |line| line.split('(').next().unwrap_or_default());
        names.split('=').next().unwrap_or_default().split(',').map(str::trim)
    })
}

#[test]
fn every_script_uses_every_argument() {
    for ((script, pieces), source) in PIECES.iter().zip(ALL) {
        let used: HashSet<&str> = pieces.iter().flat_map(|piece| words(piece)).collect();
        for name in &source().source.names {
            assert!(used.contains(name.as_str()), "{script} does not use its argument `{name}`");
        }
    }
}

#[test]
fn no_piece_declares_the_name_of_an_argument_again() {
    for ((script, pieces), source) in PIECES.iter().zip(ALL) {
        let declared: HashSet<&str> = pieces.iter().copied().chain([PRELUDE]).flat_map(top_level_names).collect();
        for name in &source().source.names {
            assert!(!declared.contains(name.as_str()), "{script} declares `{name}` twice");
        }
    }
}

#[test]
fn no_piece_reads_arguments_by_their_position() {
    for (script, pieces) in PIECES {
        assert!(pieces.iter().all(|piece| !words(piece).contains("ARGV")), "{script}");
    }
    assert_eq!(PRELUDE.matches("ARGV").count(), 1, "the prelude reads the number of the request");
}
