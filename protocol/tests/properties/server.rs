//! Arbitrary server messages, also such as no version knows yet.

use proptest::{
    collection::vec,
    option::of,
    prelude::{BoxedStrategy, Strategy, any},
    prop_oneof, sample,
    strategy::Union,
};
use realtime_gateway_protocol::{
    AckConfirmed, Authenticated, CallResult, Chat, ChatDeleted, ChatHistory, Connected, Envelope, EphemeralEvent,
    ErrorCode, ErrorReply, Event, Limits, MessageSent, MessageType, Notification, NotificationAcked, Pong, Presence,
    PresenceChange, PresenceChanged, PresenceChanges, PresenceStatus, PresentUser, PublishAccepted, RawJson,
    ReconnectHint, ReconnectReason, RequestId, ResetReason, ServerMessage, SubscriptionConfirmed, SubscriptionEnded,
    SubscriptionOrigin, SubscriptionReset, SubscriptionStatus, TopicHistory, TopicPresence, TopicPresenceChange,
    TopicPresenceChanged, TopicPresenceChanges, TopicPresenceStatus, TopicUser, Typing, Unknown,
};

use crate::part::{
    chat_data, content, envelope, id, json, object, offset, optional_json, position, service, text, time,
};

/// Any server message.
pub(crate) fn message() -> impl Strategy<Value = Envelope<ServerMessage>> {
    prop_oneof![20 => envelope(known()), 1 => unknown()]
}

fn known() -> impl Strategy<Value = ServerMessage> {
    Union::new([
        connected(),
        (id(), time()).prop_map(|(user_id, expires_at)| Authenticated { user_id, expires_at }.into()).boxed(),
        confirmed(),
        (service(), of(id()), of(id()), word::<ErrorCode>(ErrorCode::KNOWN), text())
            .prop_map(|(service, clan_id, topic, code, message)| {
                SubscriptionEnded { service, clan_id, topic, code, message }.into()
            })
            .boxed(),
        (service(), of(id()), of(id()), text(), position(), word::<ResetReason>(ResetReason::KNOWN))
            .prop_map(|(service, clan_id, topic, epoch, offset, reason)| {
                SubscriptionReset { service, clan_id, topic, epoch, offset, reason }.into()
            })
            .boxed(),
        (id(), text(), text(), optional_json(), time(), offset(), of(any::<bool>()))
            .prop_map(|(id, title, message, data, created_at, offset, redelivered)| {
                Notification { id, title, message, data, created_at, offset, redelivered }.into()
            })
            .boxed(),
        vec(id(), 0..4).prop_map(|notification_ids| NotificationAcked { notification_ids }.into()).boxed(),
        chat().prop_map(ServerMessage::Chat).boxed(),
        (id(), id(), offset())
            .prop_map(|(clan_id, message_id, offset)| ChatDeleted { clan_id, message_id, offset }.into())
            .boxed(),
        (id(), id(), any::<bool>())
            .prop_map(|(user_id, clan_id, is_typing)| Typing { user_id, clan_id, is_typing }.into())
            .boxed(),
        sent(),
        vec(id(), 0..4).prop_map(|notification_ids| AckConfirmed { notification_ids }.into()).boxed(),
        (id(), text(), vec(chat(), 0..3), any::<bool>(), of(any::<bool>()))
            .prop_map(|(clan_id, epoch, messages, has_more, trimmed)| {
                ChatHistory { clan_id, epoch, messages, has_more, trimmed }.into()
            })
            .boxed(),
        presence(),
        (id(), id(), word::<PresenceStatus>(PresenceStatus::KNOWN), of(any::<u64>()))
            .prop_map(|(clan_id, user_id, status, count)| PresenceChanged { clan_id, user_id, status, count }.into())
            .boxed(),
        presence_changes(),
        event().prop_map(Into::into).boxed(),
        event().prop_map(|event| ephemeral(event).into()).boxed(),
        (service(), id(), of(id()))
            .prop_map(|(service, topic, client_message_id)| {
                PublishAccepted { service, topic, client_message_id }.into()
            })
            .boxed(),
        (service(), id(), text(), vec(event(), 0..3), any::<bool>(), of(any::<bool>()))
            .prop_map(|(service, topic, epoch, events, has_more, trimmed)| {
                TopicHistory { service, topic, epoch, events, has_more, trimmed }.into()
            })
            .boxed(),
        topic_presence(),
        (service(), id(), json(), of(id()))
            .prop_map(|(service, method, data, call_id)| CallResult { service, method, data, call_id }.into())
            .boxed(),
        (service(), id(), topic_presence_change(), of(any::<u64>()))
            .prop_map(|(service, topic, TopicPresenceChange { user_id, status, data }, count)| {
                TopicPresenceChanged { service, topic, user_id, status, data, count }.into()
            })
            .boxed(),
        topic_presence_changes(),
        (word::<ReconnectReason>(ReconnectReason::KNOWN), any::<u64>())
            .prop_map(|(reason, after_ms)| ReconnectHint { reason, after_ms }.into())
            .boxed(),
        error(),
        time().prop_map(|timestamp| Pong { timestamp }.into()).boxed(),
    ])
}

fn presence_changes() -> BoxedStrategy<ServerMessage> {
    let change = (id(), word::<PresenceStatus>(PresenceStatus::KNOWN))
        .prop_map(|(user_id, status)| PresenceChange { user_id, status });
    (id(), vec(change, 0..4), any::<u64>())
        .prop_map(|(clan_id, changes, count)| PresenceChanges { clan_id, changes, count }.into())
        .boxed()
}

