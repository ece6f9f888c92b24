//! Presence in Redis: how many sessions each node has of a user in a topic, and the data of the user.

use async_trait::async_trait;
use realtime_gateway_protocol::{RawJson, UserId, topic::Topic};

use super::{RedisStore, fault::Fault, request::Reply, scripts};
use crate::{Presence, PresenceChange, Present, PresentUser, StoreError, UserPresence};

#[async_trait]
impl Presence for RedisStore {
    async fn set_present(
        &self,
        topic: &Topic,
        user: &UserId,
        UserPresence { sessions, data }: UserPresence,
    ) -> Result<PresenceChange, StoreError> {
        let topic = topic.to_string();
        let request = |_: &_| {
            self.link.request(&scripts::SetPresent {
                incarnation: &self.node.incarnation,
                topic: &topic,
                user_id: user.as_str(),
                sessions: sessions.into(),
                data: data.as_ref().map_or("", RawJson::as_str),
            })
        };
        match self.link.run_script(request).await?.1.text()?.as_str() {
            "came" => Ok(PresenceChange::Came),
            "left" => Ok(PresenceChange::Left),
            "updated" => Ok(PresenceChange::Updated),
            "none" => Ok(PresenceChange::None),
            _ => Err(Fault::UnexpectedReply.into()),
        }
    }

    async fn present(&self, topic: &Topic, at_most: usize) -> Result<Present, StoreError> {
        let topic = topic.to_string();
        let read = || scripts::ReadPresent { topic: &topic, max_users: at_most as u64 };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&read())).await?;
        let count = reply.number()?;
        let user = |reply: &mut Reply| {
            let (user, sessions) = (reply.id()?, u32::try_from(reply.number()?).unwrap_or(u32::MAX));
            let data = reply.text()?;
            let data = (!data.is_empty()).then(|| RawJson::parse(&data)).transpose();
            Ok(PresentUser { user, sessions, data: data.map_err(|_| Fault::UnexpectedReply)? })
        };
        Ok(Present { users: reply.list()?.all(user)?, count })
    }
}
