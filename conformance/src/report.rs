//! The result of a run: a row for each scenario, as text and as JSON.

use std::{fmt::Write as _, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{adapter::Hello, log, run::MutantChoice, scenario::Scenario};

/// The result of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "why", rename_all = "snake_case")]
pub enum Verdict {
    /// The client did what it has to do.
    Green,
    /// It did something else, for this reason.
    Red(String),
    /// Its adapter has no such command.
    Skipped(String),
}

/// The row of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The name of the scenario.
    pub scenario: String,
    /// What a client has to do.
    pub about: String,
    /// The mutant that interfered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The result.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The hash of the normalised log of a seeded scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Row {
    pub(crate) fn new(
        scenario: &Scenario,
        mutant: Option<&str>,
        verdict: Verdict,
        took: Duration,
        hash: Option<String>,
    ) -> Self {
        Self {
            scenario: scenario.name.to_owned(),
            about: scenario.about.to_owned(),
            mutant: mutant.map(str::to_owned),
            verdict,
            millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            hash,
        }
    }

    /// Returns the row of an adapter that fails after its last scenario.
    pub(crate) fn of_adapter(why: &str) -> Self {
        Self {
            scenario: "adapter/exit".to_owned(),
            about: "the adapter exits at the end of its input".to_owned(),
            mutant: None,
            verdict: Verdict::Red(why.to_owned()),
            millis: 0,
            hash: None,
        }
    }

    /// Returns the line of the table in a terminal.
    pub(crate) fn text(&self) -> String {
        let (word, why) = match &self.verdict {
            Verdict::Green => ("green", String::new()),
            Verdict::Red(why) => ("RED", format!("\n  {why}")),
            Verdict::Skipped(word) => ("skipped", format!(": no `{word}`")),
        };
        let mutant = self.mutant.as_ref().map(|mutant| format!(" [{mutant}]")).unwrap_or_default();
        let seconds = Duration::from_millis(self.millis).as_secs_f64();
        format!("{word:<8}{:<36}{seconds:>6.1} s{mutant}{why}", self.scenario)
    }
}

/// The result of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The name of the client, as its adapter says.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digest of its core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<String>,
    /// What the adapter skips.
    pub skip: Vec<String>,
    /// The seed.
    pub seed: u64,
    /// The mutant that interfered: its name, or `each`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// How long all took, in milliseconds.
    pub millis: u64,
    /// The hash over the hashes of the seeded scenarios, if all of them are green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

impl Report {
    pub(crate) fn new(hello: Hello, seed: u64, mutant: &MutantChoice, rows: Vec<Row>, took: Duration) -> Self {
        let mutant = match mutant {
            MutantChoice::None => None,
            MutantChoice::Named(name) => Some(name.clone()),
            MutantChoice::Each => Some("each".to_owned()),
        };
        let seeded = rows.iter().filter(|row| row.scenario.starts_with("seeded/"));
        let hashes: Option<Vec<_>> = seeded.map(|row| row.hash.clone()).collect();
        let hash = hashes.filter(|hashes| !hashes.is_empty()).map(|hashes| log::hash(&hashes.join("\n")));
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let Hello { name, version, core, skip } = hello;
        Self { name, version, core, skip, seed, mutant, rows, millis, hash }
    }

    /// Returns the number of rows with a verdict.
    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.rows.iter().filter(|row| is(&row.verdict)).count()
    }

    /// Returns whether the run shows what it should: no red row, or with a mutant for each scenario only red rows.
    pub fn is_good(&self) -> bool {
        match self.mutant.as_deref() {
            Some("each") => self.rows.iter().all(|row| !matches!(row.verdict, Verdict::Green)),
            _ => self.rows.iter().all(|row| !matches!(row.verdict, Verdict::Red(_))),
        }
    }

    /// Returns the table for a terminal.
    pub fn table(&self) -> String {
        let rows: String = self.rows.iter().map(|row| format!("{}\n", row.text())).collect();
        format!("{rows}\n{}", self.summary())
    }

    /// Returns the last lines of the table.
    fn summary(&self) -> String {
        let green = self.count(|verdict| *verdict == Verdict::Green);
        let red = self.count(|verdict| matches!(verdict, Verdict::Red(_)));
        let skipped = self.count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        let seconds = Duration::from_millis(self.millis).as_secs_f64();
        let Self { name, version, seed, .. } = self;
        let mut text = format!("{name} {version}: {green} green, {red} red, {skipped} skipped in {seconds:.1} s\n");
        if self.mutant.as_deref() == Some("each") {
            text.push_str("Every scenario has to be red, because its mutant interfered.\n");
        }
        if let Some(hash) = &self.hash {
            // Writing to memory cannot fail.
            let _ = writeln!(text, "hash of the seeded scenarios (seed {seed}): {hash}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_were_written() {
        for verdict in [Verdict::Green, Verdict::Red("why".to_owned()), Verdict::Skipped("call".to_owned())] {
            let mut row = Row::of_adapter("x");
            row.verdict = verdict;
            let text = serde_json::to_string(&row).unwrap();
            assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row, "{text}");
        }
    }
}
