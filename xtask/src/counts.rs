//! Counts passed and failed tests, from the report file of nextest, the summaries of rustdoc and Node, and the lines of Go and
//! Maven.

use std::ops::Add;

/// The number of passed and failed tests or steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// The number of passed tests.
    pub(crate) passed: u64,
    /// The number of tests that failed, timed out or could not be started.
    pub(crate) failed: u64,
}

impl Counts {
    /// Reads the totals of nextest's report in JUnit format. Unlike a summary line, a test cannot forge them by its
    /// output.
    pub(crate) fn of_junit(report: &str) -> Option<Self> {
        Self::of_element(report, "<testsuites ")
    }

    /// Reads the totals of pytest's report in JUnit format, which are those of its only test suite.
    pub(crate) fn of_pytest(report: &str) -> Option<Self> {
        Self::of_element(report, "<testsuite ")
    }

    fn of_element(report: &str, element: &str) -> Option<Self> {
        let (_, rest) = report.split_once(element)?;
        let (root, _) = rest.split_once('>')?;
        let number = |name: &str| {
            let (_, value) = root.split_once(&format!("{name}=\""))?;
            value.split_once('"')?.0.parse::<u64>().ok()
        };
        let failed = number("failures")? + number("errors")?;
        let not_run = number("skipped").unwrap_or(0);
        Some(Self { passed: number("tests")?.checked_sub(failed + not_run)?, failed })
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// The format of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `cargo test --doc`: one line per crate.
    Rustdoc,
    /// Node's test runner, as TAP or readable text: a block of lines at the end of each run.
    Node,
    /// `go test -v`: one line per test. The lines of its parts are indented.
    Go,
    /// Maven's Surefire: one line per class.
    Maven,
}

/// Adds up the summaries of a test runner. Tests may print similar lines, and runners repeat the output of failed
/// tests. So a summary of rustdoc counts only at the beginning of a line, and one of Node only as a complete block.
pub(crate) struct Tally {
    format: Format,
    counts: Counts,
    block: Option<Block>,
}

/// A summary of Node, from `tests 3` to `duration_ms 12`.
#[derive(Default)]
struct Block {
    tests: u64,
    results: Counts,
    /// The number of skipped and todo tests.
    others: u64,
}

impl Tally {
    /// Creates a tally without any counts.
    pub(crate) fn new(format: Format) -> Self {
        Self { format, counts: Counts::default(), block: None }
    }

    /// Returns the sum of all summaries so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads the next line of the runner's output.
    pub(crate) fn read(&mut self, line: &str) {
        let line = unstyled(line);
        let line = line.trim_end();
        match self.format {
            Format::Rustdoc => self.counts = self.counts + of_rustdoc(line).unwrap_or_default(),
            Format::Node => self.read_node(line),
            Format::Go if line.starts_with("--- PASS: ") => self.counts.passed += 1,
            Format::Go if line.starts_with("--- FAIL: ") => self.counts.failed += 1,
            Format::Go => {}
            Format::Maven => self.counts = self.counts + of_surefire(line).unwrap_or_default(),
        }
    }

    fn read_node(&mut self, line: &str) {
        let entry = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} "));
        let Some((what, number)) = entry.and_then(|entry| entry.split_once(' ')) else {
            self.block = None;
            return;
        };
        let count = number.parse().unwrap_or(0);
        match (what, &mut self.block) {
            ("tests", block) => *block = Some(Block { tests: count, ..Block::default() }),
            ("pass", Some(block)) => block.results.passed += count,
            ("fail" | "cancelled", Some(block)) => block.results.failed += count,
            ("skipped" | "todo", Some(block)) => block.others += count,
            ("suites", Some(_)) => {}
            ("duration_ms", Some(block)) => {
                if block.results.passed + block.results.failed + block.others == block.tests {
                    self.counts = self.counts + block.results;
                }
                self.block = None;
            }
            _ => self.block = None,
        }
    }
}

/// Reads `test result: FAILED. 3 passed; 1 failed; …`.
fn of_rustdoc(line: &str) -> Option<Counts> {
    let (_, numbers) = line.strip_prefix("test result: ")?.split_once('.')?;
    let mut counts = Counts::default();
    for (number, what) in numbers.split(';').filter_map(|part| part.trim().split_once(' ')) {
        let number = number.parse().unwrap_or(0);
        match what {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            _ => {}
        }
    }
    Some(counts)
}

