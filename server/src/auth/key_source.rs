//! Where the keys of an identity provider are: at a configured address, or at the one that its configuration names
//! (OpenID Connect Discovery 1.0).

use reqwest::{
    Url,
    redirect::{Action, Attempt, Policy},
};
use serde::Deserialize;

use super::fetch::body;
use crate::json_object::from_object;

/// The largest configuration of a provider that is read, in bytes.
const MAX_CONFIGURATION_BYTES: usize = 256 * 1024;
/// The longest issuer of a configuration that an error repeats, in characters.
const MAX_SHOWN_ISSUER: usize = 200;
/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// Where a provider's configuration is, below its issuer (section 4).
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeySource {
    /// `auth.jwks_url`.
    Url(String),
    /// An issuer of `auth.oidc_issuer`.
    Issuer(String),
}

/// The members that are used of a provider's configuration (section 3).
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// Returns the name in logs and findings. It contains no secret: an issuer has no user and no query, and the
    /// address of the other kind, which may have both, is left out.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Url(_) => "auth.jwks_url".into(),
            Self::Issuer(issuer) => format!("auth.oidc_issuer {issuer}"),
        }
    }

    /// Returns the URL of the keys. For an issuer its configuration is fetched.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the configuration, or why it cannot be fetched.
    pub(super) async fn url(&self, client: &reqwest::Client) -> Result<String, String> {
        let issuer = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::Issuer(issuer) => issuer,
        };
        let address = format!("{}{CONFIGURATION}", issuer.strip_suffix('/').unwrap_or(issuer));
        let fetched = body(client.get(address).send().await, MAX_CONFIGURATION_BYTES).await;
        let fetched = fetched.map_err(|problem| format!("its configuration ({CONFIGURATION}): {problem}"))?;
        let configuration: Configuration = from_object(&fetched)
            .ok_or_else(|| format!("its configuration ({CONFIGURATION}) is not an object with issuer and jwks_uri"))?;
        keys_of(issuer, configuration)
    }

    /// Returns the redirects that are followed: those within the origin of the first request, which also rules out a
    /// downgrade from https to http.
    pub(super) fn redirects(&self) -> Policy {
        let elsewhere = match self {
            Self::Url(_) => "it redirects to another origin; set auth.jwks_url to where it leads",
            Self::Issuer(_) => "it redirects to another origin, and a provider answers at its issuer itself",
        };
        Policy::custom(move |attempt| follow(attempt, elsewhere))
    }
}

fn follow(attempt: Attempt<'_>, elsewhere: &'static str) -> Action {
    let is_same_origin = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if !is_same_origin {
        attempt.error(elsewhere)
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("it redirects more than 3 times")
    } else {
        attempt.follow()
    }
}

/// Returns the URL of the keys in a configuration, if it is that of the issuer.
fn keys_of(issuer: &str, configuration: Configuration) -> Result<String, String> {
    let Configuration { issuer: found, jwks_uri } = configuration;
    // Exactly (section 4.3): otherwise one tenant of a provider could take the place of another one.
    if found != issuer {
        let shown: String = found.chars().take(MAX_SHOWN_ISSUER).collect();
        return Err(format!(
            "its configuration has the issuer {shown:?}, which is another one; if it is the right one, set \
             auth.oidc_issuer to exactly this text"
        ));
    }
    let scheme = Url::parse(&jwks_uri).map(|url| url.scheme().to_owned()).unwrap_or_default();
    match scheme.as_str() {
        "https" => Ok(jwks_uri),
        // Only an issuer that is allowed to be http (--dev, or this machine) may have its keys there.
        "http" if issuer.starts_with("http://") => Ok(jwks_uri),
        "http" => Err("the jwks_uri of its configuration is http:, where another machine could answer".into()),
        _ => Err("the jwks_uri of its configuration is not an https:// URL".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(issuer: &str, found: &str, jwks_uri: &str) -> Result<String, String> {
        keys_of(issuer, Configuration { issuer: found.into(), jwks_uri: jwks_uri.into() })
    }

    #[test]
    fn issuer_of_configuration_must_be_exactly_the_configured_one() {
        let keys_url = "https://keys.example.com/jwks";
        let own = "https://id.example.com/";
        assert_eq!(keys(own, own, keys_url), Ok(keys_url.into()));
        for found in ["https://id.example.com", "https://ID.example.com/", "https://id.example.com/realms/b", ""] {
            assert!(keys(own, found, keys_url).unwrap_err().contains("another one"), "{found}");
        }
    }

    #[test]
    fn keys_of_https_issuer_are_not_fetched_in_clear() {
        let (secure, local) = ("https://id.example.com", "http://127.0.0.1:8080");
        assert!(keys(secure, secure, "http://id.example.com/jwks").unwrap_err().contains("is http:"));
        assert!(keys(local, local, "http://127.0.0.1:8080/jwks").is_ok());
        for jwks_uri in ["file:///etc/passwd", "/jwks", ""] {
            assert!(keys(local, local, jwks_uri).unwrap_err().contains("not an https:// URL"), "{jwks_uri}");
        }
    }
}
