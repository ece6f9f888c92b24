//! `gateway check` compares the broker's queues and exchanges with the gateway's declarations, and creates nothing.

use lapin::{
    ExchangeKind,
    options::{ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use realtime_gateway_brokers::rabbitmq::shared;
use realtime_gateway_tests::{Backend, Gateway};

/// Runs `check` and returns its findings and whether the gateway would start.
async fn check(backend: &Backend) -> (String, bool) {
    let output = Gateway::run_once(backend.settings(), "check").await;
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

/// Returns the finding that begins with a text.
fn finding<'a>(found: &'a str, text: &str) -> &'a str {
    found.lines().find(|line| line.starts_with(text)).unwrap_or_else(|| panic!("no {text:?} in:\n{found}"))
}

async fn has_queue(backend: &Backend, queue: &str) -> bool {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let again = backend.reconnect().await;
    again.channel().queue_declare(queue.into(), options, FieldTable::default()).await.is_ok()
}

#[tokio::test]
async fn check_creates_nothing_and_accepts_declarations_of_serve() {
    let backend = Backend::connect(&shared()).await;
    let (found, starts) = check(&backend).await;
    assert!(starts, "{found}");
    let absent = finding(&found, "ok       the broker has not yet");
    for name in ["inbound", "outbound", "dead_letter"] {
        assert!(absent.contains(&backend.name(name)), "{absent}");
    }
    assert!(!has_queue(&backend, &backend.name("inbound")).await, "check has created a queue");

    // The list of compared objects matches the declared ones.
    let mut gateway = Gateway::with(backend.settings()).await;
    gateway.wait_for_broker().await;
    let (found, starts) = check(&backend).await;
    assert!(starts, "{found}");
    assert!(!found.contains("the broker has not yet"), "{found}");
    let same = finding(&found, "ok       the broker has, as the gateway declares it");
    for name in ["exchange {}.inbound", "queue {}.inbound", "exchange {}.outbound", "queue {}.dead_letter"] {
        let (kind, name) = name.split_once(" {}.").unwrap();
        assert!(same.contains(&format!("{kind} {}", backend.name(name))), "{same}");
    }
    let taken = finding(&found, "warning  a gateway that runs has this to itself");
    assert!(taken.contains(&backend.name("single")), "{taken}");
    gateway.kill().await;
}

#[tokio::test]
async fn check_reports_queues_and_exchanges_with_other_arguments() {
    for name in ["inbound", "dead_letter"] {
        let backend = Backend::connect(&shared()).await;
        let (name, options) = (backend.name(name), QueueDeclareOptions { durable: true, ..Default::default() });
        backend.channel().queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();
        let (found, starts) = check(&backend).await;
        let error = finding(&found, "error    the broker: PRECONDITION_FAILED");
        assert!(!starts && error.contains(&name) && error.contains("delete it on the broker"), "{found}");
    }
    for name in ["inbound", "outbound", "dead_letter"] {
        let backend = Backend::connect(&shared()).await;
        let (name, options) = (backend.name(name), ExchangeDeclareOptions::default());
        let declaring = backend.channel().exchange_declare(
            name.as_str().into(),
            ExchangeKind::Direct,
            options,
            FieldTable::default(),
        );
        declaring.await.unwrap();
        let (found, starts) = check(&backend).await;
        let error = finding(&found, "error    the broker: PRECONDITION_FAILED");
        assert!(!starts && error.contains(&name), "{found}");
    }
}
