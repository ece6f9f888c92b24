//! Sessions in Redis: one script decides which sessions live, reports the change, and sends control messages.

use async_trait::async_trait;
use realtime_gateway_protocol::{CloseCode, DeviceId, SessionId, Timestamp, TokenId, UserId};
use serde::{Deserialize, Serialize};

use super::{RedisStore, arguments::Digits, fault::Fault, request::Reply, scripts};
use crate::{
    Admission, ConnectedUser, ConnectedUsers, ControlMessage, OnExcess, SessionKey, SessionPolicy, SessionRecord,
    Sessions, StoreError, TokenClaims, UserPage, block_row::BlockRow,
};

/// A session record as it is stored. The field names are short because every session has a row.
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
    /// Milliseconds, as a text, because Lua would round a number to 14 digits.
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

    fn into_record(self) -> Result<SessionRecord, Fault> {
        let attempt = self.attempt.map(|attempt| attempt.parse()).transpose().map_err(|_| Fault::UnexpectedReply)?;
        Ok(SessionRecord {
            id: self.id,
            user: self.user,
            device: self.device,
            node: self.node.into(),
            since: Timestamp::from_millis(self.since.parse().map_err(|_| Fault::UnexpectedReply)?),
            instance: self.instance.map(Into::into),
            attempt,
            token: TokenClaims::default(),
        })
    }
}

fn decode_records(text: &str) -> Result<Vec<SessionRecord>, Fault> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|_| Fault::UnexpectedReply)?;
    rows.into_iter().map(Row::into_record).collect()
}

/// Whether a session is admitted for the first time.
#[derive(Debug, Clone, Copy)]
enum AdmissionKind {
    New,
    Restored,
}

#[async_trait]
impl Sessions for RedisStore {
    async fn open_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        Ok(self.admit(AdmissionKind::New, record, policy).await?)
    }

    async fn restore_session(&self, record: SessionRecord, policy: SessionPolicy) -> Result<Admission, StoreError> {
        Ok(self.admit(AdmissionKind::Restored, record, policy).await?)
    }

    async fn close_session(&self, user: &UserId, session: &SessionId, code: CloseCode) -> Result<(), StoreError> {
        let now = self.script_time();
        let close = || scripts::CloseSession {
            outbox: self.outbox(),
            user_id: user.as_str(),
            session_id: session.as_str(),
            code: Digits(code.0.into()),
            now,
        };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&close())).await?;
        self.note_overflow(reply.number()?);
        Ok(())
    }

    async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>, StoreError> {
        let request = |_: &_| self.link.request(&scripts::SessionsOf { user_id: user.as_str() });
        Ok(decode_records(&self.link.run_script(request).await?.1.text()?)?)
    }

    async fn connected_users(&self, page: UserPage) -> Result<ConnectedUsers, StoreError> {
        // No user id is empty.
        let after = page.after.as_ref().map_or("", |after| after.as_str());
        let users = || scripts::ConnectedUsers { after, max_users: page.at_most as u64 };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&users())).await?;
        let more = reply.number()? == 1;
        let user = |reply: &mut Reply| Ok(ConnectedUser { user: reply.id()?, sessions: reply.number()? });
        let mut users = reply.list()?.all(user)?;
        // The row of a user may have been evicted.
        users.retain(|user| user.sessions > 0);
        Ok(ConnectedUsers { users, more })
    }
}

impl RedisStore {
    async fn admit(
        &self,
        kind: AdmissionKind,
        record: SessionRecord,
        policy: SessionPolicy,
    ) -> Result<Admission, Fault> {
        let token = record.token.clone();
        let row = Row::of(record, &self.node.incarnation);
        let row = serde_json::to_string(&row).map_err(|_| Fault::UnexpectedReply)?;
        let now = self.script_time();
        let open = || scripts::OpenSession {
            outbox: self.outbox(),
            database: &self.database,
            is_restored: matches!(kind, AdmissionKind::Restored),
            incarnation: &self.node.incarnation,
            now,
            version: Digits(ControlMessage::VERSION.into()),
            row: &row,
            max: policy.max as u64,
            rejects: policy.on_excess == OnExcess::Reject,
            by_device: policy.key == SessionKey::Device,
            max_devices: policy.max_devices as u64,
            token_issued_at: token.issued_at,
            token_id: token.id.as_ref().map_or("", TokenId::as_str),
        };
        let (_, mut reply) = self.link.run_script(|_| self.link.request(&open())).await?;
        self.note_overflow(reply.number()?);
        match reply.text()?.as_str() {
            "admitted" => Ok(Admission::Admitted(decode_records(&reply.text()?)?)),
            "refused" => Ok(Admission::Refused),
            "superseded" => Ok(Admission::Superseded),
            "blocked" => {
                let row: BlockRow = serde_json::from_str(&reply.text()?).map_err(|_| Fault::UnexpectedReply)?;
                Ok(Admission::Blocked(row.block().ok_or(Fault::UnexpectedReply)?))
            }
            _ => Err(Fault::UnexpectedReply),
        }
    }
}
