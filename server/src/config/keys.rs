//! The keys of the configuration: the name, kind, default, documentation and field of each.

mod table;

use gateway_store::WebhookName;
use realtime_gateway_protocol::ServiceName;

use super::{draft::Draft, services::ServiceDraft, setting::Setting, webhooks::WebhookDraft};

pub(super) use table::{KEYS, SERVICE_KEYS, WEBHOOK_KEYS};

/// The section of a declared service in the generated files.
pub(super) const SAMPLE_SERVICE: &str = "services.orders";
/// The section of a webhook in the generated files.
pub(super) const SAMPLE_WEBHOOK: &str = "webhooks.shop";

/// The format of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// One of these choices.
    Choice(&'static [&'static str]),
    /// Address and port.
    Address,
    /// A duration such as `25s`.
    Duration,
    /// A size such as `64KiB`.
    Size,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of texts.
    Texts,
    /// A list of tables, written as JSON outside of TOML files.
    Tables,
    /// A path. In a section with a name of its own it is relative to the file that contains it, otherwise to the working
    /// directory.
    Path,
    /// A text that is never shown.
    Secret,
    /// A list of texts that are never shown.
    Secrets,
    /// A URL, which may contain a password.
    Url,
    /// Public keys in PEM.
    Keys,
}

/// A key of the configuration, which sets a field of `D`.
pub(super) struct Key<D = Draft> {
    /// The section and the name, such as `heartbeat.interval`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The default in the format of the environment. `None` when the key is not set by default.
    pub(super) default: Option<&'static str>,
    /// The value in the generated examples.
    pub(super) sample: &'static str,
    pub(super) doc: &'static str,
    /// Whether a reload (SIGHUP) applies a change.
    pub(super) live: bool,
    pub(super) field: fn(&mut D) -> &mut dyn Setting,
}

impl<D> Key<D> {
    /// Returns whether the value can be read from a file with `<key>_file`.
    pub(super) fn may_be_a_file(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::Secrets | Kind::Url | Kind::Keys)
    }

    /// Returns the section, or an empty text for a key without a section.
    pub(super) fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Returns the name within the section.
    pub(super) fn short_name(&self) -> &'static str {
        self.name.rsplit_once('.').map_or(self.name, |(_, name)| name)
    }

    /// Returns the environment variable that sets the key.
    pub(super) fn variable(&self) -> String {
        variable(self.name)
    }
}

/// Returns the environment variable that sets a key.
pub(super) fn variable(name: &str) -> String {
    format!("GATEWAY_{}", name.replace('.', "__").to_uppercase())
}

