//! Finds the client's address behind a proxy, from `X-Forwarded-For` or `Forwarded` (RFC 7239) headers of trusted
//! proxies.
//!
//! Every request of a trusted proxy has a client address. If the headers do not identify a client with certainty, it is
//! the address of the proxy, so that the limits per address always apply.

mod hop;

use std::{net::IpAddr, sync::OnceLock};

use http::{HeaderMap, header};
use ipnet::IpNet;

use self::hop::{Hop, X_FORWARDED_FOR};

/// Finds the client's address, and records proxies that are misconfigured.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    unknown_proxy: OnceLock<(IpAddr, AddressSource)>,
    /// The first proxy whose headers did not identify a client, for each kind of problem.
    problems: [OnceLock<IpAddr>; 3],
}

/// How a proxy transmits the client's address.
#[derive(Debug, Clone, Copy)]
enum AddressSource {
    /// In a request header.
    ForwardedHeader,
    /// In a PROXY protocol header, ahead of the first request.
    ProxyProtocol,
}

/// Why a trusted proxy's request counts as a request of the proxy itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AddressProblem {
    /// The request has neither header.
    Missing,
    /// The hop that the nearest proxy wrote is not an IP address.
    Unreadable,
    /// The two headers name different clients. One of them was written by the client, and it is unknown which.
    Disagreement,
}

impl AddressProblem {
    const ALL: [Self; 3] = [Self::Missing, Self::Unreadable, Self::Disagreement];

    fn description(self) -> &'static str {
        match self {
            Self::Missing => {
                "sends neither X-Forwarded-For nor Forwarded with a WebSocket. If it is a proxy, configure \
                 it to set one of them"
            }
            Self::Unreadable => {
                "sends an X-Forwarded-For or Forwarded header whose last hop is not an IP address. Configure it to \
                 write the address of its peer"
            }
            Self::Disagreement => {
                "passes on X-Forwarded-For and Forwarded with different clients. Configure it to remove the \
                 header that it does not write itself"
            }
        }
    }
}

impl Forwarding {
    /// Returns the client's address when `peer` is a trusted proxy: the last hop that is not a trusted proxy itself.
    ///
    /// A hop that cannot be read ends the search, because an unknown machine wrote everything to its left. The client
    /// is then the proxy that wrote this hop.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> Option<IpAddr> {
        if !is_trusted(peer, trusted) {
            if headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED) {
                self.record_untrusted_proxy(peer, AddressSource::ForwardedHeader);
            }
            return None;
        }
        let (client, problem) = match (hop::x_forwarded_for(headers).as_slice(), hop::forwarded(headers).as_slice()) {
            ([], []) => (peer, Some(AddressProblem::Missing)),
            (hops, []) | ([], hops) => last_untrusted(hops, peer, trusted),
            (x_forwarded_for, forwarded) => {
                let found = last_untrusted(x_forwarded_for, peer, trusted);
                let agree = found == last_untrusted(forwarded, peer, trusted);
                if agree { found } else { (peer, Some(AddressProblem::Disagreement)) }
            }
        };
        if let Some(problem) = problem {
            self.record_problem(peer, problem);
        }
        Some(client)
    }

    /// Returns whether a trusted proxy reports that the client connected over TLS. With several proxies, one may report
    /// `http` for a client that uses TLS, so only `https` is conclusive.
    pub(crate) fn is_secure(headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> bool {
        is_trusted(peer, trusted) && hop::names_https(headers)
    }

    /// Returns the client's address of a request that is not an upgrade. Proxies also send requests of their own
    /// without these headers, so a missing header is not recorded as a problem.
    pub(crate) fn client_of_plain(&self, headers: &HeaderMap, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
        let is_forwarded = headers.contains_key(X_FORWARDED_FOR) || headers.contains_key(header::FORWARDED);
        if is_forwarded && is_trusted(peer, trusted) {
            return self.client(headers, peer, trusted).unwrap_or(peer);
        }
        peer
    }

    /// Examines what `peer` sent instead of a request. Hyper has already skipped leading line breaks, which a version 2
    /// PROXY header begins with.
    pub(crate) fn record_parse_failure(&self, peer: IpAddr, bytes: &[u8]) {
        if bytes.starts_with(b"PROXY ") || bytes.starts_with(b"\0\r\nQUIT\n") {
            self.record_untrusted_proxy(peer, AddressSource::ProxyProtocol);
        }
    }

    /// Returns the warnings that `/health` and `check` show about proxies that are not trusted or do not identify
    /// clients.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let problems = self.problems.iter().zip(AddressProblem::ALL);
        let problems =
            problems.filter_map(|(proxy, problem)| proxy.get().map(|proxy| problem_warning(*proxy, problem)));
        self.unknown_proxy_warning().into_iter().chain(problems).collect()
    }

    fn unknown_proxy_warning(&self) -> Option<String> {
        let (proxy, source) = self.unknown_proxy.get()?;
        let consequence = match source {
            AddressSource::ForwardedHeader => {
                "sends X-Forwarded-For or Forwarded and is not trusted: all of its clients count as one address"
            }
            AddressSource::ProxyProtocol => {
                "speaks the PROXY protocol and is not trusted: all of its connections are refused"
            }
        };
        Some(format!("{proxy} {consequence}. If it is your proxy, set: proxies.trusted = [\"{proxy}\"]"))
    }

    fn record_untrusted_proxy(&self, proxy: IpAddr, source: AddressSource) {
        if is_private(proxy) && self.unknown_proxy.set((proxy, source)).is_ok() {
            tracing::warn!("{}", self.unknown_proxy_warning().unwrap_or_default());
        }
    }

    fn record_problem(&self, proxy: IpAddr, problem: AddressProblem) {
        let slot = self.problems.iter().zip(AddressProblem::ALL).find(|(_, slot)| *slot == problem);
        if slot.is_some_and(|(slot, _)| slot.set(proxy).is_ok()) {
            tracing::warn!("{}", problem_warning(proxy, problem));
        }
    }
}

