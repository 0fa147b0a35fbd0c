//! Where a client gets its settings: code, then the environment, then the vendor's config file, then the
//! local host that is running.

mod config_file;
mod environment;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use reveille_retry::{ReadinessPolicy, RetryPolicy};
use reveille_wire::{LocalHost, SandboxName, header, state_dir};

use crate::core::{Credentials, Secret};
pub(crate) use environment::Environment;

/// What a client knows before its first call.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) api_url: String,
    pub(crate) run_url: String,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) workspace: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) version: String,
    pub(crate) policy: RetryPolicy,
    part_retries: u32,
    /// Ends calls that have no deadline of their own.
    pub(crate) deadline: Option<Duration>,
    /// How the calls to one sandbox learn from each other whether it is awake; `None` where each goes by itself.
    pub(crate) readiness: Option<ReadinessPolicy>,
    pub(crate) forced: HashMap<String, String>,
    pub(crate) origin: Origin,
    pub(crate) warnings: Vec<String>,
}

/// Which platform the settings lead to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Whatever code, environment or config file name.
    #[default]
    Platform,
    /// The host that runs on this machine.
    LocalHost,
}

/// Whether somebody looks if a sandbox is awake before others go.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probing {
    On(ReadinessPolicy),
    Off,
}

impl Default for Probing {
    fn default() -> Self {
        Self::On(ReadinessPolicy::new())
    }
}

/// How often uploads are tried again when nothing was said, as by the platform's own clients.
const PART_RETRIES: u32 = 3;

/// What code says; it beats everything else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) api_key: Option<Secret>,
    pub(crate) client: Option<Secret>,
    pub(crate) workspace: Option<String>,
    pub(crate) api_url: Option<String>,
    pub(crate) run_url: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) retries: Option<u32>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) probing: Probing,
    pub(crate) local_host: Option<LocalHost>,
}

impl Overrides {
    /// How reads are tried again. A deadline without a number of retries means: as often as fits.
    fn read_policy(&self, environment: &Environment, warnings: &mut Vec<String>) -> RetryPolicy {
        let retries = match (self.retries, self.policy) {
            (Some(retries), _) => Some(retries),
            (None, Some(_)) => None,
            (None, None) => {
                environment.read_retries(warnings).or(self.deadline.is_some().then_some(u32::MAX))
            }
        };
        let policy = self.policy.unwrap_or_default();
        retries.map_or(policy, |retries| policy.with_retries(retries))
    }
}

impl Settings {
    /// Puts the settings together. What is wrong with one is said in `warnings`, and its default is used.
    pub(crate) fn resolve(code: Overrides, environment: &Environment) -> Self {
        let mut warnings = Vec::new();
        let mut var = |name: &'static str| environment.text(name, &mut warnings);
        let (key, client) = (var("BL_API_KEY"), var("BL_CLIENT_CREDENTIALS"));
        let (workspace, env, region) = (var("BL_WORKSPACE"), var("BL_ENV"), var("BL_REGION"));
        let (api_url, run_url, version) = (var("BL_API_URL"), var("BL_RUN_URL"), var("BL_API_VERSION"));
        let policy = code.read_policy(environment, &mut warnings);
        let part_retries =
            environment.part_retries(&mut warnings).unwrap_or(PART_RETRIES.min(policy.retries()));

        let in_code = code.api_key.map(Credentials::ApiKey).or(code.client.map(Credentials::Client));
        let named_in_code = in_code.is_some() || code.local_host.is_some();
        let from_env = key.map(|key| Credentials::ApiKey(Secret::new(key)));
        let from_env = from_env.or_else(|| client.map(|pair| Credentials::Client(Secret::new(pair))));
        let file = if named_in_code {
            config_file::Entry::default()
        } else {
            config_file::read(environment, code.workspace.as_deref().or(workspace.as_deref()), &mut warnings)
        };
        let credentials = in_code.or(from_env).or(file.credentials);
        let api_url = code.api_url.or(api_url);
        let run_url = code.run_url.or(run_url);

        let elsewhere = credentials.is_some() || api_url.is_some() || run_url.is_some() || env.is_some();
        let local = code
            .local_host
            .or_else(|| if elsewhere { None } else { running_host(environment, &mut warnings) });
        let (api_base, run_base) = match env.or(file.env).as_deref() {
            None | Some("" | "prod") => ("https://api.blaxel.ai/v0", "https://run.blaxel.ai"),
            Some(_) => ("https://api.blaxel.dev/v0", "https://run.blaxel.dev"),
        };
        let mut settings = Self {
            api_url: api_url.unwrap_or_else(|| api_base.to_owned()),
            run_url: run_url.unwrap_or_else(|| run_base.to_owned()),
            credentials,
            workspace: code.workspace.or(workspace).or(file.workspace),
            region: code.region.or(region),
            version: version.unwrap_or_else(|| header::VERSION_DEFAULT.to_owned()),
            policy,
            part_retries,
            deadline: code.deadline,
            readiness: match code.probing {
                Probing::On(policy) => Some(policy),
                Probing::Off => None,
            },
            forced: environment.forced_urls(),
            origin: Origin::Platform,
            warnings,
        };
        if let Some(local) = local {
            settings.api_url = local.api_url();
            settings.run_url = local.url;
            settings.credentials = Some(Credentials::ApiKey(Secret::new(local.key)));
            settings.workspace.get_or_insert(local.workspace);
            settings.origin = Origin::LocalHost;
        }
        settings
    }