/// The meaning of a name in a layer.
pub(super) enum Named {
    Value(&'static Key),
    File(&'static Key),
    Section,
    /// A key of the section of a declared service.
    Service(ServiceName, &'static Key<ServiceDraft>),
    /// A key of the section of a webhook.
    Webhook(WebhookName, &'static Key<WebhookDraft>),
    /// A section whose name no service or webhook can have. The text is the end of a sentence that starts with the key.
    NoSectionName(&'static str),
    Unknown,
}

/// Returns the meaning of a name.
pub(super) fn named(name: &str) -> Named {
    let key = |name: &str| KEYS.iter().find(|key| key.name == name);
    if let Some(key) = key(name) {
        return Named::Value(key);
    }
    if let Some(key) = name.strip_suffix("_file").and_then(key).filter(|key| key.may_be_a_file()) {
        return Named::File(key);
    }
    if let Some(name) = name.strip_prefix(SERVICES) {
        return named_in_service(name);
    }
    if let Some(name) = name.strip_prefix(WEBHOOKS) {
        return named_in_webhook(name);
    }
    if name == SERVICES.trim_end_matches('.') || name == WEBHOOKS.trim_end_matches('.') {
        return Named::Section;
    }
    if KEYS.iter().any(|key| key.section() == name) { Named::Section } else { Named::Unknown }
}

/// The problem of a section whose name no service can have.
const NO_SERVICE_NAME: &str =
    "is not in a section [services.NAME] whose name matches [a-z][a-z0-9_]{0,31}, the name in the contract";

/// The problem of a section whose name no webhook can have.
const NO_WEBHOOK_NAME: &str =
    "is not in a section [webhooks.NAME] whose name matches [a-z][a-z0-9_]{0,31} and has no `__`";

/// The beginning of the keys of declared services.
const SERVICES: &str = "services.";
/// The beginning of the keys of webhooks.
const WEBHOOKS: &str = "webhooks.";

/// Returns the meaning of a name below `services`.
fn named_in_service(name: &str) -> Named {
    let (service, name) = name.split_once('.').unwrap_or((name, ""));
    let Ok(service) = ServiceName::new(service) else { return Named::NoSectionName(NO_SERVICE_NAME) };
    match SERVICE_KEYS.iter().find(|key| key.name == name) {
        Some(key) => Named::Service(service, key),
        None if name.is_empty() || SERVICE_KEYS.iter().any(|key| key.section() == name) => Named::Section,
        None => Named::Unknown,
    }
}

/// Returns the meaning of a name below `webhooks`.
fn named_in_webhook(name: &str) -> Named {
    let (webhook, name) = name.split_once('.').unwrap_or((name, ""));
    let Some(webhook) = WebhookName::new(webhook) else { return Named::NoSectionName(NO_WEBHOOK_NAME) };
    match WEBHOOK_KEYS.iter().find(|key| key.name == name) {
        Some(key) => Named::Webhook(webhook, key),
        None if name.is_empty() => Named::Section,
        None => Named::Unknown,
    }
}

/// Returns the known name that is most similar to an unknown one.
pub(super) fn nearest(name: &str) -> String {
    if let Some((service, key)) = name.strip_prefix(SERVICES).and_then(|name| name.split_once('.')) {
        let known = SERVICE_KEYS.iter().map(|key| key.name);
        // A part of a key, such as `url`, means the whole key.
        let distance = |known: &&str| {
            let part = known.rsplit('.').next().unwrap_or_default();
            strsim::damerau_levenshtein(known, key).min(strsim::damerau_levenshtein(part, key) + 1)
        };
        return format!("{SERVICES}{service}.{}", known.min_by_key(distance).unwrap_or_default());
    }
    if let Some((webhook, key)) = name.strip_prefix(WEBHOOKS).and_then(|name| name.split_once('.')) {
        let known = WEBHOOK_KEYS.iter().map(|key| key.name);
        let nearest = known.min_by_key(|known| strsim::damerau_levenshtein(known, key)).unwrap_or_default();
        return format!("{WEBHOOKS}{webhook}.{nearest}");
    }
    let files = KEYS.iter().filter(|key| key.may_be_a_file()).map(|key| format!("{}_file", key.name));
    let known = KEYS.iter().map(|key| key.name.to_owned()).chain(files);
    // Compare the last part too, for names whose section is missing or wrong.
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
    fn nearest_name_is_the_intended_one() {
        let pairs = [
            ("limits.conections", "limits.connections"),
            ("limit.burst", "limits.burst"),
            ("auth.jwt_secrt", "auth.jwt_secret"),
            ("auth.jwt_secret_fil", "auth.jwt_secret_file"),
            ("lsten", "listen"),
            ("jwt_secret", "auth.jwt_secret"),
            ("heartbeat.intervall", "heartbeat.interval"),
            ("services.orders.contrct", "services.orders.contract"),
            ("services.orders.backend.urll", "services.orders.backend.url"),
            ("webhooks.shop.event", "webhooks.shop.events"),
            ("services.orders.url", "services.orders.backend.url"),
            ("services.orders.backend.max_inflight", "services.orders.backend.max_in_flight"),
        ];
        for (written, meant) in pairs {
            assert_eq!(nearest(written), meant, "{written}");
        }
    }

    #[test]
    fn names_are_unique_and_variables_map_back_to_them() {
        for key in KEYS {
            assert_eq!(KEYS.iter().filter(|other| other.name == key.name).count(), 1, "{}", key.name);
            let back = key.variable().strip_prefix("GATEWAY_").unwrap().to_lowercase().replace("__", ".");
            assert_eq!(back, key.name);
            assert!(!key.name.ends_with("_file"));
        }
    }

    #[test]
    fn defaults_of_keys_match_the_default_configuration() {
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
