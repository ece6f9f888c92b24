//! The committed ratios to the floor, and what has become worse since.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};

use super::{
    contender::Contender,
    figures::Figures,
    metric::{Better, Metric},
};

/// Ratios to the floor, by the key of the figure and the name of the server.
type Ratios = BTreeMap<String, BTreeMap<String, f64>>;

/// Reads the committed ratios.
///
/// # Errors
/// If there is no such file, or if it has another form; the error says which command writes it.
pub(crate) fn read(path: &Path) -> Result<Ratios, String> {
    let how = "`cargo xtask bench --write-baseline` writes it";
    let text = fs::read(path).map_err(|error| format!("{} cannot be read ({error}): {how}", path.display()))?;
    parse(&text).map_err(|error| format!("{} is no baseline ({error}): {how}", path.display()))
}

fn parse(text: &[u8]) -> Result<Ratios, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let figures = value.get("ratios").and_then(Value::as_object).ok_or("it has no object `ratios`")?;
    let ratios = |servers: &Value| {
        let servers = servers.as_object().ok_or("a figure is no object of servers")?;
        let ratio = |(server, ratio): (&String, &Value)| {
            let ratio = ratio.as_f64().filter(|ratio| *ratio > 0.0).ok_or("a ratio is no positive number")?;
            Ok::<_, &str>((server.clone(), ratio))
        };
        servers.iter().map(ratio).collect::<Result<_, _>>()
    };
    figures.iter().map(|(figure, servers)| Ok((figure.clone(), ratios(servers)?))).collect()
}

/// Formats the measured ratios of the gateway as the file to be committed.
pub(crate) fn format(figures: &Figures) -> String {
    let mut ratios = Ratios::new();
    for (metric, contender) in pairs(figures) {
        if let Some(ratio) = figures.ratio_to_floor(contender, metric) {
            let rounded = (ratio * 1_000.0).round() / 1_000.0;
            ratios.entry(metric.key().into()).or_default().insert(contender.name().into(), rounded);
        }
    }
    let about = "Ratios to the floor of the same run, written by `cargo xtask bench --write-baseline`";
    let value = json!({ "about": about, "ratios": ratios });
    serde_json::to_string_pretty(&value).expect("numbers and texts") + "\n"
}

/// The comparison of a figure with the baseline.
#[derive(Debug, PartialEq)]
pub(crate) struct Comparison {
    metric: Metric,
    contender: Contender,
    before: f64,
    now: f64,
}

impl Comparison {
    /// Returns by which part it is worse than before; negative if it is better.
    fn worse_by(&self) -> f64 {
        match self.metric.better() {
            Better::Lower => self.now / self.before - 1.0,
            Better::Higher => self.before / self.now - 1.0,
        }
    }

    /// Returns whether it is worse by more than the tolerance.
    pub(crate) fn is_regression(&self) -> bool {
        self.worse_by() > self.metric.tolerance()
    }
}

/// Compares all figures that were measured and that the baseline has.
pub(crate) fn compare(before: &Ratios, figures: &Figures) -> Vec<Comparison> {
    let comparison = |(metric, contender): (Metric, Contender)| {
        let before = *before.get(metric.key())?.get(contender.name())?;
        Some(Comparison { metric, contender, before, now: figures.ratio_to_floor(contender, metric)? })
    };
    pairs(figures).filter_map(comparison).collect()
}

fn pairs(figures: &Figures) -> impl Iterator<Item = (Metric, Contender)> {
    let contenders: Vec<_> = figures.contenders().into_iter().filter(|contender| contender.is_gateway()).collect();
    figures.metrics().into_iter().flat_map(move |metric| contenders.clone().into_iter().map(move |it| (metric, it)))
}

/// Formats the comparison as a Markdown table.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut text = String::from(
        "| ratio to the floor | | baseline | now | worse by | tolerance |\n| --- | --- | --: | --: | --: | --: |\n",
    );
    for comparison in comparisons {
        let mark = if comparison.is_regression() { "**" } else { "" };
        text.push_str(&format!(
            "| {} | {} | {:.2} | {:.2} | {mark}{:+.0} %{mark} | {:.0} % |\n",
            comparison.metric.name(),
            comparison.contender.name(),
            comparison.before,
            comparison.now,
            comparison.worse_by() * 100.0,
            comparison.metric.tolerance() * 100.0,
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::figures::tests::figures, *};

    fn compared(before: f64, now: f64) -> Vec<Comparison> {
        let text = format(&figures(before));
        compare(&parse(text.as_bytes()).expect("what was written"), &figures(now))
    }

    #[test]
    fn finds_what_became_worse_by_more_than_the_tolerance() {
        assert!(compared(1.1, 1.1).iter().all(|comparison| !comparison.is_regression()));
        assert!(compared(1.1, 1.2).iter().all(|comparison| !comparison.is_regression()), "9 % are tolerated");
        assert!(compared(1.2, 0.6).iter().all(|comparison| !comparison.is_regression()), "it is better");
        let worse = compared(1.1, 1.3);
        let regressions: Vec<_> = worse.iter().filter(|comparison| comparison.is_regression()).collect();
        assert_eq!(regressions.len(), 1);
        assert_eq!((regressions[0].metric, regressions[0].contender), (Metric::FanOut, Contender::GatewayOneLoop));
        assert!(table(&worse).contains("| gateway, 1 loop | 1.10 | 1.30 | **+18 %** | 10 % |"), "{}", table(&worse));
    }

    #[test]
    fn less_is_worse_where_more_is_better() {
        let comparison =
            Comparison { metric: Metric::Trips, contender: Contender::GatewayOneLoop, before: 1.0, now: 0.8 };
        assert!(comparison.is_regression());
        assert!(!Comparison { now: 1.3, ..comparison }.is_regression());
    }

    #[test]
    fn says_what_is_wrong_with_a_file() {
        for (text, problem) in [
            ("{", "EOF"),
            ("{}", "it has no object `ratios`"),
            (r#"{"ratios":{"a":1}}"#, "a figure is no object of servers"),
            (r#"{"ratios":{"a":{"b":0}}}"#, "a ratio is no positive number"),
            (r#"{"ratios":{"a":{"b":"1"}}}"#, "a ratio is no positive number"),
        ] {
            let error = parse(text.as_bytes()).expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
        }
        let error = read(Path::new("no-such-file.json")).expect_err("there is no such file");
        assert!(error.contains("--write-baseline"), "{error}");
    }
}
