//! Which pages may connect: a browser tells where a script comes from, and other origins than the own are refused.

use std::collections::HashSet;

use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use realtime_gateway_protocol::ErrorCode;

use super::Refusal;
use crate::{config::Config, telemetry::log_limited};

/// How many refused origins are remembered, so that each is logged once.
const REMEMBERED: usize = 256;

/// Origins that were refused.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    refused: Mutex<HashSet<String>>,
}

impl Origins {
    /// Lets a request in that comes from an allowed page, or from no page at all.
    pub(super) fn check(&self, config: &Config, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_allowed(config, origin, host) {
            return Ok(());
        }
        let mut refused = self.refused.lock();
        if refused.len() < REMEMBERED && refused.insert(origin.to_owned()) {
            log_limited!(WARN, { origin }, "refused an origin; add it to origins.allowed to let it in");
        }
        let message = "this origin may not connect; the operator can add it to origins.allowed";
        Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).outcome("origin_refused"))
    }
}

/// Whether a page of this origin may connect to this host.
pub(crate) fn is_allowed(config: &Config, origin: &str, host: &str) -> bool {
    if config.dev && (origin == "null" || is_loopback(origin)) {
        return true;
    }
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    if authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host)) {
        return true;
    }
    config.origins_allowed.iter().any(|allowed| match allowed.split_once("://*.") {
        None => allowed.trim_end_matches('/').eq_ignore_ascii_case(origin),
        Some((scheme, domain)) => {
            let (scheme, domain) = (scheme.to_ascii_lowercase(), domain.to_ascii_lowercase());
            let origin = origin.to_ascii_lowercase();
            let below = origin.strip_prefix(&format!("{scheme}://")).and_then(|host| host.strip_suffix(&domain));
            below.is_some_and(|name| name.len() > 1 && name.ends_with('.'))
        }
    })
}

/// Whether an origin is this machine.
pub(crate) fn is_loopback(origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else { return false };
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_and_the_configured_origins_are_allowed() {
        let origins_allowed = vec!["https://*.example.com".into(), "https://app.example.org".into()];
        let mut config = Config { origins_allowed, ..Config::default() };
        for (origin, allowed) in [
            ("https://gateway.test:4000", true),
            ("https://a.example.com", true),
            ("https://a.b.example.com", true),
            ("http://a.example.com", false),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://evilexample.com", false),
            ("https://app.example.org", true),
            ("https://app.example.org.evil.test", false),
            ("http://localhost:3000", false),
            ("null", false),
        ] {
            assert_eq!(is_allowed(&config, origin, "gateway.test:4000"), allowed, "{origin}");
        }
        config.dev = true;
        for origin in ["null", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert!(is_allowed(&config, origin, "localhost:4000"), "{origin}");
        }
        assert!(!is_allowed(&config, "http://localhost.evil.test", "localhost:4000"));
    }
}
