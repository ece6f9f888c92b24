//! Topics: a user's notifications, a clan's chat, or a topic of a declared service.

use std::{
    fmt::{self, Write},
    str::FromStr,
};

use crate::{ClanId, ServiceName, StoredId, TopicName, UserId};

/// The number of shards, which is the same on every node and in every store.
pub const SHARDS: u16 = 256;

/// A subset of all topics, 0 to 255. Nodes bind to append notices and count them by shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard(pub u8);

/// The name of an append-only log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A user's notifications: `user:<userId>`.
    User(UserId),
    /// A clan's chat: `clan:<clanId>`.
    Clan(ClanId),
    /// A topic of a named service: `service:<service>:<topic>`.
    Service(ServiceName, TopicName),
}

impl Topic {
    /// Returns the service to which subscriptions and permissions of this topic belong.
    pub fn service(&self) -> ServiceName {
        match self {
            Self::User(_) => ServiceName::notifications(),
            Self::Clan(_) => ServiceName::clan_chat(),
            Self::Service(service, _) => service.clone(),
        }
    }

    /// Returns the name of this topic within its service: the id of the user or clan, or the name of the topic.
    pub fn name(&self) -> TopicName {
        match self {
            Self::User(user) => user.into(),
            Self::Clan(clan) => clan.into(),
            Self::Service(_, topic) => topic.clone(),
        }
    }

    /// Returns the shard of this topic. It depends only on the name, so that all nodes agree.
    pub fn shard(&self) -> Shard {
        let mut hash = Fnv1a(0xcbf2_9ce4_8422_2325);
        // Writing to the hash cannot fail.
        let _ = write!(hash, "{self}");
        Shard((hash.0 ^ (hash.0 >> 32)) as u8)
    }
}

/// The error for a text that is not the name of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it names no topic")]
pub struct NoTopic;

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        let (kind, rest) = text.split_once(':').ok_or(NoTopic)?;
        match kind {
            "user" => UserId::from_stored(rest).map(Self::User).map_err(|_| NoTopic),
            "clan" => ClanId::from_stored(rest).map(Self::Clan).map_err(|_| NoTopic),
            "service" => {
                let (service, topic) = rest.split_once(':').ok_or(NoTopic)?;
                let topic = TopicName::from_stored(topic).map_err(|_| NoTopic)?;
                Ok(Self::Service(ServiceName::from_stored(service).map_err(|_| NoTopic)?, topic))
            }
            _ => Err(NoTopic),
        }
    }
}

/// The FNV-1a hash of the written text. It is the same on every node and in every release.
struct Fnv1a(u64);

impl Write for Fnv1a {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Clan(clan) => write!(f, "clan:{clan}"),
            Self::Service(service, topic) => write!(f, "service:{service}:{topic}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_round_trip() {
        for name in ["user:anna", "clan:a:b", "service:orders:order:1"] {
            assert_eq!(name.parse::<Topic>().unwrap().to_string(), name);
        }
        for name in ["anna", "user:", "clan:a b", "service:orders", "service:Orders:1", "room:1"] {
            assert_eq!(name.parse::<Topic>(), Err(NoTopic), "{name}");
        }
    }
}
