//! `gateway users`, `sessions` and `topics`: show who is connected to any node, and what sessions are subscribed to.

use std::process::ExitCode;

use clap::Args;
use realtime_gateway_protocol::UserId;
use reqwest::Method;
use serde_json::Value;

use super::{
    print, printable,
    remote::{Remote, segment},
    topic_name::TopicArgument,
    warn,
};

/// Lists the connected users.
#[derive(Debug, Args)]
pub(super) struct Users {
    #[command(flatten)]
    remote: Remote,
}

/// Lists the sessions of a user with their subscriptions, and the pending notifications with their escalations.
#[derive(Debug, Args)]
pub(super) struct Sessions {
    /// The user.
    user: UserId,
    #[command(flatten)]
    remote: Remote,
}

/// Lists the topics that have subscribers, or the subscribers of one topic.
#[derive(Debug, Args)]
pub(super) struct Topics {
    /// The topic, as SERVICE:TOPIC, or clan_chat:CLAN.
    topic: Option<TopicArgument>,
    #[command(flatten)]
    remote: Remote,
}

/// Returns a member of an item as text that a terminal can show.
fn text(item: &Value, name: &str) -> String {
    match item.get(name) {
        Some(Value::String(text)) => printable(text),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    }
}

/// Warns about nodes that did not answer.
fn warn_about_missing(page: &Value) {
    let missing = page.get("missing").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().filter_map(Value::as_str).map(printable).collect();
        warn(&format!("these nodes did not answer, so their sessions are missing: {}", names.join(", ")));
    }
}

/// Returns the line of a pending notification, without its content.
fn pending_line(notification: &Value) -> String {
    let escalation = notification.get("escalation").map(|escalation| {
        let verb = match escalation.get("reported") {
            Some(Value::Bool(true)) => "escalated, due",
            _ => "escalates",
        };
        format!("\t{verb} {}", text(escalation, "dueAt"))
    });
    let [id, since] = ["id", "createdAt"].map(|name| text(notification, name));
    format!("notification {id}\tsince {since}{}\n", escalation.unwrap_or_default())
}

impl Users {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = self.remote.connect()?;
        let line =
            |user: &Value| print(&format!("{}\t{} sessions\n", text(user, "userId"), text(user, "sessions"))).map(drop);
        gateway.each("users", ("users", "userId"), line).await?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Sessions {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = self.remote.connect()?;
        let user = segment(self.user.as_str());
        let query = [("subscriptions", "true".to_owned())];
        let page = gateway.call(Method::GET, &format!("users/{user}/sessions"), &query, None).await?;
        warn_about_missing(&page);
        let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut lines = String::new();
        for session in list(&page, "sessions") {
            let [id, node, device, since] = ["id", "node", "device", "since"].map(|name| text(&session, name));
            lines += &format!("{id}\tnode {node}\tdevice {device}\tsince {since}\n");
            for subscription in list(&session, "subscriptions") {
                let by: Vec<_> = list(&subscription, "by").iter().filter_map(Value::as_str).map(printable).collect();
                lines += &format!("  {}\tby {}\n", text(&subscription, "topic"), by.join(" and "));
            }
        }
        print(&lines)?;
        let path = format!("users/{user}/notifications");
        let line = |notification: &Value| print(&pending_line(notification)).map(drop);
        let pending = gateway.each(&path, ("notifications", "offset"), line).await?;
        print(&format!("{} pending notifications\n", text(&pending, "count")))
    }
}

impl Topics {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = self.remote.connect()?;
        let page = match &self.topic {
            None => {
                let line = |topic: &Value| {
                    print(&format!("{}\t{} sessions\n", text(topic, "topic"), text(topic, "sessions"))).map(drop)
                };
                gateway.each("topics", ("topics", "topic"), line).await?
            }
            Some(topic) => {
                let path = format!("{}/subscribers", topic.path());
                let line = |user: &Value| {
                    print(&format!("{}\t{} sessions\n", text(user, "userId"), text(user, "sessions"))).map(drop)
                };
                gateway.each(&path, ("subscribers", "userId"), line).await?
            }
        };
        warn_about_missing(&page);
        Ok(ExitCode::SUCCESS)
    }
}
