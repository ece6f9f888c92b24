//! `gateway services`: lists the built-in services, and the declared ones of the configuration.

use std::{fmt::Write, process::ExitCode};

use anyhow::anyhow;
use clap::Args;
use gateway_contracts::{CallPolicy, Contract, DeclaredTopic, TopicHistory, TopicPresence};

use crate::{
    commands::{built_in::BuiltInService, declared::read_declarations},
    config::{Flags, Loaded},
};

/// Lists the built-in services, and the declared ones of the configuration, with their topics. Reads contracts as `serve`
/// does.
#[derive(Debug, Args)]
pub(super) struct Services {
    #[command(flatten)]
    source: super::Source,
    /// Reads the configuration like `serve --dev`.
    #[arg(long)]
    dev: bool,
}

impl Services {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let config = Loaded::read(&Flags { dev: self.dev, ..self.source.flags() })?.config;
        let declarations = read_declarations(&config).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow!(lines.join("\n"))
        })?;
        let mut text: String = BuiltInService::all().iter().map(built_in).collect();
        text.extend(declarations.iter().map(|declared| listed(&declared.contract)));
        if declarations.is_empty() {
            text.push_str("no declared services: a section [services.NAME] declares one\n");
        }
        super::print(&text)
    }
}

fn built_in(service: &BuiltInService) -> String {
    let presence = if service.has_presence { "  presence" } else { "" };
    format!(
        "{}: {} (built in)\n  {}  events {}  subscribe {}{presence}  commands {}\n",
        service.name,
        service.title,
        service.topic,
        service.events.join(", "),
        service.subscribe,
        service.commands.join(", "),
    )
}

fn listed(contract: &Contract) -> String {
    let title = contract.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
    let mut text = format!("{}{title} ({})\n", contract.name, contract.file.display());
    for (name, topic) in &contract.topics {
        let _ = writeln!(text, "  {name}  {}", in_words(topic));
    }
    for (name, call) in &contract.calls {
        let allow = match call.allow {
            CallPolicy::Grants => "grants",
            CallPolicy::User => "user",
        };
        let _ = writeln!(text, "  {name}  call with {}, returns {} ({allow})", call.request, call.response);
    }
    text
}

fn in_words(topic: &DeclaredTopic) -> String {
    let publish = match &topic.publish {
        Some(publish) => format!("publish {} ({})", publish.data, publish.allow.word()),
        None => "no publish".to_owned(),
    };
    let history = match topic.history {
        TopicHistory::Off => "off".to_owned(),
        TopicHistory::Kept { max_entries, max_age } => {
            let entries = max_entries.map_or_else(|| "history.max_entries".to_owned(), |entries| entries.to_string());
            let age =
                max_age.map_or_else(|| "history.max_age".to_owned(), |age| humantime::format_duration(age).to_string());
            format!("{entries}, {age}")
        }
    };
    let presence = match &topic.presence {
        TopicPresence::Off => String::new(),
        TopicPresence::On => "  presence".to_owned(),
        TopicPresence::WithData(data) => format!("  presence with {data}"),
    };
    format!(
        "{}  event {}  subscribe {}  {publish}  history {history}{presence}",
        topic.pattern,
        topic.event,
        topic.subscribe.word()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn lists_every_rule_of_a_topic() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/orders/orders.service.toml");
        let text = listed(&Contract::read(&file).unwrap());
        let line = "order  order-{orderId}  event OrderEvent  subscribe user  publish OrderComment (user)  \
                    history 200, 2days  presence with Viewer\n";
        assert!(text.contains(line), "{text}");
    }
}
