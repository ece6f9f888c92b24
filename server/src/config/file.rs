//! Reads a TOML file into entries and rejects unknown keys.

use std::{collections::BTreeMap, path::Path};

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    ConfigError, Source,
    keys::{self, Kind, Named},
    load::{Entry, EntryKey, contents},
    setting::Raw,
};

/// A file whose entries are collected.
struct ConfigFile<'a> {
    path: &'a Path,
    /// The lines of the keys, counted from 1.
    lines: BTreeMap<String, usize>,
    entries: Vec<Entry>,
}

/// Parses the text of a file into entries.
pub(super) fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let table: Table = toml::from_str(text).map_err(|error| {
        let line = line_at(text, error.span().map_or(0, |span| span.start));
        // The full error text would repeat the line, which may contain a secret.
        ConfigError::File { path: format!("{}, line {line}", path.display()), problem: error.message().to_owned() }
    })?;
    let mut file = ConfigFile { path, lines: lines_of_keys(text), entries: Vec::new() };
    file.collect("", table)?;
    Ok(file.entries)
}

/// Returns the line of an offset in bytes, counted from 1.
fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Returns the line of each key.
fn lines_of_keys(text: &str) -> BTreeMap<String, usize> {
    fn collect(text: &str, section: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
        for (name, value) in table {
            let key = joined(section, name.get_ref());
            if let DeValue::Table(table) = value.get_ref() {
                collect(text, &key, table, lines);
            }
            lines.insert(key, line_at(text, name.span().start));
        }
    }
    let mut lines = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        collect(text, "", table.get_ref(), &mut lines);
    }
    lines
}

fn joined(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

impl ConfigFile<'_> {
    fn collect(&mut self, section: &str, table: Table) -> Result<(), ConfigError> {
        for (name, value) in table {
            let name = joined(section, &name);
            let source = Source::File(self.path.to_owned(), self.lines.get(&name).copied().unwrap_or(1));
            let wrong = |problem: &str| ConfigError::Value {
                source_name: source.clone(),
                key: name.clone(),
                problem: problem.to_owned(),
            };
            let (key, raw, from_file) = match (keys::named(&name), value) {
                (Named::Value(key), value) => (EntryKey::Fixed(key), Raw::Toml(value), false),
                (Named::File(key), value) => {
                    let paths = match value {
                        Value::String(path) => vec![path],
                        Value::Array(paths) => {
                            let paths: Option<_> = paths.iter().map(|path| path.as_str().map(str::to_owned)).collect();
                            paths.ok_or_else(|| wrong("is not a list of paths"))?
                        }
                        _ => return Err(wrong("is not a path in quotes")),
                    };
                    (EntryKey::Fixed(key), contents(&source, &name, &paths)?, true)
                }
                (Named::Service(service, key), value) => {
                    (EntryKey::Service(service, key), Raw::Toml(self.resolved(key.kind, value)), false)
                }
                (Named::Webhook(webhook, key), value) => {
                    (EntryKey::Webhook(webhook, key), Raw::Toml(self.resolved(key.kind, value)), false)
                }
                (Named::Section, Value::Table(table)) => {
                    self.collect(&name, table)?;
                    continue;
                }
                (Named::Section, _) => return Err(wrong(&format!("is a section: write [{name}]"))),
                (Named::NoSectionName(problem), _) => return Err(wrong(problem)),
                (Named::Unknown, _) => {
                    let nearest = keys::nearest(&name);
                    return Err(ConfigError::Unknown { source_name: source, key: name, nearest });
                }
            };
            self.entries.push(Entry { key, raw, source, from_file });
        }
        Ok(())
    }

    /// Resolves a path relative to the file.
    fn resolved(&self, kind: Kind, value: Value) -> Value {
        match (kind, value) {
            (Kind::Path, Value::String(path)) if !path.is_empty() => {
                let path = self.path.parent().unwrap_or(Path::new("")).join(path);
                Value::String(path.display().to_string())
            }
            (_, value) => value,
        }
    }
}
