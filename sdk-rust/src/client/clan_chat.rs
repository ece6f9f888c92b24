//! The chat of one clan: subscribe, send messages and typing events, read the history and the presence.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::Duration,
};

use realtime_gateway_protocol as protocol;
use realtime_gateway_protocol::{
    ChatContent, ChatData, ClanId, ClientMessage, ClientMessageId, Envelope, GetChatHistory, GetPresence, HistoryLimit,
    MessageId, MessageSent, MessageType, Presence, RawJson, ServerMessage, decode_client, encode_client,
};
use serde::Serialize;

use super::{ChatStream, Client, History};
use crate::{
    Error, ErrorKind, Outcome, Position, Topic,
    driver::{Call, Op},
    machine::{Overflow, Publication, SubscribeOptions},
};

type Later<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// The chat of one clan.
#[derive(Debug, Clone)]
pub struct ClanChat {
    client: Client,
    clan_id: ClanId,
}

impl ClanChat {
    pub(super) fn new(client: Client, clan_id: ClanId) -> Self {
        Self { client, clan_id }
    }

    /// The clan.
    pub fn clan_id(&self) -> &ClanId {
        &self.clan_id
    }

    /// Subscribes. Await it, after choosing where to begin. Several streams of one clan share one subscription.
    ///
    /// A dropped future leaves nothing behind.
    pub fn subscribe(&self) -> SubscribeChat {
        SubscribeChat { chat: self.clone(), options: SubscribeOptions::default() }
    }

    /// Sends a message when it is awaited. Messages to one clan are sent in the order in which they were first awaited.
    ///
    /// After a lost connection the message is repeated with the same client message id until it is answered, so it
    /// appears only once. Dropping the future does not cancel the message.
    pub fn send(&self, content: impl Into<String>) -> SendChat {
        SendChat {
            chat: self.clone(),
            content: content.into(),
            message_type: None,
            data: None,
            client_message_id: None,
            timeout: None,
        }
    }

    /// Reports that the user types, or has stopped. Call it for every key stroke: it is sent at most every three seconds,
    /// and not at all without a connection.
    ///
    /// # Errors
    /// When the client has ended.
    pub async fn typing(&self, is_typing: bool) -> Result<(), Error> {
        self.client.op(Op::Typing(self.clan_id.clone(), is_typing)).await
    }

    /// Reads a page of the history when it is awaited, by default the latest page.
    pub fn history(&self) -> History<GetChatHistory> {
        let clan_id = self.clan_id.clone();
        let get = GetChatHistory { clan_id, before: None, after: None, limit: HistoryLimit::default() };
        History::new(self.client.clone(), get)
    }

    /// Returns the users who are present now.
    ///
    /// # Errors
    /// The gateway's refusal, or that no answer came in time.
    pub async fn presence(&self) -> Result<Presence, Error> {
        let get = GetPresence { clan_id: self.clan_id.clone() };
        match self.client.perform(Call::Query(get.into()), None).await? {
            ServerMessage::Presence(presence) => Ok(presence),
            other => Err(unexpected(&other)),
        }
    }
}

/// The options of a subscription: see [`ClanChat::subscribe`].
#[must_use = "nothing is subscribed until this is awaited"]
pub struct SubscribeChat {
    chat: ClanChat,
    options: SubscribeOptions,
}

impl SubscribeChat {
    /// Begin with this many past entries, 0 to 100.
    pub fn history(mut self, entries: u32) -> Self {
        self.options.history = Some(entries);
        self
    }

    /// Continue after the position of an earlier stream.
    pub fn from(mut self, position: Position) -> Self {
        self.options.from = Some(position);
        self
    }

    /// Include presence events.
    pub fn presence(mut self) -> Self {
        self.options.presence = true;
        self
    }
}

impl IntoFuture for SubscribeChat {
    type Output = Result<ChatStream, Error>;
    type IntoFuture = Later<ChatStream>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let SubscribeChat { chat, options } = self;
            let mailbox = chat.client.mailbox(Overflow::Gap);
            let mut stream = ChatStream::new(chat.client.clone(), mailbox.clone());
            let position = chat.client.subscribe(Topic::Clan(chat.clan_id), options, &mailbox).await?;
            stream.begin_at(position);
            Ok(stream)
        })
    }
}

/// The gateway's confirmation of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The id of the message.
    pub message_id: MessageId,
    /// The position of the message in the log of the topic.
    pub offset: u64,
    /// Whether the gateway had accepted an earlier copy. The message was stored only once.
    pub duplicate: bool,
    /// The client message id.
    pub client_message_id: Option<ClientMessageId>,
}

impl From<MessageSent> for Receipt {
    fn from(sent: MessageSent) -> Self {
        Self {
            message_id: sent.message_id,
            offset: sent.offset,
            duplicate: sent.duplicate.unwrap_or(false),
            client_message_id: sent.client_message_id,
        }
    }
}

impl Receipt {
    pub(super) async fn of(
        client: &Client,
        message: impl Into<Publication>,
        timeout: Option<Duration>,
    ) -> Result<Self, Error> {
        match client.perform(Call::Send(message.into()), timeout).await? {
            ServerMessage::MessageSent(sent) => Ok(sent.into()),
            other => Err(unexpected(&other)),
        }
    }
}

/// The options of a message: see [`ClanChat::send`].
#[must_use = "nothing is sent until this is awaited"]
pub struct SendChat {
    chat: ClanChat,
    content: String,
    message_type: Option<MessageType>,
    data: Option<Result<RawJson, Error>>,
    client_message_id: Option<String>,
    timeout: Option<Duration>,
}

impl SendChat {
    /// `TEXT` by default; `IMAGE` and `FILE` are described by [`SendChat::data`].
    pub fn message_type(mut self, message_type: MessageType) -> Self {
        self.message_type = Some(message_type);
        self
    }

    /// Replies, mentions, attachments: anything that serialises to an object of at most 8 KiB.
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = Some(RawJson::encode(data).map_err(Error::invalid));
        self
    }

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

    fn message(self) -> Result<protocol::SendChat, Error> {
        if let Some(MessageType::System | MessageType::Other(_)) = self.message_type {
            return Err(Error::invalid("a client sends TEXT, IMAGE or FILE"));
        }
        let data = self.data.transpose()?.map(ChatData::new).transpose().map_err(Error::invalid)?;
        let id = self.client_message_id.map(ClientMessageId::new).transpose().map_err(Error::invalid)?;
        let message = protocol::SendChat {
            clan_id: self.chat.clan_id,
            content: ChatContent::new(self.content).map_err(Error::invalid)?,
            message_type: self.message_type,
            data,
            client_message_id: id,
        };
        checked(message)
    }
}

impl IntoFuture for SendChat {
    type Output = Result<Receipt, Error>;
    type IntoFuture = Later<Receipt>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (client, timeout) = (self.chat.client.clone(), self.timeout);
            Receipt::of(&client, self.message()?, timeout).await
        })
    }
}

/// Checks a command as the gateway does. The types of its fields leave out what JSON of the app may contain: U+0000, and too
/// many levels.
pub(super) fn checked<M: Clone + Into<ClientMessage>>(message: M) -> Result<M, Error> {
    let text = encode_client(&Envelope::without_request_id(message.clone().into()));
    decode_client(&text).map(|_command| message).map_err(Error::invalid)
}

/// The error for a reply of an unexpected type.
pub(super) fn unexpected(message: &ServerMessage) -> Error {
    let problem = format!("the gateway answered with {}", message.type_name());
    Error::new(ErrorKind::Connection(problem), Outcome::Unknown)
}
