//! Checks the `Origin` header of upgrade requests. Browsers send it, and only the gateway's own and configured origins
//! may connect.

use std::collections::HashSet;

use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use realtime_gateway_protocol::ErrorCode;

use super::Refusal;
use crate::{
    config::{
        Config,
        origin::{AllowedOrigin, Origin, Transport},
    },
    telemetry::log_limited,
};

/// The label of a refused origin in `connections_total`.
pub(crate) const ORIGIN_REFUSED: &str = "origin_refused";
/// The most refused origins that are remembered, so that each one is logged only once.
const MAX_REMEMBERED: usize = 256;

/// Remembers the origins that were refused.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    refused: Mutex<HashSet<String>>,
}

impl Origins {
    /// Admits a request from an allowed origin, or one without an `Origin` header, which does not come from a browser.
    pub(super) fn check(&self, config: &Config, headers: &HeaderMap, transport: Transport) -> Result<(), Refusal> {
        let mut origins = headers.get_all(header::ORIGIN).into_iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        if origins.next().is_some() {
            // A browser sends exactly one. With several, a proxy may have checked a different one than the gateway
            // would.
            let refusal = Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, "more than one Origin header");
            return Err(refusal.outcome(ORIGIN_REFUSED));
        }
        let origin = origin.to_str().unwrap_or_default();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if is_allowed(config, origin, host, transport) {
            return Ok(());
        }
        let mut refused = self.refused.lock();
        if refused.len() < MAX_REMEMBERED && refused.insert(origin.to_owned()) {
            log_limited!(WARN, { origin }, "refused an origin; add it to origins.allowed to admit it");
        }
        let message = "this origin may not connect; the operator can add it to origins.allowed";
        Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).outcome(ORIGIN_REFUSED))
    }
}

/// Returns whether pages of this origin may connect to this host.
fn is_allowed(config: &Config, origin: &str, host: &str, transport: Transport) -> bool {
    if config.dev && (origin == "null" || Origin::is_loopback_text(origin)) {
        return true;
    }
    let Some(origin) = Origin::parse(origin) else { return false };
    let mut allowed = config.origins_allowed.iter().filter_map(|allowed| AllowedOrigin::parse(allowed));
    origin.is_at(host, transport) || allowed.any(|allowed| allowed.admits(&origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_only_its_own_and_configured_origins() {
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
            ("https://app.example.org:443", true),
            ("HTTPS://APP.example.org.", true),
            ("https://app.example.org:8443", false),
            ("https://gateway.test", false),
            ("https://app.example.org.evil.test", false),
            ("http://localhost:3000", false),
            ("null", false),
        ] {
            assert_eq!(is_allowed(&config, origin, "gateway.test:4000", Transport::Unknown), allowed, "{origin}");
        }
        config.dev = true;
        for origin in ["null", "http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert!(is_allowed(&config, origin, "localhost:4000", Transport::Unknown), "{origin}");
        }
        assert!(!is_allowed(&config, "http://localhost.evil.test", "localhost:4000", Transport::Unknown));
    }
}
