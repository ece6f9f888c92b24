//! A gateway with a custom service: one type that implements `Service`, and one line that registers it.
//!
//! Without arguments it serves on port 4000 in development mode. With arguments it behaves like `gateway`:
//!
//! ```sh
//! cargo run -p realtime-gateway-server --example custom_service
//! ```
//!
//! In another terminal, make a token that allows the topics of the service:
//!
//! ```sh
//! curl -s localhost:4000/dev/token -H 'content-type: application/json' \
//!   -d '{"userId":"alice","topics":{"dice":["*"]}}'
//! ```
//!
//! A client that connects to `ws://localhost:4000/ws?token=<token>` subscribes to a table, and publishes the number of
//! sides of its die. All subscribers receive an `event` with the throw, such as
//! `"data":{"by":"alice","sides":6,"thrown":4}`.
//!
//! ```json
//! {"type":"subscribe","service":"dice","topic":"table-1"}
//! {"type":"publish","service":"dice","topic":"table-1","data":6}
//! ```

use async_trait::async_trait;
use gateway::{
    command_error::CommandError,
    commands::service::{PresenceKind, Service},
};
use realtime_gateway_protocol::{ErrorCode, RawJson, ServiceName, TopicName, UserId};

/// A service whose topics are tables and whose publications are throws of a die.
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

    /// The players at a table see each other, with what each shows, such as a name and a colour. The lobby is anonymous.
    fn presence(&self, topic: &TopicName) -> PresenceKind {
        if topic.as_str() == "table-lobby" { PresenceKind::Off } else { PresenceKind::UsersWithData }
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

/// Runs the `gateway` command line with this service added.
pub(crate) fn main() -> std::process::ExitCode {
    gateway::cli::main_or(&["serve", "--dev"], |gateway| gateway.service(Dice))
}
