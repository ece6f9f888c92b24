//! What a backend receives.

use realtime_gateway_protocol::{
    CallId, ClientMessageId, DeviceId, MethodName, ObjectText, RawJson, ServiceName, SessionId, TopicName, UserId,
};
use sha2::{Digest as _, Sha256};

/// The client for which a request is made.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The user.
    pub user: &'a UserId,
    /// The session.
    pub session: &'a SessionId,
    /// The device, if the client has named one.
    pub device: Option<&'a DeviceId>,
    /// The claims of the token that the service asks for (`backend.claims`): a JSON object.
    pub claims: Option<&'a RawJson>,
}

/// A call of a client.
#[derive(Debug, Clone, Copy)]
pub struct BackendCall<'a> {
    /// The method.
    pub method: &'a MethodName,
    /// The data, which is passed on byte for byte.
    pub data: &'a RawJson,
    /// The name of the call, which a repeat of it has too.
    pub call_id: Option<&'a CallId>,
}

/// A publication of a client, about which the backend decides.
#[derive(Debug, Clone, Copy)]
pub struct PublishRequest<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The values of the parameters of the topic: a JSON object.
    pub params: &'a RawJson,
    /// The data, which is passed on byte for byte.
    pub data: &'a RawJson,
    /// The name of the publication, which a repeat of it has too.
    pub client_message_id: Option<&'a ClientMessageId>,
}

/// The question whether a client may subscribe to a topic.
#[derive(Debug, Clone, Copy)]
pub struct SubscribeRequest<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The values of the parameters of the topic: a JSON object.
    pub params: &'a RawJson,
}

/// Begins the body of a request: what it is, and for which client.
fn begin(kind: &str, service: &ServiceName, caller: &Caller<'_>) -> ObjectText {
    let mut text = ObjectText::default();
    text.text("type", kind).text("service", service.as_str());
    text.text("userId", caller.user.as_str()).text("sessionId", caller.session.as_str());
    text.optional("deviceId", caller.device.map(|device| device.as_str()));
    if let Some(claims) = caller.claims {
        text.raw("claims", claims.as_str());
    }
    text
}

/// Returns the body of the request for a call.
pub(super) fn call(service: &ServiceName, caller: &Caller<'_>, call: &BackendCall<'_>) -> String {
    let mut text = begin("call", service, caller);
    text.text("method", call.method.as_str()).raw("data", call.data.as_str());
    text.optional("callId", call.call_id.map(|id| id.as_str()));
    text.into_string()
}

/// Returns the body of the request for a publication.
pub(super) fn publish(service: &ServiceName, caller: &Caller<'_>, publish: &PublishRequest<'_>) -> String {
    let mut text = begin("publish", service, caller);
    text.text("topic", publish.topic.as_str()).raw("params", publish.params.as_str());
    text.raw("data", publish.data.as_str());
    text.optional("clientMessageId", publish.client_message_id.map(|id| id.as_str()));
    text.into_string()
}

/// Returns the body of the request for a subscription.
pub(super) fn subscribe(service: &ServiceName, caller: &Caller<'_>, subscribe: &SubscribeRequest<'_>) -> String {
    let mut text = begin("subscribe", service, caller);
    text.text("topic", subscribe.topic.as_str()).raw("params", subscribe.params.as_str());
    text.into_string()
}

/// Returns the idempotency key of a call with a `callId`. It is a digest, because a `callId` may contain what a header
/// must not, and the same one of another user or for another method is another call.
pub(super) fn idempotency_key(service: &ServiceName, caller: &Caller<'_>, call: &BackendCall<'_>) -> Option<String> {
    let id = call.call_id?;
    let name = [caller.user.as_str(), service.as_str(), call.method.as_str(), id.as_str()].join("\n");
    Some(Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_call<T>(call_id: Option<&str>, test: impl FnOnce(&ServiceName, &Caller<'_>, &BackendCall<'_>) -> T) -> T {
        let (user, session) = (UserId::new("alice").unwrap(), SessionId::new("s1").unwrap());
        let (service, method) = (ServiceName::new("orders").unwrap(), MethodName::new("cancel").unwrap());
        let data = RawJson::parse(r#"{"at": 1.0}"#).unwrap();
        let claims = RawJson::parse(r#"{"tenant":"t"}"#).unwrap();
        let id = call_id.map(|id| CallId::new(id).unwrap());
        let caller = Caller { user: &user, session: &session, device: None, claims: Some(&claims) };
        test(&service, &caller, &BackendCall { method: &method, data: &data, call_id: id.as_ref() })
    }

    #[test]
    fn body_has_caller_and_data_byte_for_byte() {
        let written = with_call(Some("c1"), call);
        assert_eq!(
            written,
            r#"{"type":"call","service":"orders","userId":"alice","sessionId":"s1","claims":{"tenant":"t"},"#
                .to_owned()
                + r#""method":"cancel","data":{"at": 1.0},"callId":"c1"}"#
        );
    }

    #[test]
    fn idempotency_key_is_a_digest_of_the_name_of_the_call() {
        // printf 'alice\norders\ncancel\nc1' | sha256sum
        let expected = "4cbb942d3341ddb028659e763af343adeadfdd0544b496c80475b8b7681ac7fc";
        let key = with_call(Some("c1"), idempotency_key);
        assert_eq!(key.as_deref(), Some(expected));
        assert_ne!(key, with_call(Some("c2"), idempotency_key));
        assert_eq!(with_call(None, idempotency_key), None);
    }
}
