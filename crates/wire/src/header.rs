//! Header names of the protocol.

use http::HeaderName;

/// Carries `Bearer <API key or access token>`; servers accept `Authorization` as well.
pub const AUTHORIZATION: HeaderName = HeaderName::from_static("x-blaxel-authorization");
/// The workspace a request speaks for.
pub const WORKSPACE: HeaderName = HeaderName::from_static("x-blaxel-workspace");
/// How many whole seconds a creation may take, from 1 to 50.
pub const CREATION_TIMEOUT: HeaderName = HeaderName::from_static("x-blaxel-creation-timeout");
/// The version of the control plane's shapes that a client expects.
pub const VERSION: HeaderName = HeaderName::from_static("blaxel-version");
/// Says who made a response: [`SOURCE_PLATFORM`], or nothing when it is the app's own.
pub const SOURCE: HeaderName = HeaderName::from_static("x-blaxel-source");
/// The value of [`SOURCE`] on an answer that the gateway made by itself.
pub const SOURCE_PLATFORM: &str = "platform";
/// The gateway's error code, the same as in the body.
pub const ERROR_CODE: HeaderName = HeaderName::from_static("x-blaxel-error-code");
/// Whether the gateway handed the request on (vendor's draft).
pub const DISPATCH_STATE: HeaderName = HeaderName::from_static("x-blaxel-dispatch-state");
/// The value of [`DISPATCH_STATE`] on a request that never left the gateway.
pub const NOT_DISPATCHED: &str = "not_dispatched";
/// Names one request in the logs of both sides.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// How long to wait before the next try, in milliseconds; beside `Retry-After`, which knows only seconds.
pub const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// `false` on an answer to a request that is not to be sent again, because it may have run. The official Go client
/// obeys it.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// What a path leads to, in the answer to a `HEAD` of it: `file` or `directory`.
pub const FILE_TYPE: HeaderName = HeaderName::from_static("x-file-type");
/// The permissions of what a path leads to, in the answer to a `HEAD` of it: octal, without zeros in front (`755`,
/// `4755`, `0`).
pub const FILE_MODE: HeaderName = HeaderName::from_static("x-file-mode");
/// A preview's token.
pub const PREVIEW_TOKEN: HeaderName = HeaderName::from_static("x-blaxel-preview-token");

/// Asks for a stream of output as it is, byte for byte ([`STREAM_EXACT`]), and says on the answer that it is one. An
/// addition of ours: a server that does not know it sends what it always sends.
pub const STREAM: HeaderName = HeaderName::from_static("reveille-stream");
/// The value of [`STREAM`].
pub const STREAM_EXACT: &str = "exact";
/// Names one life of a sandbox on every answer of its agent: another value means that it started anew, and that its
/// processes are gone. An addition of ours.
pub const BOOT: HeaderName = HeaderName::from_static("reveille-boot");
/// The pid of the process that an answer is about. An addition of ours.
pub const PROCESS: HeaderName = HeaderName::from_static("reveille-process");
/// Names the session of a terminal that an answer is about; no other has the same. An addition of ours.
pub const TERMINAL: HeaderName = HeaderName::from_static("reveille-terminal");

/// The version of the control plane's shapes that this crate speaks.
pub const VERSION_DEFAULT: &str = "2026-04-28";

/// True for headers that only the platform may set, and that a gateway takes out of what an app answers.
#[must_use]
pub fn is_platform_only(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-blaxel-")
}
