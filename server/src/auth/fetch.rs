//! Reads HTTP responses of other servers, up to a size limit.

/// Returns the body of a successful response of at most `max_bytes`. Errors do not contain the URL, which may include a
/// secret.
pub(super) async fn body(
    request: Result<reqwest::Response, reqwest::Error>,
    max_bytes: usize,
) -> Result<Vec<u8>, String> {
    let failed = |error: reqwest::Error| match std::error::Error::source(&error) {
        Some(reason) if error.is_redirect() => reason.to_string(),
        _ => error.without_url().to_string(),
    };
    let mut response = request.map_err(failed)?;
    if !response.status().is_success() {
        return Err(format!("the response has the status {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > max_bytes {
            return Err(format!("the response is larger than {} KiB", max_bytes / 1024));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
