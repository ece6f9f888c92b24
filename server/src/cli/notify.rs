//! `gateway notify`: sends one notification through the HTTP API of a running gateway.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use realtime_gateway_protocol::UserId;
use serde_json::{Value, json};

use super::remote::check_address;
use crate::{config::Environment, crypto};

/// Sends one notification through the HTTP API of a running gateway.
#[derive(Args)]
pub(super) struct Notify {
    /// The id of the user.
    #[arg(long, value_name = "ID")]
    user: UserId,
    /// The title of the notification.
    #[arg(long, value_name = "T")]
    title: String,
    /// The text of the notification.
    #[arg(long, value_name = "M")]
    message: String,
    /// Report the notification to backend services (`notification.unacked`) if it is not acknowledged after this time, in
    /// seconds or as `10m`. 0: never. By default `notifications.escalate_after` of the gateway applies.
    #[arg(long, value_name = "TIME", value_parser = whole_seconds)]
    escalate_after: Option<u64>,
    /// The URL of the gateway.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:4000")]
    gateway: String,
    /// A key of the HTTP API, or GATEWAY_API_KEY. A gateway with --dev needs none.
    #[arg(long, value_name = "K")]
    api_key: Option<String>,
}

/// Parses a time: a number of seconds, or a duration such as `10m`, in whole seconds.
fn whole_seconds(text: &str) -> Result<u64, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    match humantime::parse_duration(text) {
        Ok(time) if time.subsec_nanos() == 0 => Ok(time.as_secs()),
        Ok(_) => Err("give whole seconds".to_owned()),
        Err(error) => Err(format!("{error}: give seconds, such as 600, or a duration, such as 10m")),
    }
}

impl std::fmt::Debug for Notify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notify").field("user", &self.user).field("gateway", &self.gateway).finish_non_exhaustive()
    }
}

impl Notify {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        check_address(&self.gateway)?;
        let environment = Environment::read()?;
        let key = self.api_key.as_deref().or_else(|| environment.get("GATEWAY_API_KEY"));
        let base = self.gateway.trim_end_matches('/');
        let path = if key.is_some() { "api/v1/notifications" } else { "dev/notifications" };
        let client = crypto::https_client().timeout(Duration::from_secs(10)).build()?;
        let mut body = json!({ "userId": self.user, "title": self.title, "message": self.message });
        if let (Some(seconds), Some(members)) = (self.escalate_after, body.as_object_mut()) {
            members.insert("escalateAfterSeconds".into(), seconds.into());
        }
        let mut request = client.post(format!("{base}/{path}")).json(&body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let response = request.send().await.with_context(|| format!("the gateway at {base} does not answer"))?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            let id = answer.pointer("/ids/0").and_then(Value::as_str).unwrap_or("stored");
            return super::print(&format!("{id}\n"));
        }
        if key.is_none() && (status == 404 || status == 405) {
            bail!("the gateway at {base} does not run with --dev: give --api-key or set GATEWAY_API_KEY");
        }
        let detail = answer.get("detail").or_else(|| answer.get("title")).and_then(Value::as_str);
        bail!("the gateway at {base} refused with {status}: {}", detail.unwrap_or("no reason given"))
    }
}
