//! Presence in Redis: how many sessions each node has of a user in a clan.

use async_trait::async_trait;
use realtime_gateway_protocol::{ClanId, UserId};

use super::{RedisStore, fault::Fault, request::Reply, steps};
use crate::store::{Presence, PresenceChange, Present, StoreError};

#[async_trait]
impl Presence for RedisStore {
    async fn set_present(&self, clan: &ClanId, user: &UserId, sessions: u32) -> Result<PresenceChange, StoreError> {
        let request = |_: &_| {
            let request = self.reporting(&steps::SET_PRESENT).text(&self.node.incarnation);
            request.text(clan.as_str()).text(user.as_str()).number(sessions.into())
        };
        match self.link.run(&steps::SET_PRESENT, request).await?.1.text()?.as_str() {
            "came" => Ok(PresenceChange::Came),
            "left" => Ok(PresenceChange::Left),
            "none" => Ok(PresenceChange::None),
            _ => Err(Fault::Strange.into()),
        }
    }

    async fn present(&self, clan: &ClanId, at_most: usize) -> Result<Present, StoreError> {
        let request = |_: &_| self.link.request(&steps::PRESENT).text(clan.as_str()).number(at_most as u64);
        let (_, mut reply) = self.link.run(&steps::PRESENT, request).await?;
        let count = reply.number()?;
        let user = |reply: &mut Reply| Ok((reply.id()?, u32::try_from(reply.number()?).unwrap_or(u32::MAX)));
        Ok(Present { users: reply.list()?.all(user)?, count })
    }
}
