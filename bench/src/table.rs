//! The table of what the gateway alone does, next to a figure of the machine.

/// One line of the table.
pub(crate) struct Row {
    /// The measured quantity.
    pub(crate) name: &'static str,
    /// The figure of the gateway.
    pub(crate) ours: String,
    /// The figure that it is compared with, of the same run.
    pub(crate) baseline: String,
    /// The gateway's figure divided by the baseline.
    pub(crate) ratio: String,
    /// Further figures of the gateway.
    pub(crate) notes: String,
}

/// Formats the rows as a Markdown table.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| | gateway | compared with | ratio | |\n| --- | --: | --: | --: | --- |\n");
    for row in rows {
        text.push_str(&format!("| {} | {} | {} | {} | {} |\n", row.name, row.ours, row.baseline, row.ratio, row.notes));
    }
    text
}
