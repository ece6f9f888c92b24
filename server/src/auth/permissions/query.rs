//! What the permission service is asked, and about whom.

use realtime_gateway_protocol::{DeviceId, MethodName, ObjectText, RawJson, ServiceName, SessionId, UserId};
use sha2::{Digest as _, Sha256};

use super::Requester;
use crate::{
    auth::{Action, KeptClaims},
    config::ClaimPath,
    topic::Topic,
};

/// The subject of a query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    /// May the client perform an action on a topic?
    Topic { action: Action, topic: Topic },
    /// May the client use a call of a service?
    Call { service: ServiceName, method: MethodName },
}

/// What decides about a query, and with that the key of its decision. The session is not a part of it: the sessions of a
/// user share decisions, so that a client that reconnects causes no further requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PermissionKey {
    user: UserId,
    device: Option<DeviceId>,
    /// The digest of the claims. `None` when no claim is configured.
    claims: Option<ClaimsDigest>,
    subject: Subject,
}

/// The SHA-256 of claims, which may be much longer.
pub(super) type ClaimsDigest = [u8; 32];

/// Returns the digest of claims.
pub(super) fn digest(claims: &RawJson) -> ClaimsDigest {
    Sha256::digest(claims.as_str()).into()
}

/// A query to the permission service.
#[derive(Debug, Clone)]
pub(super) struct PermissionQuery {
    pub(super) key: PermissionKey,
    session: SessionId,
    claims: Option<RawJson>,
}

impl PermissionQuery {
    /// Creates a query about a client, with those of its claims that are configured.
    pub(super) fn new(requester: Requester<'_>, claims: &[ClaimPath], subject: Subject) -> Self {
        let Requester { identity, session, device } = requester;
        let claims = KeptClaims::for_request(identity.claims.as_deref(), claims);
        let (user, device) = (identity.user.clone(), device.cloned());
        let key = PermissionKey { user, device, claims: claims.as_ref().map(digest), subject };
        Self { key, session: session.clone(), claims }
    }

    /// Returns the body of the request.
    pub(super) fn body(&self) -> String {
        let PermissionKey { user, device, subject, .. } = &self.key;
        let mut text = ObjectText::default();
        text.text("userId", user.as_str()).text("sessionId", self.session.as_str());
        text.optional("deviceId", device.as_ref().map(DeviceId::as_str));
        match subject {
            Subject::Topic { action, topic } => {
                let action = match action {
                    Action::Subscribe => "subscribe",
                    Action::Publish => "publish",
                    Action::Read => "read",
                };
                let name = match topic {
                    Topic::User(user) => user.as_str(),
                    Topic::Clan(clan) => clan.as_str(),
                    Topic::Service(_, topic) => topic.as_str(),
                };
                text.text("action", action).text("service", topic.service().as_str()).text("topic", name);
            }
            Subject::Call { service, method } => {
                text.text("action", "call").text("service", service.as_str()).text("method", method.as_str());
            }
        }
        if let Some(claims) = &self.claims {
            text.raw("claims", claims.as_str());
        }
        text.into_string()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use realtime_gateway_protocol::{ClanId, Timestamp};

    use super::*;
    use crate::{
        auth::{Grants, Identity},
        store::TokenClaims,
    };

    /// Returns an identity without grants.
    pub(in crate::auth::permissions) fn identity(user: &str, claims: &[(&str, &str)]) -> Identity {
        let claims = claims.iter().map(|(name, json)| ((*name).into(), RawJson::parse(json).unwrap()));
        Identity {
            user: UserId::new(user).unwrap(),
            device: None,
            expires_at: Timestamp::default(),
            grants: Arc::new(Grants::default()),
            claims: Some(Arc::new(claims.collect())),
            token: TokenClaims::default(),
        }
    }

    /// Returns a query about reading a clan.
    pub(in crate::auth::permissions) fn query(
        identity: &Identity,
        session: &str,
        device: Option<&str>,
        claims: &[&str],
    ) -> PermissionQuery {
        let (session, device) = (SessionId::new(session).unwrap(), device.map(|id| DeviceId::new(id).unwrap()));
        let claims: Vec<_> = claims.iter().map(|path| ClaimPath::parse(path).unwrap()).collect();
        let topic = Topic::Clan(ClanId::new("c").unwrap());
        let subject = Subject::Topic { action: Action::Read, topic };
        PermissionQuery::new(Requester { identity, session: &session, device: device.as_ref() }, &claims, subject)
    }

    #[test]
    fn body_has_session_device_and_configured_claims_only() {
        let alice = identity("alice", &[("tenant", "\"t1\""), ("https://example.com/plan", "[1]"), ("secret", "1")]);
        let with = query(&alice, "s1", Some("phone"), &["https://example.com/plan", "tenant", "absent"]);
        assert_eq!(
            with.body(),
            r#"{"userId":"alice","sessionId":"s1","deviceId":"phone","action":"read","service":"clan_chat","topic":"c","#
                .to_owned()
                + r#""claims":{"https://example.com/plan":[1],"tenant":"t1"}}"#
        );
        let without = query(&alice, "s1", None, &[]);
        let expected = r#"{"userId":"alice","sessionId":"s1","action":"read","service":"clan_chat","topic":"c"}"#;
        assert_eq!(without.body(), expected);
    }

    #[test]
    fn decisions_are_shared_by_sessions_and_not_by_devices_or_other_claims() {
        let (one, two) = (identity("alice", &[("tenant", "1")]), identity("alice", &[("tenant", "2")]));
        let asked = query(&one, "s1", Some("phone"), &["tenant"]).key;
        assert_eq!(query(&one, "s2", Some("phone"), &["tenant"]).key, asked);
        assert_ne!(query(&one, "s1", None, &["tenant"]).key, asked);
        assert_ne!(query(&two, "s1", Some("phone"), &["tenant"]).key, asked);
    }
}
