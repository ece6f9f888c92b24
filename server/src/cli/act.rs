//! `gateway kick` and `publish`: end the sessions of a user, and publish an event, through a running gateway.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use realtime_gateway_protocol::UserId;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    print,
    remote::{Remote, segment},
    topic_name::TopicArgument,
};

/// Disconnects a user from every node.
#[derive(Debug, Args)]
pub(super) struct Kick {
    /// The user.
    user: UserId,
    /// Asks the clients to reconnect. Otherwise they stay away until the app connects again. To keep a user out, block the
    /// user.
    #[arg(long)]
    reconnect: bool,
    #[command(flatten)]
    remote: Remote,
}

/// Publishes an event to a topic of a service, or a system message to a clan.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The topic, as SERVICE:TOPIC, or clan_chat:CLAN.
    topic: TopicArgument,
    /// The data of the event as JSON, or the text of the message.
    data: String,
    /// An idempotency key: the same id is published once.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

impl Kick {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = self.remote.connect()?;
        let path = format!("users/{}/sessions", segment(self.user.as_str()));
        let query = [("reconnect", self.reconnect.to_string())];
        let ended = gateway.call(Method::DELETE, &path, &query, None).await?;
        print(&format!("{} sessions ended\n", ended.get("sessions").unwrap_or(&Value::Null)))
    }
}

impl Publish {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let (path, mut body) = match &self.topic {
            TopicArgument::Clan(_) => ("messages", json!({ "content": self.data })),
            TopicArgument::Service(..) => {
                let data: Value = serde_json::from_str(&self.data)
                    .context("the data is not JSON; a text needs quotes within the quotes of the shell")?;
                ("events", json!({ "data": data }))
            }
        };
        if let (Some(id), Some(body)) = (self.id, body.as_object_mut()) {
            body.insert("id".to_owned(), json!(id));
        }
        let gateway = self.remote.connect()?;
        let path = format!("{}/{path}", self.topic.path());
        let accepted = gateway.call(Method::POST, &path, &[], Some(&body)).await?;
        let member = |name| accepted.get(name).cloned().unwrap_or_default();
        if accepted.is_null() {
            // The topic has no history.
            return print("sent to the current subscribers\n");
        }
        print(&format!("{} at offset {}\n", member("messageId").as_str().unwrap_or("published"), member("offset")))
    }
}
