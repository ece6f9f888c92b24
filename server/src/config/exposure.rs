//! Checks what a configuration exposes to other machines.

use super::Config;

impl Config {
    /// Returns whether `/metrics` is refused, because it would be served without a token on a port that is open to
    /// other machines.
    pub fn refuses_metrics(&self) -> bool {
        self.metrics_token.is_none() && self.internal_listen.is_none() && !self.listen.ip().is_loopback()
    }

    /// Returns a notice with the names of the API keys that have all scopes because none are listed.
    pub fn keys_without_scopes(&self) -> Option<String> {
        let keys = self.auth.api_keys.iter().filter(|key| !key.has_scopes);
        let names: Vec<_> = keys.map(|key| format!("{:?}", key.name)).collect();
        (!names.is_empty()).then(|| {
            format!(
                "auth.api_keys lists no scopes for {}, which may do everything: list what it needs, such as scopes = \
                 [\"publish\"]",
                names.join(", ")
            )
        })
    }
}
