//! Reloads the configuration. Everything is validated before anything is replaced, so an invalid configuration changes
//! nothing.

use realtime_gateway_protocol::ServiceName;

use super::Running;
use crate::{
    auth::{CallbackSettings, KeyError, KeySet, PermissionsError},
    commands::declared::{Declaration, DeclaredServiceError, fingerprints, read_declarations},
    config::{Change, Config, ConfigError, InForce, Loaded, filters},
    edge::accept::{Certificates, TlsError},
    runtime::descriptors,
    telemetry::{LogFilter, Telemetry, TelemetryError},
    webhooks::{WebhookError, WebhookTable, read_webhooks},
};

/// The reason why a configuration was not reloaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Permissions(#[from] PermissionsError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Log(#[from] TelemetryError),
    #[error(transparent)]
    DeclaredService(#[from] DeclaredServiceError),
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("the contracts could not be read: the thread that reads them ended")]
    Ended,
}

/// A newer configuration, with the contracts of its declared services and the secrets of its webhooks.
pub(super) struct Newer {
    loaded: Loaded,
    declarations: Vec<Declaration>,
    webhooks: WebhookTable,
}

/// Reads the configuration and the contracts again, on blocking threads.
pub(super) async fn read(in_force: &InForce) -> Result<Newer, ReloadError> {
    let loaded = in_force.read_again().await?;
    let config = loaded.config.clone();
    let read = move || (read_declarations(&config), read_webhooks(&config.webhooks));
    let (declarations, webhooks) = tokio::task::spawn_blocking(read).await.map_err(|_| ReloadError::Ended)?;
    // One problem is reported at a time, as for the rest of the configuration.
    let declarations = declarations.map_err(|mut errors| errors.swap_remove(0))?;
    let webhooks = webhooks.map_err(|mut errors| errors.swap_remove(0))?;
    Ok(Newer { loaded, declarations, webhooks })
}

/// The validated parts that replace the current ones.
struct Replacement {
    keys: KeySet,
    callback: CallbackSettings,
    certificates: Option<Certificates>,
    filter: LogFilter,
}

impl Running {
    /// Applies a configuration as far as possible without a restart, and logs the keys that need one.
    pub(super) fn reload(&self, in_force: &mut InForce, read: Result<Newer, ReloadError>, telemetry: &Telemetry) {
        let reloaded = read.and_then(|Newer { loaded, declarations, webhooks }| {
            self.parts.services.table().check_names(&declarations)?;
            let replacement = self.validate(&loaded.config)?;
            self.replace(&loaded.config, replacement, telemetry)?;
            self.parts.webhooks.reload(&webhooks);
            Ok((loaded, self.replace_declared(declarations)))
        });
        let (newer, services) = match reloaded {
            Ok(reloaded) => reloaded,
            Err(error) => {
                tracing::error!(%error, "the configuration was not reloaded; nothing was changed");
                return;
            }
        };
        let (live, fixed) = self.changes(in_force, &newer);
        let services: Vec<_> = services.iter().map(ServiceName::as_str).collect();
        tracing::info!(changed = live.join(", "), contracts = services.join(", "), "the configuration was reloaded");
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
            callback: CallbackSettings::new(&newer.permissions)?,
            // Validate certificates even if they need a restart to take effect: the restart would fail with invalid
            // ones.
            certificates: newer.tls.as_ref().map(Certificates::read).transpose()?,
            filter: LogFilter::parse(&newer.log.level)?,
        })
    }

    /// Replaces everything that can change without a restart. Only the first step can fail, so a failure changes
    /// nothing.
    fn replace(&self, newer: &Config, replacement: Replacement, telemetry: &Telemetry) -> Result<(), ReloadError> {
        let Replacement { keys, callback, certificates, filter } = replacement;
        telemetry.set_filter(filter)?;
        let parts = &self.parts;
        let current = parts.config.get();
        parts.auth.replace(keys);
        parts.permissions.replace(callback);
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
        parts.store.set_webhooks(filters(&newer.webhooks));
        descriptors::raise(newer.limits.connections, current.permissions.max_in_flight);
        parts.memory.set_limit(newer.limits.memory_budget());
        parts.config.replace(Config { tls, ..current.reloaded(newer) });
        Ok(())
    }

    /// Replaces the declared services and returns the names of those that differ. Ends the subscriptions to topics that
    /// are gone, and those that the new policies do not permit.
    fn replace_declared(&self, declarations: Vec<Declaration>) -> Vec<ServiceName> {
        let parts = &self.parts;
        let before = parts.services.table().declarations();
        let is_in = |declared: &Declaration, others: &[Declaration]| {
            let same_name = |other: &&Declaration| other.contract.name == declared.contract.name;
            others.iter().find(same_name).is_some_and(|other| other.is_same_as(declared))
        };
        let removed_or_changed = before.iter().filter(|declared| !is_in(declared, &declarations));
        let added_or_changed = declarations.iter().filter(|declared| !is_in(declared, &before));
        let mut changed: Vec<_> =
            removed_or_changed.chain(added_or_changed).map(|declared| declared.contract.name.clone()).collect();
        changed.sort();
        changed.dedup();
        if !changed.is_empty() {
            parts.services.table().replace_declared(declarations);
            parts.node.set_contracts(fingerprints(&parts.services.table().declarations()));
            let (subscriptions, sessions) = (parts.subscriptions.clone(), parts.sessions.table().all());
            let server_subscriptions = parts.server_subscriptions.clone();
            let services = changed.clone();
            parts.tasks.spawn_until_stopped(async move {
                subscriptions.recheck_services(sessions, &services).await;
                server_subscriptions.services_changed(&services);
            });
        }
        changed
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
