//! The HTTP API of a running gateway, for commands that inspect or change it.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use reqwest::{Method, Url};
use serde_json::Value;

use crate::{config::Environment, crypto};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The options that select a running gateway.
#[derive(Args)]
pub(super) struct Remote {
    /// The URL of the gateway. Any node answers for all nodes.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    gateway: String,
    /// A key of the HTTP API, or GATEWAY_API_KEY.
    #[arg(long, value_name = "K")]
    api_key: Option<String>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

/// A client of the HTTP API.
pub(super) struct RemoteGateway {
    client: reqwest::Client,
    base: String,
    key: String,
}

impl Remote {
    /// Prepares requests. Sends nothing yet.
    ///
    /// # Errors
    /// When there is no key, or `--gateway` is no URL.
    pub(super) fn connect(self) -> anyhow::Result<RemoteGateway> {
        let environment = Environment::read()?;
        let key = self.api_key.or_else(|| environment.get("GATEWAY_API_KEY").map(str::to_owned));
        let Some(key) = key else { bail!("there is no API key: set GATEWAY_API_KEY, or give --api-key") };
        check_address(&self.gateway)?;
        let client = crypto::https_client().connect_timeout(TIMEOUT).build()?;
        Ok(RemoteGateway { client, base: self.gateway.trim_end_matches('/').to_owned(), key })
    }
}

/// Checks the value of `--gateway`.
///
/// # Errors
/// When it is not an `http` or `https` URL.
pub(super) fn check_address(gateway: &str) -> anyhow::Result<()> {
    let is_address = Url::parse(gateway).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    ensure!(is_address, "--gateway is not the address of a gateway: write it like https://gateway.example.com");
    Ok(())
}

impl RemoteGateway {
    /// Sends a request below `/api/v1` and returns the JSON of the response; `null` for one without a body.
    ///
    /// # Errors
    /// When the gateway does not answer, or refuses.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let request = self.request(method, path, query).timeout(TIMEOUT);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = self.accepted(request).await?;
        let text = response.text().await.with_context(|| format!("the response of {} ended early", self.base))?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{} did not answer with JSON", self.base))
    }

    /// Sends `GET` below `/api/v1` and returns the response, whose body may have no end.
    ///
    /// # Errors
    /// As [`RemoteGateway::call`].
    pub(super) async fn open(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<reqwest::Response> {
        self.accepted(self.request(Method::GET, path, query)).await
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        let mut url = format!("{}/api/v1/{path}", self.base);
        if !query.is_empty() {
            let pairs = query.iter().map(|(name, value)| (*name, value.as_str()));
            url.push('?');
            url.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish());
        }
        self.client.request(method, url).bearer_auth(&self.key)
    }

    async fn accepted(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let base = &self.base;
        let response = request.send().await.with_context(|| format!("the gateway at {base} does not answer"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem.get("detail").or_else(|| problem.get("title")).and_then(Value::as_str);
        let detail = super::printable(detail.unwrap_or("no reason given"));
        bail!("the gateway at {base} refused with {status}: {detail}")
    }

    /// Reads all pages of a list, page by page, and passes each item to a function. `key` is the name of the list, and
    /// `after` the name of the member that the next page begins after.
    ///
    /// # Errors
    /// As [`RemoteGateway::call`], and those of the function.
    pub(super) async fn each(
        &self,
        path: &str,
        (key, after): (&str, &str),
        mut item: impl FnMut(&Value) -> anyhow::Result<()>,
    ) -> anyhow::Result<Value> {
        let mut query = vec![("limit", "100".to_owned())];
        loop {
            let page = self.call(Method::GET, path, &query, None).await?;
            let items = page.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            for found in items {
                item(found)?;
            }
            let last = items.last().and_then(|last| last.get(after));
            let last = last.map(|last| last.as_str().map_or_else(|| last.to_string(), str::to_owned));
            match last {
                Some(last) if page.get("hasMore") == Some(&Value::Bool(true)) => {
                    query = vec![("limit", "100".to_owned()), ("after", last)];
                }
                _ => return Ok(page),
            }
        }
    }
}

/// Returns a text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut segment, byte| {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
        segment
    })
}
