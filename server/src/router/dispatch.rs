//! Which service answers which command.

use std::{sync::Arc, time::Instant};

use realtime_gateway_protocol::{ClientMessage, RequestId};

use crate::{
    command_error::CommandError,
    node::Node,
    services::{ClanChat, Notifications, Presences, Subscribing, Topics, TypingUsers},
    session::Session,
    topic::Topic,
};

/// Has a command answered. An error is the reply that is still to be sent.
pub(super) async fn dispatch(
    node: &Arc<Node>,
    session: &Arc<Session>,
    request_id: Option<RequestId>,
    message: ClientMessage,
) -> Result<(), CommandError> {
    let (type_name, started) = (message.type_name(), Instant::now());
    let answered = answer(node, session, request_id, message).await;
    node.metrics.command_took(type_name, started.elapsed());
    answered
}

async fn answer(
    node: &Arc<Node>,
    session: &Arc<Session>,
    request_id: Option<RequestId>,
    message: ClientMessage,
) -> Result<(), CommandError> {
    match message {
        ClientMessage::SubscribeNotifications(_) => {
            let topic = Topic::User(session.user.clone());
            node.subscribe(session, request_id, topic, Subscribing::default()).await?;
        }
        ClientMessage::UnsubscribeNotifications(_) => {
            node.unsubscribe_and_confirm(session, request_id, &Topic::User(session.user.clone()));
        }
        ClientMessage::SubscribeClanChat(asked) => ClanChat::subscribe(node, session, request_id, asked).await?,
        ClientMessage::UnsubscribeClanChat(asked) => {
            node.unsubscribe_and_confirm(session, request_id, &Topic::Clan(asked.clan_id));
        }
        ClientMessage::SendChat(chat) => {
            let sent = ClanChat::say(node, session, &chat).await?;
            session.reply(request_id, sent);
        }
        ClientMessage::SendTyping(typing) => TypingUsers::typing(node, session, typing).await?,
        ClientMessage::NotificationAck(ack) => {
            let confirmed = Notifications::acknowledge(node, session, ack).await?;
            session.reply(request_id, confirmed);
        }
        ClientMessage::GetChatHistory(get) => {
            let history = ClanChat::read(node, session, &get).await?;
            session.reply(request_id, history);
        }
        ClientMessage::GetPresence(get) => {
            let presence = Presences::read(node, session, &get).await?;
            session.reply(request_id, presence);
        }
        ClientMessage::Subscribe(asked) => Topics::subscribe(node, session, request_id, asked).await?,
        ClientMessage::Unsubscribe(asked) => Topics::unsubscribe(node, session, request_id, asked)?,
        ClientMessage::Publish(asked) => {
            let sent = Topics::publish(node, session, asked).await?;
            session.reply(request_id, sent);
        }
        ClientMessage::Authenticate(_) | ClientMessage::Ping(_) => {
            // The router answers these itself, with or without an identity.
            return Err(CommandError::internal("the router passed on a command of its own"));
        }
    }
    Ok(())
}
