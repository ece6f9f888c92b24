//! A topic on the command line: `SERVICE:TOPIC`, or `clan_chat:CLAN`.

use std::str::FromStr;

use realtime_gateway_protocol::{ClanId, ServiceName, TopicName};

use super::remote::segment;

/// A topic of a service, or the chat of a clan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TopicArgument {
    /// The chat of a clan.
    Clan(ClanId),
    /// A topic of a service.
    Service(ServiceName, TopicName),
}

impl TopicArgument {
    /// Returns the path of the topic in the HTTP API.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Clan(clan) => format!("clans/{}", segment(clan.as_str())),
            Self::Service(service, topic) => format!("services/{service}/topics/{}", segment(topic.as_str())),
        }
    }
}

impl FromStr for TopicArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, topic) = text.split_once(':').ok_or("write SERVICE:TOPIC, or clan_chat:CLAN")?;
        let invalid = |error: &dyn std::fmt::Display| format!("{text:?}: {error}");
        if service == ServiceName::clan_chat().as_str() {
            return ClanId::new(topic).map(Self::Clan).map_err(|error| invalid(&error));
        }
        let service = ServiceName::new(service).map_err(|error| invalid(&error))?;
        Ok(Self::Service(service, TopicName::new(topic).map_err(|error| invalid(&error))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_topics_and_returns_their_paths() {
        let path = |text: &str| text.parse::<TopicArgument>().map(|topic| topic.path());
        assert_eq!(path("orders:order-42").unwrap(), "services/orders/topics/order-42");
        assert_eq!(path("orders:a:b/ö").unwrap(), "services/orders/topics/a%3Ab%2F%C3%B6");
        assert_eq!(path("clan_chat:c 1".trim_end_matches(" 1")).unwrap(), "clans/c");
        for bad in ["orders", "Orders:x", "orders:", ":x"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
