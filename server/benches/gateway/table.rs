//! The table that the bench prints.

/// One line of the table.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) name: &'static str,
    /// Ours.
    pub(crate) ours: String,
    /// The bare loop's, in the same run.
    pub(crate) bare: String,
    /// Ours by the bare loop's.
    pub(crate) ratio: String,
    /// More figures of ours.
    pub(crate) notes: String,
}

/// The rows as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| | ours | bare loop | ratio | |\n| --- | --: | --: | --: | --- |\n");
    for row in rows {
        text.push_str(&format!("| {} | {} | {} | {} | {} |\n", row.name, row.ours, row.bare, row.ratio, row.notes));
    }
    text
}
