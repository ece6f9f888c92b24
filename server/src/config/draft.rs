//! The configuration while its layers are merged: a `Config`, and values that `complete` derives parts of it from.

use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf};

use gateway_store::WebhookName;
use realtime_gateway_protocol::ServiceName;

use super::{
    ClaimPath, Config, ConfigError, LogFormat, PermissionSource, Secret, Tls, random,
    services::{self, ServiceDraft},
    webhooks::{self, WebhookDraft},
};

/// The value of `permissions.source`, without the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PermissionChoice {
    Claims,
    Http,
    AllowAll,
}

/// The fields that the keys set.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) node_id: Option<String>,
    pub(super) log_format: Option<LogFormat>,
    pub(super) jwt_secret: Option<Secret>,
    pub(super) jwt_secrets: Vec<Secret>,
    pub(super) permission_source: PermissionChoice,
    pub(super) permission_url: Option<Secret>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) services: BTreeMap<ServiceName, ServiceDraft>,
    pub(super) webhooks: BTreeMap<WebhookName, WebhookDraft>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            config: Config::default(),
            node_id: None,
            log_format: None,
            jwt_secret: None,
            jwt_secrets: Vec::new(),
            permission_source: PermissionChoice::Claims,
            permission_url: None,
            tls_cert: None,
            tls_key: None,
            services: BTreeMap::new(),
            webhooks: BTreeMap::new(),
        }
    }
}

impl Draft {
    /// Computes the values that depend on other values or on the machine.
    pub(super) fn complete(&mut self) -> Result<(), ConfigError> {
        let terminal = self.config.dev || std::io::stderr().is_terminal();
        let format = self.log_format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
        self.log_format = Some(format);
        self.config.log.format = format;
        let node = match self.node_id.take() {
            Some(node) => node,
            None => format!("{}-{}", random::host_name(), random::hexadecimal::<4>()?),
        };
        self.config.node_id.clone_from(&node);
        self.node_id = Some(node);
        // `auth.jwt_secret` comes first, because the first secret signs tokens.
        let others = self.jwt_secrets.iter().filter(|secret| Some(*secret) != self.jwt_secret.as_ref());
        self.config.auth.jwt_secrets = self.jwt_secret.iter().chain(others).cloned().collect();
        self.config.permissions.source = match self.permission_source {
            PermissionChoice::Claims => PermissionSource::Claims,
            PermissionChoice::AllowAll => PermissionSource::AllowAll,
            PermissionChoice::Http => match &self.permission_url {
                Some(url) => PermissionSource::Http(url.clone()),
                None => {
                    return Err(ConfigError::Rule("permissions.source is `http`: set permissions.url too".into()));
                }
            },
        };
        self.config.tls = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(Tls { cert: cert.clone(), key: key.clone() }),
            (None, None) => None,
            _ => return Err(ConfigError::Rule("tls.cert and tls.key belong together: set both or none".into())),
        };
        let has_broker = !self.config.bus.is_embedded();
        self.config.services = services::complete(&self.services, has_broker).map_err(ConfigError::Rule)?;
        self.config.auth.kept_claims = self.kept_claims();
        self.config.webhooks = webhooks::complete(&self.webhooks).map_err(ConfigError::Rule)?;
        Ok(())
    }

    /// Returns the claims that requests to the permission service and to backends contain.
    fn kept_claims(&self) -> Vec<ClaimPath> {
        let is_asked = matches!(self.config.permissions.source, PermissionSource::Http(_));
        let of_permissions = self.config.permissions.claims.iter().filter(|_| is_asked);
        let backends = self.config.services.values().filter_map(|service| service.backend.as_ref());
        let mut claims: Vec<_> = of_permissions.chain(backends.flat_map(|backend| &backend.claims)).cloned().collect();
        claims.sort();
        claims.dedup();
        claims
    }
}
