//! The core of the SDKs as the extension module `gateway._core`: `Client::open`, `handle`, `take` and `deadline`, for the driver
//! in Python. It decides nothing and knows no messages. `docs/sdk-core.md` describes them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::{create_exception, exceptions::PyException, prelude::*};
use realtime_gateway_sdk_core::{DIGEST, client::Client};

create_exception!(
    gateway._core,
    InputError,
    PyException,
    "The configuration or the input is not a message of the core: a fault of the driver. The call had no effect."
);
create_exception!(gateway._core, TrapError, PyException, "The core panicked, and the client has ended.");

/// A client of the core. Only one thread may use it.
#[pyclass(module = "gateway._core", unsendable)]
struct Core {
    /// `None` after a panic.
    client: Option<Client>,
}

impl Core {
    /// Calls the client. A panic is a bug of the core, and must not end the program: it ends this client instead.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut Client) -> T) -> PyResult<T> {
        let client = self.client.as_mut().ok_or_else(|| TrapError::new_err("the core has panicked before"))?;
        catch_unwind(AssertUnwindSafe(|| call(client))).map_err(|cause| {
            self.client = None;
            let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default();
            TrapError::new_err(format!("the core panicked: {text}"))
        })
    }
}

#[pymethods]
impl Core {
    /// Makes a client with a configuration.
    #[new]
    fn open(config: &str) -> PyResult<Self> {
        let client = Client::open(config).map_err(InputError::new_err)?;
        Ok(Self { client: Some(client) })
    }

    /// Gives it one message at a time in milliseconds. Returns its messages, one after the other.
    fn handle(&mut self, now: u64, input: &str) -> PyResult<String> {
        self.guarded(|client| client.handle(now, input))?.map_err(|error| InputError::new_err(error.to_string()))
    }

    /// Returns the next item of a stream as one message, or an empty text.
    fn take(&mut self, stream: u64) -> PyResult<String> {
        self.guarded(|client| client.take(stream))
    }

    /// Returns when the core wants a tick, in milliseconds, or None for never.
    fn deadline(&mut self) -> PyResult<Option<u64>> {
        self.guarded(|client| client.deadline())
    }
}

/// The core of the SDKs.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::{Core, InputError, TrapError};

    /// The digest of the core's sources: SDKs with the same digest make the same decisions.
    #[pymodule_export]
    const DIGEST: &str = super::DIGEST;
}
