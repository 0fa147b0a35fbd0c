//! The vendor's Python client against a host, pointed at it as the docs say.

use std::process::{Command, Stdio};

use crate::place::{Host, Place, said};

const DOCS: &str = include_str!("../../../../docs/host.md");

/// What a user does with the client, after the lines of the docs.
const USE: &str = r#"
import asyncio
from blaxel.core import SandboxInstance

async def use():
    box = await SandboxInstance.create_if_not_exists({"name": "box", "region": "us-pdx-1", "ttl": "1h"})
    assert box.status == "DEPLOYED" and 3500 < box.expires_in <= 3600, (box.status, box.expires_in)
    done = await box.process.exec({"command": "echo hello", "wait_for_completion": True})
    assert (done.exit_code, done.stdout) == (0, "hello\n"), done
    await box.fs.write("file.txt", "text")
    assert await box.fs.read("file.txt") == "text"
    again = await SandboxInstance.create_if_not_exists({"name": "box", "region": "us-pdx-1"})
    assert again.metadata.created_at == box.metadata.created_at
    assert "box" in [one.metadata.name for one in (await SandboxInstance.list()).data]
    await SandboxInstance.delete("box")
    try:
        await SandboxInstance.get("box")
        raise AssertionError("it is still there")
    except AssertionError:
        raise
    except Exception as gone:
        assert gone.status_code == 404, gone

asyncio.run(use())
"#;

/// The interpreter that has the client, or why there is none.
fn interpreter() -> Result<String, String> {
    let python = std::env::var("REVEILLE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import blaxel"]).stderr(Stdio::null()).status();
    match asked {
        Ok(status) if status.success() => Ok(python),
        Ok(_) => {
            Err(format!("{python} has no blaxel: pip install blaxel, or name another with REVEILLE_PYTHON"))
        }
        Err(error) => Err(format!("{python}: {error}")),
    }
}

/// The one block of Python in the docs.
fn as_written() -> &'static str {
    let (_, rest) = DOCS.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn the_vendors_python_client_is_pointed_at_the_host_as_the_docs_say() {
    let python = match interpreter() {
        Ok(python) => python,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let place = Place::new();
    let host = Host::start(&place, &[]);
    let key = std::fs::read_to_string(place.path().join("state/reveille/host/key")).unwrap();
    let mut command = Command::new(python);
    command.arg("-c").arg(format!("{}{USE}", as_written())).env_clear().env("HOME", place.path());
    command.env("BL_API_URL", format!("{}/v0", host.url())).env("BL_RUN_URL", host.url());
    command.env("BL_API_KEY", key.trim()).env("BL_WORKSPACE", "local").env("DO_NOT_TRACK", "1");
    said(&mut command).done();
}
