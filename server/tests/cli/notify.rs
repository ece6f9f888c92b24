//! `gateway notify` with the time of an escalation.

use super::*;

#[test]
fn notify_command_sets_time_of_escalation() {
    let (url, served) = respond_once("202 Accepted", &json!({ "ids": ["n-1"] }));
    let notify = ["notify", "--user", "alice", "--title", "T", "--message", "M", "--gateway", &url, "--escalate-after"];
    let sandbox = Sandbox::empty().variable("GATEWAY_API_KEY", "k-1");
    let output = sandbox.run(&[&notify[..], &["600"]].concat());
    let request = served.join().unwrap();
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let expected = json!({ "userId": "alice", "title": "T", "message": "M", "escalateAfterSeconds": 600 });
    assert_eq!((output.code(), body), (0, expected), "{}", output.err());
    for wrong in ["0", "soon"] {
        let output = sandbox.run(&[&notify[..], &[wrong]].concat());
        assert!(output.code() == 2 && output.err().contains("--escalate-after"), "{wrong}: {}", output.err());
    }
}
