//! Parses `bus.url`: one or more hosts of a broker, tried in turn.

use lapin::uri::AMQPUri;

/// How often a heartbeat is sent, in seconds, unless the URL says otherwise. A broker that was silent for two of them counts
/// as lost.
const HEARTBEAT: u16 = 10;

/// Why `bus.url` cannot be used. It repeats nothing of the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An entry is not the URL of a broker.
    #[error("bus.url is not `embedded`, and its entry {0} is no URL such as amqp://user:password@host:5672/vhost")]
    NoUrl(usize),
}

/// Returns the hosts that `bus.url` names.
///
/// # Errors
/// [`AddressError`] says which entry is wrong.
pub(super) fn addresses(urls: &str) -> Result<Vec<AMQPUri>, AddressError> {
    let one = |(index, url): (usize, &str)| address(url.trim()).ok_or(AddressError::NoUrl(index + 1));
    urls.split(',').enumerate().map(one).collect()
}

fn address(url: &str) -> Option<AMQPUri> {
    let mut uri: AMQPUri = url.parse().ok()?;
    // What is between brackets is an IPv6 address (RFC 3986, section 3.2.2), which the parser leaves out.
    if let Some((host, _)) =
        url.split_once("@[").or_else(|| url.split_once("://[")).and_then(|(_, rest)| rest.split_once(']'))
    {
        uri.authority.host = host.to_owned();
    }
    if uri.authority.host.is_empty() {
        return None;
    }
    if uri.vhost.is_empty() {
        // A URL that ends with a slash means the default, not a virtual host without a name.
        uri.vhost = "/".to_owned();
    }
    uri.query.heartbeat = uri.query.heartbeat.or(Some(HEARTBEAT));
    Some(uri)
}

/// Returns the host and port, without credentials.
pub(super) fn shown(uri: &AMQPUri) -> String {
    format!("{}:{}", uri.authority.host, uri.authority.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_several_hosts_in_their_order() {
        let found = addresses("amqp://u:p%40ss@a:5673/v%2Fh, amqps://b/?heartbeat=30,amqp://[::1]").unwrap();
        let hosts: Vec<_> = found.iter().map(shown).collect();
        assert_eq!(hosts, ["a:5673", "b:5671", "::1:5672"]);
        assert_eq!(found[0].authority.userinfo.password, "p@ss");
        assert_eq!(found.iter().map(|uri| uri.vhost.as_str()).collect::<Vec<_>>(), ["v/h", "/", "/"]);
        assert_eq!(found.iter().map(|uri| uri.query.heartbeat).collect::<Vec<_>>(), [Some(10), Some(30), Some(10)]);
    }

    #[test]
    fn names_the_position_of_an_invalid_entry() {
        for (urls, position) in [("redis://a", 1), ("amqp://a,", 2), ("amqp://a,http://user:secret@b", 2), ("", 1)] {
            let error = addresses(urls).unwrap_err();
            assert_eq!(error, AddressError::NoUrl(position), "{urls}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
