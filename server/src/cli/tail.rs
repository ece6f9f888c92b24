//! `gateway tail`: prints what goes through all nodes, live and from the log.

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use realtime_gateway_protocol::{ServiceName, TopicName, UserId};
use serde_json::Value;

use super::{print, printable, remote::Remote};

/// The longest line that is printed, in bytes. The gateway sends shorter ones.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// Prints the messages, events and notifications that go through a gateway, without their content.
///
/// Any node shows what goes through all of them. It needs a key of the scope `admin`. A reader that is too slow misses
/// some, which is printed as a number.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// Shows only what concerns this user: their notifications, and what they have published.
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Shows only this service: `notifications`, `clan_chat` or a declared service.
    #[arg(long, value_name = "S")]
    service: Option<ServiceName>,
    /// Shows only this topic of the service. For `clan_chat` it is the clan.
    #[arg(long, value_name = "T", requires = "service")]
    topic: Option<TopicName>,
    /// Begins with the entries of the log since this long ago, such as `10m`. Needs --topic, or --user without --service.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// Shows the content, too.
    #[arg(long)]
    content: bool,
    /// Prints the lines as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Tail {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let gateway = self.remote.connect()?;
        let mut query = vec![("content", self.content.to_string())];
        query.extend(self.user.map(|user| ("user", user.to_string())));
        query.extend(self.service.map(|service| ("service", service.to_string())));
        query.extend(self.topic.map(|topic| ("topic", topic.to_string())));
        query.extend(self.since.map(|since| ("since", format!("{}s", since.as_secs()))));
        let mut response = gateway.open("tail", &query).await?;
        let mut buffer = Vec::new();
        while let Some(chunk) = response.chunk().await.context("the gateway has ended the connection")? {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if !line.trim().is_empty() {
                    print(&if self.json { line.into_owned() } else { shown(&line) })?;
                }
            }
            anyhow::ensure!(buffer.len() <= MAX_LINE, "the gateway has sent a line that is too long");
        }
        anyhow::bail!("the gateway has ended the tail, perhaps because the node shuts down; start it again")
    }
}

/// Returns a line for people.
fn shown(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return format!("{}\n", printable(line.trim())) };
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(printable);
    if let Some(dropped) = entry.get("dropped") {
        return format!("... {dropped} entries were dropped, because they were not read in time\n");
    }
    let number = |name: &str| entry.get(name).map_or_else(|| "?".to_owned(), Value::to_string);
    let mut shown = format!(
        "{} {} #{} {} {} bytes",
        text("at").unwrap_or_else(|| "-".to_owned()),
        text("topic").unwrap_or_default(),
        number("offset"),
        text("type").unwrap_or_else(|| "too large to show".to_owned()),
        number("bytes"),
    );
    if let Some(user) = text("userId") {
        shown += &format!(" by {user}");
    }
    if let Some(message) = entry.get("message") {
        shown += &format!(" {}", printable(&message.to_string()));
    }
    shown + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_entries_and_drops_without_control_characters() {
        let line = r#"{"at":"2026-11-30T12:00:00.000Z","topic":"clan:c","offset":3,"type":"chat","bytes":9,"userId":"a\u001b"}"#;
        assert_eq!(shown(line), "2026-11-30T12:00:00.000Z clan:c #3 chat 9 bytes by a\\u{1b}\n");
        assert!(shown(r#"{"dropped":7}"#).contains("7 entries were dropped"));
    }
}
