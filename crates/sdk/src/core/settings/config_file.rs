use std::path::PathBuf;

use serde::Deserialize;

use super::Environment;
use crate::core::{Credentials, Secret};

/// What the vendor's config file says of the workspace in use.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) workspace: Option<String>,
    pub(super) env: Option<String>,
    pub(super) credentials: Option<Credentials>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    context: Context,
    workspaces: Vec<Workspace>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Context {
    workspace: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Workspace {
    name: String,
    env: Option<String>,
    credentials: Keys,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Keys {
    #[serde(rename = "apiKey")]
    api_key: Option<String>,
    #[serde(rename = "clientCredentials")]
    client_credentials: Option<String>,
    access_token: Option<String>,
}

/// Reads `~/.blaxel/config.yaml`. A file that cannot be read is a warning and says nothing.
pub(super) fn read(environment: &Environment, workspace: Option<&str>, warnings: &mut Vec<String>) -> Entry {
    let home = environment.raw("HOME").or_else(|| environment.raw("USERPROFILE"));
    let Some(path) = home.map(|home| PathBuf::from(home).join(".blaxel").join("config.yaml")) else {
        return Entry::default();
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(absent) if absent.kind() == std::io::ErrorKind::NotFound => return Entry::default(),
        Err(error) => {
            warnings.push(format!("{} cannot be read: {error}", path.display()));
            return Entry::default();
        }
    };
    let file: Option<File> = match serde_yaml_ng::from_str(&text) {
        Ok(file) => file,
        Err(error) => {
            let place = error.location().map(|at| format!(", line {}", at.line())).unwrap_or_default();
            warnings.push(format!(
                "{} is not the YAML that is expected there{place}; it is passed over",
                path.display()
            ));
            return Entry::default();
        }
    };
    let file = file.unwrap_or_default();
    let workspace = workspace.map(str::to_owned).or(file.context.workspace);
    let found = file.workspaces.into_iter().find(|entry| Some(&entry.name) == workspace.as_ref());
    let Workspace { env, credentials, .. } = found.unwrap_or_default();
    Entry { workspace, env, credentials: credentials.chosen() }
}

impl Keys {
    fn chosen(self) -> Option<Credentials> {
        let set = |value: Option<String>| value.filter(|value| !value.trim().is_empty()).map(Secret::new);
        set(self.api_key)
            .map(Credentials::ApiKey)
            .or_else(|| set(self.client_credentials).map(Credentials::Client))
            .or_else(|| set(self.access_token).map(Credentials::AccessToken))
    }
}
