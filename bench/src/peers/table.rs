//! The table of the comparison.

use super::{
    contender::Contender,
    figures::Figures,
    metric::{Aim, Better, Metric},
};

/// Formats the medians as a Markdown table, with ratios to the floor and the verdicts of the aims.
pub(super) fn markdown(figures: &Figures) -> String {
    let contenders = figures.contenders();
    let names: Vec<&str> = contenders.iter().map(|contender| contender.name()).collect();
    let rule = " --: |".repeat(contenders.len());
    let mut text = format!("| the same work | {} | aim |\n| --- |{rule} --- |\n", names.join(" | "));
    for metric in figures.metrics() {
        let cells: Vec<String> = contenders.iter().map(|contender| cell(figures, *contender, metric)).collect();
        text.push_str(&format!("| {} | {} | {} |\n", metric.name(), cells.join(" | "), aim(figures, metric)));
    }
    text
}

fn cell(figures: &Figures, contender: Contender, metric: Metric) -> String {
    let Some(value) = figures.median(contender, metric) else { return "–".into() };
    let mut text = metric.text(value);
    if figures.is_bound_by_client(contender, metric) {
        text.insert(0, '≥');
    }
    match figures.ratio_to_floor(contender, metric).filter(|_| contender != Contender::Floor) {
        Some(ratio) => format!("{text} ({ratio:.2})"),
        None => text,
    }
}

/// Formats the aim, and what each gateway reaches of it.
fn aim(figures: &Figures, metric: Metric) -> String {
    let Some(aim) = metric.aim() else { return String::new() };
    let sign = if metric.better() == Better::Lower { "≤" } else { "≥" };
    let aim = match aim {
        Aim::Times(factor, other) => format!("{sign} {factor:.2} × {}", other.name()),
        Aim::Figure(figure) => format!("{sign} {}", metric.text(figure)),
    };
    let gateways = figures.contenders().into_iter().filter(|contender| contender.is_gateway());
    let verdicts = gateways.filter_map(|contender| {
        let (value, is_met) = figures.verdict(contender, metric)?;
        let value =
            if matches!(metric.aim(), Some(Aim::Times(..))) { format!("{value:.2}") } else { metric.text(value) };
        Some(if is_met { format!("{value} met") } else { format!("{value} **missed**") })
    });
    let verdicts: Vec<String> = verdicts.collect();
    if verdicts.is_empty() { aim } else { format!("{aim}: {}", verdicts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::{super::figures::tests::figures, *};

    #[test]
    fn shows_medians_ratios_and_aims() {
        let text = markdown(&figures(1.1));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| the same work | floor | uWebSockets.js | gateway, 1 loop | aim |");
        assert_eq!(lines[1], "| --- | --: | --: | --: | --- |");
        assert!(lines[2].ends_with("| 5.50 | – | 6.05 (1.10) | ≤ 1.15 × floor: 1.10 met |"), "{}", lines[2]);
        assert!(lines[3].ends_with("| – | 0.9k | ≥1.4k | ≥ 1.20 × uWebSockets.js: 1.50 met |"), "{}", lines[3]);
        assert!(lines[4].ends_with("| – | – | 2600 | ≤ 2500: 2600 **missed** |"), "{}", lines[4]);
        assert!(lines[5].ends_with("| – | – | 11.00 (2.00) |  |"), "{}", lines[5]);
    }
}
