//! `gateway bench`: what it reports of a gateway under load, and what it says when it cannot put load on it.

use realtime_gateway_tests::{FaultProxy, Gateway, Settings, must};
use serde_json::{Value, json};
use tokio::process::Command;

/// Runs a bench with the secret of the gateway, and returns its exit code, its report and its errors.
async fn bench(gateway: &Gateway, url: &str, options: &str) -> (Option<i32>, Value, String) {
    let mut arguments = vec!["bench", url, "--json"];
    arguments.extend(options.split_whitespace());
    let output = gateway.command(&arguments).await;
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), report, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

#[tokio::test]
async fn reports_that_every_message_came_once_and_in_order() {
    let gateway = Gateway::start().await;
    let options = "--clients 12 --clans 3 --publishers 6 --rate 60 --duration 1s --config gateway.toml";
    let (code, report, errors) = bench(&gateway, &url(&gateway), options).await;
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{report}");
    let sent = report["sent"].as_u64().unwrap();
    assert!(sent > 0, "{report}");
    // Each of the three clans has four clients, and the sender receives its own messages, too.
    assert_eq!((&report["confirmed"], &report["expected"]), (&json!(sent), &json!(4 * sent)), "{report}");
    assert_eq!(report["received"], report["expected"], "{report}");
    for faults in ["lost", "doubled", "outOfOrder"] {
        assert_eq!(report[faults], 0, "{report}");
    }
    for times in ["confirmationMicros", "deliveryMicros"] {
        let [p50, p99, longest] = ["p50", "p99", "max"].map(|name| report[times][name].as_u64().unwrap());
        assert!(0 < p50 && p50 <= p99 && p99 <= longest, "{report}");
    }
    // A second bench in the same clans begins where their logs end.
    let (code, report, _) = bench(&gateway, &url(&gateway), options).await;
    assert_eq!((code, &report["lost"]), (Some(0), &json!(0)), "{report}");
}

#[tokio::test]
async fn prints_a_report_for_people() {
    let gateway = Gateway::start().await;
    let address = url(&gateway);
    let output = gateway.command(&["bench", &address, "--clients", "2", "--clans", "1", "--duration", "1s"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    for line in ["connected     2 in ", "sent          ", "0 lost, 0 doubled, 0 out of order", "delivery      p50 "] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn takes_tokens_from_a_file_and_from_a_gateway_in_development() {
    let gateway = Gateway::start().await;
    let mut tokens = String::new();
    for user in ["a", "b"] {
        let output = gateway.command(&["token", "--user", user, "--clans", "load-1"]).await;
        tokens.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    std::fs::write(gateway.dir().join("tokens"), &tokens).unwrap();
    let options = "--name load --clans 1 --duration 1s --tokens tokens --clients";
    let (code, report, errors) = bench(&gateway, &url(&gateway), &format!("{options} 2")).await;
    assert_eq!(code, Some(0), "{report} {errors}");
    let (code, _, errors) = bench(&gateway, &url(&gateway), &format!("{options} 3")).await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("tokens has 2 tokens, and 3 clients need one each"), "{errors}");

    let dev = Gateway::dev_with(Settings::default()).await;
    let (code, report, errors) = bench(&dev, &url(&dev), "--dev --clients 2 --clans 1 --duration 1s").await;
    assert_eq!(code, Some(0), "{report} {errors}");
    let (code, _, errors) = bench(&gateway, &url(&gateway), "--dev --clients 2 --clans 1").await;
    assert_eq!(code, Some(1));
    assert!(errors.contains("it runs without --dev"), "{errors}");
}

#[tokio::test]
async fn says_what_stands_in_its_way() {
    let gateway = Gateway::with(Settings::default().set("limits.connections_per_ip", "3")).await;
    let address = url(&gateway);
    for (address, options, words) in [
        (address.as_str(), "--clients 5", "of 5 cannot connect"),
        (address.as_str(), "--clients 1 --clans 1 --rate 20000", "use --publishers"),
        (address.as_str(), "--clients 1 --clans 2", "--clans is 2"),
        ("127.0.0.1:4000", "", "is no URL of a gateway"),
        ("http://127.0.0.1:1", "--clients 1 --clans 1", "does not answer"),
    ] {
        let (code, _, errors) = bench(&gateway, address, options).await;
        assert_eq!(code, Some(1), "{words}");
        assert!(errors.contains(words), "{errors}");
    }
}

#[tokio::test]
async fn fails_when_connections_end_or_messages_are_refused() {
    let gateway = Gateway::start().await;
    let proxy = FaultProxy::to(gateway.address()).await;
    let mut command = Command::new(realtime_gateway_tests::gateway_program());
    command.args(["bench", &format!("http://{}", proxy.address()), "--json", "--clients", "4", "--clans", "2"]);
    command.args(["--duration", "3s", "--config"]).arg(gateway.dir().join("gateway.toml")).kill_on_drop(true);
    let api = gateway.api();
    let cut = async {
        // The bench sends when the log of the gateway has its messages.
        realtime_gateway_tests::eventually("the first message", || async {
            let page = api.get("/api/v1/clans/bench-1/messages").await;
            page["messages"].as_array().is_some_and(|found| !found.is_empty())
        })
        .await;
        proxy.cut();
    };
    let (output, ()) = must("the end of the bench", async { tokio::join!(command.output(), cut) }).await;
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ended: u64 = report["disconnected"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(ended, 4, "{report}");
}
