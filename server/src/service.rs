//! The contract of a service that is added to the gateway: a name, its topics, and what may be published to them.

use async_trait::async_trait;
use realtime_gateway_protocol::{ErrorCode, RawJson, ServiceName, TopicName, UserId};

use crate::command_error::CommandError;

/// A service of your own. Subscribing, history, recovery, idempotency and fan-out come with the gateway; permissions
/// are those of the token's `topics` claim or of `permissions.url`.
///
/// ```
/// use async_trait::async_trait;
/// use gateway::{command_error::CommandError, service::Service};
/// use realtime_gateway_protocol::{RawJson, ServiceName, TopicName, UserId};
///
/// struct Orders;
///
/// #[async_trait]
/// impl Service for Orders {
///     fn name(&self) -> ServiceName {
///         ServiceName::new("orders").expect("a valid name")
///     }
///
///     fn has_topic(&self, topic: &TopicName) -> bool {
///         topic.as_str().starts_with("order-")
///     }
///
///     async fn publish(&self, _from: &UserId, _topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
///         Ok(data)
///     }
/// }
/// ```
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Its name, by which clients subscribe.
    fn name(&self) -> ServiceName;

    /// Whether a topic exists; all do, unless the service says otherwise.
    fn has_topic(&self, topic: &TopicName) -> bool {
        let _ = topic;
        true
    }

    /// Takes what a client publishes and returns what subscribers get. Clients may not publish unless the service
    /// says otherwise.
    ///
    /// # Errors
    /// Whatever the client is to be told.
    async fn publish(&self, from: &UserId, topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let _ = (from, topic, data);
        Err(CommandError::new(ErrorCode::Forbidden, "clients may not publish to this service"))
    }
}
