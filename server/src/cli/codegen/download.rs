//! Downloads the contracts of a running gateway.

use std::{path::Path, time::Duration};

use anyhow::{Context, bail};
use gateway_contracts::Contract;
use reqwest::{Response, StatusCode, Url, header, redirect};

use crate::crypto;

/// The time limit of the request with its answer.
const WITHIN: Duration = Duration::from_secs(30);
/// The maximum size of the answer, in bytes. It is enough for 60 contracts whose schemas have the maximum size.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// The path of the contracts.
const PATH: &str = "/contracts.json";

/// Returns the contracts of the gateway at an address.
///
/// # Errors
/// When the address is not one, does not answer, refuses the key, or answers with something else than contracts. The
/// errors never contain the key.
pub(super) async fn contracts(address: &str, key: Option<&str>) -> anyhow::Result<Vec<Contract>> {
    let url = contracts_url(address)?;
    // With a redirect the key would be sent to an address that the caller has not named.
    let client = crypto::https_client().timeout(WITHIN).redirect(redirect::Policy::none()).build()?;
    let mut request = client.get(url.clone());
    if let Some(key) = key {
        let mut value = header::HeaderValue::from_str(&format!("Bearer {key}"))
            .ok()
            .context("GATEWAY_API_KEY has characters that no key has: copy the key again")?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let response = request.send().await.map_err(reqwest::Error::without_url).with_context(|| {
        format!("{url} does not answer; check the address, and whether the gateway runs (gateway healthcheck)")
    })?;
    check_status(&url, &response, key.is_some())?;
    let text = body(&url, response).await?;
    let contracts = Contract::read_document(&text, Path::new(url.as_str())).map_err(|error| {
        anyhow::anyhow!("{error}; --url takes the address of a gateway of this version, such as http://127.0.0.1:4000")
    })?;
    if contracts.is_empty() {
        bail!("{url} has no contracts: a section [services.NAME] in the configuration of the gateway declares one");
    }
    Ok(contracts)
}

/// Returns the URL of the contracts of the gateway at an address. The address may include the path.
fn contracts_url(address: &str) -> anyhow::Result<Url> {
    let mut url = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .context("--url is not the address of a gateway: write it like https://gateway.example.com")?;
    // They may be secrets, which errors would show.
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        bail!("--url has a user, a password, a query or a fragment: give the key in GATEWAY_API_KEY instead");
    }
    let path = url.path().trim_end_matches('/').trim_end_matches(PATH).to_owned();
    url.set_path(&(path + PATH));
    Ok(url)
}

/// Checks the status of the answer.
fn check_status(url: &Url, response: &Response, has_key: bool) -> anyhow::Result<()> {
    let status = response.status();
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::UNAUTHORIZED if has_key => {
            bail!("{url} refuses the key in GATEWAY_API_KEY ({status}): set a key of this gateway (auth.api_keys)")
        }
        StatusCode::UNAUTHORIZED => {
            bail!("{url} needs an API key ({status}): set GATEWAY_API_KEY to a key with the scope `read`")
        }
        StatusCode::FORBIDDEN => bail!(
            "{url} does not allow the key in GATEWAY_API_KEY to read contracts ({status}): use a key with the scope `read` \
             that is not limited to services"
        ),
        StatusCode::NOT_FOUND => {
            bail!("{url} does not exist ({status}): --url takes the address of a gateway that has declared services")
        }
        _ if status.is_redirection() => {
            let target = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            bail!("{url} redirects to {}: give the address of the gateway itself", target.unwrap_or("nowhere"))
        }
        _ => bail!("{url} answers {status} instead of the contracts; see the log of the gateway, and try again"),
    }
}

/// Returns the text of the answer.
async fn body(url: &Url, mut response: Response) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let failed = || format!("{url} sends no complete answer; check the connection, and try again");
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url).with_context(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_BYTES {
            bail!(
                "{url} sends more than {} MiB, the maximum: --url takes the address of a gateway",
                MAX_BYTES / 1024 / 1024
            );
        }
    }
    String::from_utf8(bytes).ok().with_context(|| {
        format!("{url} sends no text: --url takes the address of a gateway, such as http://127.0.0.1:4000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_address_of_gateway_with_and_without_path() {
        for (address, expected) in [
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/contracts.json"),
            ("http://127.0.0.1:4000/", "http://127.0.0.1:4000/contracts.json"),
            ("https://example.com/contracts.json", "https://example.com/contracts.json"),
            ("https://example.com/rt/", "https://example.com/rt/contracts.json"),
        ] {
            assert_eq!(contracts_url(address).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn refuses_other_addresses_without_showing_their_secrets() {
        for address in [
            "",
            "gateway.example.com",
            "127.0.0.1:4000",
            "ftp://example.com",
            "file:///etc/passwd",
            "https://user:hush@example.com",
            "https://hush@example.com",
            "https://example.com/?key=hush",
            "https://example.com/#hush",
        ] {
            let error = contracts_url(address).unwrap_err().to_string();
            assert!(error.starts_with("--url ") && !error.contains("hush"), "{address}: {error}");
        }
    }
}