fn topic_presence_change() -> impl Strategy<Value = TopicPresenceChange> {
    (id(), word::<TopicPresenceStatus>(TopicPresenceStatus::KNOWN), optional_json())
        .prop_map(|(user_id, status, data)| TopicPresenceChange { user_id, status, data })
}

fn topic_presence_changes() -> BoxedStrategy<ServerMessage> {
    (service(), id(), vec(topic_presence_change(), 0..4), any::<u64>())
        .prop_map(|(service, topic, changes, count)| TopicPresenceChanges { service, topic, changes, count }.into())
        .boxed()
}

/// A word that is known, or any other.
fn word<T: Clone + std::fmt::Debug + for<'a> From<&'a str>>(known: &'static [T]) -> impl Strategy<Value = T> {
    prop_oneof![sample::select(known), text().prop_map(|text| T::from(text.as_str()))]
}

fn connected() -> BoxedStrategy<ServerMessage> {
    let limits = any::<(u32, u32, u32)>().prop_map(|(messages_per_second, burst, subscriptions)| Limits {
        messages_per_second,
        burst,
        subscriptions,
    });
    let names = (vec(text(), 0..3), vec(service(), 0..3));
    (id(), text(), id(), any::<(u32, u64, u64)>(), names, time(), limits, time())
        .prop_map(|(user_id, message, session_id, numbers, (features, services), expires_at, limits, server_time)| {
            let (protocol_version, heartbeat_interval_ms, max_message_bytes) = numbers;
            Connected {
                user_id,
                message,
                session_id,
                protocol_version,
                features,
                services,
                expires_at,
                heartbeat_interval_ms,
                max_message_bytes,
                limits,
                server_time,
            }
            .into()
        })
        .boxed()
}

fn confirmed() -> BoxedStrategy<ServerMessage> {
    let status = word::<SubscriptionStatus>(SubscriptionStatus::KNOWN);
    let position = (of(position()), of(text()), of(any::<bool>()), of(any::<u64>()));
    let position = (position, of(word::<SubscriptionOrigin>(SubscriptionOrigin::KNOWN)));
    (service(), status, of(id()), of(id()), position)
        .prop_map(|(service, status, clan_id, topic, ((offset, epoch, recovered, pending), origin))| {
            SubscriptionConfirmed { service, status, clan_id, topic, offset, epoch, recovered, pending, origin }.into()
        })
        .boxed()
}

fn chat() -> impl Strategy<Value = Chat> {
    let ids = (id(), id(), id(), of(id()));
    (ids, content(), word::<MessageType>(MessageType::KNOWN), of(chat_data()), time(), offset()).prop_map(
        |((user_id, clan_id, message_id, client_message_id), content, message_type, data, sent_at, offset)| Chat {
            user_id,
            content,
            clan_id,
            message_id,
            message_type,
            data,
            sent_at,
            offset,
            client_message_id,
        },
    )
}

fn sent() -> BoxedStrategy<ServerMessage> {
    (id(), of(id()), of(service()), of(id()), offset(), of(id()), of(any::<bool>()))
        .prop_map(|(message_id, clan_id, service, topic, offset, client_message_id, duplicate)| {
            MessageSent { message_id, clan_id, service, topic, offset, client_message_id, duplicate }.into()
        })
        .boxed()
}

fn presence() -> BoxedStrategy<ServerMessage> {
    let user = (id(), any::<u32>()).prop_map(|(user_id, sessions)| PresentUser { user_id, sessions });
    (id(), vec(user, 0..3), any::<u64>())
        .prop_map(|(clan_id, users, count)| Presence { clan_id, users, count }.into())
        .boxed()
}

fn event() -> impl Strategy<Value = Event> {
    (service(), id(), json(), offset(), time(), of(id()), of(id())).prop_map(
        |(service, topic, data, offset, published_at, user_id, client_message_id)| Event {
            service,
            topic,
            data,
            offset,
            published_at,
            user_id,
            client_message_id,
        },
    )
}

fn ephemeral(event: Event) -> EphemeralEvent {
    let Event { service, topic, data, published_at, user_id, client_message_id, .. } = event;
    EphemeralEvent { service, topic, data, published_at, user_id, client_message_id }
}

fn topic_presence() -> BoxedStrategy<ServerMessage> {
    let user = (id(), any::<u32>(), optional_json()).prop_map(|(user_id, sessions, data)| TopicUser {
        user_id,
        sessions,
        data,
    });
    (service(), id(), vec(user, 0..4), any::<u64>())
        .prop_map(|(service, topic, users, count)| TopicPresence { service, topic, users, count }.into())
        .boxed()
}

fn error() -> BoxedStrategy<ServerMessage> {
    let code = word::<ErrorCode>(ErrorCode::KNOWN);
    (text(), code, of(text()), of(id()), of(id()), of(service()), of(id()), of(any::<u64>()), optional_json())
        .prop_map(|(message, code, in_reply_to, clan_id, topic, service, method, retry_after_ms, details)| {
            ErrorReply { message, code, in_reply_to, clan_id, topic, service, method, retry_after_ms, details }.into()
        })
        .boxed()
}

/// A message of a later version.
fn unknown() -> impl Strategy<Value = Envelope<ServerMessage>> {
    (of(id::<RequestId>()), text(), object()).prop_filter_map("a known type", |(request_id, type_name, mut fields)| {
        let map = fields.as_object_mut()?;
        map.remove("requestId");
        map.insert("type".to_owned(), type_name.clone().into());
        if let Some(id) = &request_id {
            map.insert("requestId".to_owned(), id.as_str().into());
        }
        let message = ServerMessage::Unknown(Unknown { type_name, raw: RawJson::encode(&fields).ok()? });
        let is_new = !ServerMessage::TYPES.contains(&message.type_name());
        is_new.then_some(Envelope { request_id, message })
    })
}
