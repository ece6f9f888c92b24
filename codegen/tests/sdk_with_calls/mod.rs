//! The SDK with the function `call` that generated code needs, as long as the SDK has none.
#![allow(dead_code, unused_imports, unreachable_pub, reason = "each test uses a part of it")]

use std::ops::Deref;

pub use realtime_gateway_sdk::{Error, Publish, ServiceTopic, SubscribeTopic, protocol};
use serde::{Serialize, de::DeserializeOwned};

/// The client, with calls.
#[derive(Debug, Clone)]
pub struct Client(pub realtime_gateway_sdk::Client);

/// The options of a call.
pub struct CallOptions;

impl Deref for Client {
    type Target = realtime_gateway_sdk::Client;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Client {
    /// Calls a method of the backend of a service.
    pub async fn call<T: DeserializeOwned>(
        &self,
        service: &str,
        method: &str,
        data: &(impl Serialize + Sync),
        _: CallOptions,
    ) -> Result<T, Error> {
        let fields = serde_json::json!({ "service": service, "method": method, "data": data });
        self.0.request("call", fields).await?;
        Err(Error::invalid("this SDK has no calls"))
    }
}
