//! `gateway codegen --url` with a running gateway, and with servers that answer otherwise.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SECRET, Sandbox, respond_once};

const CONTRACT: &str = "name = \"orders\"\nschema = \"orders.json\"\n\n[topics.order]\npattern = \"order-{orderId}\"\n\
                        event = \"OrderEvent\"\npublish = \"OrderEvent\"\n";
const SCHEMA: &str = r#"{ "$defs": { "OrderEvent": { "type": "object", "required": ["id", "at"],
    "properties": { "id": { "type": "string" }, "at": { "type": "string", "format": "date-time" } } } } }"#;

/// A gateway with the declared service `orders`, which ends with this value.
struct Gateway {
    process: Child,
    url: String,
}

impl Gateway {
    fn start(sandbox: &Sandbox) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_gateway"))
            .arg("serve")
            .current_dir(&sandbox.folder)
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = log.find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let fields = &line["fields"];
            (fields["message"] == "listening").then(|| fields["address"].as_str().unwrap().to_owned())
        });
        // The gateway must not wait for a reader of its log.
        thread::spawn(move || log.for_each(drop));
        Self { process, url: format!("http://{}", address.unwrap()) }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A sandbox with the contract, the configuration of a gateway, and keys with the names of their scopes.
fn sandbox() -> Sandbox {
    let keys = [("read", "read", ""), ("publish", "publish", ""), ("limited", "read", "services = [\"orders\"]\n")];
    let keys = keys.map(|(key, scope, rest)| {
        let digest: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("[[auth.api_keys]]\nname = \"{key}\"\nsha256 = \"{digest}\"\nscopes = [\"{scope}\"]\n{rest}")
    });
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[store]\nurl = \"redb:gateway.redb\"\n[auth]\njwt_secret = \"{SECRET}\"\n\
         [services.orders]\ncontract = \"orders.service.toml\"\n{}",
        keys.concat()
    );
    Sandbox::empty().file("orders.service.toml", CONTRACT).file("orders.json", SCHEMA).file("gateway.toml", &config)
}

fn codegen<'a>(url: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["codegen", "--lang", "typescript", "--out", "app", "--url", url][..], options].concat()
}

#[test]
fn code_of_running_gateway_is_that_of_its_contract_files() {
    let mut sandbox = sandbox();
    let gateway = Gateway::start(&sandbox);
    let code = sandbox.folder.path().join("app/gateway.gen.ts");
    let refused = |sandbox: &Sandbox, reason: &str| {
        let refusal = sandbox.run(&codegen(&gateway.url, &[])).refusal();
        assert!(refusal.contains(reason), "{refusal}");
        assert!(!code.exists());
    };
    refused(&sandbox, "needs an API key (401 Unauthorized): set GATEWAY_API_KEY to a key with the scope `read`");
    for (key, reason) in [
        ("unknown", "refuses the key in GATEWAY_API_KEY (401 Unauthorized)"),
        ("publish", "does not allow the key in GATEWAY_API_KEY to read contracts (403 Forbidden)"),
        ("limited", "does not allow the key in GATEWAY_API_KEY to read contracts (403 Forbidden)"),
        ("a\u{7f}b", "GATEWAY_API_KEY has characters that no key has"),
    ] {
        sandbox = sandbox.variable("GATEWAY_API_KEY", key);
        refused(&sandbox, reason);
    }
    sandbox = sandbox.variable("GATEWAY_API_KEY", "read");
    for url in [gateway.url.clone(), format!("{}/contracts.json", gateway.url)] {
        let written = sandbox.run(&codegen(&url, &[]));
        assert_eq!((written.code(), written.out().as_str()), (0, "app/gateway.gen.ts\n"), "{}", written.err());
    }
    assert!(fs::read_to_string(&code).unwrap().contains("export interface OrderEvent"));
    let check = ["codegen", "--lang", "typescript", "--out", "app", "--check", "orders.service.toml"];
    assert_eq!(sandbox.run(&check).code(), 0, "{}", sandbox.run(&check).err());
    assert_eq!(sandbox.run(&codegen(&gateway.url, &["--check"])).code(), 0);
    fs::write(&code, "other").unwrap();
    let stale = sandbox.run(&codegen(&gateway.url, &["--check"])).refusal();
    let refresh = format!("gateway codegen --lang typescript --out app --url {}", gateway.url);
    assert!(stale.ends_with(&format!("differs from the contracts; to write again: {refresh}")), "{stale}");
    let other = sandbox.run(&codegen(&format!("{}/none", gateway.url), &[])).refusal();
    assert!(other.contains("/none/contracts.json does not exist (404 Not Found)"), "{other}");
}

