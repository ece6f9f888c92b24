//! The configuration in force, which a reload replaces.

use std::sync::Arc;

use parking_lot::RwLock;

use super::{Auth, Config, History, Notifications, Permissions, Store};

/// A handle to the configuration in force. Clones share it. Parts read it each time that they need a value, so that
/// they see changes of a reload.
#[derive(Debug, Clone)]
pub struct LiveConfig(Arc<RwLock<Arc<Config>>>);

impl LiveConfig {
    /// Creates a handle to this configuration.
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(config))))
    }

    /// Returns the configuration in force.
    pub fn get(&self) -> Arc<Config> {
        self.0.read().clone()
    }

    /// Replaces the configuration for all clones.
    pub fn replace(&self, config: Config) {
        *self.0.write() = Arc::new(config);
    }
}

impl Config {
    /// Returns this configuration with the values of a newer one for every key that a reload applies. TLS stays as it is,
    /// because it cannot be switched on or off for a port that is open.
    #[must_use]
    pub fn reloaded(&self, newer: &Self) -> Self {
        Self {
            log: newer.log.clone(),
            limits: newer.limits,
            store: Store {
                max_bytes: newer.store.max_bytes,
                min_free_percent: newer.store.min_free_percent,
                ..self.store.clone()
            },
            permissions: Permissions {
                secrets: newer.permissions.secrets.clone(),
                claims: newer.permissions.claims.clone(),
                ..self.permissions.clone()
            },
            origins_allowed: newer.origins_allowed.clone(),
            presence_max_announced: newer.presence_max_announced,
            history: History { limit_entries: newer.history.limit_entries, ..self.history },
            notifications: Notifications { escalate_after: newer.notifications.escalate_after, ..self.notifications },
            docs_services: newer.docs_services,
            services: newer.services.clone(),
            webhooks: newer.webhooks.clone(),
            auth: Auth { timeout: self.auth.timeout, expiry_grace: self.auth.expiry_grace, ..newer.auth.clone() },
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{
        draft::Draft,
        keys::{KEYS, Key, Kind},
        setting::Raw,
    };

    /// Returns a configuration in which this key has another value than by default. `None` for a key that is not part of
    /// the configuration by itself: one of several sources of secrets, and the files of TLS.
    fn with_another_value(key: &Key) -> Option<Draft> {
        let before = format!("{:?}", Draft::default().config);
        let words = if let Kind::Choice(words) = key.kind { words } else { &[] };
        [key.sample, "7", "7s", "7MiB", "true", "false"].iter().chain(words).find_map(|text| {
            let mut draft = Draft::default();
            (key.field)(&mut draft).set(&Raw::Text((*text).to_owned()), key.kind).ok()?;
            (format!("{:?}", draft.config) != before).then_some(draft)
        })
    }

    #[test]
    fn reload_applies_every_live_key_and_no_other() {
        let mut not_by_itself = Vec::new();
        for key in KEYS {
            let Some(mut newer) = with_another_value(key) else {
                not_by_itself.extend(key.live.then_some(key.name));
                continue;
            };
            let mut started = Draft::default();
            let mut reloaded = Draft { config: started.config.reloaded(&newer.config), ..Draft::default() };
            let value = |draft: &mut Draft| (key.field)(draft).show(key.kind);
            let expected = value(if key.live { &mut newer } else { &mut started });
            assert_eq!(value(&mut reloaded), expected, "{}", key.name);
        }
        assert_eq!(not_by_itself, ["auth.jwt_secret", "auth.jwt_secrets", "tls.cert", "tls.key"]);
    }
}
