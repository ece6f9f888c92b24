//! Finds the client's address behind a proxy, from `X-Forwarded-For` or `Forwarded` (RFC 7239) of configured networks.
//!
//! Every request of a trusted proxy has a client: where the headers do not name one for certain, it is the proxy itself,
//! so that the limits of an address always apply to some address.

mod hop;

use std::{net::IpAddr, sync::OnceLock};

use http::{HeaderMap, header};
use ipnet::IpNet;

use self::hop::{Hop, X_FORWARDED_FOR};

/// Finds the client's address, and remembers proxies that are not configured as they should be.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    unknown_proxy: OnceLock<(IpAddr, Saying)>,
    /// The first proxy whose headers did not name a client, for each kind of doubt.
    doubts: [OnceLock<IpAddr>; 3],
}

/// How a proxy says whose connection it hands on.
#[derive(Debug, Clone, Copy)]
enum Saying {
    /// A header of a request.
    Request,
    /// The PROXY protocol, ahead of any request.
    Protocol,
}

/// Why a trusted proxy's request counts as the proxy's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It has neither header.
    Missing,
    /// What the nearest proxy wrote is not an address.
    Unreadable,
    /// The two headers name different clients: one of them came from the client, and it is unknown which.
    Disagreement,
}

impl Doubt {
    const ALL: [Self; 3] = [Self::Missing, Self::Unreadable, Self::Disagreement];

    fn sentence(self) -> &'static str {
        match self {
            Self::Missing => {
                "sends neither X-Forwarded-For nor Forwarded with a WebSocket. If it is a proxy, let it set one of them"
            }
            Self::Unreadable => {
                "sends an X-Forwarded-For or Forwarded header whose last hop is not an IP address. Let it write the \
                 address of its peer"
            }
            Self::Disagreement => {
                "passes on X-Forwarded-For and Forwarded with different clients. Let it remove the header that it does \
                 not write itself"
            }
        }
    }
}

impl Forwarding {
    /// Returns the client's address when `peer` is a trusted proxy: the last hop that is not a trusted proxy itself.
    ///
    /// A hop that cannot be read ends the search, since whatever stands to the left of it was written by an unknown
    /// machine. The client is then the proxy that wrote it.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> Option<IpAddr> {
        if !is_trusted(peer, trusted) {
            if headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED) {
                self.forgotten(peer, Saying::Request);
            }
            return None;
        }
        let (client, doubt) = match (hop::x_forwarded_for(headers).as_slice(), hop::forwarded(headers).as_slice()) {
            ([], []) => (peer, Some(Doubt::Missing)),
            (hops, []) | ([], hops) => last_untrusted(hops, peer, trusted),
            (x_forwarded_for, forwarded) => {
                let found = last_untrusted(x_forwarded_for, peer, trusted);
                let agree = found == last_untrusted(forwarded, peer, trusted);
                if agree { found } else { (peer, Some(Doubt::Disagreement)) }
            }
        };
        if let Some(doubt) = doubt {
            self.doubted(peer, doubt);
        }
        Some(client)
    }

    /// Returns the client's address of a request that is no upgrade. Proxies ask for themselves too, without a header, so
    /// nothing is concluded from a missing one.
    pub(crate) fn client_of_plain(&self, headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
        let is_forwarded = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
        if is_forwarded && is_trusted(peer, trusted) {
            return self.client(headers, peer, trusted).unwrap_or(peer);
        }
        peer
    }

    /// Looks at what came from `peer` in place of a request, without the line breaks that it began with.
    pub(crate) fn no_request(&self, peer: IpAddr, bytes: &[u8]) {
        if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\0\r\nQUIT\n") {
            self.forgotten(peer, Saying::Protocol);
        }
    }

    /// What `/health` and `check` say of proxies that are not trusted, or do not name their clients.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let doubts = self.doubts.iter().zip(Doubt::ALL);
        let doubts = doubts.filter_map(|(proxy, doubt)| proxy.get().map(|proxy| doubt_warning(*proxy, doubt)));
        self.unknown_proxy_warning().into_iter().chain(doubts).collect()
    }

    fn unknown_proxy_warning(&self) -> Option<String> {
        let (proxy, saying) = self.unknown_proxy.get()?;
        let consequence = match saying {
            Saying::Request => {
                "sends X-Forwarded-For or Forwarded and is not trusted: all of its clients count as one address"
            }
            Saying::Protocol => "speaks the PROXY protocol and is not trusted: all of its connections are refused",
        };
        Some(format!("{proxy} {consequence}. If it is your proxy, set: proxies.trusted = [\"{proxy}\"]"))
    }

    fn forgotten(&self, proxy: IpAddr, saying: Saying) {
        if is_private(proxy) && self.unknown_proxy.set((proxy, saying)).is_ok() {
            tracing::warn!("{}", self.unknown_proxy_warning().unwrap_or_default());
        }
    }

    fn doubted(&self, proxy: IpAddr, doubt: Doubt) {
        let slot = self.doubts.iter().zip(Doubt::ALL).find(|(_, slot)| *slot == doubt);
        if slot.is_some_and(|(slot, _)| slot.set(proxy).is_ok()) {
            tracing::warn!("{}", doubt_warning(proxy, doubt));
        }
    }
}

