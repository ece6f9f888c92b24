//! The edge layer: from a TCP socket to the text messages of one client. It accepts sockets, terminates TLS, reads
//! PROXY headers, answers HTTP requests and WebSocket upgrades, and reads and writes WebSocket frames. It does not
//! interpret messages.

pub mod accept;
pub mod connection;
pub mod context;
pub mod probe;
pub mod upgrade;
