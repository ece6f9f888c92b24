//! The servers that are compared.

use crate::{
    floor::Writes,
    server::{Gateway, Programs, Security, Server},
};

/// A server, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contender {
    /// The floor, which writes each message directly.
    Floor,
    /// The floor with one write for messages that arrive together.
    BatchedFloor,
    /// uWebSockets.js with its own topics.
    Uwebsockets,
    /// Centrifugo with its memory engine.
    Centrifugo,
    /// The gateway with one event loop and the memory store.
    GatewayOneLoop,
    /// The gateway with two event loops.
    GatewayTwoLoops,
}

impl Contender {
    /// All servers.
    pub(crate) const ALL: [Self; 6] = [
        Self::Floor,
        Self::BatchedFloor,
        Self::Uwebsockets,
        Self::Centrifugo,
        Self::GatewayOneLoop,
        Self::GatewayTwoLoops,
    ];
    /// Those that the comparison with the baseline needs.
    pub(crate) const OF_BASELINE: [Self; 3] = [Self::Floor, Self::GatewayOneLoop, Self::GatewayTwoLoops];

    /// Returns the name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::BatchedFloor => "floor, batched",
            Self::Uwebsockets => "uWebSockets.js",
            Self::Centrifugo => "Centrifugo",
            Self::GatewayOneLoop => "gateway, 1 loop",
            Self::GatewayTwoLoops => "gateway, 2 loops",
        }
    }

    /// Returns whether this is the gateway.
    pub(crate) fn is_gateway(self) -> bool {
        matches!(self, Self::GatewayOneLoop | Self::GatewayTwoLoops)
    }

    /// Starts it. Returns `None` if its program is missing, and for TLS, which only uWebSockets.js and the gateway are
    /// compared with.
    pub(crate) fn start(self, programs: &Programs, security: Security) -> Option<Server> {
        let floor = |writes| (security == Security::Plain).then(|| Server::floor(writes));
        let gateway = |loops| Some(Gateway::new().loops(loops).security(security).start(programs));
        match self {
            Self::Floor => floor(Writes::Direct),
            Self::BatchedFloor => floor(Writes::Batched),
            Self::Uwebsockets => Some(Server::uwebsockets(programs.uwebsockets.as_deref()?, security)),
            Self::Centrifugo if security == Security::Tls => None,
            Self::Centrifugo => Some(Server::centrifugo(programs.centrifugo.as_deref()?)),
            Self::GatewayOneLoop => gateway(1),
            Self::GatewayTwoLoops => gateway(2),
        }
    }
}
