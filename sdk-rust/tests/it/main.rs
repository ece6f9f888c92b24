//! The SDK's tests: the machine against a model of the gateway, and the driver over real sockets.

mod chaos;
mod model;
mod stories;
mod world;
