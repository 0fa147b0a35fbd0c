//! Commands that a sandbox runs by the clock.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A command that is run in a sandbox at a time, or again and again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Schedule {
    /// Who it is, within its sandbox.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// What kind of time `value` is: `cron`, `at`, or `sleep`, which becomes `at`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Five fields of cron; a time of RFC 3339; or how long from now, as `30m`.
    pub value: String,
    /// What is run.
    pub input: ScheduleInput,
    /// How many executions are remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_executions: Option<u32>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a schedule runs.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ScheduleInput {
    /// For the shell of the sandbox.
    pub command: String,
    /// What its process is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Variables beside those of the sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// After how many seconds it is ended; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Whether the sandbox stays awake while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<bool>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl fmt::Debug for ScheduleInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.env.as_ref().map(|env| env.keys().collect::<Vec<_>>());
        let mut shown = f.debug_struct("ScheduleInput");
        shown.field("command", &self.command).field("name", &self.name).field("env", &names);
        shown.finish_non_exhaustive()
    }
}

/// One time that the command of a schedule was handed to its sandbox. What became of the command is told by its process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ScheduleExecution {
    /// Who it is.
    pub id: String,
    /// The schedule.
    pub schedule_id: String,
    /// The sandbox.
    pub sandbox: String,
    /// `succeeded` where the sandbox took the command, and else `failed`.
    pub status: String,
    /// What the sandbox answered; 0 where it did not.
    pub status_code: u16,
    /// Why it failed; else empty.
    pub error: String,
    /// RFC 3339.
    pub executed_at: String,
    /// What the process is called.
    pub process_name: String,
    /// After how many seconds it is ended; 0 is never.
    pub timeout: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_keeps_what_it_does_not_know_and_shows_no_values_of_variables() {
        let text = r#"{"type":"cron","value":"* * * * *","input":{"command":"x","env":{"A":"hidden"},"new":1},"more":2}"#;
        let schedule: Schedule = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&schedule).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert!(!format!("{schedule:?}").contains("hidden"));
    }
}