/// Starts a server that answers one request with these bytes and then as many of `filler`, and returns its URL.
fn respond_with(head: &str, filler: &'static [u8], repeats: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let head = head.to_owned();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.read(&mut [0; 4096]).unwrap();
        // The client closes the connection when it has received too much.
        let _ = socket.write_all(head.as_bytes());
        let _ = (0..repeats).try_for_each(|_| socket.write_all(filler));
    });
    url
}

#[test]
fn wrong_answers_leave_existing_files_untouched() {
    let sandbox = Sandbox::empty().variable("GATEWAY_API_KEY", "gw_hush");
    fs::create_dir(sandbox.folder.path().join("app")).unwrap();
    let sandbox = sandbox.file("app/gateway.gen.ts", "kept");
    let refused = |url: &str, reason: &str| {
        let refusal = sandbox.run(&codegen(url, &[])).refusal();
        assert!(refusal.contains(reason), "{reason}: {refusal}");
        assert!(!refusal.contains("hush") && !refusal.contains('\u{1b}'), "{refusal:?}");
        assert_eq!(fs::read_to_string(sandbox.folder.path().join("app/gateway.gen.ts")).unwrap(), "kept");
    };
    refused("http://127.0.0.1:1", "http://127.0.0.1:1/contracts.json does not answer; check the address");
    refused("http://gateway.invalid", "http://gateway.invalid/contracts.json does not answer; check the address");
    refused("gateway.example.com", "--url is not the address of a gateway");
    refused("http://a:hush@127.0.0.1:1", "give the key in GATEWAY_API_KEY instead");
    refused("http://127.0.0.1:1/?key=hush", "give the key in GATEWAY_API_KEY instead");
    for (status, body, reason) in [
        ("200 OK", json!({ "contracts": [] }), "has no contracts: a section [services.NAME]"),
        ("200 OK", json!({ "status": "ok" }), "is not a list of contracts, such as that of /contracts.json"),
        ("200 OK", json!({ "contracts": [{ "name": "a", "schema": {} }] }), "--url takes the address of a gateway"),
        ("200 OK", json!({ "contracts": [{ "name": "a\u{1b}[2J", "schema": {} }] }), "--url takes the address"),
        ("500 Internal Server Error", json!({}), "answers 500 Internal Server Error instead of the contracts"),
        ("503 Service Unavailable", json!({}), "answers 503 Service Unavailable instead of the contracts"),
    ] {
        let (url, served) = respond_once(status, &body);
        refused(&url, reason);
        assert!(served.join().unwrap().contains("authorization: Bearer gw_hush\r\n"));
    }
    let redirect = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/login\r\ncontent-length: 0\r\n\r\n";
    refused(&respond_with(redirect, b"", 0), "redirects to http://127.0.0.1:1/login: give the address");
    let page = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<!DOCTYPE html>\n";
    refused(&respond_with(page, b"", 0), "is not a list of contracts");
    let text = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    refused(&respond_with(text, b"\xff", 1), "sends no text");
    refused(&respond_with(text, b"[[[[[[[[[[", 20_000), "is not a list of contracts");
    // 50 MB, with and without an announced length.
    refused(&respond_with(text, &[b' '; 1_000_000], 50), "sends more than 16 MiB");
    let large = "HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n";
    refused(&respond_with(large, &[b' '; 1_000_000], 50), "sends more than 16 MiB");
    refused(&respond_with(large, b"{", 1), "sends no complete answer");
    refused(&respond_with("SSH-2.0-OpenSSH\r\n", b"", 0), "does not answer");
}
