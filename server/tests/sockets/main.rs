//! The front door over real sockets: every answer to a handshake, every way in which a connection ends, and what it costs.

mod autobahn;
mod closing;
mod flow;
mod handshake;
mod house;
mod limits;
mod raw;
