//! Parses the hops in `X-Forwarded-For` and `Forwarded` (RFC 7239), in the notations that proxies use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, header};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a proxy wrote about the peer whose request it forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// The peer's address in its canonical form.
    Address(IpAddr),
    /// Anything else: `unknown`, an obfuscated identifier (RFC 7239, section 6.3), or malformed text.
    Unreadable,
}

/// Parses all `X-Forwarded-For` header lines as one list, in order.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        let Ok(line) = std::str::from_utf8(line.as_bytes()) else {
            hops.push(Hop::Unreadable);
            continue;
        };
        // Empty list members are ignored (RFC 9110, section 5.6.1).
        let members = line.split(',').map(str::trim).filter(|member| !member.is_empty());
        hops.extend(members.map(|member| hop(unquoted(member))));
    }
    hops
}

/// Parses all `Forwarded` header lines as one list, in order.
pub(super) fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for line in headers.get_all(header::FORWARDED) {
        // A client could open a quoted string that swallows what the proxy appends to the line. A line with a syntax
        // error therefore counts as unreadable as a whole.
        match std::str::from_utf8(line.as_bytes()).ok().and_then(elements) {
            Some(elements) => hops.extend(elements),
            None => hops.push(Hop::Unreadable),
        }
    }
    hops
}

/// Parses the elements of one `Forwarded` line (RFC 7239, section 4). Returns `None` on a syntax error.
fn elements(line: &str) -> Option<Vec<Hop>> {
    let (mut hops, mut pairs, mut node) = (Vec::new(), 0_usize, None::<Hop>);
    let mut rest = line.trim_start();
    loop {
        match rest.chars().next() {
            Some(';') => rest = skip(rest, 1),
            Some(',') | None => {
                // An element without `for` represents a proxy that does not reveal its peer.
                if pairs > 0 {
                    hops.push(node.unwrap_or(Hop::Unreadable));
                }
                (pairs, node) = (0, None);
                if rest.is_empty() {
                    return Some(hops);
                }
                rest = skip(rest, 1);
            }
            Some(_) => {
                let (name, value, after) = pair(rest)?;
                pairs += 1;
                if name.eq_ignore_ascii_case("for") {
                    // A parameter may occur only once per element.
                    node = Some(if node.is_none() { hop(&value) } else { Hop::Unreadable });
                }
                rest = after.trim_start();
                if !matches!(rest.chars().next(), None | Some(',' | ';')) {
                    return None;
                }
            }
        }
    }
}

/// Returns whether `X-Forwarded-Proto` or `Forwarded` names https for any hop.
pub(super) fn names_https(headers: &HeaderMap) -> bool {
    let lines = |name: HeaderName| headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    let mut protocols = lines(X_FORWARDED_PROTO).flat_map(|line| line.split(','));
    protocols.any(|protocol| unquoted(protocol.trim()).eq_ignore_ascii_case("https"))
        || lines(header::FORWARDED).any(forwarded_names_https)
}

fn forwarded_names_https(line: &str) -> bool {
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if rest.starts_with([';', ',']) {
            rest = skip(rest, 1);
            continue;
        }
        let Some((name, value, after)) = pair(rest) else { return false };
        if name.eq_ignore_ascii_case("proto") && value.eq_ignore_ascii_case("https") {
            return true;
        }
        rest = after.trim_start();
    }
    false
}

/// Parses a parameter, and returns its name, its value and the rest. An unquoted value may contain the characters of an
/// address with a port: RFC 7239 requires quotes for it, but many proxies omit them.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, value) = text.split_once('=')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return None;
    }
    if let Some(quoted) = value.strip_prefix('"') {
        let (value, after) = quoted_string(quoted)?;
        return Some((name, value, after));
    }
    let end = value.find([',', ';', ' ', '\t']).unwrap_or(value.len());
    let (value, after) = value.split_at_checked(end)?;
    (!value.is_empty() && !value.contains('"')).then(|| (name, value.to_owned(), after))
}

/// Parses a quoted string after its opening quotation mark (RFC 9110, section 5.6.4).
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next()?),
            c => value.push(c),
        }
    }
}

fn skip(text: &str, bytes: usize) -> &str {
    text.get(bytes..).unwrap_or_default().trim_start()
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim()
}

