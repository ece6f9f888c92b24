//! Tests every algorithm with every kind of key. The test vectors of the RFCs rule out that signing and verifying share
//! the same mistake.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey,
    crypto::{sign, verify},
};

use crate::auth::test_tokens::{ED25519, P256, P384, RSA, SECRET, signing_key};

const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

fn verifying_key(algorithm: Algorithm) -> DecodingKey {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => DecodingKey::from_secret(SECRET.as_bytes()),
        Algorithm::ES256 => DecodingKey::from_ec_pem(P256.as_bytes()).unwrap(),
        Algorithm::ES384 => DecodingKey::from_ec_pem(P384.as_bytes()).unwrap(),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(ED25519.as_bytes()).unwrap(),
        _ => DecodingKey::from_rsa_pem(RSA.as_bytes()).unwrap(),
    }
}

#[test]
fn verifies_only_signatures_of_the_same_algorithm() {
    super::install();
    for algorithm in ALGORITHMS {
        let signature = sign(b"message", &signing_key(algorithm), algorithm).unwrap();
        for other in ALGORITHMS {
            let valid = verify(&signature, b"message", &verifying_key(other), other);
            if other == algorithm {
                assert!(valid.unwrap(), "{algorithm:?}");
                assert!(!verify(&signature, b"another", &verifying_key(other), other).unwrap(), "{algorithm:?}");
            } else {
                assert!(!valid.unwrap_or(false), "{algorithm:?} as {other:?}");
            }
        }
    }
}

#[test]
fn rejects_key_of_another_family() {
    super::install();
    for algorithm in ALGORITHMS {
        for other in ALGORITHMS.iter().filter(|other| other.family() != algorithm.family()) {
            assert!(sign(b"message", &signing_key(*other), algorithm).is_err(), "{algorithm:?} with {other:?}");
            assert!(verify("c2ln", b"message", &verifying_key(*other), algorithm).is_err());
        }
    }
    assert_eq!(Algorithm::ES256.family(), AlgorithmFamily::Ec);
}

/// RFC 7515, appendix A.1: HS256.
#[test]
fn verifies_rfc_7515_example_for_hs256() {
    super::install();
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let key = DecodingKey::from_secret(&url_safe(secret));
    let message = b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert!(verify(signature, message, &key, Algorithm::HS256).unwrap());
}

/// RFC 7515, appendix A.3: ES256.
#[test]
fn verifies_rfc_7515_example_for_es256() {
    super::install();
    let key = DecodingKey::from_ec_components(
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )
    .unwrap();
    let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(verify(signature, message, &key, Algorithm::ES256).unwrap());
}

/// RFC 8037, appendix A.4: Ed25519.
#[test]
fn verifies_rfc_8037_example_for_ed25519() {
    super::install();
    let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert!(verify(signature, message, &key, Algorithm::EdDSA).unwrap());
}

fn url_safe(text: &str) -> Vec<u8> {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}