fn problem_warning(proxy: IpAddr, problem: AddressProblem) -> String {
    format!(
        "{proxy} {}; until then such clients count as the address {proxy} and share its limits",
        problem.description()
    )
}

/// Returns the last hop that is not a trusted proxy, or the first hop if all are trusted proxies.
fn last_untrusted(hops: &[Hop], peer: IpAddr, trusted: &[IpNet]) -> (IpAddr, Option<AddressProblem>) {
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Hop::Address(address) = *hop else { return (client, Some(AddressProblem::Unreadable)) };
        client = address;
        if !is_trusted(address, trusted) {
            break;
        }
    }
    (client, None)
}

/// Returns whether an address belongs to one of the configured networks.
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

    /// Returns the client and the number of warnings.
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
    fn last_untrusted_hop_is_the_client() {
        assert_eq!(client(&["203.0.113.5"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1, 203.0.113.5, 192.0.2.7"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["1.1.1.1", "203.0.113.5,10.2.2.2:4711"], "10.0.0.1"), is("203.0.113.5"));
        assert_eq!(client(&["what, \"[2001:db8::5]:80\", "], "10.0.0.1"), is("2001:db8::5"));
        assert_eq!(client(&["10.3.3.3"], "10.0.0.1"), is("10.3.3.3"));
    }

    #[test]
    fn unreadable_hop_counts_as_the_proxy_that_wrote_it() {
        assert_eq!(client(&["203.0.113.5, what"], "10.0.0.1"), falls_back_to("10.0.0.1"));
        assert_eq!(client(&["203.0.113.5, unknown, 10.2.2.2"], "10.0.0.1"), falls_back_to("10.2.2.2"));
        assert_eq!(client(&[], "10.0.0.1"), falls_back_to("10.0.0.1"));
        assert_eq!(client(&[" , "], "10.0.0.1"), falls_back_to("10.0.0.1"));
    }

    #[test]
    fn reads_the_client_from_forwarded() {
        let forwarded = |value: &str| found(&[("forwarded", value)], "10.0.0.1");
        assert_eq!(forwarded("for=1.1.1.1, for=\"[2001:db8::1]:4711\";proto=https"), is("2001:db8::1"));
        assert_eq!(forwarded("for=203.0.113.5, for=10.2.2.2"), is("203.0.113.5"));
        assert_eq!(forwarded("for=203.0.113.5, for=_hidden"), falls_back_to("10.0.0.1"));
        assert_eq!(forwarded("for=203.0.113.5, for=unknown"), falls_back_to("10.0.0.1"));
        assert_eq!(forwarded("for=6.6.6.6;x=\", for=203.0.113.5"), falls_back_to("10.0.0.1"));
    }

    #[test]
    fn headers_that_disagree_fall_back_to_the_proxy() {
        let both = |x_forwarded_for: &str, forwarded: &str| {
            found(&[("x-forwarded-for", x_forwarded_for), ("forwarded", forwarded)], "10.0.0.1")
        };
        assert_eq!(both("203.0.113.5", "for=\"203.0.113.5:4711\""), is("203.0.113.5"));
        assert_eq!(both("203.0.113.5", "for=6.6.6.6"), falls_back_to("10.0.0.1"));
        assert_eq!(both("203.0.113.5", "for=unknown"), falls_back_to("10.0.0.1"));
        assert_eq!(both("203.0.113.5", " , "), is("203.0.113.5"));
    }

    #[test]
    fn ignores_headers_of_untrusted_peers() {
        assert_eq!(client(&["203.0.113.5"], "198.51.100.1"), (None, 0));
        assert_eq!(found(&[("forwarded", "for=203.0.113.5")], "198.51.100.1"), (None, 0));
    }

    #[test]
    fn warns_about_a_proxy_that_is_not_configured() {
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
