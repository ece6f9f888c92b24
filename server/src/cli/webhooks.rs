//! `gateway webhooks`: lists webhooks and their dead letters, and sends dead letters again, through the HTTP API of a
//! running gateway, because the data file belongs to that gateway while it runs.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use realtime_gateway_protocol::RawJson;
use reqwest::{RequestBuilder, Url};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use crate::{config::Environment, crypto};

/// The time limit of a request. Replaying many dead letters takes a while.
const WITHIN: Duration = Duration::from_secs(120);

/// Lists webhooks and their dead letters, and sends dead letters again, through the HTTP API of a running gateway.
#[derive(Debug, Args)]
pub(super) struct Webhooks {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the webhooks with the number of their waiting events and dead letters.
    List(Target),
    /// Prints the dead letters of a webhook, one JSON object a line, the oldest first.
    Dead {
        /// The name of the webhook.
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Sends dead letters of a webhook again.
    Replay {
        /// The name of the webhook.
        name: String,
        /// The ids of the events. Without ids, all dead letters are sent again.
        ids: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
}

/// The gateway. The key of its HTTP API is in GATEWAY_API_KEY.
#[derive(Debug, Args)]
struct Target {
    /// The URL of the gateway. The key of its HTTP API is read from GATEWAY_API_KEY.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    gateway: String,
}

impl Webhooks {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(target) => target.connect()?.list().await,
            Command::Dead { name, target } => target.connect()?.dead(&name).await,
            Command::Replay { name, ids, target } => target.connect()?.replay(&name, ids).await,
        }
    }
}

/// The HTTP API of a gateway.
struct Api {
    base: Url,
    key: String,
    client: reqwest::Client,
}

impl Target {
    fn connect(&self) -> anyhow::Result<Api> {
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https");
        let base = Url::parse(&self.gateway).ok().filter(is_http);
        let base = base.context("--gateway is not the address of a gateway: write it like http://127.0.0.1:4000")?;
        let environment = Environment::read()?;
        let key = environment.get("GATEWAY_API_KEY").map(str::to_owned);
        let key = key.context("GATEWAY_API_KEY is not set: set it to a key with the scopes `read` and `admin`")?;
        // With a redirect the key would be sent to an address that the caller has not named.
        let redirects = reqwest::redirect::Policy::none();
        let client = crypto::https_client().timeout(WITHIN).redirect(redirects).build()?;
        Ok(Api { base, key, client })
    }
}

/// The answer of `GET /api/v1/webhooks`.
#[derive(Deserialize)]
struct List {
    webhooks: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    waiting: u64,
    dead: u64,
}

/// A page of dead letters, each as the gateway has written it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeadPage {
    events: Vec<RawJson>,
    has_more: bool,
}

#[derive(Deserialize)]
struct EventId {
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    replayed: u64,
    is_full: bool,
}

#[derive(Default, Deserialize)]
struct Problem {
    detail: Option<String>,
}

impl Api {
    async fn list(&self) -> anyhow::Result<ExitCode> {
        let List { webhooks } = self.send(self.client.get(self.url(&[])?)).await?;
        if webhooks.is_empty() {
            return super::print("no webhook is configured ([webhooks.NAME])\n");
        }
        let line = |Listed { name, waiting, dead }: &Listed| format!("{name}  {waiting} waiting, {dead} dead\n");
        super::print(&webhooks.iter().map(line).collect::<String>())
    }

    async fn dead(&self, name: &str) -> anyhow::Result<ExitCode> {
        let mut after: Option<String> = None;
        loop {
            let mut url = self.url(&[name, "dead"])?;
            url.query_pairs_mut().append_pair("limit", "100");
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let DeadPage { events, has_more } = self.send(self.client.get(url)).await?;
            super::print(&events.iter().map(|event| format!("{}\n", event.as_str())).collect::<String>())?;
            after = match events.last() {
                Some(last) if has_more => Some(serde_json::from_str::<EventId>(last.as_str())?.id),
                _ => return Ok(ExitCode::SUCCESS),
            };
        }
    }

    async fn replay(&self, name: &str, ids: Vec<String>) -> anyhow::Result<ExitCode> {
        let body = if ids.is_empty() { json!({}) } else { json!({ "ids": ids }) };
        let url = self.url(&[name, "dead", "replay"])?;
        let Replayed { replayed, is_full } = self.send(self.client.post(url).json(&body)).await?;
        super::print(&format!("{replayed} events are sent again\n"))?;
        if is_full {
            bail!("others were left, because max_waiting events wait: replay them later");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Returns the URL of a route below `/api/v1/webhooks`.
    fn url(&self, segments: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        let mut path = url.path_segments_mut().ok().context("--gateway is not the address of a gateway")?;
        path.pop_if_empty().extend(["api", "v1", "webhooks"]).extend(segments);
        drop(path);
        Ok(url)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let base = &self.base;
        let sent = request.bearer_auth(&self.key).send().await.map_err(reqwest::Error::without_url);
        let response = sent.with_context(|| format!("the gateway at {base} does not answer"))?;
        let status = response.status();
        if status.is_success() {
            let answer = response.json().await.map_err(reqwest::Error::without_url);
            return answer.with_context(|| format!("{base} does not answer like a gateway of this version"));
        }
        let problem: Problem = response.json().await.unwrap_or_default();
        let detail = problem.detail.unwrap_or_else(|| "no reason given".to_owned());
        bail!("the gateway at {base} refused with {status}: {detail}")
    }
}
