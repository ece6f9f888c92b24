//! The conformance suite and the model test on a store in memory.

use std::sync::Arc;

use super::*;
use crate::testing::{
    conformance::{Subject, broadcast, options, user_topic},
    model,
};

async fn open(options: Options) -> Subject {
    subject(options)
}

fn subject(options: Options) -> Subject {
    Subject::new(|clock| Arc::new(MemoryStore::new(options, clock)))
}

#[tokio::test]
async fn recipients_of_broadcast_share_its_bytes() {
    let subject = subject(options());
    subject.store.notify_all(broadcast(&subject, &["u", "v"], "a")).await;
    let body = async |name| subject.read(&user_topic(name), 0).await.entries[0].body.as_ptr();
    assert_eq!(body("u").await, body("v").await);
}

crate::conformance!(open);

#[test]
fn agrees_with_model() {
    model::check(256, async || subject(options()));
}
