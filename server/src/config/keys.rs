//! All keys, listed once: their names, how they are written, their defaults, what they mean, and the field they set.

mod table;

use super::{draft::Draft, setting::Setting};

pub(super) use table::KEYS;

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Address and port.
    Address,
    /// `25s`.
    Duration,
    /// `64KiB`.
    Size,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of texts.
    Texts,
    /// A list of tables, in JSON where there is no TOML.
    Tables,
    /// A path, seen from the working directory.
    Path,
    /// A text that is never shown.
    Secret,
    /// A list of texts that are never shown.
    Secrets,
    /// A URL, which may hold a password.
    Url,
    /// Public keys in PEM.
    Keys,
}

/// What can be set.
pub(super) struct Key {
    /// Its section and name: `heartbeat.interval`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// As it would be written in the environment; `None` when nothing is set.
    pub(super) default: Option<&'static str>,
    /// What to show where there is no default.
    pub(super) sample: &'static str,
    pub(super) doc: &'static str,
    /// Whether SIGHUP changes it.
    pub(super) live: bool,
    pub(super) field: fn(&mut Draft) -> &mut dyn Setting,
}

impl Key {
    /// Whether `<key>_file` may give it.
    pub(super) fn may_be_a_file(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets | Kind::Url | Kind::Keys)
    }

    /// Its section, empty for the keys of none.
    pub(super) fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name in its section.
    pub(super) fn short_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        variable(self.name)
    }
}

/// The variable that sets a key.
pub(super) fn variable(name: &str) -> String {
    format!("GATEWAY_{}", name.replace('.', "__").to_uppercase())
}

/// A name that may stand in a layer, and what it means.
pub(super) enum Named {
    Value(&'static Key),
    File(&'static Key),
    Section,
    /// A declared service: known, and not in this version.
    Service,
    Unknown,
}

/// What a name means.
pub(super) fn named(name: &str) -> Named {
    let key = |name: &str| KEYS.iter().find(|key| key.name == name);
    if let Some(key) = key(name) {
        return Named::Value(key);
    }
    if let Some(key) = name.strip_suffix("_file").and_then(key).filter(|key| key.may_be_a_file()) {
        return Named::File(key);
    }
    if name == "services" || name.starts_with("services.") {
        return Named::Service;
    }
    if KEYS.iter().any(|key| key.section() == name) { Named::Section } else { Named::Unknown }
}

/// The known name that is most like one that is not.
pub(super) fn nearest(name: &str) -> String {
    let files = KEYS.iter().filter(|key| key.may_be_a_file()).map(|key| format!("{}_file", key.name));
    let known = KEYS.iter().map(|key| key.name.to_owned()).chain(files);
    // The last part counts too: who forgets the section, or writes a wrong one, means the name.
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |known: &String| {
        let whole = strsim::damerau_levenshtein(known, name);
        let part = strsim::damerau_levenshtein(&last(known), &last(name)) + 3;
        (whole.min(part), whole)
    };
    known.min_by_key(distance).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let pairs = [
            ("limits.conections", "limits.connections"),
            ("limit.burst", "limits.burst"),
            ("auth.jwt_secrt", "auth.jwt_secret"),
            ("auth.jwt_secret_fil", "auth.jwt_secret_file"),
            ("lsten", "listen"),
            ("jwt_secret", "auth.jwt_secret"),
            ("heartbeat.intervall", "heartbeat.interval"),
        ];
        for (written, meant) in pairs {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }

    #[test]
    fn names_are_unique_and_variables_lead_back_to_them() {
        for key in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.name == key.name).count(), 1, "{}", key.name);
            let back = key.variable().strip_prefix("GATEWAY_").unwrap().to_lowercase().replace("__", ".");
            assert_eq!(back, key.name);
            assert!(!key.name.ends_with("_file"));
        }
    }

    #[test]
    fn the_default_of_every_key_is_what_the_configuration_has() {
        for key in KEYS {
            let mut draft = Draft::default();
            let untouched = (key.field)(&mut draft).show(key.kind);
            let Some(default) = key.default else {
                let empty = untouched.as_ref().is_none_or(|value| value.as_array().is_some_and(Vec::is_empty));
                assert!(empty, "{} has the default {untouched:?}", key.name);
                continue;
            };
            let raw = super::super::setting::Raw::Text(default.into());
            (key.field)(&mut draft).set(&raw, key.kind).unwrap();
            assert_eq!((key.field)(&mut draft).show(key.kind), untouched, "{}", key.name);
        }
    }
}
