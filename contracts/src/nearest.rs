//! The known name that is most similar to an unknown one.

/// Returns the known name that is most similar, or `None` when there is no known name.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|known| strsim::damerau_levenshtein(known, written))
}

/// Returns the known name that an unknown one is most likely a misspelling of. At most one character in four differs.
pub(crate) fn misspelled<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = nearest(written, known)?;
    let allowed = (name.chars().count() / 4).max(1);
    (strsim::damerau_levenshtein(name, written) <= allowed).then_some(name)
}

/// Returns `; the nearest LIST is NAME`, or an empty text when there is no known name.
pub(crate) fn suggestion<'a>(what: &str, written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, known).map(|name| format!("; the nearest {what} is `{name}`")).unwrap_or_default()
}
