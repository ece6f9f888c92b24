//! Reads the variables of a `.env` file with the `dotenvy` crate, so that the file has the same meaning as in other
//! tools. Text that dotenvy would most likely not read as intended is rejected.

use std::collections::BTreeMap;

use super::ConfigError;

/// The name and the value of a probe variable, which shows whether dotenvy replaces a reference. A reference without
/// braces consists of letters and digits only.
const PROBE: (&str, &str) = ("gatewayProbe", "gatewayProbeValue");

/// Parses the variables of a file. An error contains the number of the line but not its text, which may be a secret.
pub(super) fn variables(text: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let text = text.trim_start_matches('\u{feff}');
    let Ok(pairs) = parse(text) else {
        let problem = "is not NAME=value; put single quotes around a value that holds white space, `#`, `$` or `\\`";
        return Err(error(first_wrong_line(text), problem));
    };
    let mut variables = BTreeMap::new();
    for (name, value) in pairs {
        // dotenvy uses the first value, shells and containers the last one.
        let first = variables.entry(name.clone()).or_insert_with(|| value.clone());
        if *first != value && (name.starts_with("GATEWAY_") || name == "RUST_LOG") {
            let problem = format!("`{name}` stands here twice with different values: keep one of them");
            return Err(ConfigError::File { path: ".env".into(), problem });
        }
    }
    if let Some(line) = swallowed(text, &variables) {
        return Err(error(
            line,
            "stands within quotes that an earlier line opens, perhaps by an apostrophe in a comment",
        ));
    }
    match unset_reference(text, &variables) {
        Some(line) => Err(error(
            line,
            "refers with `$` to a variable that is not set; put single quotes around a value with a `$` of its own",
        )),
        None => Ok(variables),
    }
}

fn error(line: usize, problem: &str) -> ConfigError {
    ConfigError::File { path: format!(".env, line {line}"), problem: problem.to_owned() }
}

fn parse(text: &str) -> Result<Vec<(String, String)>, dotenvy::Error> {
    // Add a line break, because dotenvy rejects trailing white space at the end of the text.
    dotenvy::from_read_iter(format!("{text}\n").as_bytes()).collect()
}

/// Returns the line of a setting that was not read because it is inside quotes that another line opens. dotenvy also
/// treats an apostrophe in a comment as an opening quote.
fn swallowed(text: &str, variables: &BTreeMap<String, String>) -> Option<usize> {
    let is_lost = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("export").map_or(line, str::trim_start);
        let name = line.split_once('=').map(|(name, _)| name.trim_end());
        name.is_some_and(|name| name.starts_with("GATEWAY_") && !variables.contains_key(name))
    };
    text.lines().position(is_lost).map(|index| index + 1)
}

/// Returns the line of the first value that cannot be parsed: the line after the longest prefix of the file that can
/// be.
fn first_wrong_line(text: &str) -> usize {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let can_be_read = |count: &usize| parse(&lines.iter().take(*count).copied().collect::<String>()).is_ok();
    (0..lines.len()).rev().find(can_be_read).unwrap_or(0) + 1
}

