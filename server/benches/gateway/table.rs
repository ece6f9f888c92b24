//! The table that the bench prints.

/// One line of the table.
pub struct Row {
    /// What was measured.
    pub name: &'static str,
    /// Ours.
    pub ours: String,
    /// The bare loop's, in the same run.
    pub bare: String,
    /// Ours by the bare loop's.
    pub ratio: String,
    /// More figures of ours.
    pub notes: String,
}

/// The rows as Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| | ours | bare loop | ratio | |\n| --- | --: | --: | --: | --- |\n");
    for row in rows {
        text.push_str(&format!("| {} | {} | {} | {} | {} |\n", row.name, row.ours, row.bare, row.ratio, row.notes));
    }
    text
}
