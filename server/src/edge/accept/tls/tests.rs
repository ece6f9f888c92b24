//! Each mistake with certificates and keys has a distinct error message.

use std::{fs, path::Path, process::Command};

use realtime_gateway_brokers::Authority;

use super::*;

fn read(cert: &Path, key: &Path) -> Result<(), String> {
    let tls = Tls { cert: cert.to_owned(), key: key.to_owned() };
    Certificates::read(&tls).map(drop).map_err(|error| error.to_string())
}

#[test]
fn reports_each_mistake_without_revealing_the_key() {
    let (authority, other) = (Authority::make(), Authority::make());
    let path = |name: &str| authority.directory().join(name);
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(authority.directory()).output();
        assert!(output.unwrap().status.success(), "openssl {arguments}");
    };
    let (cert, key) = (path("server.pem"), path("server.key"));
    openssl("x509 -in server.pem -outform der -out cert.der");
    openssl("pkey -in server.key -outform der -out key.der");
    openssl("pkey -in server.key -aes256 -passout pass:hush -out encrypted.key");
    openssl("genrsa -traditional -aes128 -passout pass:hush -out old.key 2048");
    openssl("rsa -in old.key -passin pass:hush -traditional -out rsa.key");
    let text = fs::read_to_string(&key).unwrap();
    fs::write(path("cut.key"), text.split("-----END").next().unwrap()).unwrap();
    fs::write(path("damaged.key"), text.replace("\nM", "\n!M")).unwrap();
    fs::write(path("empty"), " \n").unwrap();
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(path("junk.pem"), junk).unwrap();
    let chain = |names: [&str; 2]| names.map(|name| fs::read_to_string(path(name)).unwrap()).concat();
    fs::write(path("reversed.pem"), chain(["ca.pem", "server.pem"])).unwrap();
    fs::write(path("chain.pem"), chain(["server.pem", "ca.pem"])).unwrap();
    for name in ["server.pem", "server.key"] {
        fs::write(path(&format!("bom-{name}")), format!("\u{feff}{}", fs::read_to_string(path(name)).unwrap()))
            .unwrap();
    }

    assert_eq!(read(&cert, &key), Ok(()));
    assert_eq!(read(&path("chain.pem"), &key), Ok(()));
    assert_eq!(read(&path("bom-server.pem"), &path("bom-server.key")), Ok(()));
    let mistakes = [
        (path("none.pem"), key.clone(), "tls.cert", "cannot be read"),
        (path("empty"), key.clone(), "tls.cert", "is empty"),
        (path("cert.der"), key.clone(), "tls.cert", "is in DER"),
        (key.clone(), key.clone(), "tls.cert", "holds a private key"),
        (path("junk.pem"), key.clone(), "tls.cert and tls.key", "the first certificate is damaged"),
        (path("reversed.pem"), key.clone(), "tls.cert and tls.key", "does not belong to the first certificate"),
        (other.directory().join("server.pem"), key.clone(), "tls.cert and tls.key", "does not belong"),
        (cert.clone(), path("none.key"), "tls.key", "cannot be read"),
        (cert.clone(), path("empty"), "tls.key", "is empty"),
        (cert.clone(), path("key.der"), "tls.key", "is in DER"),
        (cert.clone(), path("encrypted.key"), "tls.key", "is encrypted"),
        (cert.clone(), path("old.key"), "tls.key", "is encrypted"),
        (cert.clone(), path("cut.key"), "tls.key", "END line is missing"),
        (cert.clone(), path("damaged.key"), "tls.key", "is not Base64"),
        (cert.clone(), cert.clone(), "tls.key", "holds a certificate"),
        (cert.clone(), path("rsa.key"), "tls.cert and tls.key", "does not belong"),
    ];
    for (cert, key, names, expected) in mistakes {
        let problem = read(&cert, &key).unwrap_err();
        assert!(problem.starts_with(names) && problem.contains(expected), "{cert:?} {key:?}: {problem}");
        assert!(!problem.contains("BEGIN EC") && problem.lines().count() == 1, "{problem}");
    }
}
