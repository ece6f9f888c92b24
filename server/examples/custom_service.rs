//! A gateway with a service of its own: one type, and one line that adds it.
//!
//! `cargo run -p realtime-gateway-server --example custom_service` serves it on port 4000 in development mode. A
//! client subscribes with `{"type":"subscribe","service":"dice","topic":"table-1"}`, and whatever it publishes to a
//! table is answered to everybody there with a throw.

use async_trait::async_trait;
use gateway::{command_error::CommandError, service::Service};
use realtime_gateway_protocol::{ErrorCode, RawJson, ServiceName, TopicName, UserId};

struct Dice;

#[async_trait]
impl Service for Dice {
    fn name(&self) -> ServiceName {
        #[expect(clippy::expect_used, reason = "the name is valid")]
        ServiceName::new("dice").expect("a valid name")
    }

    fn has_topic(&self, topic: &TopicName) -> bool {
        topic.as_str().starts_with("table-")
    }

    async fn publish(&self, from: &UserId, _topic: &TopicName, data: RawJson) -> Result<RawJson, CommandError> {
        let sides: u32 = data.decode().map_err(|_| CommandError::field("data", "the number of sides"))?;
        if sides < 2 {
            return Err(CommandError::field("data", "a die has at least two sides"));
        }
        let thrown = 1 + uuid::Uuid::now_v7().as_u128() % u128::from(sides);
        let throw = serde_json::json!({ "by": from.as_str(), "sides": sides, "thrown": thrown as u64 });
        RawJson::encode(&throw).map_err(|_| CommandError::new(ErrorCode::Internal, "internal error"))
    }
}

/// Serves as `gateway` does, with one service more.
pub(crate) fn main() -> std::process::ExitCode {
    gateway::cli::main_with(|gateway| gateway.service(Dice))
}
