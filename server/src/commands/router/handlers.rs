//! The handler of each command, in the order of the message table (`protocol/src/message/client.rs`).

use realtime_gateway_protocol::{
    Authenticate, Call, CommandHandler, GetChatHistory, GetPresence, GetTopicHistory, GetTopicPresence,
    NotificationAck, Ping, Pong, Publish, RequestId, SendChat, SendTyping, ServerMessage, Subscribe, SubscribeClanChat,
    SubscribeNotifications, Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};

use super::Router;
use crate::{
    auth::Action, command_error::CommandError, commands::service::NewSubscription, delivery::presence::Joining,
    session::SubscribeFrom, topic::Topic,
};

/// The context in which one command is handled.
pub(super) struct CommandContext<'a> {
    pub(super) router: &'a mut Router,
    pub(super) request_id: Option<RequestId>,
}

impl CommandContext<'_> {
    fn reply(self, message: impl Into<ServerMessage>) -> Result<(), CommandError> {
        self.router.send(self.request_id, message);
        Ok(())
    }

    fn confirm(self, sent: impl Into<ServerMessage>) -> Result<(), CommandError> {
        self.router.confirm(self.request_id, sent);
        Ok(())
    }

    async fn subscribe_to(self, topic: Topic, from: SubscribeFrom, joining: Joining) -> Result<(), CommandError> {
        let session = self.router.session()?;
        let features = &self.router.parts.features;
        let subscription = features.subscriptions.subscribe(&session, self.request_id, topic, from).await?;
        features.services.subscribed(&NewSubscription { subscription, joining }).await;
        Ok(())
    }

    fn unsubscribe_from(self, topic: &Topic) -> Result<(), CommandError> {
        let session = self.router.session()?;
        self.router.parts.features.subscriptions.unsubscribe_and_confirm(&session, self.request_id, topic)
    }
}

impl CommandHandler for CommandContext<'_> {
    type Answer = Result<(), CommandError>;

    async fn authenticate(self, authenticate: Authenticate) -> Self::Answer {
        self.router.authenticate(self.request_id, authenticate).await
    }

    async fn subscribe_notifications(self, _: SubscribeNotifications) -> Self::Answer {
        let topic = Topic::User(self.router.session()?.user().clone());
        self.subscribe_to(topic, SubscribeFrom::default(), Joining::default()).await
    }

    async fn unsubscribe_notifications(self, _: UnsubscribeNotifications) -> Self::Answer {
        let topic = Topic::User(self.router.session()?.user().clone());
        self.unsubscribe_from(&topic)
    }

    async fn subscribe_clan_chat(self, subscribe: SubscribeClanChat) -> Self::Answer {
        let from =
            SubscribeFrom { recover: subscribe.recover, history: subscribe.history.unwrap_or(0), server_side: false };
        let joining = Joining { watches: subscribe.presence.unwrap_or(false), data: None };
        self.subscribe_to(Topic::Clan(subscribe.clan_id), from, joining).await
    }

    async fn unsubscribe_clan_chat(self, unsubscribe: UnsubscribeClanChat) -> Self::Answer {
        self.unsubscribe_from(&Topic::Clan(unsubscribe.clan_id))
    }

    async fn send_chat(self, chat: SendChat) -> Self::Answer {
        let session = self.router.session()?;
        let sent = self.router.parts.features.clan_chat.send(&session, &chat).await?;
        self.confirm(sent)
    }

    async fn send_typing(self, typing: SendTyping) -> Self::Answer {
        let session = self.router.session()?;
        self.router.parts.features.typing.send(&session, typing).await
    }

    async fn acknowledge_notifications(self, ack: NotificationAck) -> Self::Answer {
        let session = self.router.session()?;
        let confirmed = self.router.parts.features.notifications.acknowledge(&session, ack).await?;
        self.reply(confirmed)
    }

    async fn get_chat_history(self, get: GetChatHistory) -> Self::Answer {
        let session = self.router.session()?;
        let history = self.router.parts.features.clan_chat.read(&session, &get).await?;
        self.reply(history)
    }

    async fn get_presence(self, get: GetPresence) -> Self::Answer {
        let session = self.router.session()?;
        let features = &self.router.parts.features;
        let topic = Topic::Clan(get.clan_id.clone());
        features.permissions.check(session.requester(&session.identity()), Action::Read, &topic).await?;
        let roster = features.presence.clan_roster(&get.clan_id).await?;
        self.reply(roster)
    }

    async fn subscribe(self, subscribe: Subscribe) -> Self::Answer {
        // Check the session first: a client without one must not find out which services exist.
        self.router.session()?;
        let joining = self.router.parts.features.services.joining(&subscribe)?;
        let from = SubscribeFrom {
            recover: subscribe.recover,
            history: subscribe.history.unwrap_or(0),
            server_side: subscribe.server_side.unwrap_or(false),
        };
        self.subscribe_to(Topic::Service(subscribe.service, subscribe.topic), from, joining).await
    }

    async fn unsubscribe(self, unsubscribe: Unsubscribe) -> Self::Answer {
        self.router.session()?;
        let topic = self.router.parts.features.services.topic(unsubscribe.service, unsubscribe.topic)?;
        self.unsubscribe_from(&topic)
    }

    async fn publish(self, publish: Publish) -> Self::Answer {
        let session = self.router.session()?;
        let publications = &self.router.parts.features.publications;
        match publications.publish(session, self.request_id.clone(), publish).await? {
            Some(sent) => self.confirm(sent),
            None => Ok(()),
        }
    }

    async fn get_topic_history(self, get: GetTopicHistory) -> Self::Answer {
        let session = self.router.session()?;
        let history = self.router.parts.features.services.read(&session, get).await?;
        self.reply(history)
    }

    async fn get_topic_presence(self, get: GetTopicPresence) -> Self::Answer {
        let session = self.router.session()?;
        let presence = self.router.parts.features.services.read_presence(&session, &get).await?;
        self.reply(presence)
    }

    async fn call(self, call: Call) -> Self::Answer {
        let session = self.router.session()?;
        self.router.parts.features.calls.start(session, self.request_id, call).await
    }

    async fn ping(self, _: Ping) -> Self::Answer {
        let timestamp = self.router.parts.clock.now();
        self.reply(Pong { timestamp })
    }
}
