//! Whose connection it is behind a proxy: `X-Forwarded-For`, believed only from configured networks, and forgotten ones.

use std::{net::IpAddr, sync::OnceLock};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Finds the client's address, and remembers a proxy that somebody forgot to configure.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    unknown_proxy: OnceLock<(IpAddr, Saying)>,
}

/// How a proxy says whose connection it hands on.
#[derive(Debug, Clone, Copy)]
enum Saying {
    /// The header `X-Forwarded-For` of a request.
    Request,
    /// The PROXY protocol, ahead of any request.
    Protocol,
}

impl Forwarding {
    /// The client's address, when `peer` is a trusted proxy that tells it: the last one that is not a trusted proxy itself.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> Option<IpAddr> {
        let forwarded = headers.get_all(FORWARDED_FOR);
        if !is_trusted(peer, trusted) {
            if forwarded.iter().next().is_some() {
                self.forgotten(peer, Saying::Request);
            }
            return None;
        }
        let values: Vec<_> = forwarded.iter().filter_map(|value| value.to_str().ok()).collect();
        let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
        let mut client = None;
        for hop in hops {
            // What stands further to the left was said by whom we could not make out.
            let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
            client = Some(address.to_canonical());
            if !is_trusted(address.to_canonical(), trusted) {
                break;
            }
        }
        client
    }

    /// Looks at what came from `peer` in place of a request, without the line breaks that it began with.
    pub(crate) fn no_request(&self, peer: IpAddr, bytes: &[u8]) {
        if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\0\r\nQUIT\n") {
            self.forgotten(peer, Saying::Protocol);
        }
    }

    /// What `/health` and `check` say of a proxy that is not trusted.
    pub(crate) fn warning(&self) -> Option<String> {
        let (proxy, saying) = self.unknown_proxy.get()?;
        let consequence = match saying {
            Saying::Request => "sends X-Forwarded-For and is not trusted: all of its clients count as one address",
            Saying::Protocol => "speaks the PROXY protocol and is not trusted: all of its connections are refused",
        };
        Some(format!("{proxy} {consequence}. If it is your proxy, set: proxies.trusted = [\"{proxy}\"]"))
    }

    fn forgotten(&self, proxy: IpAddr, saying: Saying) {
        if is_private(proxy) && self.unknown_proxy.set((proxy, saying)).is_ok() {
            tracing::warn!("{}", self.warning().unwrap_or_default());
        }
    }
}

/// Whether an address is in one of the configured networks.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(values: &[&str], peer: &str) -> Option<String> {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let client = Forwarding::default().client(&headers, peer.parse().unwrap(), &trusted);
        client.map(|client| client.to_string())
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_client() {
        assert_eq!(client(&["203.0.113.5"], "10.0.0.1").as_deref(), Some("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1, 203.0.113.5, 192.0.2.7"], "10.0.0.1").as_deref(), Some("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1", "203.0.113.5,10.2.2.2"], "10.0.0.1").as_deref(), Some("203.0.113.5"));
        assert_eq!(client(&["10.3.3.3"], "10.0.0.1").as_deref(), Some("10.3.3.3"));
        assert_eq!(client(&["203.0.113.5, what"], "10.0.0.1"), None);
        assert_eq!(client(&[], "10.0.0.1"), None);
    }

    #[test]
    fn others_are_not_believed() {
        assert_eq!(client(&["203.0.113.5"], "198.51.100.1"), None);
    }

    #[test]
    fn a_forgotten_proxy_is_told_of() {
        let forwarding = Forwarding::default();
        let mut headers = HeaderMap::new();
        assert_eq!(forwarding.client(&headers, "172.17.0.1".parse().unwrap(), &[]), None);
        assert_eq!(forwarding.warning(), None);
        headers.append(FORWARDED_FOR, "203.0.113.5".parse().unwrap());
        forwarding.client(&headers, "172.17.0.1".parse().unwrap(), &[]);
        assert!(forwarding.warning().unwrap().contains("proxies.trusted = [\"172.17.0.1\"]"));
    }
}
