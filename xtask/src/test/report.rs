//! The table of results at the end of `cargo xtask test`.

use std::{fmt, time::Duration};

use crate::counts::Counts;

/// The results of all steps.
#[derive(Default)]
pub(super) struct Report {
    rows: Vec<Row>,
}

struct Row {
    step: &'static str,
    took: Duration,
    /// The counted tests, or `None` if the step failed.
    tests: Option<Counts>,
}

impl Report {
    /// Adds the result of a step and returns a line about it; `tests` is `None` if the step failed.
    pub(super) fn add(&mut self, step: &'static str, took: Duration, tests: Option<Counts>) -> String {
        let row = Row { step, took, tests };
        let total: Duration = self.rows.iter().map(|row| row.took).sum::<Duration>() + took;
        let mut line = format!("{step}: {} after {:.1} s", row.result(), took.as_secs_f64());
        if let Some(Counts { passed, failed }) = tests.filter(|tests| *tests != Counts::default()) {
            line += &format!(", {passed} tests passed, {failed} failed");
        }
        self.rows.push(row);
        line + &format!(" ({} in all)", minutes(total))
    }

    /// Counts all tests, and each step that has no tests or failed as one.
    pub(super) fn totals(&self) -> Counts {
        self.rows.iter().fold(Counts::default(), |sum, row| sum + row.counts())
    }
}

impl Row {
    fn passed(&self) -> bool {
        self.tests.is_some_and(|tests| tests.failed == 0)
    }

    fn counts(&self) -> Counts {
        match self.tests {
            None => Counts { passed: 0, failed: 1 },
            Some(tests) if tests == Counts::default() => Counts { passed: 1, failed: 0 },
            Some(tests) => tests,
        }
    }

    fn result(&self) -> &'static str {
        if self.passed() { "ok" } else { "FAILED" }
    }
}

/// Formats a time as `12 min 5 s`.
fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{} min {} s", seconds / 60, seconds % 60)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:<7} {:>9} {:>7} {:>7}", "step", "result", "time", "passed", "failed")?;
        for row in &self.rows {
            let time = format!("{:.1} s", row.took.as_secs_f64());
            write!(f, "{:<10} {:<7} {time:>9}", row.step, row.result())?;
            match row.tests {
                Some(tests) if tests != Counts::default() => writeln!(f, " {:>7} {:>7}", tests.passed, tests.failed)?,
                _ => writeln!(f)?,
            }
        }
        let time: Duration = self.rows.iter().map(|row| row.took).sum();
        let Counts { passed, failed } = self.totals();
        writeln!(f, "{} steps and their tests in {}", self.rows.len(), minutes(time))?;
        writeln!(f, "{passed} passed, {failed} failed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_test_and_each_step_without_tests_once() {
        let mut report = Report::default();
        report.add("format", Duration::from_millis(1500), Some(Counts::default()));
        let line = report.add("tests", Duration::from_secs(60), Some(Counts { passed: 7, failed: 2 }));
        assert_eq!(line, "tests: FAILED after 60.0 s, 7 tests passed, 2 failed (1 min 1 s in all)");
        report.add("policy", Duration::ZERO, None);
        assert_eq!(report.totals(), Counts { passed: 8, failed: 3 });
        let text = report.to_string();
        assert!(text.contains("format     ok          1.5 s\n"), "{text}");
        assert!(text.contains("tests      FAILED     60.0 s       7       2\n"), "{text}");
        assert!(text.ends_with("\n8 passed, 3 failed\n"), "{text}");
    }
}
