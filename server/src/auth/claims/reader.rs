//! Reads the identity and the grants from the claims of a token, where `auth.claims.*` says they are.
//!
//! What says who the client is (user, device) must be right, or the token is refused. A grant that is not understood
//! grants nothing: one odd role among those of an identity provider must not lock its user out. A claim of grants that
//! is no list at all is a mistake in the configuration or in the provider, and the token is refused, so that it is seen.

use std::{borrow::Cow, collections::HashMap};

use realtime_gateway_protocol::{ClanId, DeviceId, MethodName, RawJson, ServiceName, TopicName, UserId};
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::{
    auth::{AuthError, ClaimedSubscription, Grants, KeptClaims},
    config::{self, ClaimMapping, ClaimPath, TopicTemplate},
    store::ServerSubscription,
};

/// The claims of a token.
pub(super) type Claims = Map<String, Value>;

/// The grant that stands for all.
const ALL: &str = "*";

/// Where the claims of a configuration are.
#[derive(Debug)]
pub(in crate::auth) struct ClaimReader {
    mapping: ClaimMapping,
    kept: Vec<ClaimPath>,
}

/// Grants for each service.
type ByService = HashMap<String, Vec<String>>;

impl ClaimReader {
    pub(in crate::auth) fn new(auth: &config::Auth) -> Self {
        Self { mapping: auth.claims.clone(), kept: auth.kept_claims.clone() }
    }

    /// Reads the user.
    pub(super) fn user(&self, claims: &Claims) -> Result<UserId, AuthError> {
        let (missing, invalid) = if self.mapping.user.is("sub") {
            ("it has no sub", "its sub is not an identifier of 1 to 128 bytes")
        } else {
            ("it has no user (auth.claims.user)", "its user (auth.claims.user) is not an identifier of 1 to 128 bytes")
        };
        let value = find(claims, &self.mapping.user).ok_or(AuthError::Invalid(missing))?;
        let user = word(value).and_then(|word| UserId::new(word).ok()).ok_or(AuthError::Invalid(invalid))?;
        if user.is_system() {
            return Err(AuthError::Invalid("its user is `system`, which is reserved for the gateway"));
        }
        Ok(user)
    }

    /// Reads the device, which may be missing.
    pub(super) fn device(&self, claims: &Claims) -> Result<Option<DeviceId>, AuthError> {
        let invalid = if self.mapping.device.is("deviceId") {
            "its deviceId is not an identifier of 1 to 128 bytes"
        } else {
            "its device (auth.claims.device) is not an identifier of 1 to 128 bytes"
        };
        let Some(value) = find(claims, &self.mapping.device) else { return Ok(None) };
        let device = word(value).and_then(|word| DeviceId::new(word).ok());
        device.map(Some).ok_or(AuthError::Invalid(invalid))
    }

    /// Reads the grants.
    pub(super) fn grants(&self, claims: &Claims) -> Result<Grants, AuthError> {
        let Self { mapping, .. } = self;
        let is_topic = |word: &str| {
            let beginning = word.strip_suffix('*').unwrap_or(word);
            word == ALL || TopicName::new(beginning).is_ok()
        };
        let is_call = |word: &str| word == ALL || MethodName::new(word).is_ok();
        let topics = by_service(find(claims, &mapping.topics), mapping.topics_template.as_ref(), is_topic);
        let calls = by_service(find(claims, &mapping.calls), mapping.calls_template.as_ref(), is_call);
        Ok(Grants {
            clans: self.clans(claims)?,
            topics: topics.ok_or(AuthError::Invalid("its topics (auth.claims.topics) have the wrong type"))?,
            calls: calls.ok_or(AuthError::Invalid("its calls (auth.claims.calls) have the wrong type"))?,
            subscribe: subscribe(claims)?,
        })
    }

    fn clans(&self, claims: &Claims) -> Result<Vec<String>, AuthError> {
        let Some(value) = find(claims, &self.mapping.clans) else { return Ok(Vec::new()) };
        let words = words(value).ok_or(AuthError::Invalid("its clans (auth.claims.clans) have the wrong type"))?;
        let template = self.mapping.clans_template.as_ref();
        let selected = words.iter().filter_map(|word| match template {
            Some(template) => template.value(word),
            None => Some(&**word),
        });
        Ok(selected.filter(|clan| *clan == ALL || ClanId::new(*clan).is_ok()).map(str::to_owned).collect())
    }

    /// Reads the claims that are kept with the session; `None` when none is configured.
    pub(super) fn kept(&self, claims: &Claims) -> Option<KeptClaims> {
        if self.kept.is_empty() {
            return None;
        }
        let kept = self.kept.iter().filter_map(|path| {
            // A value that was read from JSON can be written again.
            let value = RawJson::encode(find(claims, path)?).ok()?;
            Some((path.name().clone(), value))
        });
        Some(kept.collect())
    }
}

/// Reads the topics to which the gateway subscribes the client.
fn subscribe(claims: &Claims) -> Result<Vec<ClaimedSubscription>, AuthError> {
    let Some(value) = claims.get("subscribe").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let invalid = |_| AuthError::Invalid("its claim `subscribe` is not a list of objects with service and topic");
    // serde also reads a struct from an array.
    let subscribe = Vec::<Map<String, Value>>::deserialize(value).map_err(invalid)?;
    let subscribe: Vec<_> =
        subscribe.into_iter().map(ClaimedSubscription::deserialize).collect::<Result<_, _>>().map_err(invalid)?;
    if subscribe.len() > ServerSubscription::MAX_PER_USER {
        return Err(AuthError::Invalid("its claim `subscribe` has more than 100 topics"));
    }
    Ok(subscribe)
}

/// Returns the claim at a path; `None` when it is missing or null.
fn find<'a>(claims: &'a Claims, path: &ClaimPath) -> Option<&'a Value> {
    let mut members = path.members();
    let first = claims.get(members.next()?)?;
    let found = members.try_fold(first, |value, member| value.as_object()?.get(member))?;
    (!found.is_null()).then_some(found)
}

/// Returns a value as a word: a text, or a whole number, which some providers have for a user, in decimal digits.
fn word(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.as_str().into()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Some(number.to_string().into()),
        _ => None,
    }
}

/// Returns the words of a list, without members that are none; or those of a text with spaces between them, like `scope`
/// (RFC 8693, section 4.2). Returns `None` for a value of another type.
fn words(value: &Value) -> Option<Vec<Cow<'_, str>>> {
    match value {
        Value::Array(values) => Some(values.iter().filter_map(word).collect()),
        Value::String(text) => Some(text.split_whitespace().map(Cow::Borrowed).collect()),
        _ => None,
    }
}

/// Returns the grants for each service: selected by a template from words, or the lists of an object. Returns `None` for
/// a value of another type.
fn by_service(
    value: Option<&Value>,
    template: Option<&TopicTemplate>,
    is_valid: impl Fn(&str) -> bool,
) -> Option<ByService> {
    let mut grants = ByService::new();
    let Some(value) = value else { return Some(grants) };
    let mut add = |service: &str, name: &str| {
        if ServiceName::new(service).is_ok() && is_valid(name) {
            grants.entry(service.to_owned()).or_default().push(name.to_owned());
        }
    };
    match template {
        Some(template) => {
            for (service, name) in words(value)?.iter().filter_map(|word| template.service_and_value(word)) {
                add(service, name);
            }
        }
        None => {
            for (service, names) in value.as_object()? {
                for name in words(names)? {
                    add(service, &name);
                }
            }
        }
    }
    Some(grants)
}

#[cfg(test)]
mod tests;
