//! Parses `store.url`: the address of one server, or of the Sentinels that name the master.

use std::{fmt, sync::Arc};

use realtime_gateway_protocol::routing::decode_word;

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// The user and password for a server. `Debug` does not show them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// The servers to contact to find the one that accepts writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Servers {
    /// This server.
    One(Host),
    /// The master that these Sentinels name.
    Sentinels {
        hosts: Vec<Host>,
        /// The name of the master in the Sentinels.
        service: String,
        login: Login,
    },
}

/// The address in a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) servers: Servers,
    pub(super) tls: bool,
    pub(super) login: Login,
    pub(super) database: i64,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.servers {
            Servers::One(host) => write!(f, "Redis at {host}"),
            Servers::Sentinels { hosts, service, .. } => {
                let hosts: Vec<_> = hosts.iter().map(Host::to_string).collect();
                write!(f, "Redis {service} of the Sentinels at {}", hosts.join(", "))
            }
        }
    }
}

const HELP: &str = "write redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// for TLS, or \
                    redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DATABASE]";

impl Address {
    /// Parses a URL. `redis+sentinel://` takes `?sentinel_user=…&sentinel_password=…` if the Sentinels need a login
    /// of their own.
    ///
    /// # Errors
    /// A sentence about the correct form, without any part of the URL.
    pub(super) fn parse(url: &str) -> Result<Self, Arc<str>> {
        let wrong = |what: &str| Arc::from(format!("{what}; {HELP}"));
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it is not a URL"))?;
        let (tls, sentinel) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => return Err(wrong("its scheme is unknown")),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => {
                (self::login(login).ok_or_else(|| wrong("its login is not percent-encoded"))?, hosts)
            }
            None => (Login::default(), authority),
        };
        let mut parts = path.trim_end_matches('/').split('/');
        let service = if sentinel { parts.next().unwrap_or_default() } else { "" };
        let database = parts.next().unwrap_or_default();
        if parts.next().is_some() {
            return Err(wrong("its path has too many parts"));
        }
        let database = if database.is_empty() { Ok(0) } else { database.parse() };
        let database =
            database.ok().filter(|database| *database >= 0).ok_or_else(|| wrong("its database is not a number"))?;
        let port = if sentinel { 26379 } else { 6379 };
        let hosts: Option<Vec<Host>> = hosts.split(',').map(|text| host(text, port)).collect();
        let mut hosts = hosts.ok_or_else(|| wrong("its host or port cannot be read"))?;
        let sentinel_login = sentinel_login(query).ok_or_else(|| wrong("its query has an unknown parameter"))?;
        let servers = match (sentinel, hosts.len()) {
            (true, _) if service.is_empty() => return Err(wrong("it does not name the service of the Sentinels")),
            (true, _) => Servers::Sentinels { hosts, service: service.to_owned(), login: sentinel_login },
            (false, 1) if query.is_empty() => Servers::One(hosts.remove(0)),
            (false, 1) => return Err(wrong("it must not have a query")),
            (false, _) => return Err(wrong("it names several servers")),
        };
        Ok(Self { servers, tls, login, database })
    }
}

/// Parses `user:password`, `:password` or `user`, percent-encoded. Returns `None` if the encoding is invalid.
fn login(text: &str) -> Option<Login> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let user = Some(decode_word(user)?).filter(|user| !user.is_empty());
    let password = match password {
        Some(password) => Some(decode_word(password)?),
        None => None,
    };
    Some(Login { user, password })
}

fn host(text: &str, port: u16) -> Option<Host> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, after) = rest.split_once(']')?;
        match after.strip_prefix(':') {
            Some(port) => (name, port.parse().ok()?),
            None if after.is_empty() => (name, port),
            None => return None,
        }
    } else {
        match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok()?),
            None => (text, port),
        }
    };
    let fits = !name.is_empty() && port != 0 && !name.contains(char::is_whitespace);
    fits.then(|| Host { name: name.to_owned(), port })
}

fn sentinel_login(query: &str) -> Option<Login> {
    let mut login = Login::default();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "sentinel_user" => login.user = Some(value.into_owned()),
            "sentinel_password" => login.password = Some(value.into_owned()),
            _ => return None,
        }
    }
    Some(login)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, port: u16) -> Servers {
        Servers::One(Host { name: name.into(), port })
    }

    fn login(user: &str, password: &str) -> Login {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Login { user: some(user), password: some(password) }
    }

    #[test]
    fn reads_usual_urls() {
        for (url, servers, tls, who, database) in [
            ("redis://localhost", server("localhost", 6379), false, login("", ""), 0),
            ("redis://localhost:7000/3", server("localhost", 7000), false, login("", ""), 3),
            ("redis://:p%40ss@h", server("h", 6379), false, login("", "p@ss"), 0),
            ("rediss://anna:secret@[::1]:7000/", server("::1", 7000), true, login("anna", "secret"), 0),
            ("redis://[fe80::1]", server("fe80::1", 6379), false, login("", ""), 0),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!((&address.servers, address.tls, &address.login), (&servers, tls, &who), "{url}");
            assert_eq!(address.database, database, "{url}");
        }
    }

    #[test]
    fn reads_url_of_sentinels() {
        let address = Address::parse("redis+sentinel://anna:secret@a,b:1234/main/2?sentinel_password=other").unwrap();
        let hosts = vec![Host { name: "a".into(), port: 26379 }, Host { name: "b".into(), port: 1234 }];
        let servers = Servers::Sentinels { hosts, service: "main".into(), login: login("", "other") };
        assert_eq!((address.servers.clone(), address.database, address.tls), (servers, 2, false));
        assert_eq!(address.to_string(), "Redis main of the Sentinels at a:26379, b:1234");
        assert!(Address::parse("rediss+sentinel://a/main").unwrap().tls);
    }

    #[test]
    fn refuses_wrong_url_without_repeating_it() {
        for url in [
            "secret",
            "http://secret",
            "redis://",
            "redis://a:secret",
            "redis://a:99999",
            "redis://a,b",
            "redis://secret@a/b",
            "redis://a/1/2",
            "redis://secret:%zz@a",
            "redis://a?secret=1",
            "redis+sentinel://secret@a",
            "redis+sentinel://secret@a//1",
            "redis+sentinel://a/main?secret=1",
            "redis://[::1",
            "redis://a/-1",
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains("redis+sentinel://"), "{url}: {error}");
            assert!(!error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn never_shows_login() {
        let address = Address::parse("redis://anna:secret@host").unwrap();
        assert_eq!(address.to_string(), "Redis at host:6379");
        assert_eq!(format!("{:?}", address.login), "***");
    }
}