    /// How uploads are tried again that put the same bytes there however often they are sent.
    pub(crate) fn upload_policy(&self) -> RetryPolicy {
        self.policy.with_retries(self.part_retries)
    }

    /// The forced URL of a sandbox, where the environment names one.
    pub(crate) fn forced_url(&self, name: &SandboxName) -> Option<&str> {
        if self.forced.is_empty() {
            return None;
        }
        let key = name.as_str().to_ascii_uppercase().replace('-', "_");
        self.forced.get(&key).map(String::as_str)
    }
}

/// The local host that runs on this machine, by the address and key that it left in the user's state directory.
#[must_use]
pub fn local_host() -> Option<LocalHost> {
    running_host(&Environment::of_process(), &mut Vec::new())
}

/// The same, in an environment.
fn running_host(environment: &Environment, warnings: &mut Vec<String>) -> Option<LocalHost> {
    let path: PathBuf = state_dir(|name| environment.raw(name))?.join(LocalHost::FILE);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(absent) if absent.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            warnings.push(format!("{} cannot be read: {error}", path.display()));
            return None;
        }
    };
    match serde_json::from_slice::<LocalHost>(&text) {
        Ok(host) if host.runs(|path| std::fs::read_to_string(path)) => Some(host),
        Ok(LocalHost { url, pid, .. }) => {
            // Whatever listens there now is not to get the key.
            warnings.push(format!(
                "the local host that was at {url} (process {pid}) runs no more: start it with reveille host"
            ));
            None
        }
        Err(error) => {
            warnings.push(format!("{} is not what a local host writes: {error}", path.display()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "linux")]
    use reveille_wire::Birth;

    fn resolve(vars: &[(&str, &str)]) -> Settings {
        Settings::resolve(Overrides::default(), &Environment::of(vars))
    }

    fn home(config: &str) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".blaxel")).unwrap();
        std::fs::write(home.path().join(".blaxel/config.yaml"), config).unwrap();
        home
    }

    const CONFIG: &str = "context: {workspace: acme}\nworkspaces:\n- name: other\n  credentials: {apiKey: wrong}\n\
        - name: acme\n  env: dev\n  credentials: {apiKey: filed}\n";

    #[test]
    fn the_defaults_are_the_platforms() {
        let settings = resolve(&[("BL_API_KEY", "k"), ("BL_WORKSPACE", "w")]);
        assert_eq!(settings.api_url, "https://api.blaxel.ai/v0");
        assert_eq!(settings.run_url, "https://run.blaxel.ai");
        assert_eq!((settings.workspace.as_deref(), settings.version.as_str()), (Some("w"), "2026-04-28"));
        assert!(settings.warnings.is_empty());
    }

    #[test]
    fn a_deadline_alone_means_as_often_as_fits() {
        let policy = |retries, deadline, vars: &[(&str, &str)]| {
            let code = Overrides { retries, deadline, ..Overrides::default() };
            Settings::resolve(code, &Environment::of(vars)).policy.retries()
        };
        let (second, seven) = (Some(Duration::from_secs(1)), [("BL_SANDBOX_READ_RETRIES", "7")]);
        assert_eq!([policy(None, None, &[]), policy(Some(2), None, &seven)], [5, 2]);
        assert_eq!([policy(None, second, &[]), policy(None, second, &seven)], [u32::MAX, 7]);
        assert_eq!(policy(Some(2), second, &seven), 2);
    }

    #[test]
    fn another_environment_is_the_dev_twin_and_urls_beat_both() {
        let settings = resolve(&[("BL_ENV", "dev"), ("BL_RUN_URL", "http://r")]);
        assert_eq!(
            (settings.api_url.as_str(), settings.run_url.as_str()),
            ("https://api.blaxel.dev/v0", "http://r")
        );
    }

    #[test]
    fn the_config_file_counts_where_the_environment_is_silent() {
        let home = home(CONFIG);
        let path = home.path().to_str().unwrap();
        let settings = resolve(&[("HOME", path)]);
        assert_eq!(settings.api_url, "https://api.blaxel.dev/v0");
        assert_eq!(settings.workspace.as_deref(), Some("acme"));
        assert_eq!(settings.credentials.unwrap().exposed(), "filed");
        let settings = resolve(&[("HOME", path), ("BL_WORKSPACE", "other"), ("BL_ENV", "prod")]);
        assert_eq!(settings.credentials.unwrap().exposed(), "wrong");
        assert_eq!(settings.api_url, "https://api.blaxel.ai/v0");
        let settings = resolve(&[("HOME", path), ("BL_API_KEY", "k")]);
        assert_eq!(settings.credentials.unwrap().exposed(), "k");
    }

    #[test]
    fn a_config_file_that_is_no_yaml_is_reported_and_passed_over() {
        let home = home("context: [unclosed");
        let settings = resolve(&[("HOME", home.path().to_str().unwrap()), ("BL_API_KEY", "k")]);
        assert_eq!(settings.warnings.len(), 1);
        assert!(settings.warnings[0].contains("config.yaml"), "{:?}", settings.warnings);
        assert_eq!(settings.credentials.unwrap().exposed(), "k");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_local_host_is_found_unless_another_platform_is_named() {
        let state = tempfile::tempdir().unwrap();
        std::fs::create_dir(state.path().join("reveille")).unwrap();
        let pid = std::process::id();
        let birth = Birth::of(pid, |path| std::fs::read_to_string(path));
        let mut host = LocalHost {
            url: "http://127.0.0.1:7".into(),
            key: "lk".into(),
            workspace: "local".into(),
            pid,
            birth,
        };
        let write = |host: &LocalHost| {
            std::fs::write(state.path().join("reveille/host.json"), serde_json::to_vec(host).unwrap())
                .unwrap();
        };
        write(&host);
        let dir = ("XDG_STATE_HOME", state.path().to_str().unwrap());
        let settings = resolve(&[dir]);
        assert_eq!(
            (settings.origin, settings.api_url.as_str()),
            (Origin::LocalHost, "http://127.0.0.1:7/v0")
        );
        assert_eq!(settings.workspace.as_deref(), Some("local"));
        assert_eq!(resolve(&[dir, ("BL_API_KEY", "k")]).origin, Origin::Platform);
        assert_eq!(resolve(&[dir, ("BL_ENV", "dev")]).origin, Origin::Platform);
        host.birth = None;
        write(&host);
        let settings = resolve(&[dir]);
        assert!(settings.credentials.is_none(), "nothing proves that it is the host");
        assert!(settings.warnings[0].contains("runs no more"), "{:?}", settings.warnings);
    }

    #[test]
    fn forced_urls_are_found_by_name() {
        let settings = resolve(&[
            ("BL_SANDBOX_MY_BOX_URL", "http://second"),
            ("BL_SANDBOXES_MY_BOX_URL", "http://first"),
            ("BL_SANDBOX_B_URL", "http://b"),
        ]);
        let url = |name| settings.forced_url(&SandboxName::new(name).unwrap());
        assert_eq!((url("my-box"), url("b"), url("c")), (Some("http://first"), Some("http://b"), None));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = resolve(&[("BL_API_KEY", "hidden-key"), ("BL_CLIENT_CREDENTIALS", "hidden-pair")]);
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
