//! Checks the settings of identity providers: which URLs may be trusted, and what must be set together.

use super::{Auth, Config, PermissionSource, check::is_http};

/// Rejects issuers that cannot be trusted or do not fit the other settings.
pub(super) fn errors(auth: &Auth, dev: bool) -> Result<(), String> {
    for issuer in &auth.oidc_issuers {
        check_issuer(issuer, dev).map_err(|problem| format!("auth.oidc_issuer has {issuer:?}, {problem}"))?;
    }
    if auth.oidc_issuers.is_empty() {
        return Ok(());
    }
    if auth.issuer.as_ref().is_some_and(|issuer| auth.oidc_issuers.contains(issuer)) {
        return Err(
            "auth.issuer is one of auth.oidc_issuer, whose tokens only the keys of that provider verify: leave \
                    auth.issuer out, which is for tokens that other keys verify"
                .into(),
        );
    }
    if auth.audiences.is_empty() && !dev {
        return Err("auth.oidc_issuer is set without auth.audience, so that tokens which the provider has issued for \
                    other applications would be accepted: set auth.audience to the aud of your tokens, or to \"*\" if \
                    the provider issues tokens for this application alone"
            .into());
    }
    Ok(())
}

/// Returns warnings about what may let in more than intended.
pub(super) fn notices(config: &Config) -> Vec<String> {
    let auth = &config.auth;
    let has_keys_of_others = auth.jwks_url.is_some() || !auth.oidc_issuers.is_empty();
    let is_asked = matches!(config.permissions.source, PermissionSource::Http(_));
    let found = [
        (
            auth.oidc_issuers.len() > 1 && !config.dev,
            "auth.oidc_issuer has several issuers: users of two issuers with the same identifier (auth.claims.user) are \
             one user of the gateway; leave only issuers in that share their users",
        ),
        (
            has_keys_of_others && auth.accepts_any_audience() && !config.dev,
            "auth.audience does not restrict tokens: those that the identity provider has issued for other applications \
             are accepted too; set it to the aud of your tokens",
        ),
        (
            auth.jwks_url.as_deref().is_some_and(|url| is_in_clear(url) && !config.dev),
            "auth.jwks_url is http:// and leads to another machine: another machine in the network could answer with \
             its own keys; use https://",
        ),
        (
            !is_asked && !config.permissions.secrets.is_empty(),
            "permissions.secret is set, but not used: permissions.source is not `http`",
        ),
        (
            !is_asked && !config.permissions.claims.is_empty(),
            "permissions.claims is set, but not used: permissions.source is not `http`",
        ),
    ];
    found.into_iter().filter_map(|(holds, notice)| holds.then_some(notice.to_owned())).collect()
}

/// Checks an issuer (OpenID Connect Discovery 1.0, section 2). The error continues a sentence that names it.
fn check_issuer(issuer: &str, dev: bool) -> Result<(), &'static str> {
    if !is_http(issuer) || host_of(issuer).is_empty() {
        return Err("which is not a URL such as https://id.example.com/realms/app");
    }
    if issuer.contains(['?', '#', '@']) || issuer.contains(char::is_whitespace) {
        return Err("which has a query, a fragment, a user or white space: an issuer has none of them");
    }
    if issuer.ends_with("/.well-known/openid-configuration") {
        return Err("which is the address of its configuration: leave /.well-known/openid-configuration out");
    }
    if is_in_clear(issuer) && !dev {
        return Err("which is http: another machine in the network could answer with its own keys; use https:// \
                    (http: is for --dev and for this machine)");
    }
    Ok(())
}

/// Returns whether a URL is `http:` and leads to another machine.
fn is_in_clear(url: &str) -> bool {
    url.starts_with("http://") && !is_loopback(host_of(url))
}

/// Returns the host of a URL.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(issuers: &[&str]) -> Auth {
        let oidc_issuers = issuers.iter().map(ToString::to_string).collect();
        Auth { oidc_issuers, audiences: vec!["realtime".into()], ..Config::default().auth }
    }

    #[test]
    fn issuer_needs_https_except_on_this_machine_or_in_development() {
        for issuer in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://id.example.com:8443/realms/app",
            "http://localhost:8080/realms/app",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/a",
        ] {
            assert_eq!(errors(&auth(&[issuer]), false), Ok(()), "{issuer}");
        }
        let in_clear = ["http://keycloak:8080/realms/app", "http://localhost.example.com", "http://127.0.0.1.nip.io"];
        for issuer in in_clear {
            assert!(errors(&auth(&[issuer]), false).unwrap_err().contains("which is http"), "{issuer}");
            assert_eq!(errors(&auth(&[issuer]), true), Ok(()), "{issuer}");
        }
    }

    #[test]
    fn refuses_what_is_no_issuer() {
        for (issuer, problem) in [
            ("id.example.com", "not a URL"),
            ("https://", "not a URL"),
            ("https:///realms", "not a URL"),
            ("ftp://id.example.com", "not a URL"),
            ("https://id.example.com/?tenant=a", "a query"),
            ("https://user@id.example.com/", "a user"),
            ("https://id.example.com/.well-known/openid-configuration", "leave /.well-known"),
        ] {
            assert!(errors(&auth(&[issuer]), true).unwrap_err().contains(problem), "{issuer}");
        }
    }

    #[test]
    fn audience_is_required_and_the_issuer_is_not_named_twice() {
        let none = Auth { audiences: Vec::new(), ..auth(&["https://id.example.com"]) };
        assert!(errors(&none, false).unwrap_err().contains("without auth.audience"));
        assert_eq!(errors(&none, true), Ok(()));
        let twice = Auth { issuer: Some("https://id.example.com".into()), ..auth(&["https://id.example.com"]) };
        assert!(errors(&twice, false).unwrap_err().contains("leave auth.issuer out"));
        assert_eq!(errors(&Auth { audiences: Vec::new(), ..auth(&[]) }, false), Ok(()));
    }

    #[test]
    fn warns_about_what_lets_in_more_than_intended() {
        let notices_of = |auth: Auth| notices(&Config { auth, ..Config::default() }).join("\n");
        assert_eq!(notices_of(auth(&["https://id.example.com"])), "");
        assert!(notices_of(auth(&["https://a.example.com", "https://b.example.com"])).contains("several issuers"));
        let any = Auth { audiences: vec!["*".into()], ..auth(&["https://id.example.com"]) };
        assert!(notices_of(any).contains("does not restrict tokens"));
        let in_clear = Auth { jwks_url: Some("http://id.example.com/keys".into()), ..auth(&[]) };
        assert!(notices_of(in_clear).contains("auth.jwks_url is http://"));
    }
}
