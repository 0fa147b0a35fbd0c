use http::Method;
use reveille_wire::{Every, Port, Preview, PreviewSpec, PreviewToken};
use serde::de::DeserializeOwned;

use super::Sandbox;
use crate::answer::Reading;
use crate::call::{Call, Operation, like_a_call, segment};
use crate::error::Error;

/// Doors to the ports of a sandbox, each with a URL of its own.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let door = r#"{"metadata":{"name":"web"},"spec":{"port":3000,"url":"https://x.preview.bl.run"}}"#;
/// # let token = r#"{"metadata":{"name":"t"},"spec":{"token":"secret","expiresAt":"2026-12-01T00:00:00Z"}}"#;
/// # let script = Script::new()
/// #     .on("POST", "/sandboxes/box/previews/web/tokens", Step::ok(token))
/// #     .on("GET", "/sandboxes/box/previews", Step::ok(format!("[{door}]")))
/// #     .on("*", "/", Step::ok(door));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
/// let previews = client.sandbox("box").previews();
/// let door = previews.create("web", 3000).ttl("24h").wait()?;
/// println!("{}", door.spec.url.unwrap_or_default());
/// let token = previews.create_token("web", "2026-12-01T00:00:00Z").wait()?;
/// assert!(token.spec.token.is_some());      // goes into X-Blaxel-Preview-Token, or ?bl_preview_token=
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// for door in previews.list().await? {
///     println!("{} to port {:?}", door.metadata.name, door.spec.port);
/// }
/// previews.delete("web").await?;
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Previews(Sandbox);

impl Previews {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// All of them. A read, which wakes nothing.
    pub fn list(&self) -> Call<Vec<Preview>> {
        self.every(&[])
    }

    /// One of them. A read.
    pub fn get(&self, name: impl AsRef<str>) -> Call<Preview> {
        Call::json(self.0.core(), self.at(Method::GET, &[name.as_ref()]))
    }

    /// Opens a port by a URL of its own, for whoever has a token until told otherwise. A mutation.
    pub fn create<N>(&self, name: impl Into<String>, port: N) -> CreatePreview
    where
        N: TryInto<u16> + std::fmt::Display + Copy,
    {
        let mut operation = self.at(Method::POST, &[]);
        let mut preview = Preview::default();
        preview.metadata.name = name.into();
        preview.spec.public = Some(false);
        match Port::new(port) {
            Ok(port) => preview.spec.port = Some(port.get().into()),
            Err(invalid) => operation.refuse(invalid),
        }
        CreatePreview { call: Call::json(self.0.core(), operation), preview }
    }

    /// Closes one. A mutation.
    pub fn delete(&self, name: impl AsRef<str>) -> Call<()> {
        Call::empty(self.0.core(), self.at(Method::DELETE, &[name.as_ref()]))
    }

    /// The tokens that open a private one. A read.
    pub fn tokens(&self, preview: impl AsRef<str>) -> Call<Vec<PreviewToken>> {
        self.every(&[preview.as_ref(), "tokens"])
    }

    /// Makes a token that opens a private one until `expires`, RFC 3339. A mutation.
    pub fn create_token(&self, preview: impl AsRef<str>, expires: impl AsRef<str>) -> Call<PreviewToken> {
        let operation = self.at(Method::POST, &[preview.as_ref(), "tokens"]);
        let wanted =
            serde_json::json!({ "metadata": { "name": "" }, "spec": { "expiresAt": expires.as_ref() } });
        Call::json(self.0.core(), operation.json(&wanted))
    }

    /// Has a token open nothing any more. A mutation.
    pub fn delete_token(&self, preview: impl AsRef<str>, token: impl AsRef<str>) -> Call<()> {
        let operation = self.at(Method::DELETE, &[preview.as_ref(), "tokens", token.as_ref()]);
        Call::empty(self.0.core(), operation)
    }

    fn every<T: DeserializeOwned + 'static>(&self, below: &[&str]) -> Call<Vec<T>> {
        let mut operation = self.at(Method::GET, below);
        operation.accept_json();
        Call::new(self.0.core(), operation, Reading::json_as(|Every(all)| all))
    }

    /// An operation on the previews, or on what is below them.
    fn at(&self, method: Method, below: &[&str]) -> Operation {
        let path = || {
            let segments = below.iter().map(|part| segment("preview", part));
            let parts = segments.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
            Ok::<_, Error>(std::iter::once("/previews".to_owned()).chain(parts).collect::<Vec<_>>().join("/"))
        };
        match path() {
            Ok(path) => self.0.record_operation(method, &path),
            Err(error) => Operation::invalid(method, error),
        }
    }
}

/// A preview that is to be made; by [`Previews::create`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct CreatePreview {
    call: Call<Preview>,
    preview: Preview,
}

impl CreatePreview {
    /// Opens it to everybody.
    pub fn public(self) -> Self {
        self.spec(|spec| spec.public = Some(true))
    }

    /// What its URL is to begin with.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        self.spec(|spec| spec.prefix_url = Some(prefix.into()))
    }

    /// How long it is open: `1h`, `7d`.
    pub fn ttl(self, ttl: impl Into<String>) -> Self {
        self.spec(|spec| spec.ttl = Some(ttl.into()))
    }

    /// Until when it is open, RFC 3339.
    pub fn expires(self, moment: impl Into<String>) -> Self {
        self.spec(|spec| spec.expires = Some(moment.into()))
    }

    /// A header that every request gets; may be said again.
    pub fn request_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec(|spec| {
            spec.request_headers.get_or_insert_default().insert(name.into(), value.into());
        })
    }

    /// A header that every answer gets; may be said again.
    pub fn response_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.spec(|spec| {
            spec.response_headers.get_or_insert_default().insert(name.into(), value.into());
        })
    }

    fn spec(mut self, change: impl FnOnce(&mut PreviewSpec)) -> Self {
        change(&mut self.preview.spec);
        self
    }

    fn into_call(mut self) -> Call<Preview> {
        self.call.operation = self.call.operation.json(&self.preview);
        self.call
    }
}

like_a_call!(CreatePreview => Preview);
