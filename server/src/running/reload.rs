//! Reloads the configuration: everything is validated first, then everything that can change is replaced. A
//! configuration that is refused changes nothing.

use super::Running;
use crate::{
    accept::{Certificates, TlsError},
    auth::{KeyError, KeySet},
    config::{Auth, Change, Config, ConfigError, InForce, Loaded, Store},
    descriptors,
    telemetry::{LogFilter, Telemetry, TelemetryError},
};

/// Why a configuration was not reloaded.
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

/// What a configuration needs to take effect, valid and made.
struct Replacement {
    keys: KeySet,
    certificates: Option<Certificates>,
    filter: LogFilter,
}

impl Running {
    /// Lets a configuration take effect as far as it can without a restart, and reports what needs one.
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
        in_force.took(newer);
    }

    /// Everything that can be refused.
    fn validate(&self, newer: &Config) -> Result<Replacement, ReloadError> {
        Ok(Replacement {
            keys: self.node.auth.prepare(&newer.auth)?,
            // Also where a restart is needed for them, which would fail otherwise.
            certificates: newer.tls.as_ref().map(Certificates::read).transpose()?,
            filter: LogFilter::parse(&newer.log.level)?,
        })
    }

    /// Replaces what can change. Only its first step can fail.
    fn replace(&self, newer: &Config, replacement: Replacement, telemetry: &Telemetry) -> Result<(), ReloadError> {
        let Replacement { keys, certificates, filter } = replacement;
        telemetry.set_filter(filter)?;
        let node = &self.node;
        let current = node.config();
        node.auth.replace(keys);
        node.api_keys.reload(&newer.auth.api_keys);
        let tls = match (&self.certificates, certificates) {
            (Some(in_force), Some(certificates)) => {
                in_force.replace(&certificates);
                newer.tls.clone()
            }
            // The port was opened with TLS or without it.
            _ => current.tls.clone(),
        };
        node.store.set_space_limits(newer.store.space_limits());
        descriptors::raise(newer.limits.connections, current.permissions.max_in_flight);
        node.set_config(Config {
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

    /// The keys that have taken effect, and those that need a restart.
    fn changes(&self, in_force: &InForce, newer: &Loaded) -> (Vec<&'static str>, Vec<&'static str>) {
        const TLS: [&str; 2] = ["tls.cert", "tls.key"];
        let changes = in_force.changes(newer);
        let names =
            |is_live| changes.iter().filter(move |Change { live, .. }| *live == is_live).map(|change| change.key);
        // Certificates can be exchanged, but TLS cannot be begun or ended on a port that is open.
        if self.certificates.is_some() == newer.config.tls.is_some() {
            return (names(true).collect(), names(false).collect());
        }
        (names(true).filter(|key| !TLS.contains(key)).collect(), names(false).chain(TLS).collect())
    }
}