fn hop(node: &str) -> Hop {
    address(node).map_or(Hop::Unreadable, |address| Hop::Address(address.to_canonical()))
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(node: &str) -> Option<IpAddr> {
    if let Some(bracketed) = node.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let has_valid_end = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return version_6(address).filter(|_| has_valid_end);
    }
    match node.split_once(':') {
        // A single colon separates a port. An IPv6 address has at least two.
        Some((address, port)) if !port.contains(':') => {
            address.parse::<Ipv4Addr>().ok().filter(|_| is_port(port)).map(IpAddr::V4)
        }
        Some(_) => version_6(node),
        None => node.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// Parses an IPv6 address, optionally with a zone identifier (RFC 4007, section 11).
fn version_6(text: &str) -> Option<IpAddr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

/// Returns whether the text is a port or an obfuscated port (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    let obfuscated = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match text.strip_prefix('_') {
        Some(name) => !name.is_empty() && name.chars().all(obfuscated),
        None => (1..=5).contains(&text.len()) && text.parse::<u16>().is_ok() && !text.starts_with('+'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(hops: &[Hop]) -> Vec<String> {
        let show = |hop: &Hop| match hop {
            Hop::Address(address) => address.to_string(),
            Hop::Unreadable => "?".to_owned(),
        };
        hops.iter().map(show).collect()
    }

    #[test]
    fn parses_the_address_notations_of_proxies() {
        for (written, address) in [
            ("203.0.113.5", "203.0.113.5"),
            ("203.0.113.5:4711", "203.0.113.5"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("\"203.0.113.5\"", "203.0.113.5"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("::ffff:203.0.113.5", "203.0.113.5"),
            ("[::ffff:203.0.113.5]:80", "203.0.113.5"),
            ("fe80::1%eth0", "fe80::1"),
            ("203.0.113.5:_port", "203.0.113.5"),
            ("unknown", "?"),
            ("_hidden", "?"),
            ("203.0.113.5:", "?"),
            ("203.0.113.5:65536", "?"),
            ("203.0.113.5:+1", "?"),
            ("203.0.113.05", "?"),
            ("203.0.113", "?"),
            ("[2001:db8::1", "?"),
            ("[2001:db8::1]4711", "?"),
            ("[203.0.113.5]", "?"),
            ("client.example.com", "?"),
            ("\"203.0.113.5", "?"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_FOR, written.parse().unwrap());
            assert_eq!(shown(&x_forwarded_for(&headers)), [address], "{written}");
        }
    }

    #[test]
    fn ignores_empty_members_and_joins_header_lines() {
        let mut headers = HeaderMap::new();
        for line in [", 192.0.2.1,,", "", " , ", "192.0.2.2 ,\t192.0.2.3"] {
            headers.append(X_FORWARDED_FOR, line.parse().unwrap());
        }
        headers.append(X_FORWARDED_FOR, http::HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(shown(&x_forwarded_for(&headers)), ["192.0.2.1", "192.0.2.2", "192.0.2.3", "?"]);
    }

    #[test]
    fn parses_forwarded_elements() {
        for (written, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", vec!["192.0.2.60"]),
            ("For=\"[2001:db8:cafe::17]:4711\"", vec!["2001:db8:cafe::17"]),
            ("for=192.0.2.43, for=198.51.100.17", vec!["192.0.2.43", "198.51.100.17"]),
            ("for=192.0.2.43,for=\"198.51.100.17:80\" ; proto=https", vec!["192.0.2.43", "198.51.100.17"]),
            ("for=192.0.2.43:4711", vec!["192.0.2.43"]),
            ("for=\"_a,b;c\", for=unknown", vec!["?", "?"]),
            ("for=\"192.0.2.\\43\"", vec!["192.0.2.43"]),
            ("proto=https", vec!["?"]),
            ("for=192.0.2.1;for=192.0.2.2", vec!["?"]),
            (" , ;for=192.0.2.1; ,", vec!["192.0.2.1"]),
            ("", vec![]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::FORWARDED, written.parse().unwrap());
            assert_eq!(shown(&forwarded(&headers)), expected, "{written}");
        }
    }

    #[test]
    fn client_cannot_hide_the_element_that_a_proxy_appends() {
        for written in [
            "for=6.6.6.6;x=\", for=203.0.113.5",
            "for=6.6.6.6;x=\", for=\"[2001:db8::1]:4711\"",
            "for=6.6.6.6;x=\", for=\"203.0.113.5\";proto=https;by=\"10.0.0.1\"",
            "for=6.6.6.6 nonsense, for=203.0.113.5",
            "=6.6.6.6, for=203.0.113.5",
            "for=\"6.6.6.6\\",
        ] {
            assert_eq!(elements(written), None, "{written}");
        }
    }
}
