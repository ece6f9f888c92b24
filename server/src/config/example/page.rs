//! Generates the page docs/configuration.md: how the configuration is read, and one table of keys for each section.

use std::fmt::Write as _;

use crate::config::keys::{KEYS, Key, Kind, SERVICE_KEYS, WEBHOOK_KEYS};

/// What the page says before the tables, in Markdown. Its links lead from docs/.
const INTRODUCTION: &str = include_str!("introduction.txt");

/// The formats of values, each with its explanation.
const FORMATS: [(&str, &str); 12] = [
    ("text", "A text. TOML needs quotes."),
    ("choice", "One of the texts that the table lists."),
    ("address", "A host and a port, such as `127.0.0.1:4000`. `:4000` means all IPv4 addresses."),
    ("duration", "A number with a unit: `500ms`, `25s`, `10m`, `24h`, `7d`."),
    ("size", "Bytes, with or without a unit: `65536`, `64KiB`, `1MiB`, `10GiB`."),
    ("number", "A whole number."),
    ("switch", "`true` or `false`."),
    ("list", "Several texts: an array in TOML, separated by commas in a variable."),
    ("tables", "Several tables: `[[auth.api_keys]]` in TOML, a JSON array in a variable."),
    (
        "path",
        "A path, relative to the working directory; in `services.NAME` and `webhooks.NAME`, to the file that contains it.",
    ),
    ("secret", "A text that no log and no output contains. `secrets` is a list of them."),
    ("URL", "A URL. A password in it is not shown."),
];

/// Returns the page in Markdown.
pub fn markdown() -> String {
    let mut text = format!("{INTRODUCTION}\n| format | values |\n| --- | --- |\n");
    for (format, explanation) in FORMATS {
        let _ = writeln!(text, "| {format} | {explanation} |");
    }
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = if key.section().is_empty() { "Keys without a section" } else { key.section() };
            text.push_str(&heading(title));
        }
        text.push_str(&row(key.name, key, key.may_be_a_file()));
    }
    text.push_str(&heading("services.NAME"));
    for key in SERVICE_KEYS {
        text.push_str(&row(&format!("services.NAME.{}", key.name), key, false));
    }
    text.push_str(&heading("webhooks.NAME"));
    for key in WEBHOOK_KEYS {
        text.push_str(&row(&format!("webhooks.NAME.{}", key.name), key, false));
    }
    text
}

fn heading(title: &str) -> String {
    format!("\n## {title}\n\n| key | format | default | reload | meaning |\n| --- | --- | --- | --- | --- |\n")
}

fn row<D>(name: &str, key: &Key<D>, may_be_a_file: bool) -> String {
    let default = key.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
    let reload = if key.live { "yes" } else { "no" };
    format!(
        "| `{name}` | {} | {default} | {reload} | {} |\n",
        format_of(key, may_be_a_file),
        key.doc.replace('|', "\\|")
    )
}

fn format_of<D>(key: &Key<D>, may_be_a_file: bool) -> String {
    let file = if may_be_a_file { ", or a file" } else { "" };
    let name = match key.kind {
        Kind::Text => "text",
        Kind::Choice(choices) => {
            let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
            return choices.join(", ");
        }
        Kind::Address => "address",
        Kind::Duration => "duration",
        Kind::Size => "size",
        Kind::Number => "number",
        Kind::Switch => "switch",
        Kind::Texts | Kind::Keys => "list",
        Kind::Tables => "tables",
        Kind::Path => "path",
        Kind::Secret => "secret",
        Kind::Secrets => "secrets",
        Kind::Url => "URL",
    };
    format!("{name}{file}")
}
