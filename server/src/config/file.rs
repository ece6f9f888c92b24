//! Reads a TOML file into entries and rejects unknown keys.

use std::path::Path;

use toml::{Table, Value};

use super::{
    ConfigError, Source,
    keys::{self, Named},
    load::{Entry, contents},
    setting::Raw,
};

/// Parses the text of a file into entries.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table: Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        // The full error text would repeat the line, which may contain a secret.
        ConfigError::File { path: format!("{}, line {line}", path.display()), problem: error.message().to_owned() }
    })?;
    let mut entries = Vec::new();
    collect(&Source::File(path.to_owned()), "", table, &mut entries)?;
    Ok(entries)
}

fn collect(source: &Source, section: &str, table: Table, entries: &mut Vec<Entry>) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = if section.is_empty() { name } else { format!("{section}.{name}") };
        let wrong = |problem: &str| ConfigError::Value {
            source_name: source.clone(),
            key: name.clone(),
            problem: problem.to_owned(),
        };
        match (keys::named(&name), value) {
            (Named::Value(key), value) => {
                entries.push(Entry { key, raw: Raw::Toml(value), source: source.clone(), from_file: false });
            }
            (Named::File(key), value) => {
                let paths = match value {
                    Value::String(path) => vec![path],
                    Value::Array(paths) => {
                        let paths: Option<_> = paths.iter().map(|path| path.as_str().map(str::to_owned)).collect();
                        paths.ok_or_else(|| wrong("is not a list of paths"))?
                    }
                    _ => return Err(wrong("is not a path in quotes")),
                };
                let raw = contents(source, &name, &paths)?;
                entries.push(Entry { key, raw, source: source.clone(), from_file: true });
            }
            (Named::Section, Value::Table(table)) => collect(source, &name, table, entries)?,
            (Named::Section, _) => return Err(wrong(&format!("is a section: write [{name}]"))),
            (Named::Service, _) => return Err(wrong("cannot be used: declared services are not in this version")),
            (Named::Unknown, _) => {
                let nearest = keys::nearest(&name);
                return Err(ConfigError::Unknown { source_name: source.clone(), key: name, nearest });
            }
        }
    }
    Ok(())
}
