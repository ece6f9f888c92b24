//! Reads a contract file and its schema.

use std::{collections::BTreeMap, path::Path};

use toml::de::DeTable;

use crate::{
    Call, CallPolicy, Contract, ContractError, DataType, DeclaredTopic, MAX_SCHEMA_BYTES, MemberName, Policy,
    PublishRule, Schema, TopicHistory, TopicPattern, TopicPresence,
    name::service_name,
    section::{Entry, KeyLines, Section},
    source::SourceFile,
};

/// The words for policies.
const POLICIES: [(&str, Policy); 3] =
    [("grants", Policy::Grants), ("user", Policy::User), ("backend", Policy::Backend)];

impl Contract {
    /// Reads a contract file and the schema that it names, whose path is relative to the contract file.
    ///
    /// # Errors
    /// A [`ContractError`] with the first problem of one of the two files.
    pub fn read(path: &Path) -> Result<Self, ContractError> {
        let file = SourceFile::read(path, MAX_SCHEMA_BYTES)?;
        Self::parse(&file, |root| schema(root, path))
    }

    /// Reads the text of a contract file. `schema` reads the schema, given the top level of the contract.
    pub(crate) fn parse(
        file: &SourceFile,
        schema: impl FnOnce(&Section<'_>) -> Result<Schema, ContractError>,
    ) -> Result<Self, ContractError> {
        let table = DeTable::parse(&file.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            file.error(offset, None, format!("is not valid TOML: {}", error.message().replace('\n', ", ")))
        })?;
        let root = Section::root(file, table.get_ref());
        root.only(&["name", "title", "schema", "topics", "calls"])?;
        let entry = root.required("name", "\"orders\"")?;
        let name = service_name(entry.text()?).map_err(|problem| entry.error(problem))?;
        let title = root.optional("title").map(|entry| entry.text().map(str::to_owned)).transpose()?;
        let mut schema = schema(&root)?;
        let topics = members(&root, "topics", |section| topic(section, &mut schema))?;
        check_first_literals(&root, &topics)?;
        let calls = members(&root, "calls", |section| call(section, &mut schema))?;
        if let Some(name) = calls.keys().find(|name| topics.contains_key(*name)) {
            let lines = KeyLines::of(&root);
            let key = format!("calls.{name}");
            let problem = "has the name of a topic: generated code needs different names".to_owned();
            return Err(file.error_in_line(lines.line(&key), key, problem));
        }
        if topics.is_empty() && calls.is_empty() {
            return Err(file.error(0, None, "the contract declares no topics and no calls".into()));
        }
        Ok(Self { name, title, schema, topics, calls, file: file.path.clone(), lines: KeyLines::of(&root) })
    }
}

fn schema(root: &Section<'_>, path: &Path) -> Result<Schema, ContractError> {
    let entry = root.required("schema", "\"orders.schema.json\"")?;
    let schema = path.parent().unwrap_or(Path::new("")).join(entry.text()?);
    Schema::read(&schema).map_err(|error| match error.line {
        // The file cannot be read, so the mistake is probably its path in the contract.
        None => entry.error(format!("names {}, which {}", schema.display(), error.problem)),
        Some(_) => error,
    })
}

