//! Tests the formats of all kinds of values, and the errors for invalid ones.

use super::*;
use crate::config::{ApiKey, Scope};

fn text<T: Written>(text: &str, kind: Kind) -> Result<T, String> {
    T::read(&Raw::Text(text.into()), kind)
}

fn toml<T: Written>(value: impl Into<toml::Value>, kind: Kind) -> Result<T, String> {
    T::read(&Raw::Toml(value.into()), kind)
}

#[test]
fn durations_require_a_unit() {
    for (written, seconds, shown) in
        [("25s", 25, "25s"), ("90s", 90, "90s"), ("24h", 86_400, "24h"), ("7d", 604_800, "7d")]
    {
        let duration: Duration = text(written, Kind::Duration).unwrap();
        assert_eq!(duration.as_secs(), seconds);
        assert_eq!(duration.write(Kind::Duration).as_str(), Some(shown));
    }
    assert_eq!(text::<Duration>("1500ms", Kind::Duration).unwrap().write(Kind::Duration).as_str(), Some("1500ms"));
    assert_eq!(text::<Duration>("0s", Kind::Duration).unwrap().write(Kind::Duration).as_str(), Some("0s"));
    assert!(text::<Duration>("25", Kind::Duration).unwrap_err().contains("25s"));
    assert!(toml::<Duration>(25, Kind::Duration).unwrap_err().contains("unit"));
}

#[test]
fn sizes_accept_binary_units_and_numbers_do_not() {
    for (written, bytes) in [("64KiB", 65_536), ("1 MiB", 1_048_576), ("512B", 512), ("512", 512), ("1_000", 1_000)] {
        assert_eq!(text::<u64>(written, Kind::Size), Ok(bytes), "{written}");
    }
    assert_eq!(toml::<usize>(2048, Kind::Size), Ok(2048));
    assert_eq!(2048_u64.write(Kind::Size).as_str(), Some("2KiB"));
    for wrong in ["64KB", "many", "-1", "", "99999999999GiB", "1.5KiB"] {
        assert!(text::<u64>(wrong, Kind::Size).is_err(), "{wrong}");
    }
    assert!(text::<u64>("20KiB", Kind::Number).is_err(), "a number has no unit");
    assert!(toml::<u64>(-1, Kind::Number).is_err());
    assert_eq!(text::<u32>("4294967296", Kind::Number).unwrap_err(), "is too large");
}

#[test]
fn addresses_accept_host_names_and_ports() {
    let address = |written: &str| text::<SocketAddr>(written, Kind::Address);
    assert!(address("localhost:4000").unwrap().ip().is_loopback());
    assert_eq!(address(":4000").unwrap().to_string(), "0.0.0.0:4000");
    assert_eq!(address("[::1]:4000").unwrap().to_string(), "[::1]:4000");
    assert!(address("4000").unwrap_err().contains("127.0.0.1:4000"));
}

#[test]
fn lists_accept_commas_lines_and_arrays() {
    let two = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(text::<Vec<String>>(" a, b ,", Kind::Texts), Ok(two.clone()));
    assert_eq!(text::<Vec<String>>(r#"["a","b"]"#, Kind::Texts), Ok(two.clone()));
    assert_eq!(toml::<Vec<String>>(two.clone(), Kind::Texts), Ok(two.clone()));
    assert_eq!(toml::<Vec<String>>("a", Kind::Texts), Ok(vec!["a".to_owned()]));
    assert_eq!(Vec::<String>::read(&Raw::File("a\r\nb\n".into()), Kind::Texts), Ok(two));
    assert!(toml::<Vec<String>>(5, Kind::Texts).is_err());
    let networks: Vec<ipnet::IpNet> = text("10.0.0.0/8,192.168.0.1,fd00::/8", Kind::Texts).unwrap();
    assert_eq!(networks[1].to_string(), "192.168.0.1/32");
    assert!(text::<Vec<ipnet::IpNet>>("ten", Kind::Texts).unwrap_err().contains("10.0.0.0/8"));
}

#[test]
fn pem_keys_may_be_concatenated_and_escaped() {
    let pem = |name: &str| format!("-----BEGIN PUBLIC KEY-----\n{name}\n-----END PUBLIC KEY-----\n");
    let both = vec![pem("one"), pem("two")];
    assert_eq!(
        Vec::<String>::read(&Raw::File(format!("{}\n{}", pem("one"), pem("two"))), Kind::Keys),
        Ok(both.clone())
    );
    assert_eq!(toml::<Vec<String>>(both.clone(), Kind::Keys), Ok(both.clone()));
    let escaped = format!("{},{}", pem("one"), pem("two")).replace('\n', "\\n");
    assert_eq!(text::<Vec<String>>(&escaped, Kind::Keys), Ok(both));
}

#[test]
fn api_keys_have_all_scopes_unless_some_are_listed() {
    let digest = "00".repeat(31) + "ff";
    let keys: Vec<ApiKey> = text(
        &format!(r#"[{{"name":"a","sha256":"{digest}"}},{{"name":"b","sha256":"{digest}","scopes":["read"]}}]"#),
        Kind::Tables,
    )
    .unwrap();
    assert_eq!(keys[0].scopes, [Scope::Publish, Scope::Read, Scope::Admin]);
    assert_eq!((keys[1].scopes.as_slice(), keys[1].sha256[31]), ([Scope::Read].as_slice(), 255));
    let again: Vec<ApiKey> = toml(keys.write(Kind::Tables), Kind::Tables).unwrap();
    assert_eq!(again, keys);
    for wrong in [
        r#"[{"name":"a","sha256":"zz"}]"#.to_owned(),
        format!(r#"[{{"name":"a","sha256":"{digest}","scope":["read"]}}]"#),
        format!(r#"[{{"name":"a","sha256":"{digest}","scopes":["root"]}}]"#),
        format!(r#"[{{"name":"a","sha256":"{}"}}]"#, "é".repeat(32)),
    ] {
        assert!(text::<Vec<ApiKey>>(&wrong, Kind::Tables).is_err(), "{wrong}");
    }
}

#[test]
fn error_for_invalid_choice_lists_the_valid_ones() {
    let wrong = text::<Durability>("fsink", Kind::Choice(Durability::NAMES)).unwrap_err();
    assert_eq!(wrong, r#"is "fsink", which is none of fsync, os"#);
    assert!(text::<String>("loud", Kind::Choice(&["info"])).is_err());
    assert!(text::<bool>("maybe", Kind::Switch).is_err());
    assert_eq!(toml::<bool>(true, Kind::Switch), Ok(true));
}
