//! Arbitrary commands.

use proptest::{
    collection::vec,
    option::of,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof, sample,
    strategy::Union,
};
use realtime_gateway_protocol::{
    Authenticate, Call, ClientInfo, ClientMessage, Envelope, GetChatHistory, GetPresence, GetTopicHistory,
    GetTopicPresence, HistoryLimit, MessageType, NotificationAck, Ping, Publish, Recover, SendChat, SendTyping,
    Subscribe, SubscribeClanChat, SubscribeNotifications, Unsubscribe, UnsubscribeClanChat, UnsubscribeNotifications,
};

use crate::part::{chat_data, content, envelope, id, json, optional_json, position, service, text};

/// Any command.
pub(crate) fn command() -> impl Strategy<Value = Envelope<ClientMessage>> {
    envelope(Union::new([
        authenticate(),
        of(recover()).prop_map(|recover| SubscribeNotifications { recover }.into()).boxed(),
        Just(UnsubscribeNotifications {}.into()).boxed(),
        subscribe_clan_chat(),
        id().prop_map(|clan_id| UnsubscribeClanChat { clan_id }.into()).boxed(),
        chat(),
        (id(), any::<bool>()).prop_map(|(clan_id, is_typing)| SendTyping { clan_id, is_typing }.into()).boxed(),
        ack(),
        history(),
        id().prop_map(|clan_id| GetPresence { clan_id }.into()).boxed(),
        subscribe(),
        (service(), id()).prop_map(|(service, topic)| Unsubscribe { service, topic }.into()).boxed(),
        publish(),
        topic_history(),
        (service(), id(), json(), of(id()), of(position()))
            .prop_map(|(service, method, data, call_id, timeout_ms)| {
                Call { service, method, data, call_id, timeout_ms }.into()
            })
            .boxed(),
        (service(), id()).prop_map(|(service, topic)| GetTopicPresence { service, topic }.into()).boxed(),
        Just(Ping {}.into()).boxed(),
    ]))
}

fn authenticate() -> BoxedStrategy<ClientMessage> {
    let client = (text(), text(), of(text()), of(any::<u64>()))
        .prop_map(|(name, version, instance, attempt)| ClientInfo { name, version, instance, attempt });
    (text(), of(id()), of(client))
        .prop_map(|(token, device_id, client)| Authenticate { token, device_id, client }.into())
        .boxed()
}

fn recover() -> impl Strategy<Value = Recover> {
    (position(), text()).prop_map(|(offset, epoch)| Recover { offset, epoch })
}

fn subscribe_clan_chat() -> BoxedStrategy<ClientMessage> {
    (id(), of(recover()), of(0..=100_u32), of(any::<bool>()))
        .prop_map(|(clan_id, recover, history, presence)| {
            SubscribeClanChat { clan_id, recover, history, presence }.into()
        })
        .boxed()
}

fn chat() -> BoxedStrategy<ClientMessage> {
    let sendable = sample::select(vec![MessageType::Text, MessageType::Image, MessageType::File]);
    (id(), content(), of(sendable), of(chat_data()), of(id()))
        .prop_map(|(clan_id, content, message_type, data, client_message_id)| {
            SendChat { clan_id, content, message_type, data, client_message_id }.into()
        })
        .boxed()
}

fn ack() -> BoxedStrategy<ClientMessage> {
    prop_oneof![
        (id(), of(vec(id(), 1..4))).prop_map(|(one, more)| (Some(one), more)),
        vec(id(), 1..4).prop_map(|more| (None, Some(more))),
    ]
    .prop_map(|(notification_id, notification_ids)| NotificationAck { notification_id, notification_ids }.into())
    .boxed()
}

/// `before` and `after` of a request for history.
fn bounds() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    prop_oneof![
        Just((None, None)),
        position().prop_map(|before| (Some(before), None)),
        position().prop_map(|after| (None, Some(after))),
    ]
}

fn limit() -> impl Strategy<Value = HistoryLimit> {
    (1..=100_u32).prop_filter_map("a limit", HistoryLimit::new)
}

fn history() -> BoxedStrategy<ClientMessage> {
    (id(), bounds(), limit())
        .prop_map(|(clan_id, (before, after), limit)| GetChatHistory { clan_id, before, after, limit }.into())
        .boxed()
}

fn topic_history() -> BoxedStrategy<ClientMessage> {
    (service(), id(), bounds(), limit())
        .prop_map(|(service, topic, (before, after), limit)| {
            GetTopicHistory { service, topic, before, after, limit }.into()
        })
        .boxed()
}

fn subscribe() -> BoxedStrategy<ClientMessage> {
    (service(), id(), of(recover()), of(0..=100_u32), of(any::<bool>()), optional_json(), of(any::<bool>()))
        .prop_map(|(service, topic, recover, history, presence, presence_data, server_side)| {
            Subscribe { service, topic, recover, history, presence, presence_data, server_side }.into()
        })
        .boxed()
}

fn publish() -> BoxedStrategy<ClientMessage> {
    (service(), id(), json(), of(id()))
        .prop_map(|(service, topic, data, client_message_id)| {
            Publish { service, topic, data, client_message_id }.into()
        })
        .boxed()
}
