//! Admission: the test vectors of `store/vectors/admission.json`, which every store passes.

use std::time::Duration;

use realtime_gateway_protocol::{DeviceId, SessionId, Timestamp, TokenId, UserId};
use serde::Deserialize;

use super::Subject;
use crate::{
    Admission, Block, BlockOutcome, BlockedTokens, OnExcess, SessionKey, SessionPolicy, SessionRecord, TokenClaims,
};

/// The text of the test vectors.
const VECTORS: &str = include_str!("../../../vectors/admission.json");

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

/// One session that is opened or restored, and the outcome.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vector {
    name: String,
    policy: Policy,
    live: Vec<Session>,
    #[serde(default)]
    blocks: Vec<BlockOfUser>,
    #[serde(default)]
    passes: u64,
    session: Session,
    #[serde(default)]
    restored: bool,
    outcome: Outcome,
    #[serde(default)]
    evicted: Vec<String>,
    order: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    max: usize,
    on_excess: Excess,
    key: Key,
    max_devices: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Excess {
    Replace,
    Reject,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Key {
    User,
    Device,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    id: String,
    since: Option<u64>,
    device: Option<String>,
    instance: Option<String>,
    attempt: Option<u64>,
    #[serde(default)]
    token: Token,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Token {
    issued_at: Option<u64>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockOfUser {
    tokens: Tokens,
    time: Option<u64>,
    id: Option<String>,
    until: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Tokens {
    All,
    IssuedBefore,
    Id,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Admitted,
    Refused,
    Superseded,
    Blocked,
}

/// The user of one vector, and the time at which the vector begins.
struct Scene<'s> {
    subject: &'s Subject,
    user: UserId,
    begin: Timestamp,
}

impl Scene<'_> {
    fn at(&self, seconds: u64) -> Timestamp {
        Timestamp::from_millis(self.begin.millis() + seconds * 1_000)
    }

    /// Makes an id unique among all vectors, as ids are among all users of a gateway.
    fn id(&self, id: &str) -> String {
        format!("{id}-{}", self.user)
    }

    fn record(&self, session: &Session, arrival: u64) -> SessionRecord {
        SessionRecord {
            id: SessionId::new(self.id(&session.id)).unwrap(),
            user: self.user.clone(),
            device: session.device.as_deref().map(|device| DeviceId::new(device).unwrap()),
            node: "n".into(),
            since: self.at(session.since.unwrap_or(arrival)),
            instance: session.instance.as_deref().map(Into::into),
            attempt: session.attempt,
            token: TokenClaims {
                issued_at: session.token.issued_at.map(|seconds| self.at(seconds)),
                id: session.token.id.as_deref().map(|id| TokenId::new(id).unwrap()),
            },
        }
    }

    fn block(&self, block: &BlockOfUser) -> Block {
        let tokens = match block.tokens {
            Tokens::All => BlockedTokens::All,
            Tokens::IssuedBefore => BlockedTokens::IssuedBefore(self.at(block.time.unwrap())),
            Tokens::Id => BlockedTokens::Id(TokenId::new(block.id.as_deref().unwrap()).unwrap()),
        };
        Block { tokens, until: self.at(block.until), since: self.begin, reason: None }
    }

    async fn live(&self) -> Vec<String> {
        self.subject.store.sessions_of(&self.user).await.unwrap().iter().map(|live| live.id.to_string()).collect()
    }

    async fn run(&self, vector: &Vector) {
        let store = &self.subject.store;
        // A policy under which no session of a vector evicts another.
        let unlimited = SessionPolicy {
            max: usize::MAX >> 12,
            on_excess: OnExcess::Replace,
            key: SessionKey::Device,
            max_devices: usize::MAX >> 12,
        };
        for (session, arrival) in vector.live.iter().zip(1..) {
            let opened = store.open_session(self.record(session, arrival), unlimited).await.unwrap();
            assert_eq!(opened, Admission::Admitted(vec![]), "{}", vector.name);
        }
        for block in &vector.blocks {
            assert_eq!(store.block(&self.user, self.block(block)).await.unwrap(), BlockOutcome::Kept);
        }
        self.subject.pass(Duration::from_secs(vector.passes));
        let before = self.live().await;
        let record = self.record(&vector.session, vector.live.len() as u64 + 1);
        let policy = SessionPolicy {
            max: vector.policy.max,
            on_excess: match vector.policy.on_excess {
                Excess::Replace => OnExcess::Replace,
                Excess::Reject => OnExcess::Reject,
            },
            key: match vector.policy.key {
                Key::User => SessionKey::User,
                Key::Device => SessionKey::Device,
            },
            max_devices: vector.policy.max_devices,
        };
        let admission = if vector.restored {
            store.restore_session(record.clone(), policy).await
        } else {
            store.open_session(record.clone(), policy).await
        };
        let (outcome, evicted) = match admission.unwrap() {
            Admission::Admitted(evicted) => (Outcome::Admitted, evicted),
            Admission::Refused => (Outcome::Refused, vec![]),
            Admission::Superseded => (Outcome::Superseded, vec![]),
            Admission::Blocked(_) => (Outcome::Blocked, vec![]),
        };
        let evicted: Vec<String> = evicted.iter().map(|record| record.id.to_string()).collect();
        let expected: Vec<String> = vector.evicted.iter().map(|id| self.id(id)).collect();
        assert_eq!((&outcome, &evicted), (&vector.outcome, &expected), "{}", vector.name);
        let mut expected = before;
        if let Some(order) = &vector.order {
            expected = order.iter().map(|id| self.id(id)).collect();
        } else if outcome == Outcome::Admitted {
            expected.retain(|id| !evicted.contains(id));
            // A restored session is ordered by its age.
            let live: Vec<SessionRecord> = store.sessions_of(&self.user).await.unwrap();
            let is_older =
                |id: &String| live.iter().any(|other| other.id.as_str() == id && other.since <= record.since);
            let index = expected.iter().filter(|id| is_older(id)).count();
            expected.insert(if vector.restored { index } else { expected.len() }, record.id.to_string());
        }
        assert_eq!(self.live().await, expected, "live sessions after: {}", vector.name);
    }
}

pub async fn passes_test_vectors_of_admission(subject: &Subject) {
    let file: File = serde_json::from_str(VECTORS).unwrap();
    assert!(file.vectors.len() > 60);
    for (vector, n) in file.vectors.iter().zip(1..) {
        let scene = Scene { subject, user: UserId::new(format!("user-{n}")).unwrap(), begin: subject.now() };
        scene.run(vector).await;
    }
}
