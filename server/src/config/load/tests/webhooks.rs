//! Tests the sections of webhooks.

use super::*;

#[test]
fn reads_webhooks_from_file_and_environment() {
    let mut setup = Setup::new();
    setup.file(
        "gateway.toml",
        "[webhooks.shop]\nurl = \"https://u:pass@api.example.com/x\"\nsecret_file = \"hooks\"\n\
         events = [\"chat\", \"service.orders\"]\nretry_for = \"90s\"\n",
    );
    setup.variable("GATEWAY_WEBHOOKS__SHOP__MAX_BATCH", "7");
    setup.variable("GATEWAY_WEBHOOKS__AUDIT_EU__URL", "http://8.8.8.8/hook");
    setup.variable("GATEWAY_WEBHOOKS__AUDIT_EU__SECRET_FILE", "audit");
    setup.variable("GATEWAY_WEBHOOKS__AUDIT_EU__EVENTS", "session,notification.*");
    setup.variable("GATEWAY_WEBHOOKS__AUDIT_EU__BACKEND_EVENTS", "true");
    let loaded = setup.load().unwrap();
    let names: Vec<_> = loaded.config.webhooks.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["audit_eu", "shop"]);
    let [audit, shop] = &loaded.config.webhooks.values().collect::<Vec<_>>()[..] else { panic!("two webhooks") };
    assert_eq!(shop.secret_file, setup.directory.path().join("hooks"), "relative to the file");
    assert_eq!((shop.max_batch, shop.retry_for.as_secs(), shop.events.len()), (7, 90, 2));
    assert_eq!(audit.secret_file, Path::new("audit"), "relative to the working directory");
    assert_eq!((audit.max_batch, audit.max_waiting, audit.max_dead), (100, 1_000_000, 100_000));
    let shown = loaded.show();
    assert!(shown.contains("[webhooks.shop]") && !shown.contains("pass@"), "{shown}");
    assert!(loaded.notices.iter().any(|notice| notice.starts_with("webhooks.audit_eu.url is http:")));
    let changed = |newer: &Loaded| InForce::new(loaded.clone()).changes(newer);
    assert_eq!(changed(&setup.after(&[&loaded])), []);
    setup.variable("GATEWAY_WEBHOOKS__SHOP__MAX_BATCH", "8");
    assert_eq!(changed(&setup.after(&[&loaded])), [Change { key: "webhooks", live: true }]);
}

#[test]
fn names_line_key_and_nearest_key_of_a_webhook() {
    for (text, error) in [
        (
            "[webhooks.shop]\n\nevent = [\"chat\"]",
            "line 3: unknown key `webhooks.shop.event`; the nearest known one is `webhooks.shop.events`",
        ),
        ("[webhooks]\nshop = \"x\"", "line 2: `webhooks.shop` is a section: write [webhooks.shop]"),
        ("[webhooks.Shop]\nurl = \"x\"", "line 1: `webhooks.Shop` is not in a section [webhooks.NAME]"),
        ("[webhooks.shop]\nmax_batch = \"many\"", "line 2: `webhooks.shop.max_batch`"),
        ("[webhooks.shop]\nmax_batch = 5", "webhooks.shop.url is not set"),
        ("[webhooks.shop]\nurl = \"http://shop\"", "webhooks.shop.secret_file is not set"),
    ] {
        let found = error_of_toml(text);
        assert!(found.contains(error), "{found}");
    }
}
