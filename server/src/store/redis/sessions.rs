//! Sessions in Redis: one script decides who lives, and tells whoever has to know.

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};

use super::{RedisStore, fault::Fault, steps};
use crate::store::{
    Admission, Note, OnExcess, SessionKey, SessionPolicy, SessionRecord, Sessions, StoreError, TokenClaims,
    block_row::BlockRow,
};

/// A record as it is stored. The names are short because every session has one.
#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(rename = "i")]
    id: SessionId,
    #[serde(rename = "u")]
    user: UserId,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceId>,
    #[serde(rename = "n")]
    node: String,
    #[serde(rename = "c")]
    incarnation: String,
    /// Milliseconds, as a text: Lua would write a number with 14 digits.
    #[serde(rename = "s")]
    since: String,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// 20 digits, so that texts compare as numbers do.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    attempt: Option<String>,
}

impl Row {
    fn of(record: SessionRecord, incarnation: &str) -> Self {
        Self {
            id: record.id,
            user: record.user,
            device: record.device,
            node: record.node.to_string(),
            incarnation: incarnation.to_owned(),
            since: record.since.millis().to_string(),
            instance: record.instance.as_deref().map(str::to_owned),
            attempt: record.attempt.map(|attempt| format!("{attempt:020}")),
        }
    }

    fn record(self) -> Result<SessionRecord, Fault> {
        let attempt = self.attempt.map(|attempt| attempt.parse()).transpose().map_err(|_| Fault::Strange)?;
        Ok(SessionRecord {
            id: self.id,
            user: self.user,
            device: self.device,
            node: self.node.into(),
            since: Timestamp::from_millis(self.since.parse().map_err(|_| Fault::Strange)?),
            instance: self.instance.map(Into::into),
            attempt,
            token: TokenClaims::default(),
        })
    }
}

fn records(text: &str) -> Result<Vec<SessionRecord>, Fault> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|_| Fault::Strange)?;
    rows.into_iter().map(Row::record).collect()
}

/// Whether a session is new, or comes back.
#[derive(Debug, Clone, Copy)]
enum Way {
    Open,
    Restore,
}

#[async_trait]
impl Sessions for RedisStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        Ok(self.admit(Way::Open, record, policy).await?)
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        Ok(self.admit(Way::Restore, record, policy).await?)
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        let now = self.moment();
        let request = |_: &_| {
            let request = self.reporting(&steps::CLOSE_SESSION).text(user.as_str()).text(session.as_str());
            request.number(code.0.into()).moment(now)
        };
        let (_, mut reply) = self.link.run(&steps::CLOSE_SESSION, request).await?;
        self.note_overflow(reply.number()?);
        Ok(())
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        let request = |_: &_| self.link.request(&steps::SESSIONS_OF).text(user.as_str());
        Ok(records(&self.link.run(&steps::SESSIONS_OF, request).await?.1.text()?)?)
    }
}

impl RedisStore {
    async fn admit(&self, way: Way, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, Fault> {
        let issued = record.token.issued_at.map_or_else(String::new, |time| time.millis().to_string());
        let token = record.token.id.clone();
        let row = Row::of(record, &self.node.incarnation);
        let row = serde_json::to_string(&row).map_err(|_| Fault::Strange)?;
        let way = match way {
            Way::Open => "open",
            Way::Restore => "restore",
        };
        let on_excess = if policy.on_excess == OnExcess::Reject { "reject" } else { "replace" };
        let key = if policy.key == SessionKey::Device { "device" } else { "user" };
        let now = self.moment();
        let request = |_: &_| {
            let request = self.reporting(&steps::OPEN_SESSION).text(way).text(&self.node.incarnation).moment(now);
            let request = request.number(Note::VERSION.into()).text(&row).number(policy.max as u64);
            let request = request.text(on_excess).text(key).number(policy.max_devices as u64);
            request.text(&issued).text(token.as_ref().map_or("", TokenId::as_str))
        };
        let (_, mut reply) = self.link.run(&steps::OPEN_SESSION, request).await?;
        self.note_overflow(reply.number()?);
        match reply.text()?.as_str() {
            "admitted" => Ok(Admission::Admitted(records(&reply.text()?)?)),
            "refused" => Ok(Admission::Refused),
            "superseded" => Ok(Admission::Superseded),
            "blocked" => {
                let row: BlockRow = serde_json::from_str(&reply.text()?).map_err(|_| Fault::Strange)?;
                Ok(Admission::Blocked(row.block().ok_or(Fault::Strange)?))
            }
            _ => Err(Fault::Strange),
        }
    }
}
