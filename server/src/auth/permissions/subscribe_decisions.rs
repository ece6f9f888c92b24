//! Decisions of the backend of a declared service about who may subscribe to its topics and read their history and
//! presence (`subscribe = "backend"`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use realtime_gateway_protocol::{DeviceId, RawJson, SessionId, TopicName, UserId};

use super::{
    Requester,
    decisions::{Answer, Decider, Decision, DecisionTimes, Decisions, Refusal, Verdict},
    query::{ClaimsDigest, digest},
};
use crate::{
    auth::KeptClaims,
    backend::{Backend, BackendFailure, Caller, SubscribeRequest},
    runtime::clock::NodeClock,
};

/// The decisions of one backend.
#[derive(Debug)]
pub struct SubscribeDecisions(Arc<Decisions<Asked>>);

impl SubscribeDecisions {
    /// Creates an empty cache of decisions. Sends no request yet.
    pub fn new(backend: Arc<Backend>, clock: NodeClock, times: DecisionTimes) -> Self {
        Self(Arc::new(Decisions::new(Asked { backend, clock }, times)))
    }

    /// Returns whether a client may subscribe, or `None` when the backend does not answer and no earlier grant is valid.
    /// `params` are the values of the parameters of the topic.
    pub(super) async fn decide(
        &self,
        requester: Requester<'_>,
        topic: &TopicName,
        params: RawJson,
    ) -> Option<Decision> {
        let query = SubscribeQuery {
            user: requester.identity.user.clone(),
            session: requester.session.clone(),
            topic: topic.clone(),
            device: requester.device.cloned(),
            params,
            claims: KeptClaims::for_request(requester.identity.claims.as_deref(), self.0.decider().backend.claims()),
        };
        self.0.decide(query).await
    }
}

/// The backend that is asked.
struct Asked {
    backend: Arc<Backend>,
    clock: NodeClock,
}

/// The question whether a client may subscribe to a topic.
#[derive(Debug, Clone)]
struct SubscribeQuery {
    user: UserId,
    session: SessionId,
    topic: TopicName,
    device: Option<DeviceId>,
    params: RawJson,
    claims: Option<RawJson>,
}

/// What tells queries apart. A session has one device, and a topic one list of parameters; a new token may bring other
/// claims.
type SubscribeKey = (UserId, SessionId, TopicName, Option<ClaimsDigest>);

#[async_trait]
impl Decider for Asked {
    type Query = SubscribeQuery;
    type Key = SubscribeKey;

    fn key_of(query: &SubscribeQuery) -> SubscribeKey {
        let claims = query.claims.as_ref().map(digest);
        (query.user.clone(), query.session.clone(), query.topic.clone(), claims)
    }

    fn name(&self) -> String {
        format!("services.{}.backend", self.backend.service())
    }

    async fn ask(&self, query: &SubscribeQuery) -> Result<Answer, String> {
        let SubscribeQuery { user, session, topic, device, params, claims } = query;
        let caller = Caller { user, session, device: device.as_ref(), claims: claims.as_ref() };
        let answer = async {
            let _slot = self.backend.slot()?;
            self.backend.may_subscribe(&caller, &SubscribeRequest { topic, params }, self.clock.wall()).await
        };
        match answer.await {
            Ok(answer) => {
                let verdict = if answer.allowed { Verdict::Allowed } else { Verdict::Denied(None) };
                Ok(Answer { verdict, ttl: answer.ttl_seconds.map(Duration::from_secs) })
            }
            Err(BackendFailure::Refused { status, code, message }) => {
                let refusal = Refusal { status, code, message };
                Ok(Answer { verdict: Verdict::Denied(Some(Arc::new(refusal))), ttl: None })
            }
            Err(failure) => Err(failure.to_string()),
        }
    }
}
