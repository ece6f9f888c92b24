//! `gateway notify` with the time of an escalation.

use super::*;

#[test]
fn notify_command_sets_time_of_escalation() {
    let sandbox = Sandbox::empty().variable("GATEWAY_API_KEY", "k-1");
    let notify = ["notify", "--user", "alice", "--title", "T", "--message", "M", "--escalate-after"];
    for (time, seconds) in [("600", 600), ("10m", 600), ("1h 30s", 3_630), ("0", 0), ("0s", 0)] {
        let (url, served) = respond_once("202 Accepted", &json!({ "ids": ["n-1"] }));
        let output = sandbox.run(&[&notify[..], &[time, "--gateway", &url]].concat());
        let request = served.join().unwrap();
        let (_, body) = request.split_once("\r\n\r\n").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        let expected = json!({ "userId": "alice", "title": "T", "message": "M", "escalateAfterSeconds": seconds });
        assert_eq!((output.code(), body), (0, expected), "{time}: {}", output.err());
    }
    for wrong in ["soon", "1500ms", "1.5", "10 minuets"] {
        let output = sandbox.run(&[&notify[..], &[wrong]].concat());
        assert!(output.code() == 2 && output.err().contains("--escalate-after"), "{wrong}: {}", output.err());
    }
}
