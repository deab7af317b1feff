//! The page and its files, out of the binary: compressed at build time, cached for good where the name has a hash in it.

#[cfg(feature = "embed-ui")]
pub(super) use embedded::serve;

#[cfg(not(feature = "embed-ui"))]
/// This build carries no page.
pub(super) fn serve(_path: &str, _headers: &axum::http::HeaderMap) -> axum::response::Response {
    use axum::response::IntoResponse as _;
    super::error::ApiError::new(axum::http::StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
        .into_response()
}

#[cfg(feature = "embed-ui")]
mod embedded {
    use std::borrow::Cow;

    use axum::body::{Body, Bytes};
    use axum::http::header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
    };
    use axum::http::{Response, StatusCode};
    use axum::response::IntoResponse as _;
    use data_encoding::HEXLOWER;
    use rust_embed::{EmbeddedFile, RustEmbed};

    #[derive(RustEmbed)]
    #[folder = "web/dist/"]
    struct Files;

    const INDEX: &str = "index.html";
    /// The paths that the page's own router knows; each is the same page.
    const PAGES: &[&str] =
        &["/", "/signin", "/register", "/setup", "/check", "/trust", "/admin", "/admin/settings", "/admin/doctor"];

    /// The file at `path`, or the page.
    pub(in crate::http) fn serve(path: &str, headers: &HeaderMap) -> Response<Body> {
        let name = path.trim_start_matches('/');
        if name != INDEX
            && !name.is_empty()
            && let Some(response) = file(name, StatusCode::OK, headers)
        {
            return response;
        }
        let known = PAGES.contains(&path) || path.strip_prefix("/m/").is_some_and(|code| !code.contains('/'));
        let status = if known { StatusCode::OK } else { StatusCode::NOT_FOUND };
        // Only a debug build, which reads the page from the disk, can be without it.
        file(INDEX, status, headers).unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
    }

    fn file(name: &str, status: StatusCode, headers: &HeaderMap) -> Option<Response<Body>> {
        // The compressed siblings are variants, not files of their own.
        if name.ends_with(".br") || name.ends_with(".gz") {
            return None;
        }
        let (file, encoding) = variant(name, headers)?;
        let etag = format!("\"{}\"", HEXLOWER.encode(&file.metadata.sha256_hash()[..16]));
        let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let mut response = if unchanged && status == StatusCode::OK {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            (status, Body::from(bytes_of(file.data))).into_response()
        };
        let out = response.headers_mut();
        let mime = mime_guess::from_path(name).first_or_octet_stream();
        let mime = if mime.type_() == "text" { format!("{mime}; charset=utf-8") } else { mime.to_string() };
        out.insert(CONTENT_TYPE, HeaderValue::from_str(&mime).expect("a media type is plain text"));
        out.insert(ETAG, HeaderValue::from_str(&etag).expect("an etag is hexadecimal"));
        out.insert(VARY, HeaderValue::from_static("accept-encoding"));
        let caching = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        out.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        if let Some(encoding) = encoding {
            out.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        Some(response)
    }

    /// What is in the binary is sent from where it lies. Builds for development read the files from disk instead.
    fn bytes_of(data: Cow<'static, [u8]>) -> Bytes {
        match data {
            Cow::Borrowed(data) => Bytes::from_static(data),
            Cow::Owned(data) => Bytes::from(data),
        }
    }

    /// The best form of a file that the client takes.
    fn variant(name: &str, headers: &HeaderMap) -> Option<(EmbeddedFile, Option<&'static str>)> {
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes = |encoding: &str| {
            accepted.split(',').any(|offer| {
                let (name, quality) = offer.split_once(';').unwrap_or((offer, ""));
                name.trim() == encoding && !matches!(quality.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
            })
        };
        for (encoding, suffix) in [("br", "br"), ("gzip", "gz")] {
            if takes(encoding)
                && let Some(file) = Files::get(&format!("{name}.{suffix}"))
            {
                return Some((file, Some(encoding)));
            }
        }
        Files::get(name).map(|file| (file, None))
    }
}
