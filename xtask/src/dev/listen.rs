//! The address of `cargo xtask dev`: found among the arguments, and checked before the long build.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use anyhow::Context as _;

use super::Arguments;

/// Returns the address to listen on, which may also be one of the gateway's own arguments, and the other arguments.
pub(super) fn listen_address(arguments: &Arguments) -> (String, Vec<&str>) {
    let mut listen = arguments.listen.clone();
    let mut rest = Vec::new();
    let mut given = arguments.gateway.iter().map(String::as_str);
    while let Some(argument) = given.next() {
        if let Some(value) = argument.strip_prefix("--listen=") {
            value.clone_into(&mut listen);
        } else if argument == "--listen" {
            // Without a value the address is empty, which is reported as invalid.
            given.next().unwrap_or_default().clone_into(&mut listen);
        } else {
            rest.push(argument);
        }
    }
    (listen, rest)
}

/// Resolves `listen` and checks that the address is free, before the long build.
pub(super) fn free_address(listen: &str) -> anyhow::Result<SocketAddr> {
    let explain = |error: &io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{listen} is in use by another program (another gateway?); \
             choose another address: cargo xtask dev --listen 127.0.0.1:4001"
        ),
        _ => format!("cannot listen on `{listen}`; an address looks like 127.0.0.1:4000"),
    };
    let listener = TcpListener::bind(listen).map_err(|error| {
        let context = explain(&error);
        anyhow::Error::new(error).context(context)
    })?;
    listener.local_addr().context("read the address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_listen_address_in_gateway_arguments() {
        for given in
            [&["--config", "a.toml", "--listen", "[::1]:5000"][..], &["--listen=[::1]:5000", "--config", "a.toml"]]
        {
            let arguments = Arguments::for_gateway(given);
            assert_eq!(listen_address(&arguments), ("[::1]:5000".to_owned(), vec!["--config", "a.toml"]));
        }
        assert_eq!(listen_address(&Arguments::for_gateway(&[])).0, "127.0.0.1:4000");
    }

    #[test]
    fn names_alternative_when_port_is_in_use() {
        let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = holder.local_addr().expect("an address").to_string();
        let error = free_address(&address).expect_err("the port is in use");
        assert!(error.to_string().contains("is in use"), "{error}");
        assert!(error.to_string().contains("--listen"), "{error}");
    }

    #[test]
    fn reports_invalid_address() {
        let error = free_address("four thousand").expect_err("that is not an address");
        assert!(error.to_string().contains("looks like 127.0.0.1:4000"), "{error}");
    }
}
