//! What a configuration leaves open to strangers.

use super::Config;

impl Config {
    /// Whether `/metrics` is refused: it would stand on a port that is open to other machines, without a token.
    pub fn refuses_metrics(&self) -> bool {
        self.metrics_token.is_none() && self.internal_listen.is_none() && !self.listen.ip().is_loopback()
    }

    /// Names the API keys that may do everything because their scopes are not listed.
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
