//! Reads tables of a TOML file and keeps the position of each key, so that errors name it.

use std::{collections::BTreeMap, time::Duration};

use toml::de::{DeTable, DeValue};

use crate::{ContractError, nearest::suggestion, source::SourceFile};

/// A value of the file, with its key.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    file: &'a SourceFile,
    /// The whole key, such as `topics.order.event`.
    pub(crate) key: String,
    /// The last part of the key.
    name: String,
    /// The position of the key in bytes.
    offset: usize,
    value: &'a DeValue<'a>,
}

/// A table of the file.
pub(crate) struct Section<'a> {
    file: &'a SourceFile,
    key: String,
    offset: usize,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// Returns the top level of the file.
    pub(crate) fn root(file: &'a SourceFile, table: &'a DeTable<'a>) -> Self {
        Self { file, key: String::new(), offset: 0, table }
    }

    fn key_of(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    /// Refuses keys that are not in the list.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ContractError> {
        for entry in self.entries() {
            let name = entry.name();
            if !known.contains(&name) {
                let suggestion = suggestion("known one", name, known.iter().copied());
                return Err(entry.error(format!("is an unknown key{suggestion}")));
            }
        }
        Ok(())
    }

    /// Returns the entries, in the order of the file.
    pub(crate) fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> = self.table.iter().map(|(key, value)| self.entry(key, value)).collect();
        entries.sort_by_key(|entry| entry.offset);
        entries
    }

    fn entry(&self, key: &toml::Spanned<toml::de::DeString<'a>>, value: &'a toml::Spanned<DeValue<'a>>) -> Entry<'a> {
        let (offset, name) = (key.span().start, key.get_ref().to_string());
        Entry { file: self.file, key: self.key_of(&name), name, offset, value: value.get_ref() }
    }

    /// Returns the value of a key, if it is set.
    pub(crate) fn optional(&self, name: &str) -> Option<Entry<'a>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(key, value)| self.entry(key, value))
    }

    /// Returns the value of a key that must be set.
    pub(crate) fn required(&self, name: &str, example: &str) -> Result<Entry<'a>, ContractError> {
        self.optional(name).ok_or_else(|| {
            self.file.error(self.offset, self.key_of(name), format!("is missing: add {name} = {example}"))
        })
    }
}

impl<'a> Entry<'a> {
    /// Returns an error about this entry. `problem` is the end of a sentence that starts with the key.
    pub(crate) fn error(&self, problem: impl Into<String>) -> ContractError {
        self.file.error(self.offset, self.key.clone(), problem.into())
    }

    /// Returns the last part of the key.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the value as a table, if it is one.
    pub(crate) fn as_section(&self) -> Option<Section<'a>> {
        let DeValue::Table(table) = self.value else { return None };
        Some(Section { file: self.file, key: self.key.clone(), offset: self.offset, table })
    }

    /// Returns the value as a table.
    pub(crate) fn section(&self) -> Result<Section<'a>, ContractError> {
        self.as_section().ok_or_else(|| self.error(format!("is a section: write [{}]", self.key)))
    }

    /// Returns the value as a text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&'a str> {
        if let DeValue::String(text) = self.value { Some(text) } else { None }
    }

    /// Returns the value as a text.
    pub(crate) fn text(&self) -> Result<&'a str, ContractError> {
        self.as_text().ok_or_else(|| self.error("is not a text in quotes"))
    }

    /// Returns the value as `true` or `false`, if it is one of them.
    pub(crate) fn as_bool(&self) -> Option<bool> {
        if let DeValue::Boolean(value) = self.value { Some(*value) } else { None }
    }

    /// Returns the value as a whole number above 0.
    pub(crate) fn count(&self) -> Result<u64, ContractError> {
        let number = match self.value {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        number.filter(|number| *number > 0).ok_or_else(|| self.error("is not a whole number of at least 1"))
    }

    /// Returns the value as a duration of at least one second.
    pub(crate) fn duration(&self) -> Result<Duration, ContractError> {
        let duration = self.as_text().and_then(|text| humantime::parse_duration(text).ok());
        let duration =
            duration.ok_or_else(|| self.error("is not a duration in quotes such as \"30m\", \"24h\" or \"7d\""))?;
        if duration < Duration::from_secs(1) {
            return Err(self.error("is under one second"));
        }
        Ok(duration)
    }

    /// Returns the choice that the text names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, ContractError> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let suggestion = suggestion("one", text, names.iter().copied());
            self.error(format!("is {text:?}, which is none of {}{suggestion}", names.join(", ")))
        })
    }
}

/// The lines of the keys of a contract, for errors that are found after it has been read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KeyLines(BTreeMap<String, usize>);

impl KeyLines {
    /// Collects the lines of all keys in a table and in the tables below it.
    pub(crate) fn of(section: &Section<'_>) -> Self {
        // Counting the lines before each key would read the file once for each.
        let line_ends: Vec<_> = section.file.text.match_indices('\n').map(|(offset, _)| offset).collect();
        let mut lines = Self::default();
        lines.collect(section, &line_ends);
        lines
    }

    fn collect(&mut self, section: &Section<'_>, line_ends: &[usize]) {
        for entry in section.entries() {
            if let Some(section) = entry.as_section() {
                self.collect(&section, line_ends);
            }
            let line = line_ends.partition_point(|end| *end < entry.offset) + 1;
            self.0.insert(entry.key, line);
        }
    }

    /// Returns the line of a key, or of the nearest section above it that the file has.
    pub(crate) fn line(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(line) = self.0.get(key) {
                return *line;
            }
            let Some((above, _)) = key.rsplit_once('.') else { return 1 };
            key = above;
        }
    }
}
