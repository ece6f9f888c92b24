//! How many tests passed and failed, as the closing lines of cargo test, nextest and Node tell.

use std::ops::Add;

/// How many tests, or steps, passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Those that passed.
    pub(crate) passed: u64,
    /// Those that failed, timed out or could not be started.
    pub(crate) failed: u64,
}

impl Counts {
    /// What a line says if it is the closing line of a test runner.
    pub(crate) fn of_closing_line(line: &str) -> Option<Self> {
        let line = unstyled(line);
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result:") {
            let (_, numbers) = result.split_once('.')?;
            return Some(Self::of_parts(numbers.split(';')));
        }
        if let Some(result) = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} ")) {
            return Self::of_node(result);
        }
        let (_, numbers) = line.strip_prefix("Summary [")?.split_once("run:")?;
        Some(Self::of_parts(without_brackets(numbers).split(',')))
    }

    /// Reads `pass 3` or `fail 1`: Node closes with a line for each, in TAP or for people.
    fn of_node(result: &str) -> Option<Self> {
        let (what, number) = result.split_once(' ')?;
        let number = number.parse().ok()?;
        match what {
            "pass" => Some(Self { passed: number, failed: 0 }),
            "fail" | "cancelled" => Some(Self { passed: 0, failed: number }),
            _ => None,
        }
    }

    /// Reads `3 passed`, `1 failed`, `1 timed out`; what was skipped or filtered out is no result.
    fn of_parts<'a>(parts: impl Iterator<Item = &'a str>) -> Self {
        parts.filter_map(|part| part.trim().split_once(' ')).fold(Self::default(), |counts, (number, what)| {
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => counts + Self { passed: number, failed: 0 },
                "failed" | "timed out" | "exec failed" => counts + Self { passed: 0, failed: number },
                _ => counts,
            }
        })
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// A line without the colours of a terminal (ECMA-48, control sequences).
fn unstyled(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let plain = parts.next().unwrap_or_default().to_owned();
    parts.fold(plain, |plain, part| {
        let rest = part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
        plain + rest
    })
}

/// nextest tells in brackets which of the passed ones were slow: they are counted already.
fn without_brackets(text: &str) -> String {
    let mut parts = text.split('(');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(')').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let lines = [
            ("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s", 12, 0),
            ("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out", 3, 2),
            ("     Summary [   0.012s] 10 tests run: 10 passed, 3 skipped", 10, 0),
            (
                "     Summary [  61.300s] 9/12 tests run: 6 passed (2 slow, 1 leaky), 1 failed, 2 timed out, 3 skipped",
                6,
                3,
            ),
            (
                "\x1b[32;1m     Summary\x1b[0m [   0.012s] \x1b[1m1\x1b[0m test run: \x1b[1m1\x1b[0m \x1b[32;1mpassed\x1b[0m, 0 skipped",
                1,
                0,
            ),
            ("# pass 11", 11, 0),
            ("\u{2139} fail 2", 0, 2),
            ("# cancelled 1", 0, 1),
        ];
        for (line, passed, failed) in lines {
            assert_eq!(Counts::of_closing_line(line), Some(Counts { passed, failed }), "{line}");
        }
    }

    #[test]
    fn other_lines_are_not() {
        for line in [
            "",
            "running 3 tests",
            "test a::b ... ok",
            "Summary of the work",
            "3 passed, 1 failed",
            "# duration_ms 3",
            "# Subtest: pass 3",
        ] {
            assert_eq!(Counts::of_closing_line(line), None, "{line}");
        }
    }
}
