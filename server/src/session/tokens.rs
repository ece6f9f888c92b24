//! Verifies the tokens of clients, rejects those of blocked users, and throttles addresses that send too many invalid
//! tokens.

use std::{net::IpAddr, sync::Arc};

use tokio::time::Instant;

use super::Blocks;
use crate::{
    auth::{AuthError, Authenticator, BadTokens, Identity},
    config::LiveConfig,
    metrics::Metrics,
};

/// Verifies tokens and counts invalid tokens by client address.
pub(crate) struct TokenVerifier {
    authenticator: Arc<Authenticator>,
    blocks: Arc<Blocks>,
    bad_tokens: BadTokens,
    config: LiveConfig,
    metrics: Arc<Metrics>,
}

impl TokenVerifier {
    /// Creates a verifier that has counted no invalid tokens.
    pub(crate) fn new(
        authenticator: Arc<Authenticator>,
        blocks: Arc<Blocks>,
        config: LiveConfig,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { authenticator, blocks, bad_tokens: BadTokens::default(), config, metrics }
    }

    /// Returns the identity of a token. An invalid token counts against the address `from`.
    ///
    /// # Errors
    /// The [`AuthError`] of the verification. It is also counted as a security event.
    pub(crate) async fn verify(&self, token: &str, from: IpAddr) -> Result<Identity, AuthError> {
        let mut user = None;
        let verified = self.authenticator.verify(token).await.and_then(|identity| {
            user = Some(identity.user.clone());
            self.blocks.check(&identity).map(|()| identity)
        });
        let error = match verified {
            Ok(identity) => return Ok(identity),
            Err(error @ AuthError::Invalid(_)) => {
                let limit = self.config.get().limits.bad_tokens_per_ip_per_minute;
                self.bad_tokens.count(from, limit, Instant::now()).map_or_else(AuthError::Throttled, |()| error)
            }
            Err(error) => error,
        };
        self.metrics.auth_failure(&error);
        if let Some(event) = error.security_event(Some(from), user.as_ref()) {
            self.metrics.security_event(event);
        }
        Err(error)
    }
}
