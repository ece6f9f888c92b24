//! Rust source with comments and literals replaced by blanks, so that rules match only code.

/// Replaces every comment, string and character literal by blanks, and keeps line breaks.
pub(super) fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = comment(rest).or_else(|| string(rest)).or_else(|| character(rest));
        let length = skipped.unwrap_or(next.len_utf8());
        let (taken, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if skipped.is_some() {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            code.push_str(taken);
        }
        rest = after;
    }
    code
}

/// Returns the lines, counted from 1, that contain `word` at the start of a path, as a whole word unless it ends in
/// `::`.
pub(super) fn lines_naming<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.lines().enumerate().filter_map(move |(index, line)| {
        let named = line.match_indices(word).any(|(at, _)| {
            let before = line.get(..at).unwrap_or_default();
            let after = line.get(at + word.len()..).unwrap_or_default();
            // `crate::store::redis` is a module of this project; `::redis` and `redis` are the crate.
            let inside_path = before.strip_suffix("::").is_some_and(|path| path.ends_with(is_part));
            let goes_on = !word.ends_with("::") && after.starts_with(is_part);
            !inside_path && !before.ends_with(is_part) && !goes_on
        });
        named.then_some(index + 1)
    })
}

/// Returns the length of a comment at the start; block comments nest.
fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    let mut depth = 0_usize;
    let mut at = 0;
    loop {
        let here = rest.get(at..)?;
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if depth == 0 {
            return None;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += here.chars().next()?.len_utf8();
        }
    }
}

/// Returns the length of a string literal at the start, raw or not; a prefix `b` or `c` is left as code.
fn string(rest: &str) -> Option<usize> {
    if let Some(raw) = rest.strip_prefix('r') {
        let content = raw.trim_start_matches('#');
        let hashes = raw.len() - content.len();
        let content = content.strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let start = rest.len() - content.len();
        return Some(content.find(&end).map_or(rest.len(), |at| start + at + end.len()));
    }
    let mut escaped = false;
    let content = rest.strip_prefix('"')?;
    let end = content.find(|c| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    Some(end.map_or(rest.len(), |at| at + 2))
}

/// Returns the length of a character literal at the start; `None` for a lifetime.
fn character(rest: &str) -> Option<usize> {
    let content = rest.strip_prefix('\'')?;
    let mut characters = content.char_indices();
    let (_, first) = characters.next()?;
    if first == '\\' {
        // The escaped character may be a quote.
        characters.next()?;
        return characters.find(|(_, c)| *c == '\'').map(|(at, _)| at + 2);
    }
    characters.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_literals() {
        let source = "a /* b /* c */ d */ e // f\ng \"h \\\" i\" j r#\"k \" l\"# m '\"' n '\\'' o b\"p\"";
        let code = code_only(source);
        let words: Vec<_> = code.split_whitespace().collect();
        assert_eq!(words, ["a", "e", "g", "j", "m", "n", "o", "b"]);
        assert_eq!(code.chars().count(), source.chars().count());
    }

    #[test]
    fn keeps_lifetimes() {
        assert_eq!(code_only("fn f<'a>(x: &'a str) -> &'a str { x }"), "fn f<'a>(x: &'a str) -> &'a str { x }");
    }

    #[test]
    fn keeps_line_breaks_in_literals() {
        assert_eq!(code_only("a\"\n\n\"b\n").lines().count(), 3);
    }

    #[test]
    fn matches_whole_words_at_start_of_path() {
        let code =
            "use redis::Client;\nuse crate::store::redis::Store;\nlet redis_url = 1;\n::redis::open();\nmod redis;";
        assert_eq!(lines_naming(code, "redis").collect::<Vec<_>>(), [1, 4, 5]);
        assert_eq!(lines_naming("std::env::var(x)", "std::env").collect::<Vec<_>>(), [1]);
        assert_eq!(lines_naming("env!(x)\nmy_env::x\nenv::var(x)", "env::").collect::<Vec<_>>(), [3]);
    }
}
