use std::time::Duration;

use reveille::{Client, ClientBuilder, LocalHost, Origin, Sandbox};
use url::{Position, Url};

use crate::arguments::Global;
use crate::output::Screen;
use crate::report::{Asked, Failure, Place, Request};

/// The platform that the commands talk to, as settings and flags name it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    typed_urls: TypedUrls,
    /// How long everything may take, where somebody said so.
    deadline: Option<Duration>,
}

/// Whether a URL that somebody typed gets the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TypedUrls {
    Trusted,
    Bare,
}

impl Connection {
    pub(crate) fn open(screen: &Screen, global: &Global) -> Result<Self, Failure> {
        let typed_urls = if global.auth { TypedUrls::Trusted } else { TypedUrls::Bare };
        let client = match &global.host {
            None => build(global, None)?,
            Some(url) => at(url.trim_end_matches('/'), global, typed_urls)?,
        };
        for warning in client.warnings() {
            screen.warning(warning);
        }
        Ok(Self { client, typed_urls, deadline: global.deadline })
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The sandbox that somebody typed: a name, or a URL that is used as it is.
    pub(crate) fn sandbox(&self, typed: &str) -> Sandbox {
        if !typed.contains("://") {
            return self.client.sandbox(typed);
        }
        match self.typed_urls {
            TypedUrls::Trusted => self.client.sandbox_at(typed).authorized(),
            TypedUrls::Bare => self.client.sandbox_at(typed),
        }
    }

    /// The host that an app in a sandbox takes for its own: the one that its requests come by.
    pub(crate) fn host_of_apps(&self, typed: &str) -> Option<String> {
        let url = Url::parse(&self.sandbox(typed).url().ok()?).ok()?;
        Some(url[Position::BeforeHost..Position::AfterPort].to_owned())
    }

    /// Whether the sandbox that somebody typed is one of the platform's, of which it has a record.
    pub(crate) fn is_on_the_platform(&self, typed: &str) -> bool {
        let elsewhere = |url: String| !url.starts_with(self.client.run_url());
        !typed.contains("://") && !self.client.sandbox(typed).url().is_ok_and(elsewhere)
    }

    /// What a call is about, for what is said of it.
    pub(crate) fn asking(&self, sandbox: &str, request: Request) -> Asked {
        let place = match self.client.origin() {
            Origin::LocalHost => Place::LocalHost,
            _ => Place::Platform,
        };
        Asked::new(sandbox, request, place).within(self.deadline)
    }
}

fn build(global: &Global, local: Option<LocalHost>) -> Result<Client, Failure> {
    let mut builder = settings(global);
    if let Some(local) = local {
        builder = builder.local_host(local);
    }
    builder.build().map_err(|error| Failure::new(error.to_string()))
}

/// What leads to a platform at a URL that somebody typed, else to the one in the settings; credentials are the matter of
/// who uses it.
pub(crate) fn to(url: Option<&str>, global: &Global) -> Result<ClientBuilder, Failure> {
    let Some(url) = url else { return Ok(settings(global)) };
    let api = format!("{url}/v0");
    if build(global, None)?.api_url() == api {
        return Ok(settings(global));
    }
    Ok(match reveille::local_host().filter(|local| local.url == url) {
        Some(local) => settings(global).local_host(local),
        None => settings(global).api_url(api).run_url(url),
    })
}

/// A client of the platform or host at a URL that somebody typed.
fn at(url: &str, global: &Global, typed: TypedUrls) -> Result<Client, Failure> {
    let named = build(global, None)?;
    let api = format!("{url}/v0");
    if named.api_url() == api {
        return Ok(named);
    }
    if let Some(local) = reveille::local_host().filter(|local| local.url == url) {
        return build(global, Some(local));
    }
    if typed == TypedUrls::Bare {
        return Err(Failure::usage(format!(
            "{url} is not in the settings, so the credentials are not sent to it"
        ))
        .next("send them all the same with --auth, or set BL_API_URL and BL_RUN_URL"));
    }
    let builder = settings(global).api_url(api).run_url(url);
    builder.build().map_err(|error| Failure::new(error.to_string()))
}

/// What the flags say.
fn settings(global: &Global) -> ClientBuilder {
    let mut builder = Client::builder();
    if let Some(workspace) = &global.workspace {
        builder = builder.workspace(workspace);
    }
    if let Some(retries) = global.retries {
        builder = builder.retries(retries);
    }
    if let Some(deadline) = global.deadline {
        builder = builder.deadline(deadline);
    }
    if global.no_probe {
        builder = builder.no_probe();
    }
    builder
}
