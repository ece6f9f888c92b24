//! Publications of clients (`publish`). Most are checked and stored before the next command of the session. Those that a
//! backend decides about are asked in a task, one after another for each session, so that a slow backend delays no other
//! command.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use realtime_gateway_protocol::{ErrorCode, Publish, RequestId, Subject};

use super::{Published, Services, refused::refused, service::PublicationCheck};
use crate::{
    command_error::CommandError, config::LiveConfig, metrics::Metrics, runtime::tasks::Tasks, session::Session,
    telemetry::trace,
};

/// After how long a client with too many publications under way may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The publications of this node.
pub(crate) struct Publications {
    pub(crate) services: Arc<Services>,
    pub(crate) config: LiveConfig,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: Tasks,
}

impl Publications {
    /// Publishes the event of a client. Returns its confirmation, or `None` when a backend is asked first: the
    /// confirmation, or the error, is then sent to the client when it is known.
    ///
    /// # Errors
    /// The errors of [`Services::publish`], and `unavailable` when the session has too many requests to backends under
    /// way.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        session: Arc<Session>,
        request_id: Option<RequestId>,
        publish: Publish,
    ) -> Result<Option<Published>, CommandError> {
        let service = self.services.of_publication(&publish)?;
        if service.publication_check(&publish.topic) == PublicationCheck::InProcess {
            return self.services.publish(&*service, &session, publish).await.map(Some);
        }
        self.services.check_publisher(&session, &publish).await?;
        let Some(under_way) = session.begin_call(self.config.get().limits.calls_in_flight) else {
            let message = "too many calls and publications of this session are under way; wait for a result";
            let error = CommandError::retry(ErrorCode::Unavailable, message, RETRY_AFTER);
            return Err(error.for_command_with_id(publish.client_message_id.as_ref()));
        };
        // Taken here and not in the task: tasks may begin in another order than the commands arrived.
        let turn = session.next_publication();
        let publications = Arc::clone(self);
        self.tasks.spawn(trace::carried(async move {
            let turn = turn.wait().await;
            publications.ask_and_store(&session, request_id, publish).await;
            drop((turn, under_way));
        }));
        Ok(None)
    }

    async fn ask_and_store(&self, session: &Session, request_id: Option<RequestId>, publish: Publish) {
        let id = publish.client_message_id.clone();
        let subject = Subject::Topic(publish.service.clone(), publish.topic.clone());
        // A panic must not keep the later publications of the session waiting without an answer.
        let sent = AssertUnwindSafe(self.services.ask_and_publish(session, publish)).catch_unwind().await;
        match sent.unwrap_or_else(|_| Err(CommandError::internal("a service has panicked"))) {
            Ok(sent) => session.reply(request_id, sent),
            Err(error) => {
                let error = error.for_command_with_id(id.as_ref());
                self.metrics.error(&error.code);
                session.reply(request_id, refused(Some("publish"), &error, subject));
            }
        }
    }
}