/// Reads the tables below `topics` or `calls`.
fn members<T>(
    root: &Section<'_>,
    kind: &str,
    mut read: impl FnMut(&Section<'_>) -> Result<T, ContractError>,
) -> Result<BTreeMap<MemberName, T>, ContractError> {
    let mut members = BTreeMap::new();
    let Some(entry) = root.optional(kind) else { return Ok(members) };
    for entry in entry.section()?.entries() {
        let name = MemberName::new(entry.name());
        let name = name.ok_or_else(|| entry.error("must have a name that matches [a-z][A-Za-z0-9]{0,63}"))?;
        members.insert(name, read(&entry.section()?)?);
    }
    Ok(members)
}

fn topic(section: &Section<'_>, schema: &mut Schema) -> Result<DeclaredTopic, ContractError> {
    section.only(&["pattern", "event", "publish", "subscribe", "history", "presence"])?;
    let entry = section.required("pattern", "\"order-{orderId}\"")?;
    let pattern = TopicPattern::parse(entry.text()?).map_err(|problem| entry.error(problem))?;
    // Each topic with `{userId}` belongs to one user, who needs no further grant.
    let default = if pattern.is_of_user() { Policy::User } else { Policy::Grants };
    let event = data_type(&section.required("event", "\"OrderEvent\"")?, schema)?;
    let publish = section.optional("publish").map(|entry| publish(&entry, &event, default, schema)).transpose()?;
    let subscribe = section.optional("subscribe").map(|entry| entry.choice(&POLICIES)).transpose()?;
    let history = section.optional("history").map(|entry| history(&entry)).transpose()?;
    let presence = section.optional("presence").map(|entry| presence(&entry, schema)).transpose()?;
    Ok(DeclaredTopic {
        pattern,
        event,
        publish,
        subscribe: subscribe.unwrap_or(default),
        history: history.unwrap_or(TopicHistory::Kept { max_entries: None, max_age: None }),
        presence: presence.unwrap_or(TopicPresence::Off),
    })
}

fn publish(
    entry: &Entry<'_>,
    event: &DataType,
    default: Policy,
    schema: &mut Schema,
) -> Result<PublishRule, ContractError> {
    let (type_entry, allow) = match entry.as_section() {
        Some(section) => {
            section.only(&["type", "allow"])?;
            let allow = section.optional("allow").map(|entry| entry.choice(&POLICIES)).transpose()?;
            (section.required("type", "\"OrderComment\"")?, allow)
        }
        None if entry.as_text().is_some() => (entry.clone(), None),
        None => {
            return Err(entry.error("is neither the name of a type nor a table such as { type = \"OrderComment\" }"));
        }
    };
    let data = data_type(&type_entry, schema)?;
    let allow = allow.unwrap_or(default);
    if allow != Policy::Backend && !schema.is_branch_of(data.name(), event.name()) {
        return Err(type_entry.error(format!(
            "is `{data}`, which is neither the event `{event}` nor a branch of its `oneOf`: clients publish what is \
             stored, unless allow = \"backend\" lets the backend replace it"
        )));
    }
    Ok(PublishRule { data, allow })
}

fn history(entry: &Entry<'_>) -> Result<TopicHistory, ContractError> {
    let Some(section) = entry.as_section() else {
        return match entry.as_bool() {
            Some(false) => Ok(TopicHistory::Off),
            _ => Err(entry.error("is neither a table such as { max_entries = 200, max_age = \"2d\" } nor false")),
        };
    };
    section.only(&["max_entries", "max_age"])?;
    Ok(TopicHistory::Kept {
        max_entries: section.optional("max_entries").map(|entry| entry.count()).transpose()?,
        max_age: section.optional("max_age").map(|entry| entry.duration()).transpose()?,
    })
}

fn presence(entry: &Entry<'_>, schema: &mut Schema) -> Result<TopicPresence, ContractError> {
    match (entry.as_bool(), entry.as_text()) {
        (Some(true), _) => Ok(TopicPresence::On),
        (Some(false), _) => Ok(TopicPresence::Off),
        (None, Some(_)) => data_type(entry, schema).map(TopicPresence::WithData),
        (None, None) => Err(entry.error("is neither true, false nor the name of a type")),
    }
}

fn call(section: &Section<'_>, schema: &mut Schema) -> Result<Call, ContractError> {
    section.only(&["request", "response", "allow"])?;
    let request = data_type(&section.required("request", "\"CancelRequest\"")?, schema)?;
    let response = data_type(&section.required("response", "\"CancelResult\"")?, schema)?;
    let allow = section.optional("allow").map(|entry| {
        if entry.as_text() == Some("backend") {
            return Err(entry.error("is \"backend\": the backend gets every call and may refuse it, so write \"user\""));
        }
        entry.choice(&[("grants", CallPolicy::Grants), ("user", CallPolicy::User)])
    });
    Ok(Call { request, response, allow: allow.transpose()?.unwrap_or(CallPolicy::Grants) })
}

fn data_type(entry: &Entry<'_>, schema: &mut Schema) -> Result<DataType, ContractError> {
    schema.data_type(entry.text()?).map_err(|problem| entry.error(problem))
}

/// Checks that a topic cannot match two patterns.
fn check_first_literals(root: &Section<'_>, topics: &BTreeMap<MemberName, DeclaredTopic>) -> Result<(), ContractError> {
    let Some(section) = root.optional("topics").map(|entry| entry.section()).transpose()? else { return Ok(()) };
    // Sorted, a literal that is a prefix of others stands directly before one of them. So only a contract with this
    // mistake needs the comparison of all pairs, which finds the line.
    let mut literals: Vec<_> = topics.values().map(|topic| topic.pattern.first_literal()).collect();
    literals.sort_unstable();
    if literals.iter().zip(literals.iter().skip(1)).all(|(first, second)| !second.starts_with(first)) {
        return Ok(());
    }
    let literal = |name: &str| topics.get(name).map_or("", |topic| topic.pattern.first_literal());
    let entries = section.entries();
    for (index, entry) in entries.iter().enumerate() {
        let own = literal(entry.name());
        for other in entries.iter().take(index) {
            let earlier = literal(other.name());
            if own.starts_with(earlier) || earlier.starts_with(own) {
                let pattern = entry.section()?.required("pattern", "")?;
                return Err(pattern.error(format!(
                    "begins with {own:?} and `{}.pattern` with {earlier:?}: a topic could match both, so neither may be a \
                     prefix of the other",
                    other.key
                )));
            }
        }
    }
    Ok(())
}
