//! The settings of authentication, `auth.*`.

use std::time::Duration;

use super::{ApiKey, ClaimMapping, ClaimPath, Secret};

/// `auth.*`
#[derive(Debug, Clone)]
pub struct Auth {
    /// The secrets for HS256, HS384 and HS512, of at least 32 bytes each.
    pub jwt_secrets: Vec<Secret>,
    /// The public keys for RS, PS, ES and EdDSA, in PEM.
    pub jwt_public_keys: Vec<String>,
    /// The URL from which keys are fetched (RFC 7517).
    pub jwks_url: Option<String>,
    /// Identity providers whose keys are found by OpenID Connect Discovery. The `iss` of a token selects one of them.
    pub oidc_issuers: Vec<String>,
    /// The required `iss` of tokens that no provider of `oidc_issuers` has issued, if set.
    pub issuer: Option<String>,
    /// The accepted audiences: `aud` has to name one of them. With none, or with `*`, `aud` is not checked.
    pub audiences: Vec<String>,
    /// Where the identity and the grants are in a token.
    pub claims: ClaimMapping,
    /// The claims that are kept with a session, because the permission service or a backend receives them.
    pub kept_claims: Vec<ClaimPath>,
    /// The accepted difference between the clocks of the gateway and the issuer.
    pub leeway: Duration,
    /// The time after the upgrade within which a client has to authenticate.
    pub timeout: Duration,
    /// How long a session receives pushes after its token has expired.
    pub expiry_grace: Duration,
    /// Keys of the HTTP API.
    pub api_keys: Vec<ApiKey>,
}

impl Auth {
    /// Returns whether `aud` is not checked. `*` says so explicitly.
    pub fn accepts_any_audience(&self) -> bool {
        self.audiences.is_empty() || self.audiences.iter().any(|audience| audience == "*")
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            jwt_secrets: Vec::new(),
            jwt_public_keys: Vec::new(),
            jwks_url: None,
            oidc_issuers: Vec::new(),
            issuer: None,
            audiences: Vec::new(),
            claims: ClaimMapping::default(),
            kept_claims: Vec::new(),
            leeway: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            expiry_grace: Duration::from_secs(10),
            api_keys: Vec::new(),
        }
    }
}
