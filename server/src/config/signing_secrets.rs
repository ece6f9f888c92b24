//! Reads the file with the secrets that sign requests of the gateway, as Standard Webhooks defines them.

use std::{fs, path::Path};

use super::{Secret, webhook_secret};

/// Reads the secrets of a file, one a line.
///
/// # Errors
/// A sentence that names the file and the line, and contains no secret.
pub fn read_signing_secrets(file: &Path) -> Result<Vec<Secret>, String> {
    let shown = file.display();
    let text = fs::read_to_string(file).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).enumerate();
    let secrets = lines.filter(|(_, line)| !line.is_empty()).map(|(index, line)| {
        let checked = webhook_secret::check(line).map(|()| Secret(line.to_owned()));
        checked.map_err(|problem| format!("{shown}, line {}: {problem}", index + 1))
    });
    let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
    if secrets.is_empty() { Err(format!("{shown}: contains no secret")) } else { Ok(secrets) }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn reads_one_secret_a_line_and_never_shows_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("secret");
        let secret = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        fs::write(&file, format!("\u{feff}{}\r\n\n{}\n", secret(24), secret(64))).unwrap();
        assert_eq!(read_signing_secrets(&file).unwrap(), [Secret(secret(24)), Secret(secret(64))]);
        for (text, problem) in [
            (String::new(), "contains no secret"),
            (format!("{}\n{}", secret(24), secret(23)), "line 2: is not `whsec_`"),
            (secret(65), "line 1: is not `whsec_`"),
            (STANDARD.encode([7; 32]), "line 1: is not `whsec_`"),
        ] {
            fs::write(&file, &text).unwrap();
            let error = read_signing_secrets(&file).unwrap_err();
            assert!(error.contains(problem), "{error}");
            assert!(!error.contains(&STANDARD.encode([7; 18])), "{error}");
        }
        fs::remove_file(&file).unwrap();
        assert!(read_signing_secrets(&file).unwrap_err().contains("cannot be read"));
    }
}
