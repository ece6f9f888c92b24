//! Calls to the backend of a declared service.

use std::time::Duration;

use realtime_gateway_protocol as protocol;
use realtime_gateway_protocol::{CallId, MethodName, RawJson, ServerMessage, ServiceName};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Client,
    builder::random,
    clan_chat::{checked, unexpected},
};
use crate::{Error, ErrorKind, Outcome, driver::Call};

/// The options of a call: see [`Client::call`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// The name of the call, by which a backend recognises a repeat. By default the SDK generates it.
    pub call_id: Option<String>,
    /// How long to wait for the response, in place of the client's timeout.
    pub timeout: Option<Duration>,
}

impl CallOptions {
    /// Sets the name of the call.
    #[must_use]
    pub fn call_id(self, id: impl Into<String>) -> Self {
        Self { call_id: Some(id.into()), ..self }
    }

    /// Sets how long to wait for the response.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    pub(super) async fn call<T: DeserializeOwned>(
        self,
        client: &Client,
        service: &str,
        method: &str,
        data: &(impl Serialize + Sync + ?Sized),
    ) -> Result<T, Error> {
        let id = self.call_id.unwrap_or_else(|| format!("{:016x}{:016x}", random(), random()));
        let call = checked(protocol::Call {
            service: ServiceName::new(service).map_err(Error::invalid)?,
            method: MethodName::new(method).map_err(Error::invalid)?,
            data: RawJson::encode(data).map_err(Error::invalid)?,
            call_id: Some(CallId::new(id).map_err(Error::invalid)?),
            timeout_ms: self.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
        })?;
        match client.perform(Call::Request(call.into()), self.timeout).await? {
            // The backend has carried the call out, so this is no refusal.
            ServerMessage::CallResult(result) => result.data.decode().map_err(|error| {
                let problem = format!("the response of the backend has another type: {error}");
                Error::new(ErrorKind::Connection(problem), Outcome::Unknown)
            }),
            other => Err(unexpected(&other)),
        }
    }
}