/// Reads `[ERROR] Tests run: 3, Failures: 1, Errors: 0, Skipped: 0, Time elapsed: 0.1 s <<< FAILURE! -- in a.Class`. The total has
/// no class.
fn of_surefire(line: &str) -> Option<Counts> {
    let (_, line) = line.split_once("] Tests run: ").filter(|(level, _)| level.starts_with('['))?;
    let (numbers, _) = line.split_once(" -- in ")?;
    let mut numbers = numbers.split(',');
    let tests: u64 = numbers.next()?.parse().ok()?;
    let mut of = |name: &str| numbers.next()?.trim().strip_prefix(name)?.parse::<u64>().ok();
    let (failed, errors, skipped) = (of("Failures: ")?, of("Errors: ")?, of("Skipped: ")?);
    Some(Counts { passed: tests.checked_sub(failed + errors + skipped)?, failed: failed + errors })
}

/// Removes terminal colours (ECMA-48 control sequences) from a line.
fn unstyled(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let plain = parts.next().unwrap_or_default().to_owned();
    parts.fold(plain, |plain, part| {
        let rest = part.split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, rest)| rest);
        plain + rest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(format: Format, text: &str) -> Counts {
        let mut tally = Tally::new(format);
        text.lines().for_each(|line| tally.read(line));
        tally.counts()
    }

    #[test]
    fn adds_up_summary_lines_of_rustdoc() {
        let text = "running 13 tests\n\
                    test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s\n\n\
                    \x1b[1mtest result: \x1b[31mFAILED\x1b[0m. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(counted(Format::Rustdoc, text), Counts { passed: 15, failed: 2 });
    }

    #[test]
    fn ignores_similar_output_of_tests() {
        let text = "  test result: FAILED. 0 passed; 1 failed; 0 ignored\nthe test result: ok. 1 passed\n3 passed\n";
        assert_eq!(counted(Format::Rustdoc, text), Counts::default());
        for line in
            ["# pass 3", "# fail 1", "ℹ pass 3", "# duration_ms 3", "# Subtest: pass 3", "Summary [ 1 s] 2 passed"]
        {
            assert_eq!(counted(Format::Node, &format!("{line}\n# duration_ms 3\n")), Counts::default(), "{line}");
        }
    }

    #[test]
    fn adds_up_summary_blocks_of_node() {
        let block = |sign: &str, nested: &str| {
            format!(
                "ok 1 - a test\n{nested}\n1..4\n{sign} tests 7\n{sign} suites 1\n{sign} pass 3\n{sign} fail 1\n\
                 {sign} cancelled 1\n{sign} skipped 1\n{sign} todo 1\n{sign} duration_ms 12.5\n"
            )
        };
        let once = Counts { passed: 3, failed: 2 };
        assert_eq!(counted(Format::Node, &block("#", "")), once);
        assert_eq!(counted(Format::Node, &(block("ℹ", "") + &block("#", ""))), once + once);
        // The block of a runner inside a test is indented, and a test may print parts of one.
        let inner = block("    #", "") + "# tests 9\n# pass 9\nand so on\n# pass 9\n# duration_ms 1";
        assert_eq!(counted(Format::Node, &block("#", &inner)), once);
    }

    #[test]
    fn counts_tests_of_go() {
        let text = "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- FAIL: TestB/part (0.00s)\n--- FAIL: TestB (0.00s)\n\
                    --- SKIP: TestC (0.00s)\nFAIL\n";
        assert_eq!(counted(Format::Go, text), Counts { passed: 1, failed: 1 });
    }

    #[test]
    fn counts_tests_of_maven() {
        let text = "[INFO] Running a.B\n[INFO] Tests run: 9, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 6 s -- in a.B\n\
                    [ERROR] Tests run: 4, Failures: 1, Errors: 2, Skipped: 0, Time elapsed: 1 s <<< FAILURE! -- in a.C\n\
                    Tests run: 7, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 6 s -- in a.D\n\
                    [ERROR] Tests run: 13, Failures: 1, Errors: 2, Skipped: 1\n";
        assert_eq!(counted(Format::Maven, text), Counts { passed: 9, failed: 3 });
    }

    #[test]
    fn reads_totals_of_junit_report() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="14" skipped="2" failures="2" errors="1" uuid="1" timestamp="2026-11-28" time="0.1">
    <testsuite name="one" tests="99" disabled="0" errors="9" failures="9"></testsuite></testsuites>"#;
        assert_eq!(Counts::of_junit(report), Some(Counts { passed: 9, failed: 3 }));
        assert_eq!(Counts::of_junit("<testsuites tests=\"1\">"), None, "an unfinished report");
        assert_eq!(Counts::of_junit(""), None);
        let report = r#"<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="0" tests="9">"#;
        assert_eq!(Counts::of_pytest(report), Some(Counts { passed: 6, failed: 3 }));
    }
}
