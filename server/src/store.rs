//! The store of this gateway. The contract and the stores are a crate of their own, which this module re-exports; here the
//! configuration decides which of them is opened.

pub use gateway_store::*;

pub mod open {
    //! Opens the store of the configuration.

    use std::sync::Arc;

    pub use gateway_store::open::{Location, OpenError, StoreUrl};
    use gateway_store::{Options, Store, open};

    use crate::{config, runtime::clock::NodeClock};

    /// Opens the store that is configured, and continues the clock of the process that used it last.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong with the URL or the file.
    pub async fn open(
        config: &config::Store,
        options: Options,
        clock: &NodeClock,
    ) -> Result<Arc<dyn Store>, OpenError> {
        let store = open::open(config.location(), options, clock.for_store()).await?;
        match store.clock_mark().await {
            Ok(mark) => mark.iter().for_each(|mark| clock.resume(mark)),
            Err(error) => {
                tracing::error!(%error, "the clock mark of the last process cannot be read; the clock is trusted");
            }
        }
        Ok(store)
    }
}
