//! The table in docs/conformance.md, from the reports of the last runs.

use std::fmt::Write as _;

use crate::{Report, Verdict, scenario};

/// The comments around the generated part of the page.
const BEGIN: &str = "<!-- The table begins: `cargo xtask test conformance` writes it from the last run. -->";
const END: &str = "<!-- The table ends. -->";

/// Replaces the generated part of a page. Returns `None` if the page has none.
pub(crate) fn with_table(page: &str, reports: &[Report]) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n{END}{after}", table(reports)))
}

/// Returns the table: a row for each scenario, and a column for each client. It has no times, so that it changes only when a
/// client does.
fn table(reports: &[Report]) -> String {
    let mut text = String::from("| client | green | red | skipped | core | hash of the seeded scenarios |\n");
    text.push_str("| --- | --: | --: | --: | --- | --- |\n");
    for report in reports {
        let count = |is: fn(&Verdict) -> bool| report.rows.iter().filter(|row| is(&row.verdict)).count();
        let green = count(|verdict| *verdict == Verdict::Green);
        let red = count(|verdict| matches!(verdict, Verdict::Red(_)));
        let skipped = count(|verdict| matches!(verdict, Verdict::Skipped(_)));
        let short = |text: &Option<String>| text.as_ref().map_or("", |text| text.get(..12).unwrap_or(text)).to_owned();
        let (name, version) = (&report.name, &report.version);
        let (core, hash) = (short(&report.core), short(&report.hash));
        // Writing to memory cannot fail.
        let _ = writeln!(text, "| {name} {version} | {green} | {red} | {skipped} | `{core}` | `{hash}` |");
    }
    let names: String = reports.iter().map(|report| format!(" {} |", report.name)).collect();
    let _ = write!(text, "\n| scenario | a client… |{names}\n| --- | --- |{}\n", " :-: |".repeat(reports.len()));
    for scenario in scenario::all() {
        let verdict = |report: &Report| {
            let row = report.rows.iter().find(|row| row.scenario == scenario.name);
            match row.map(|row| &row.verdict) {
                Some(Verdict::Green) => " ✓ |",
                Some(Verdict::Red(_)) => " **red** |",
                _ => " – |",
            }
        };
        let verdicts: String = reports.iter().map(verdict).collect();
        let _ = writeln!(text, "| `{}` | {} |{verdicts}", scenario.name, scenario.about);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_only_the_table() {
        let page = format!("# Page\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
        let written = with_table(&page, &[]).unwrap();
        assert!(written.starts_with("# Page\n") && written.ends_with("\n\nMore.\n") && !written.contains("\nold\n"));
        assert_eq!(with_table(&written, &[]).unwrap(), written);
        assert_eq!(with_table("# Page\n", &[]), None);
    }
}
