//! Who gets in.

use std::time::SystemTime;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use percent_encoding::percent_decode_str;
use reveille_wire::{GatewayCode, Refusal, header};

use super::place::Named;
use super::record::Record;

/// What stands before the token in a query, for links that people follow.
pub(super) const TOKEN_PARAMETER: &str = "bl_preview_token";

/// What browsers say of themselves to URLs that they trust.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is to be said to a visitor who got in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Plain,
    /// Browsers follow a link once, and ask for the rest of the page without its token.
    Remembered(Vec<HeaderValue>),
}

/// Why nobody gets in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// There is no preview of this id, or its time is over.
    Unknown(String),
    Private,
    WrongToken,
    /// The path leads out of it.
    Climbs,
    Malformed,
}

/// Lets a visitor in, and takes out of the request what opened the door.
pub(super) fn enter<B>(
    request: &mut Request<B>,
    record: &Record,
    named: &Named,
    has_key: bool,
    now: SystemTime,
) -> Result<Entry, Closed> {
    let in_query = request.uri().query().and_then(token_in_query);
    let in_header = request.headers_mut().remove(&header::PREVIEW_TOKEN);
    let in_header = in_header.as_ref().and_then(|token| token.to_str().ok());
    let in_cookie = take_cookie(request.headers_mut());
    if record.is_public() || has_key {
        return Ok(Entry::Plain);
    }
    let given = in_header.or(in_query.as_deref()).or(in_cookie.as_deref());
    match given {
        None => Err(Closed::Private),
        Some(token) if !record.opens_to(token, now) => Err(Closed::WrongToken),
        Some(_) => {
            let reach = Reach::of(request.headers());
            Ok(in_query.map_or(Entry::Plain, |token| remembered(&token, named, reach)))
        }
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        let (code, message) = match closed {
            Closed::Unknown(id) => (GatewayCode::RouteNotFound, format!("there is no preview {id:?}")),
            Closed::Private => (
                GatewayCode::AuthenticationRequired,
                "this preview is private: send one of its tokens as X-Blaxel-Preview-Token".to_owned(),
            ),
            Closed::WrongToken => (
                GatewayCode::AuthenticationFailed,
                "this is no token of this preview, or it has expired".to_owned(),
            ),
            Closed::Climbs => {
                (GatewayCode::BadRequest, "the path leads out of the preview: take .. out of it".to_owned())
            }
            Closed::Malformed => (GatewayCode::BadRequest, "the URL is malformed".to_owned()),
        };
        Self::new(code, message)
    }
}

/// From where a browser sends the cookie along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Pages of other sites too, as on the platform: they show previews in frames and fetch from them.
    EverySite,
    /// The preview itself.
    OwnSite,
}

impl Reach {
    /// A cookie for every site has to be `Secure` (RFC 6265bis, 4.1.2.7). Browsers keep such a one for a URL that they
    /// trust, https or loopback, and say `Sec-Fetch-Site` to those alone (W3C Fetch Metadata, section 3); programs that
    /// keep cookies send it over https only.
    fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(SEC_FETCH_SITE) { Self::EverySite } else { Self::OwnSite }
    }

    /// What is said of each cookie that is set. Of those for every site a browser that keeps none for frames takes the one
    /// of that frame's place alone (CHIPS, `Partitioned`), and every other browser the one for all places as well.
    fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::EverySite => &["SameSite=None; Secure", "SameSite=None; Secure; Partitioned"],
            Self::OwnSite => &["SameSite=Lax"],
        }
    }
}

fn remembered(token: &str, named: &Named, reach: Reach) -> Entry {
    let cookie = |attributes: &&str| {
        let cookie = format!("{TOKEN_PARAMETER}={token}; Path={}; HttpOnly; {attributes}", named.base);
        HeaderValue::try_from(cookie)
    };
    let cookies: Result<_, _> = reach.attributes().iter().map(cookie).collect();
    cookies.map_or(Entry::Plain, Entry::Remembered)
}

impl Entry {
    pub(super) fn remember(&self, headers: &mut HeaderMap) {
        let Self::Remembered(cookies) = self else { return };
        for cookie in cookies {
            headers.append(SET_COOKIE, cookie.clone());
        }
    }
}

fn token_in_query(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == TOKEN_PARAMETER)?;
    Some(percent_decode_str(token).decode_utf8_lossy().into_owned())
}

/// Takes our cookie out of the app's.
fn take_cookie(headers: &mut HeaderMap) -> Option<String> {
    let mut token = None;
    let mut kept = Vec::new();
    for value in headers.get_all(COOKIE) {
        let Ok(text) = value.to_str() else {
            kept.push(value.clone());
            continue;
        };
        let (ours, apps): (Vec<&str>, Vec<&str>) =
            text.split(';').map(str::trim).partition(|pair| pair.split('=').next() == Some(TOKEN_PARAMETER));
        token = token.or_else(|| ours.first()?.split_once('=').map(|(_, token)| token.to_owned()));
        if let (false, Ok(value)) = (apps.is_empty(), HeaderValue::try_from(apps.join("; "))) {
            kept.push(value);
        }
    }
    if token.is_some() {
        headers.remove(COOKIE);
        for value in kept {
            headers.append(COOKIE, value);
        }
    }
    token
}
