//! Reads the configuration of a client.

use realtime_gateway_protocol::{DeviceId, Outline};

use super::commands::problem;
use crate::machine::{Config, Reconnection};

/// Reads `seed` (four random numbers of 32 bits), `name`, `version`, and optionally `reconnect` (the shortest and the
/// longest reconnect delay in milliseconds) and `deviceId`.
///
/// # Errors
/// A sentence that says what is wrong with the configuration.
pub(super) fn read(text: &str) -> Result<Config, String> {
    let config = Outline::of_object(text).map_err(problem)?;
    let [a, b, c, d] = *config.wholes("seed") else { return Err("seed: four numbers are expected".to_owned()) };
    let reconnection = match *config.wholes("reconnect") {
        [min, max] => Reconnection { min, max },
        _ => Reconnection::default(),
    };
    let device_id = config.text("deviceId").map(DeviceId::new).transpose();
    let text = |name| config.text(name).unwrap_or_default().into_owned();
    Ok(Config {
        seed: [a << 32 | b, c << 32 | d],
        device_id: device_id.map_err(|error| ["deviceId: ", error.sentence()].concat())?,
        client_name: text("name"),
        client_version: text("version"),
        reconnection,
    })
}