/// Returns the line of a reference such as `$NAME` that dotenvy would replace with nothing, because neither the file
/// nor the process has the variable. It is most likely a part of a secret.
fn unset_reference(text: &str, variables: &BTreeMap<String, String>) -> Option<usize> {
    text.match_indices('$').find_map(|(at, _)| {
        let (before, after) = text.split_at_checked(at + 1)?;
        let (opening, after) = after.strip_prefix('{').map_or(("", after), |after| ("{", after));
        let end = match opening {
            "" => after.find(|c: char| !c.is_alphanumeric()).unwrap_or(after.len()),
            _ => after.find('}')?,
        };
        let (name, rest) = after.split_at_checked(end)?;
        if variables.contains_key(name) || std::env::var_os(name).is_some() {
            return None;
        }
        // Quotes, escapes and comments determine whether this is a reference, so let dotenvy parse it with the probe.
        let (probe, value) = PROBE;
        let probed = parse(&format!("{probe}={value}\n{before}{opening}{probe}{rest}")).ok()?;
        let is_replaced = probed.iter().skip(1).any(|(_, probed)| probed.contains(value));
        is_replaced.then(|| before.matches('\n').count() + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        variables(text).unwrap().into_iter().collect()
    }

    fn refusal(text: &str) -> String {
        let refusal = variables(text).unwrap_err().to_string();
        assert!(!refusal.contains("s3cret"), "{refusal}");
        refusal
    }

    #[test]
    fn parses_files_like_dotenvy() {
        for (line, value) in [
            ("A=1", "1"),
            ("export A=1", "1"),
            ("A = 1", "1"),
            ("A=1   ", "1"),
            ("A=1\t# a comment", "1"),
            ("A=a#b", "a#b"),
            ("A='x # y'", "x # y"),
            ("A=\"x # y\" # c", "x # y"),
            (r#"A="say \"hi\"""#, "say \"hi\""),
            (r#"A="back\\slash""#, "back\\slash"),
            (r#"A="l1\nl2""#, "l1\nl2"),
            ("A=\"l1\nl2\"", "l1\nl2"),
            (r"A='as \it $is'", r"as \it $is"),
            (r"A=two\ words", "two words"),
            (r"A=\$5", "$5"),
            ("A=", ""),
            ("A=''", ""),
        ] {
            for text in [line.to_owned(), format!("\u{feff}{line}\n"), format!("# first\r\n{line}\r\n\r\n")] {
                assert_eq!(read(&text), [("A".to_owned(), value.to_owned())], "{text:?}");
            }
        }
    }

    #[test]
    fn error_names_the_line_without_its_text() {
        for line in ["s3cret", "A B=s3cret", "A='s3cret", "A=\"s3cret", "A=a s3cret", r"A=C:\s3cret", "A=${s3cret"] {
            let expected = ".env, line 4: is not NAME=value";
            let refusal = refusal(&format!("X=\"1\n2\"\n# it's\n{line}\n"));
            assert!(refusal.starts_with(expected), "{line}: {refusal}");
        }
    }

    #[test]
    fn rejects_reference_to_unset_variable() {
        assert_eq!(read("A=x\nB=$A-${A}\n")[1].1, "x-x");
        assert_eq!(read("A='$s3cret' # costs $5\n# $none\nB=\\$s3cret\n")[0].1, "$s3cret");
        for line in ["A=abc$s3cret", "A=\"abc${s3cret}\"", "A=abc$5s3cret", "A=a$s3cret$s3cret"] {
            assert!(refusal(&format!("X=1\n{line}\n")).starts_with(".env, line 2: refers with `$`"), "{line}");
        }
    }

    #[test]
    fn rejects_setting_inside_quotes_of_another_line() {
        for text in
            ["GATEWAY_A=1  # it's\nGATEWAY_B=2  # it's\n", "X='\nGATEWAY_B=2\n'", "X=\"\n  export GATEWAY_B = 2\n\""]
        {
            assert!(refusal(text).starts_with(".env, line 2: stands within quotes"), "{text}");
        }
        assert_eq!(read("GATEWAY_A=1 # it's\nGATEWAY_B=2 # it's\n").len(), 2);
        assert_eq!(read("# GATEWAY_A=1\nX='a\nb=c'\n").len(), 1);
    }

    #[test]
    fn rejects_duplicate_setting_with_different_values() {
        assert_eq!(
            refusal("GATEWAY_A=s3cret1\nGATEWAY_A=s3cret2"),
            ".env: `GATEWAY_A` stands here twice with different values: keep one of them"
        );
        assert_eq!(read("GATEWAY_A=1\nGATEWAY_A=1"), [("GATEWAY_A".to_owned(), "1".to_owned())]);
        assert_eq!(
            read("OTHER=1\nOTHER=2"),
            [("OTHER".to_owned(), "1".to_owned())],
            "variables of other programs are ignored"
        );
    }
}
