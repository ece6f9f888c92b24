//! Tests the sections of declared services.

use super::*;
use crate::config::ClaimPath;

#[test]
fn reads_declared_services_with_paths_relative_to_the_file() {
    let mut setup = Setup::new();
    setup.file(
        "gateway.toml",
        "[services.orders]\ncontract = \"services/orders.service.toml\"\nbackend.url = \"http://u:pass@orders/x\"\n\
         backend.secret_file = \"/run/secrets/orders\"\nbackend.claims = [\"tenant\"]\n",
    );
    setup.variable("GATEWAY_SERVICES__ORDERS__BACKEND__TIMEOUT", "3s");
    setup.variable("GATEWAY_SERVICES__ROOMS_EU__CONTRACT", "rooms.service.toml");
    let loaded = setup.load().unwrap();
    let names: Vec<_> = loaded.config.services.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["orders", "rooms_eu"]);
    let services: Vec<_> = loaded.config.services.values().collect();
    assert_eq!(services[0].contract, setup.directory.path().join("services/orders.service.toml"));
    assert_eq!(services[1].contract, Path::new("rooms.service.toml"), "relative to the working directory");
    let backend = services[0].backend.as_ref().unwrap();
    assert_eq!((backend.timeout.as_secs(), backend.claims.as_slice()), (3, [ClaimPath::of("tenant")].as_slice()));
    let shown = loaded.show();
    assert!(shown.contains("[services.orders]") && shown.contains("backend.url = \"http://***@orders/x\""), "{shown}");
    assert!(shown.contains("# environment GATEWAY_SERVICES__ORDERS__BACKEND__TIMEOUT"), "{shown}");
    assert!(!shown.contains("pass@"), "{shown}");
    let changed = |newer: &Loaded| InForce::new(loaded.clone()).changes(newer);
    assert_eq!(changed(&setup.after(&[&loaded])), []);
    setup.variable("GATEWAY_SERVICES__ROOMS_EU__CONTRACT", "other.service.toml");
    assert_eq!(changed(&setup.after(&[&loaded])), [Change { key: "services", live: true }]);
}

#[test]
fn names_line_key_and_nearest_key_of_a_declared_service() {
    for (text, error) in [
        (
            "[services.orders]\n\ncontrct = \"x\"",
            "line 3: unknown key `services.orders.contrct`; the nearest known one is `services.orders.contract`",
        ),
        (
            "[services.orders.backend]\nuri = \"x\"",
            "line 2: unknown key `services.orders.backend.uri`; the nearest known one is `services.orders.backend.url`",
        ),
        ("[services]\norders = \"x\"", "line 2: `services.orders` is a section: write [services.orders]"),
        ("[services.Orders]\ncontract = \"x\"", "line 1: `services.Orders` is not in a section [services.NAME]"),
        ("[services.orders]\ncontract = 5", "line 2: `services.orders.contract` is not a text in quotes"),
        ("[services.orders]\ncontract = \"\"", "line 2: `services.orders.contract` is empty"),
        ("[services.orders]\nbackend.timeout = \"3s\"", "services.orders.contract is not set"),
        (
            "[services.orders]\ncontract = \"x\"\nbackend.url = \"http://o\"",
            "services.orders.backend.secret_file is not set",
        ),
    ] {
        let found = error_of_toml(text);
        assert!(found.contains(error), "{found}");
    }
    let mut setup = Setup::new();
    setup.variable("GATEWAY_SERVICES__ORDERS__CONTRCT", "x");
    assert!(
        setup.error().ends_with("the nearest known one is `GATEWAY_SERVICES__ORDERS__CONTRACT`"),
        "{}",
        setup.error()
    );
}
