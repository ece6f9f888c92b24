//! `gateway tail`: prints what goes through all nodes, live and from the log.

use std::{future::pending, io, os::fd::AsFd as _, pin::pin, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Args;
use realtime_gateway_protocol::{ServiceName, TopicName, UserId};
use serde_json::Value;
use tokio::io::{Interest, unix::AsyncFd};

use super::{print, printable, remote::Remote};

/// The longest line that is printed, in bytes. The gateway sends shorter ones.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// Prints what goes through a gateway, without content: messages, events, notifications, sessions, calls, typing, presence.
///
/// Any node shows what goes through all of them. It needs a key of the scope `admin`. A reader that is too slow misses
/// some, which is printed as a number.
#[derive(Debug, Args)]
pub(super) struct Tail {
    /// Shows only what concerns this user: notifications, sessions, calls, presence, and what the user has published.
    #[arg(long, value_name = "ID")]
    user: Option<UserId>,
    /// Shows only this service: `notifications`, `clan_chat` or a declared service.
    #[arg(long, value_name = "S")]
    service: Option<ServiceName>,
    /// Shows only this topic of the service. For `clan_chat` it is the clan.
    #[arg(long, value_name = "T", requires = "service")]
    topic: Option<TopicName>,
    /// Begins with the entries of the logs since this long ago, such as `10m`: the newest 10,000 at most. Sessions, calls,
    /// escalations, typing and presence are not stored.
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
        let (mut buffer, mut output_closed) = (Vec::new(), pin!(output_closed()));
        loop {
            let chunk = tokio::select! {
                chunk = response.chunk() => chunk.context("the gateway has ended the connection")?,
                () = &mut output_closed => return Ok(ExitCode::SUCCESS),
            };
            let Some(chunk) = chunk else { break };
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

/// Waits until no program reads standard output any more, as after `| head -1`. A write would report this too, but the next
/// line may not come for hours. Waits indefinitely if standard output is a file.
async fn output_closed() {
    let closed = async {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        #[expect(deprecated, reason = "the other function is unsafe; this descriptor is owned, as it demands")]
        let output = AsyncFd::with_interest(output, Interest::ERROR)?;
        while !output.ready(Interest::ERROR).await?.ready().is_error() {}
        io::Result::Ok(())
    };
    if closed.await.is_err() {
        pending().await
    }
}

/// Returns a line for people.
fn shown(line: &str) -> String {
    let Ok(entry) = serde_json::from_str::<Value>(line) else { return format!("{}\n", printable(line.trim())) };
    let text = |name: &str| entry.get(name).and_then(Value::as_str).map(printable);
    if let Some(dropped) = entry.get("dropped") {
        return format!("... {dropped} lines were dropped, because they were not read in time\n");
    }
    if entry.get("cut").is_some() {
        return "... older entries are not shown; name a service, a topic or a shorter time\n".to_owned();
    }
    let number = |name: &str| entry.get(name).map_or_else(|| "?".to_owned(), Value::to_string);
    let at = text("at").unwrap_or_else(|| "-".to_owned());
    let type_name = text("type").unwrap_or_else(|| "too large to show".to_owned());
    let by = text("userId").map(|user| format!(" by {user}")).unwrap_or_default();
    let on = || format!("session {} on {}", text("sessionId").unwrap_or_default(), text("node").unwrap_or_default());
    let mut shown = match (text("topic"), &*type_name) {
        (Some(topic), _) => {
            let offset = entry.get("offset").map(|offset| format!(" #{offset}")).unwrap_or_default();
            let status = text("status").map(|status| format!(" {status}")).unwrap_or_default();
            format!("{at} {topic}{offset} {type_name}{status} {} bytes{by}", number("bytes"))
        }
        (None, "call") => {
            let part = |name: &str| text(name).unwrap_or_default();
            let (service, method, outcome) = (part("service"), part("method"), part("outcome"));
            format!("{at} call {service}.{method} {outcome} {} ms{by}, {}", number("durationMs"), on())
        }
        (None, "session_ended") => {
            let reason = text("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{at} session_ended {} after {} ms{by}, {}{reason}", number("code"), number("durationMs"), on())
        }
        (None, "notification_escalated") => {
            let part = |name: &str| text(name).unwrap_or_default();
            let (user, id, node) = (part("userId"), part("notificationId"), part("node"));
            format!("{at} notification_escalated {id} of {user}, on {node}")
        }
        (None, _) => {
            let device = text("deviceId").map(|device| format!(", device {device}")).unwrap_or_default();
            format!("{at} {type_name}{by}, {}{device}", on())
        }
    };
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
        for (line, expected) in [
            (
                r#"{"at":"T","node":"n","userId":"a","sessionId":"s","type":"session_opened","deviceId":"d"}"#,
                "T session_opened by a, session s on n, device d\n",
            ),
            (
                r#"{"at":"T","node":"n","userId":"a","sessionId":"s","type":"session_ended","code":4409,"reason":"replaced","durationMs":5}"#,
                "T session_ended 4409 after 5 ms by a, session s on n: replaced\n",
            ),
            (
                r#"{"at":"T","node":"n","userId":"a","sessionId":"s","type":"call","service":"orders","method":"cancel","outcome":"forbidden","durationMs":0}"#,
                "T call orders.cancel forbidden 0 ms by a, session s on n\n",
            ),
            (
                r#"{"at":"T","topic":"clan:c","type":"typing","bytes":9,"userId":"a","status":"started"}"#,
                "T clan:c typing started 9 bytes by a\n",
            ),
        ] {
            assert_eq!(shown(line), expected);
        }
        assert!(shown(r#"{"cut":true}"#).contains("older entries"));
        assert!(shown(r#"{"dropped":7}"#).contains("7 lines were dropped"));
    }
}
