//! Merges the layers: defaults, file, environment, flags. The source of each value is recorded.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use gateway_store::WebhookName;
use realtime_gateway_protocol::ServiceName;

use super::{
    Config, ConfigError, Environment, Secret, check,
    draft::Draft,
    file,
    keys::{self, KEYS, Key, Kind, Named},
    random,
    services::ServiceDraft,
    setting::{Raw, Setting},
    webhooks::WebhookDraft,
};

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The default, because no layer sets the value.
    Default,
    /// A line of a TOML file.
    File(PathBuf, usize),
    /// A variable of the process.
    Environment(String),
    /// A variable of `.env`.
    DotEnv(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// A value that was generated because of `--dev`.
    Dev,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::DotEnv(variable) => write!(f, ".env {variable}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Dev => f.write_str("made by --dev"),
        }
    }
}

/// The options of the command line that concern the configuration.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`: the file to read. Without it `gateway.toml` is read if it exists.
    pub config: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--dev`.
    pub dev: bool,
}

/// A value of one layer.
pub(super) struct Entry {
    pub(super) key: EntryKey,
    pub(super) raw: Raw,
    pub(super) source: Source,
    /// Whether the value was given as `<key>_file`.
    pub(super) from_file: bool,
}

/// The key of a value.
#[derive(Clone)]
pub(super) enum EntryKey {
    /// A key of the table of keys.
    Fixed(&'static Key),
    /// A key of a declared service.
    Service(ServiceName, &'static Key<ServiceDraft>),
    /// A key of a webhook.
    Webhook(WebhookName, &'static Key<WebhookDraft>),
}

impl EntryKey {
    /// Returns the whole name.
    fn name(&self) -> String {
        match self {
            Self::Fixed(key) => key.name.to_owned(),
            Self::Service(service, key) => format!("services.{service}.{}", key.name),
            Self::Webhook(webhook, key) => format!("webhooks.{webhook}.{}", key.name),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Fixed(key) => key.kind,
            Self::Service(_, key) => key.kind,
            Self::Webhook(_, key) => key.kind,
        }
    }

    fn field<'d>(&self, draft: &'d mut Draft) -> &'d mut dyn Setting {
        match self {
            Self::Fixed(key) => (key.field)(draft),
            Self::Service(service, key) => (key.field)(draft.services.entry(service.clone()).or_default()),
            Self::Webhook(webhook, key) => (key.field)(draft.webhooks.entry(webhook.clone()).or_default()),
        }
    }
}

/// A complete and valid configuration.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings about values that are valid but may not be intended.
    pub notices: Vec<String>,
    pub(super) draft: Draft,
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) flags: Flags,
}

impl Loaded {
    /// Reads all layers.
    ///
    /// # Errors
    /// A [`ConfigError`] with the first problem and how to fix it.
    pub fn read(flags: &Flags) -> Result<Self, ConfigError> {
        Self::layers(flags, &Environment::read()?, Path::new("."), &[])
    }

    /// Reads all layers on a blocking thread, because a file may be a pipe, and an address may need a DNS lookup.
    ///
    /// # Errors
    /// As [`Loaded::read`].
    pub async fn read_in_background(flags: Flags) -> Result<Self, ConfigError> {
        in_background(move || Self::read(&flags)).await
    }

    /// Reads all layers. Values that an earlier configuration of this process generated (node id, secret of `--dev`)
    /// are kept.
    pub(super) fn layers(
        flags: &Flags,
        environment: &Environment,
        directory: &Path,
        before: &[&Self],
    ) -> Result<Self, ConfigError> {
        let mut draft = Draft::default();
        draft.config.dev = flags.dev;
        let mut sources = BTreeMap::new();
        let mut notices = Vec::new();
        let layers = [
            from_file(flags, directory)?,
            from_environment(environment, &mut notices)?,
            flags.listen.iter().filter_map(|listen| flag("listen", "--listen", listen)).collect(),
        ];
        for layer in layers {
            apply(layer, &mut draft, &mut sources)?;
        }
        if let Some(filter) = environment.get("RUST_LOG") {
            filter.clone_into(&mut draft.config.log.level);
            sources.insert("log.level".into(), Source::Environment("RUST_LOG".into()));
        }
        if flags.dev && draft.jwt_secret.is_none() && draft.jwt_secrets.is_empty() {
            let made = |loaded: &&Self| loaded.sources.get("auth.jwt_secret") == Some(&Source::Dev);
            let kept = before.iter().copied().find(made).and_then(|loaded| loaded.draft.jwt_secret.clone());
            draft.jwt_secret = Some(match kept {
                Some(secret) => secret,
                None => Secret(random::hexadecimal::<32>()?),
            });
            sources.insert("auth.jwt_secret".into(), Source::Dev);
        }
        if draft.node_id.is_none() {
            let made = before.iter().find(|loaded| !loaded.sources.contains_key("node_id"));
            draft.node_id = made.and_then(|loaded| loaded.draft.node_id.clone());
        }
        draft.complete()?;
        check::errors(&draft)?;
        notices.extend(check::notices(&draft));
        Ok(Self { config: draft.config.clone(), notices, draft, sources, flags: flags.clone() })
    }
}

/// Runs a function that reads files on a blocking thread.
pub(super) async fn in_background(
    read: impl FnOnce() -> Result<Loaded, ConfigError> + Send + 'static,
) -> Result<Loaded, ConfigError> {
    let failed = |_| ConfigError::Rule("the configuration could not be read: the thread that reads it ended".into());
    tokio::task::spawn_blocking(read).await.map_err(failed)?
}

fn from_file(flags: &Flags, directory: &Path) -> Result<Vec<Entry>, ConfigError> {
    let path = flags.config.clone().unwrap_or_else(|| directory.join("gateway.toml"));
    let shown = path.strip_prefix(".").unwrap_or(&path);
    match fs::read_to_string(&path) {
        Ok(text) => file::entries(shown, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && flags.config.is_none() => Ok(Vec::new()),
        Err(error) => Err(unreadable(shown, &error)),
    }
}

fn from_environment(environment: &Environment, notices: &mut Vec<String>) -> Result<Vec<Entry>, ConfigError> {
    let mut entries = Vec::new();
    for (variable, value, source) in environment.with_prefix("GATEWAY_") {
        let name = variable.strip_prefix("GATEWAY_").unwrap_or_default().to_lowercase().replace("__", ".");
        match keys::named(&name) {
            Named::Value(key) => {
                let key = EntryKey::Fixed(key);
                entries.push(Entry { key, raw: Raw::Text(value.to_owned()), source, from_file: false });
            }
            Named::Service(service, key) => {
                let key = EntryKey::Service(service, key);
                entries.push(Entry { key, raw: Raw::Text(value.to_owned()), source, from_file: false });
            }
            Named::Webhook(webhook, key) => {
                let key = EntryKey::Webhook(webhook, key);
                entries.push(Entry { key, raw: Raw::Text(value.to_owned()), source, from_file: false });
            }
            Named::File(key) => {
                let paths: Vec<String> = value.split(',').map(|path| path.trim().to_owned()).collect();
                let raw = contents(&source, &name, &paths)?;
                entries.push(Entry { key: EntryKey::Fixed(key), raw, source, from_file: true });
            }
            Named::NoSectionName(problem) => {
                let problem = problem.to_owned();
                return Err(ConfigError::Value { source_name: source, key: name, problem });
            }
            // Orchestrators set such variables for a service with the name "gateway". GATEWAY_API_KEY is for `notify`.
            Named::Section | Named::Unknown if !name.contains('.') => {
                if variable != "GATEWAY_API_KEY" {
                    notices.push(format!("{source} is not a setting"));
                }
            }
            Named::Section | Named::Unknown => {
                let nearest = keys::variable(&keys::nearest(&name));
                return Err(ConfigError::Unknown { source_name: source, key: variable.to_owned(), nearest });
            }
        }
    }
    Ok(entries)
}

fn flag(name: &str, flag: &'static str, value: &str) -> Option<Entry> {
    let key = KEYS.iter().find(|key| key.name == name)?;
    let key = EntryKey::Fixed(key);
    Some(Entry { key, raw: Raw::Text(value.to_owned()), source: Source::Flag(flag), from_file: false })
}

fn apply(layer: Vec<Entry>, draft: &mut Draft, sources: &mut BTreeMap<String, Source>) -> Result<(), ConfigError> {
    let mut seen = BTreeMap::new();
    for Entry { key, raw, source, from_file } in layer {
        // `.env` and the process are one layer, in which the process has already overridden `.env` for each name.
        let name = key.name();
        if seen.insert(name.clone(), from_file).is_some_and(|before| before != from_file) {
            let problem = format!("and `{name}_file` are both set: keep one of them");
            return Err(ConfigError::Value { source_name: source, key: name, problem });
        }
        let set = key.field(draft).set(&raw, key.kind());
        set.map_err(|problem| ConfigError::Value { source_name: source.clone(), key: name.clone(), problem })?;
        sources.insert(name, source);
    }
    Ok(())
}

/// Reads the files that a `<key>_file` refers to.
pub(super) fn contents(source: &Source, name: &str, paths: &[String]) -> Result<Raw, ConfigError> {
    let read = |path: &String| {
        let text = fs::read_to_string(path).map_err(|error| ConfigError::Value {
            source_name: source.clone(),
            key: name.to_owned(),
            problem: format!("names {path}, which cannot be read: {error}"),
        })?;
        // Remove the byte order mark and trailing white space, which editors and shells add to a secret.
        Ok(text.trim_start_matches('\u{feff}').trim_end().to_owned())
    };
    let texts = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(Raw::File(texts.join("\n")))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    ConfigError::File { path: path.display().to_string(), problem: format!("cannot be read: {error}") }
}

#[cfg(test)]
mod tests;
