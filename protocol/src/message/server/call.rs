//! The reply to a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CallId, MethodName, RawJson, ServiceName};

/// The backend of a service has answered a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline, title = "CallResult")]
pub struct CallResult {
    /// The service.
    pub service: ServiceName,
    /// The method.
    pub method: MethodName,
    /// The response: any JSON value.
    pub data: RawJson,
    /// The `callId` of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
}
