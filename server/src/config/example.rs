//! Complete commented examples, and the table for the README, made from the table of keys.

use std::fmt::Write;

use super::{
    draft::Draft,
    keys::{KEYS, Key},
    setting::Raw,
};

/// The command that writes them, for the first line of each.
const MADE_BY: &str = "Made by `gateway config --example";

/// A complete `gateway.toml`, every key commented out, with its default or something that it could be.
pub fn toml() -> String {
    let mut text = format!(
        "# {MADE_BY} toml`. Every key is here, with its default where it has one.\n\
         # Any secret, and any URL that may hold one, can be given as <key>_file: the path of a file with the value.\n"
    );
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let _ = write!(text, "\n[{section}]");
        }
        // A value of several lines stays a comment as a whole.
        let value = written(key).replace('\n', "\n#");
        let _ = write!(text, "\n{}#{} = {value}\n", comment(key), key.short_name());
    }
    text
}

/// A complete `.env`, every variable commented out.
pub fn env() -> String {
    let mut text = format!(
        "# {MADE_BY} env`. Every variable is here, with its default where it has one.\n\
         # Lists are separated by commas, tables are JSON. Variables of the process win over those of this file.\n"
    );
    for key in KEYS {
        let sample = key.sample;
        let quote = if sample.contains('"') { "'" } else { "\"" };
        let plain = sample.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:/,*".contains(c));
        let value = if plain { sample.to_owned() } else { format!("{quote}{sample}{quote}") };
        let _ = write!(text, "\n{}#{}={value}\n", comment(key), key.variable());
    }
    text
}

/// The table of the README, in Markdown.
pub fn table() -> String {
    let mut text = "| key | default | |\n| --- | --- | --- |\n".to_owned();
    for key in KEYS {
        let default = key.default.map_or_else(|| "none".to_owned(), |default| format!("`{default}`"));
        let _ = writeln!(text, "| `{}` | {default} | {} |", key.name, key.doc.replace('|', "\\|"));
    }
    text
}

fn comment(key: &Key) -> String {
    let notes = match (key.live, key.default) {
        (true, Some(_)) => "# SIGHUP changes it.\n",
        (true, None) => "# SIGHUP changes it. Not set by default; for example:\n",
        (false, Some(_)) => "",
        (false, None) => "# Not set by default; for example:\n",
    };
    format!("# {}\n{notes}", key.doc)
}

/// The default or sample as TOML.
fn written(key: &Key) -> String {
    let mut draft = Draft::default();
    let field = (key.field)(&mut draft);
    match field.set(&Raw::Text(key.sample.to_owned()), key.kind) {
        Ok(()) => field.show(key.kind).map(|value| value.to_string()).unwrap_or_default(),
        // A test sets every sample, so this is never written.
        Err(problem) => format!("{:?} # {problem}", key.sample),
    }
}

#[cfg(test)]
mod tests;
