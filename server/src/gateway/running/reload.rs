//! Reloads the configuration. Everything is validated before anything is replaced, so an invalid configuration changes
//! nothing.

use super::Running;
use crate::{
    auth::{KeyError, KeySet},
    config::{Auth, Change, Config, ConfigError, InForce, Loaded, Store},
    edge::accept::{Certificates, TlsError},
    runtime::descriptors,
    telemetry::{LogFilter, Telemetry, TelemetryError},
};

/// The reason why a configuration was not reloaded.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Log(#[from] TelemetryError),
}

/// The validated parts that replace the current ones.
struct Replacement {
    keys: KeySet,
    certificates: Option<Certificates>,
    filter: LogFilter,
}

impl Running {
    /// Applies a configuration as far as possible without a restart, and logs the keys that need one.
    pub(super) fn reload(&self, in_force: &mut InForce, read: Result<Loaded, ConfigError>, telemetry: &Telemetry) {
        let reloaded = read.map_err(ReloadError::from).and_then(|newer| {
            let replacement = self.validate(&newer.config)?;
            self.replace(&newer.config, replacement, telemetry)?;
            Ok(newer)
        });
        let newer = match reloaded {
            Ok(newer) => newer,
            Err(error) => {
                tracing::error!(%error, "the configuration was not reloaded; nothing was changed");
                return;
            }
        };
        let (live, fixed) = self.changes(in_force, &newer);
        tracing::info!(changed = live.join(", "), "the configuration was reloaded");
        for notice in &newer.notices {
            tracing::warn!("{notice}");
        }
        if !fixed.is_empty() {
            tracing::warn!(keys = fixed.join(", "), "these keys have changed and need a restart");
        }
        in_force.applied(newer);
    }

    /// Validates a configuration and prepares its parts. Changes nothing.
    fn validate(&self, newer: &Config) -> Result<Replacement, ReloadError> {
        Ok(Replacement {
            keys: self.parts.auth.prepare(&newer.auth)?,
            // Validate certificates even if they need a restart to take effect: the restart would fail with invalid
            // ones.
            certificates: newer.tls.as_ref().map(Certificates::read).transpose()?,
            filter: LogFilter::parse(&newer.log.level)?,
        })
    }

    /// Replaces everything that can change without a restart. Only the first step can fail, so a failure changes
    /// nothing.
    fn replace(&self, newer: &Config, replacement: Replacement, telemetry: &Telemetry) -> Result<(), ReloadError> {
        let Replacement { keys, certificates, filter } = replacement;
        telemetry.set_filter(filter)?;
        let parts = &self.parts;
        let current = parts.config.get();
        parts.auth.replace(keys);
        parts.api_keys.reload(&newer.auth.api_keys);
        let tls = match (&self.certificates, certificates) {
            (Some(in_force), Some(certificates)) => {
                in_force.replace(&certificates);
                newer.tls.clone()
            }
            // TLS cannot be switched on or off for a port that is open.
            _ => current.tls.clone(),
        };
        parts.store.set_space_limits(newer.store.space_limits());
        descriptors::raise(newer.limits.connections, current.permissions.max_in_flight);
        parts.memory.set_limit(newer.limits.memory_budget());
        parts.config.replace(Config {
            log: newer.log.clone(),
            limits: newer.limits,
            store: Store {
                max_bytes: newer.store.max_bytes,
                min_free_percent: newer.store.min_free_percent,
                ..current.store.clone()
            },
            origins_allowed: newer.origins_allowed.clone(),
            tls,
            auth: Auth { timeout: current.auth.timeout, expiry_grace: current.auth.expiry_grace, ..newer.auth.clone() },
            ..Config::clone(&current)
        });
        Ok(())
    }

    /// Returns the keys that have taken effect, and those that need a restart.
    fn changes(&self, in_force: &InForce, newer: &Loaded) -> (Vec<&'static str>, Vec<&'static str>) {
        const TLS: [&str; 2] = ["tls.cert", "tls.key"];
        let changes = in_force.changes(newer);
        let names =
            |is_live| changes.iter().filter(move |Change { live, .. }| *live == is_live).map(|change| change.key);
        // Certificates can be replaced, but TLS cannot be switched on or off for a port that is open.
        if self.certificates.is_some() == newer.config.tls.is_some() {
            return (names(true).collect(), names(false).collect());
        }
        (names(true).filter(|key| !TLS.contains(key)).collect(), names(false).chain(TLS).collect())
    }
}
