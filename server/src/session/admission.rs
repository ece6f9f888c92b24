//! Admission: opens a session for a verified identity. The store decides atomically for all nodes whether it is
//! admitted.

use std::{net::IpAddr, sync::Arc, time::Duration};

use realtime_gateway_protocol::{ClientInfo, CloseCode, Codec, DeviceId, ErrorCode, SessionId, TraceContext};

use super::{ClientInstance, ConnectedClient, Session, Sessions};
use crate::{
    auth::{AuthError, Identity},
    command_error::CommandError,
    delivery::outbound::Outbound,
    ids::new_id,
    metrics::Metrics,
    node::Node,
    runtime::clock::NodeClock,
    store,
};

/// The retry delay that is sent to a client that was refused because of another session of the same user.
const SESSION_RETRY: Duration = Duration::from_secs(5);

/// The properties of a client that are known when its connection opens.
#[derive(Debug)]
pub struct UpgradeInfo {
    /// The IP address of the client.
    pub peer: IpAddr,
    /// The identity of a verified `Authorization` header.
    pub identity: Option<Identity>,
    /// The value of `?token=`, which is not verified yet.
    pub query_token: Option<String>,
    /// The value of `?deviceId=` or of the `X-Device-Id` header.
    pub device: Option<DeviceId>,
    /// The values of `?instance=` and `?attempt=`.
    pub client: Option<ClientInfo>,
    /// The codec that the upgrade has granted.
    pub codec: Codec,
    /// The trace that the request belongs to.
    pub trace: Option<TraceContext>,
}

/// The result of an admission that was not refused with an error.
pub(crate) enum Admitted {
    /// The session is open.
    Session(Arc<Session>),
    /// A later connection attempt of the same client is already connected.
    Superseded,
}

/// Opens sessions.
pub(crate) struct Admission {
    sessions: Arc<Sessions>,
    node: Arc<Node>,
    clock: NodeClock,
    metrics: Arc<Metrics>,
}

impl Admission {
    /// Creates an admission that adds sessions to the table of `sessions`.
    pub(crate) fn new(sessions: Arc<Sessions>, node: Arc<Node>, clock: NodeClock, metrics: Arc<Metrics>) -> Self {
        Self { sessions, node, clock, metrics }
    }

    /// Opens a session for an identity. The session policy decides whether the user's other sessions are closed or
    /// whether the new session is refused.
    ///
    /// # Errors
    /// `session_limit` when the policy refuses the session, `forbidden` when the user is blocked, `unavailable` when
    /// the store does not answer in time.
    pub(crate) async fn open(
        &self,
        upgrade: UpgradeInfo,
        identity: Identity,
        outbound: Arc<Outbound>,
    ) -> Result<Admitted, CommandError> {
        if self.node.is_store_unavailable() {
            // A request to the store would leave a record to remove later, once for each reconnect of the client.
            return Err(CommandError::unavailable());
        }
        let device = identity.device.clone().or(upgrade.device);
        let id: SessionId = new_id()?;
        let instance = upgrade.client.as_ref().and_then(ClientInstance::of);
        let client = ConnectedClient { device, instance, address: Some(upgrade.peer), codec: upgrade.codec };
        let session = Arc::new(Session::new(id, client, identity, outbound, self.clock.now()));
        let table = self.sessions.table();
        // Insert the session into the local table before the store admits it: from then on another node may evict it,
        // and the control message of that node must find the session here.
        table.insert(session.clone());
        match self.sessions.admit(&session).await {
            Ok(store::Admission::Admitted(evicted)) => self.sessions.evict(&evicted),
            Ok(store::Admission::Refused) => {
                table.remove(&session);
                let message = "another session of this user is live";
                return Err(CommandError::retry(ErrorCode::SessionLimit, message, SESSION_RETRY));
            }
            Ok(store::Admission::Blocked(block)) => {
                table.remove(&session);
                let blocked = AuthError::Blocked { until: block.until };
                self.metrics.auth_failure(&blocked);
                if let Some(event) = blocked.security_event(Some(upgrade.peer), Some(session.user())) {
                    self.metrics.security_event(event);
                }
                return Err(blocked.into());
            }
            Ok(store::Admission::Superseded) => {
                table.remove(&session);
                return Ok(Admitted::Superseded);
            }
            Err(error) => {
                table.remove(&session);
                // The store may have admitted the session although its answer was lost.
                self.sessions.remove_record_later(&session, CloseCode::TRY_AGAIN_LATER);
                return Err(error);
            }
        }
        if let Some(client) = &upgrade.client {
            self.metrics.client(&client.name, &client.version);
        }
        self.metrics.sessions_active.inc();
        self.sessions.report_opened(&session);
        tracing::debug!(session = %session.id(), user = %session.user(), peer = %upgrade.peer, "a session opened");
        Ok(Admitted::Session(session))
    }
}
