//! Origins of web pages (RFC 6454): compared by scheme, host and port, not as text.

use reqwest::Url;

/// An origin in its canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    /// The host in lower case and Punycode, without the trailing dot of the DNS root.
    host: String,
    /// The port, even if it is the default of the scheme. `None` only if the scheme has no default port.
    port: Option<u16>,
}

impl Origin {
    /// Parses `scheme://host[:port]`. Returns `None` for anything else, including `null`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Without this check `https:host` would be accepted.
        text.split_once("://")?;
        let url = Url::parse(text).ok()?;
        let is_bare = url.path().trim_matches('/').is_empty()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let host = url.host_str().map(|host| host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase());
        let host = host.filter(|host| is_bare && !host.is_empty())?;
        Some(Self { scheme: url.scheme().to_owned(), host, port: url.port_or_known_default() })
    }

    /// Returns whether a request with this `Host` header is sent to the origin itself. If a proxy may terminate TLS,
    /// the scheme of the request is unknown and either scheme is accepted.
    pub(crate) fn is_at(&self, host: &str, transport: Transport) -> bool {
        let may_be = match transport {
            Transport::Tls => self.scheme == "https",
            Transport::Unknown => matches!(&*self.scheme, "http" | "https"),
        };
        may_be && Self::parse(&format!("{}://{host}", self.scheme)).is_some_and(|own| own == *self)
    }

    /// Returns whether a text is the origin of a page on this machine.
    pub(crate) fn is_loopback_text(text: &str) -> bool {
        Self::parse(text).is_some_and(|origin| origin.is_loopback())
    }

    /// Returns whether the host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// The transport of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS, terminated by the gateway or by a trusted proxy in front of it.
    Tls,
    /// Plain text, perhaps from a proxy that terminates TLS.
    Unknown,
}

/// An item of `origins.allowed`: one origin, or all subdomains of a host with `*.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AllowedOrigin {
    /// Exactly this origin.
    Exactly(Origin),
    /// All origins whose host is a subdomain of this origin's host.
    Below(Origin),
}

impl AllowedOrigin {
    /// Parses `https://app.example.com` or `https://*.example.com`, without a path.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| !text.ends_with('/'))?;
        match text.split_once("://*.") {
            None => Origin::parse(text).filter(|origin| !origin.host.contains('*')).map(Self::Exactly),
            Some((scheme, domain)) => Origin::parse(&format!("{scheme}://{domain}"))
                .filter(|origin| !origin.host.contains('*') && !origin.host.starts_with('.'))
                .map(Self::Below),
        }
    }

    /// Returns whether a page of this origin may connect.
    pub(crate) fn admits(&self, origin: &Origin) -> bool {
        match self {
            Self::Exactly(allowed) => allowed == origin,
            Self::Below(allowed) => {
                let name = origin.host.strip_suffix(&*allowed.host).and_then(|name| name.strip_suffix('.'));
                name.is_some_and(|name| !name.is_empty() && !name.starts_with('.'))
                    && (&allowed.scheme, allowed.port) == (&origin.scheme, origin.port)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_origins_in_canonical_form() {
        for (a, b, equal) in [
            ("https://app.example.com", "https://app.example.com:443", true),
            ("http://app.example.com:80", "http://app.example.com", true),
            ("HTTPS://App.Example.COM", "https://app.example.com", true),
            ("https://app.example.com.", "https://app.example.com", true),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example", true),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]:443", true),
            ("capacitor://localhost", "capacitor://LOCALHOST", true),
            ("https://app.example.com", "http://app.example.com", false),
            ("https://app.example.com:80", "http://app.example.com", false),
            ("https://app.example.com:8443", "https://app.example.com", false),
            ("https://app.example.com", "https://example.com", false),
        ] {
            assert_eq!(Origin::parse(a).unwrap() == Origin::parse(b).unwrap(), equal, "{a} {b}");
        }
    }

    #[test]
    fn rejects_texts_that_are_not_origins() {
        for text in [
            "null",
            "",
            "app.example.com",
            "https:app.example.com",
            "https://",
            "https://app.example.com/path",
            "https://app.example.com?query",
            "https://user@app.example.com",
            "https://app.example.com\\@evil.test",
            "https://app.example.com:port",
            "https://app.example.com:65536",
            "file:///home",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn own_host_has_the_default_port_of_the_scheme() {
        let is_at = |origin: &str, host: &str, transport| Origin::parse(origin).unwrap().is_at(host, transport);
        assert!(is_at("https://gateway.test", "gateway.test:443", Transport::Unknown));
        assert!(is_at("http://gateway.test:80", "Gateway.Test", Transport::Unknown));
        assert!(is_at("https://gateway.test", "gateway.test", Transport::Tls));
        assert!(is_at("https://[::1]:4000", "[::1]:4000", Transport::Tls));
        assert!(!is_at("http://gateway.test", "gateway.test", Transport::Tls));
        assert!(!is_at("https://gateway.test", "gateway.test:80", Transport::Unknown));
        assert!(!is_at("https://gateway.test", "gateway.test:4000", Transport::Unknown));
        assert!(!is_at("app://gateway.test", "gateway.test", Transport::Unknown));
        assert!(!is_at("https://gateway.test", "", Transport::Unknown));
    }

    #[test]
    fn wildcard_matches_one_or_more_labels() {
        let admits = |allowed: &str, origin: &str| {
            AllowedOrigin::parse(allowed).unwrap().admits(&Origin::parse(origin).unwrap())
        };
        assert!(admits("https://*.example.com", "https://a.example.com"));
        assert!(admits("https://*.Example.com:443", "https://a.b.example.com"));
        assert!(admits("https://*.example.com:8443", "https://a.example.com:8443"));
        assert!(admits("https://*.b\u{fc}cher.example", "https://a.xn--bcher-kva.example"));
        assert!(!admits("https://*.example.com", "https://example.com"));
        assert!(!admits("https://*.example.com", "https://evilexample.com"));
        assert!(!admits("https://*.example.com", "http://a.example.com"));
        assert!(!admits("https://*.example.com", "https://a.example.com:8443"));
        for bad in ["*", "https://*", "https://a.*.example.com", "https://*.*.example.com", "https://a.example.com/"] {
            assert_eq!(AllowedOrigin::parse(bad), None, "{bad}");
        }
    }
}
