use std::io;
use std::path::Path;
use std::time::Duration;

use reveille_host::{Host, Passage, Passed};
use serde_json::json;

use super::table::Cell;
use super::{BAD, FAINT, Format, GOOD, STRONG, Screen, Table, WAIT};
use crate::report::duration;

/// What a local host shows: where it is when it runs, and every request.
impl Screen {
    pub(crate) fn host_runs(
        &self,
        host: &Host,
        data: &Path,
        announced: Option<&Path>,
        standby_after: Duration,
    ) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!({
                "url": host.url(),
                "key": host.key(),
                "workspace": host.workspace(),
                "pid": std::process::id(),
                "isolation": host.isolation(),
                "data": data,
                "announced": announced,
                "standbyAfterMs": u64::try_from(standby_after.as_millis()).unwrap_or(u64::MAX),
            }));
        }
        let mut table = Table::<2>::bare();
        let mut add = |name: &str, value: String| table.add([Cell::styled(name, FAINT), value.into()]);
        add("listening", host.url());
        add("key", host.key().to_owned());
        add("workspace", host.workspace().to_owned());
        add("isolation", host.isolation().to_string());
        add("standby", format!("after {} without a request", duration(standby_after)));
        add("data", data.display().to_string());
        if let Some(announced) = announced {
            add("found by", format!("{} (only you can read it)", announced.display()));
        }
        table.lines().try_for_each(|line| self.line(line))?;
        let url = host.url();
        self.note(format_args!(
            "\nin another terminal\n  reveille create box\n  reveille exec box -- echo hello\n\
             \nwith another SDK\n  export BL_API_URL={url}/v0 BL_RUN_URL={url} BL_WORKSPACE={} BL_API_KEY={} \
             BL_DISABLE_H2=true\n\
             \n{STRONG}Ctrl-C{STRONG:#} ends it",
            host.workspace(),
            host.key(),
        ));
        Ok(())
    }

    pub(crate) fn passage(&self, passage: &Passage) -> io::Result<()> {
        let Passage { sandbox, method, path, what, .. } = passage;
        if self.format == Format::Json {
            let (what, status) = match what {
                Passed::Forwarded => ("forwarded", None),
                Passed::Rejected(status) => ("rejected", Some(status.as_u16())),
                _ => ("reset", None),
            };
            return self.json(&json!({"passage": {
                "sandbox": sandbox.as_str(), "method": method.as_str(), "path": path, "what": what, "status": status,
            }}));
        }
        let style = match what {
            Passed::Forwarded => GOOD,
            Passed::Rejected(_) => WAIT,
            _ => BAD,
        };
        self.line(format_args!("{sandbox}  {method:<7} {path}  {style}{what}{style:#}"))
    }
}
