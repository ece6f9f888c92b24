//! Names in a contract: of topics, calls and parameters, and the rule for names of services.

use std::{fmt, sync::Arc};

use realtime_gateway_protocol::ServiceName;

/// Names that a declared service may not have: built-in services, and words with a meaning in routing keys, in the names
/// of topics, or in documents.
pub const REFUSED_SERVICE_NAMES: [&str; 10] =
    ["chat", "notification", "notifications", "clan_chat", "session", "control", "service", "user", "clan", "system"];

/// Reads the name of a declared service. The error is the end of a sentence that starts with the key.
pub(crate) fn service_name(text: &str) -> Result<ServiceName, String> {
    let name =
        ServiceName::new(text).map_err(|_| format!("is {text:?}: a service name matches [a-z][a-z0-9_]{{0,31}}"))?;
    // The variables of the environment separate sections with two underscores.
    if text.contains("__") {
        return Err(format!("is {text:?}: a service name has no `__`, which separates sections in GATEWAY_ variables"));
    }
    if REFUSED_SERVICE_NAMES.contains(&text) {
        return Err(format!("is {text:?}, which the gateway uses itself: choose another name"));
    }
    Ok(name)
}

/// The name of a topic, a call or a parameter: `[a-z][A-Za-z0-9]{0,63}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberName(Arc<str>);

impl MemberName {
    /// Creates a name. Returns `None` when the text does not match `[a-z][A-Za-z0-9]{0,63}`.
    pub fn new(text: &str) -> Option<Self> {
        let is_name = text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| Self(text.into()))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for MemberName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_names_that_are_identifiers_in_every_language() {
        for name in ["order", "orderComment2", "a"] {
            assert!(MemberName::new(name).is_some(), "{name}");
        }
        for name in ["", "Order", "order-comment", "order_comment", "2nd", "é", &"a".repeat(65)] {
            assert!(MemberName::new(name).is_none(), "{name}");
        }
    }

    #[test]
    fn refuses_service_names_that_the_gateway_uses() {
        for name in ["chat", "notifications", "control", "user", "a__b", "Orders", "orders-eu"] {
            assert!(service_name(name).is_err(), "{name}");
        }
        assert!(service_name("orders_eu").is_ok());
    }
}
