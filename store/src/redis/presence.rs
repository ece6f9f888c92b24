//! Presence in Redis: how many sessions each node has of a user in a clan.

use async_trait::async_trait;
use realtime_gateway_protocol::{ClanId, UserId};

use super::{RedisStore, fault::Fault, request::Reply, scripts};
use crate::{Presence, PresenceChange, Present, StoreError};

#[async_trait]
impl Presence for RedisStore {
    async fn set_present(&self, clan: &ClanId, user: &UserId, sessions: u32) -> Result<PresenceChange, StoreError> {
        let request = |_: &_| {
            self.link.request(&scripts::SetPresent {
                incarnation: &self.node.incarnation,
                clan_id: clan.as_str(),
                user_id: user.as_str(),
                sessions: sessions.into(),
            })
        };
        match self.link.run_script(request).await?.1.text()?.as_str() {
            "came" => Ok(PresenceChange::Came),
            "left" => Ok(PresenceChange::Left),
            "none" => Ok(PresenceChange::None),
            _ => Err(Fault::UnexpectedReply.into()),
        }
    }

    async fn present(&self, clan: &ClanId, at_most: usize) -> Result<Present, StoreError> {
        let read = || scripts::ReadPresent { clan_id: clan.as_str(), max_users: at_most as u64 };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&read())).await?;
        let count = reply.number()?;
        let user = |reply: &mut Reply| Ok((reply.id()?, u32::try_from(reply.number()?).unwrap_or(u32::MAX)));
        Ok(Present { users: reply.list()?.all(user)?, count })
    }
}
