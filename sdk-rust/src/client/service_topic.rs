//! A topic of a declared service: subscribe, publish, read the history and the presence.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use realtime_gateway_protocol as protocol;
use realtime_gateway_protocol::{
    ClientMessageId, GetTopicHistory, GetTopicPresence, HistoryLimit, RawJson, ServerMessage, ServiceName, TopicName,
    TopicPresence,
};
use serde::Serialize;

use super::{
    Client, History, Receipt, TopicStream,
    clan_chat::{checked, unexpected},
};
use crate::{
    Error, Position, Topic,
    driver::Call,
    machine::{Overflow, SubscribeOptions},
};

/// A topic of a declared service.
#[derive(Debug, Clone)]
pub struct ServiceTopic {
    client: Client,
    service: ServiceName,
    topic: TopicName,
}

impl ServiceTopic {
    pub(super) fn new(client: Client, service: ServiceName, topic: TopicName) -> Self {
        Self { client, service, topic }
    }

    /// Subscribes. Await it, after choosing where to begin. Several streams of one topic share one subscription.
    ///
    /// A dropped future leaves nothing behind.
    pub fn subscribe(&self) -> SubscribeTopic {
        SubscribeTopic { topic: self.clone(), options: SubscribeOptions::default(), presence_data: Ok(()) }
    }

    /// Publishes a value that serialises to JSON when it is awaited. Publications to one topic are sent in the order in
    /// which they were first awaited.
    ///
    /// It is repeated after a lost connection, as in [`ClanChat::send`](super::ClanChat::send). In a topic without history,
    /// the repeat may arrive as a copy with the same client message id. Dropping the future does not cancel the publication.
    pub fn publish(&self, data: &impl Serialize) -> Publish {
        let data = RawJson::encode(data).map_err(Error::invalid);
        Publish { topic: self.clone(), data, client_message_id: None, timeout: None }
    }

    /// Reads a page of the history when it is awaited, by default the latest page. The topic must have a history.
    pub fn history(&self) -> History<GetTopicHistory> {
        let (service, topic) = (self.service.clone(), self.topic.clone());
        let get = GetTopicHistory { service, topic, before: None, after: None, limit: HistoryLimit::default() };
        History::new(self.client.clone(), get)
    }

    /// Returns the users who are present now. The topic must have presence.
    ///
    /// # Errors
    /// The gateway's refusal, or that no answer came in time.
    pub async fn presence(&self) -> Result<TopicPresence, Error> {
        let get = GetTopicPresence { service: self.service.clone(), topic: self.topic.clone() };
        match self.client.perform(Call::Query(get.into()), None).await? {
            ServerMessage::TopicPresence(presence) => Ok(presence),
            other => Err(unexpected(&other)),
        }
    }
}

/// The options of a subscription: see [`ServiceTopic::subscribe`].
#[must_use = "nothing is subscribed until this is awaited"]
pub struct SubscribeTopic {
    topic: ServiceTopic,
    options: SubscribeOptions,
    presence_data: Result<(), Error>,
}

impl SubscribeTopic {
    /// Begin with this many past entries, 0 to 100. A topic without history ignores it.
    pub fn history(mut self, entries: u32) -> Self {
        self.options.history = Some(entries);
        self
    }

    /// Continue after the position of an earlier stream. A topic without history ignores it.
    pub fn from(mut self, position: Position) -> Self {
        self.options.from = Some(position);
        self
    }

    /// Include presence events. The topic must have presence.
    pub fn presence(mut self) -> Self {
        self.options.presence = true;
        self
    }

    /// What others see of the user in this topic: anything that serialises to JSON of at most 1 KiB. It replaces that of
    /// earlier subscriptions of the user, and stays until the user has left. The topic must have presence with data.
    pub fn presence_data(mut self, data: &impl Serialize) -> Self {
        match RawJson::encode(data) {
            Ok(data) => self.options.presence_data = Some(data.as_str().into()),
            Err(error) => self.presence_data = Err(Error::invalid(error)),
        }
        self
    }
}

impl IntoFuture for SubscribeTopic {
    type Output = Result<TopicStream, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.presence_data?;
            let ServiceTopic { client, service, topic } = self.topic;
            let mailbox = client.mailbox(Overflow::Gap);
            let mut stream = TopicStream::new(client.clone(), mailbox.clone());
            let position = client.subscribe(Topic::Service(service, topic), self.options, &mailbox).await?;
            stream.begin_at(position);
            Ok(stream)
        })
    }
}

/// The gateway's confirmation of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// The event is stored, and will reach every subscriber.
    Stored(Receipt),
    /// The topic has no history: the event was sent to the current subscribers, and may not reach all of them. Holds the
    /// client message id.
    Sent(Option<ClientMessageId>),
}

/// The options of a publication: see [`ServiceTopic::publish`].
#[must_use = "nothing is published until this is awaited"]
pub struct Publish {
    topic: ServiceTopic,
    data: Result<RawJson, Error>,
    client_message_id: Option<String>,
    timeout: Option<Duration>,
}

impl Publish {
    /// Sets the client message id, which makes repeats safe, for an app that sends again after a restart. By default the SDK
    /// generates it.
    pub fn client_message_id(mut self, id: impl Into<String>) -> Self {
        self.client_message_id = Some(id.into());
        self
    }

    /// How long it may wait for a connection and an answer, in place of the client's timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl IntoFuture for Publish {
    type Output = Result<Published, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let ServiceTopic { client, service, topic } = self.topic;
            let id = self.client_message_id.map(ClientMessageId::new).transpose().map_err(Error::invalid)?;
            let message = checked(protocol::Publish { service, topic, data: self.data?, client_message_id: id })?;
            match client.perform(Call::Send(message.into()), self.timeout).await? {
                ServerMessage::MessageSent(sent) => Ok(Published::Stored(sent.into())),
                ServerMessage::PublishAccepted(accepted) => Ok(Published::Sent(accepted.client_message_id)),
                other => Err(unexpected(&other)),
            }
        })
    }
}
