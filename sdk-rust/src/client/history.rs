//! Pages of the history of a clan or of a topic.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use realtime_gateway_protocol::{
    ChatHistory, ClientMessage, GetChatHistory, GetTopicHistory, HistoryLimit, ServerMessage, TopicHistory,
};

use super::{Client, clan_chat::unexpected};
use crate::{Error, driver::Call};

/// The options of a history page: see [`ClanChat::history`](super::ClanChat::history) and
/// [`ServiceTopic::history`](super::ServiceTopic::history).
#[must_use = "nothing is sent until this is awaited"]
pub struct History<C> {
    client: Client,
    command: Result<C, Error>,
}

/// A command that requests a page of history: of a clan or of a topic.
pub trait HistoryCommand: sealed::HistoryFields + Into<ClientMessage> + Send + 'static {}

impl HistoryCommand for GetChatHistory {}
impl HistoryCommand for GetTopicHistory {}

/// Keeps apps from implementing [`HistoryCommand`], so that it can change.
mod sealed {
    use super::{ChatHistory, GetChatHistory, GetTopicHistory, HistoryLimit, ServerMessage, TopicHistory};

    pub trait HistoryFields {
        /// The page that the gateway returns.
        type Page;

        fn set_bounds(&mut self, before: Option<u64>, after: Option<u64>);
        fn set_limit(&mut self, limit: HistoryLimit);
        fn page(reply: ServerMessage) -> Result<Self::Page, Box<ServerMessage>>;
    }

    macro_rules! history_fields {
        ($command:ident, $page:ident) => {
            impl HistoryFields for $command {
                type Page = $page;

                fn set_bounds(&mut self, before: Option<u64>, after: Option<u64>) {
                    (self.before, self.after) = (before, after);
                }

                fn set_limit(&mut self, limit: HistoryLimit) {
                    self.limit = limit;
                }

                fn page(reply: ServerMessage) -> Result<$page, Box<ServerMessage>> {
                    match reply {
                        ServerMessage::$page(page) => Ok(page),
                        other => Err(Box::new(other)),
                    }
                }
            }
        };
    }

    history_fields!(GetChatHistory, ChatHistory);
    history_fields!(GetTopicHistory, TopicHistory);
}

impl<C: HistoryCommand> History<C> {
    pub(super) fn new(client: Client, command: C) -> Self {
        Self { client, command: Ok(command) }
    }

    /// The page that begins after this offset, such as `gap.before`.
    pub fn after(mut self, offset: u64) -> Self {
        if let Ok(command) = &mut self.command {
            command.set_bounds(None, Some(offset));
        }
        self
    }

    /// The page that ends before this offset.
    pub fn before(mut self, offset: u64) -> Self {
        if let Ok(command) = &mut self.command {
            command.set_bounds(Some(offset), None);
        }
        self
    }

    /// The maximum number of entries, 1 to 100; 50 by default.
    pub fn limit(mut self, entries: u32) -> Self {
        match (&mut self.command, HistoryLimit::new(entries)) {
            (Ok(command), Some(limit)) => command.set_limit(limit),
            (command, None) => *command = Err(Error::invalid("limit is 1 to 100")),
            (Err(_), Some(_)) => {}
        }
        self
    }
}

impl<C: HistoryCommand> IntoFuture for History<C> {
    type Output = Result<C::Page, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let reply = self.client.perform(Call::Query(self.command?.into().into()), None).await?;
            C::page(reply).map_err(|other| unexpected(&other))
        })
    }
}