fn doubt_warning(proxy: IpAddr, doubt: Doubt) -> String {
    format!("{proxy} {}; until then such clients count as the address {proxy} and share its limits", doubt.sentence())
}

/// The last hop that is not a trusted proxy. Where all are, it is the first one.
fn last_untrusted(hops: &[Hop], peer: IpAddr, trusted: &[IpNet]) -> (IpAddr, Option<Doubt>) {
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Hop::Address(address) = *hop else { return (client, Some(Doubt::Unreadable)) };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    (client, None)
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

    /// The client, and how many warnings there are.
    fn found(headers: &[(&'static str, &str)], peer: &str) -> (Option<String>, usize) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()];
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let forwarding = Forwarding::default();
        let client = forwarding.client(&map, peer.parse().unwrap(), &trusted);
        (client.map(|client| client.to_string()), forwarding.warnings().len())
    }

    fn client(values: &[&str], peer: &str) -> (Option<String>, usize) {
        found(&values.iter().map(|value| ("x-forwarded-for", *value)).collect::<Vec<_>>(), peer)
    }

    fn is(client: &str) -> (Option<String>, usize) {
        (Some(client.to_owned()), 0)
    }

    fn falls_back_to(proxy: &str) -> (Option<String>, usize) {
        (Some(proxy.to_owned()), 1)
    }

    #[test]
    fn the_last_address_that_no_trusted_proxy_has_is_the_client() {
        assert_eq!(client(&["203.0.113.5"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1, 203.0.113.5, 192.0.2.7"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1", "203.0.113.5,10.2.2.2:4711"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["what, \"[2001:db8::5]:80\", "], "10.0.0.1"), is("2001:db8::5"));
        assert_eq!(client(&["10.3.3.3"], "10.0.0.1"), is("10.3.3.3"));
    }

    #[test]
    fn a_hop_that_cannot_be_read_counts_as_the_proxy_that_wrote_it() {
        assert_eq!(client(&["203.0.113.5, what"], "10.0.0.1"), falls_back_to("10.0.0.1"));
        assert_eq!(client(&["203.0.113.5, unknown, 10.2.2.2"], "10.0.0.1"), falls_back_to("10.2.2.2"));
        assert_eq!(client(&[], "10.0.0.1"), falls_back_to("10.0.0.1"));
        assert_eq!(client(&[" , "], "10.0.0.1"), falls_back_to("10.0.0.1"));
    }

    #[test]
    fn forwarded_names_the_client_too() {
        let forwarded = |value: &str| found(&[("forwarded", value)], "10.0.0.1");
        assert_eq!(forwarded("for=1.1.1.1, for=\"[2001:db8::1]:4711\";proto=https"), is("2001:db8::1"));
        assert_eq!(forwarded("for=203.0.113.5, for=10.2.2.2"), is("203.0.113.5"));
        assert_eq!(forwarded("for=203.0.113.5, for=_hidden"), falls_back_to("10.0.0.1"));
        assert_eq!(forwarded("for=203.0.113.5, for=unknown"), falls_back_to("10.0.0.1"));
        assert_eq!(forwarded("for=6.6.6.6;x=\", for=203.0.113.5"), falls_back_to("10.0.0.1"));
    }

    #[test]
    fn two_headers_that_disagree_name_no_client() {
        let both = |x_forwarded_for: &str, forwarded: &str| {
            found(&[("x-forwarded-for", x_forwarded_for), ("forwarded", forwarded)], "10.0.0.1")
        };
        assert_eq!(both("203.0.113.5", "for=\"203.0.113.5:4711\""), is("203.0.113.5"));
        assert_eq!(both("203.0.113.5", "for=6.6.6.6"), falls_back_to("10.0.0.1"));
        assert_eq!(both("203.0.113.5", "for=unknown"), falls_back_to("10.0.0.1"));
        assert_eq!(both("203.0.113.5", " , "), is("203.0.113.5"));
    }

    #[test]
    fn others_are_not_believed() {
        assert_eq!(client(&["203.0.113.5"], "198.51.100.1"), (None, 0));
        assert_eq!(found(&[("forwarded", "for=203.0.113.5")], "198.51.100.1"), (None, 0));
    }

    #[test]
    fn a_forgotten_proxy_is_told_of() {
        for name in ["x-forwarded-for", "forwarded"] {
            let forwarding = Forwarding::default();
            let mut headers = HeaderMap::new();
            assert_eq!(forwarding.client(&headers, "172.17.0.1".parse().unwrap(), &[]), None);
            assert!(forwarding.warnings().is_empty());
            headers.append(name, "203.0.113.5".parse().unwrap());
            forwarding.client(&headers, "172.17.0.1".parse().unwrap(), &[]);
            assert!(forwarding.warnings()[0].contains("proxies.trusted = [\"172.17.0.1\"]"));
        }
    }
}
