//! Formats the effective configuration: every value with its source, and with secrets masked.

use std::fmt::Write;

use toml::Value;

use super::{
    Loaded, Source,
    keys::{KEYS, Key, Kind, SERVICE_KEYS, WEBHOOK_KEYS},
    setting::Setting,
};

impl Loaded {
    /// Returns every key as a line of TOML, with its source as a comment. Secrets and the passwords of URLs are `***`.
    pub fn show(&self) -> String {
        let mut draft = self.draft.clone();
        let mut text = String::new();
        let mut section = "";
        for key in KEYS {
            if key.section() != section {
                section = key.section();
                let _ = writeln!(text, "\n[{section}]");
            }
            text.push_str(&self.line(key.name, key.short_name(), key, (key.field)(&mut draft)));
        }
        for (service, draft) in &mut draft.services {
            let _ = writeln!(text, "\n[services.{service}]");
            for key in SERVICE_KEYS {
                let name = format!("services.{service}.{}", key.name);
                text.push_str(&self.line(&name, key.name, key, (key.field)(draft)));
            }
        }
        for (webhook, draft) in &mut draft.webhooks {
            let _ = writeln!(text, "\n[webhooks.{webhook}]");
            for key in WEBHOOK_KEYS {
                let name = format!("webhooks.{webhook}.{}", key.name);
                text.push_str(&self.line(&name, key.name, key, (key.field)(draft)));
            }
        }
        text
    }

    /// Returns the line of a key. `shown` is its name within the section.
    fn line<D>(&self, name: &str, shown: &str, key: &Key<D>, field: &mut dyn Setting) -> String {
        let source = self.sources.get(name).unwrap_or(&Source::Default);
        let line = match field.show(key.kind) {
            Some(value) => format!("{shown} = {}", masked(value, key.kind)),
            None => format!("# {shown} is not set"),
        };
        format!("{line:<48}  # {source}\n")
    }
}

fn masked(value: Value, kind: Kind) -> Value {
    match (kind, value) {
        (Kind::Secret, _) => "***".into(),
        (Kind::Secrets, Value::Array(secrets)) => vec!["***"; secrets.len()].into(),
        (Kind::Url, Value::String(url)) => masked_url(&url).into(),
        // Public keys are not secret, but too long to be useful here.
        (Kind::Keys, Value::Array(keys)) => vec!["PEM"; keys.len()].into(),
        (_, value) => value,
    }
}

/// Masks the user names, passwords and queries of one or several URLs, separated by commas (RFC 3986, section 3.2.1).
pub(super) fn masked_url(urls: &str) -> String {
    let one = |url: &str| {
        let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        let authority = authority.rsplit_once('@').map_or_else(|| authority.into(), |(_, host)| format!("***@{host}"));
        let path = path.split_once('?').map_or_else(|| path.into(), |(path, _)| format!("{path}?***"));
        format!("{scheme}://{authority}{path}")
    };
    urls.split(',').map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_credentials_of_urls() {
        assert_eq!(masked_url("amqps://u:p@a:5671/v,amqp://u:p@b"), "amqps://***@a:5671/v,amqp://***@b");
        assert_eq!(masked_url("https://x/y?token=s"), "https://x/y?***");
        assert_eq!(masked_url("https://u:p@ss@x"), "https://***@x");
        assert_eq!(masked_url("https://x/a@b"), "https://x/a@b");
        assert_eq!(masked_url("redb:./data/gateway.redb"), "redb:./data/gateway.redb");
    }
}
