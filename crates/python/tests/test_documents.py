"""Every example of the documents runs, against a local host with a sandbox that has an app."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import reveille_sandbox

ROOT = pathlib.Path(__file__).parents[3]


def examples():
    for page in ("docs/python.md", "crates/python/README.md"):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.S)
        assert blocks, page
        for at, block in enumerate(blocks, 1):
            yield pytest.param(block, id=f"{page}-{at}")


@pytest.fixture(scope="module")
def inhabited(host):
    """The environment of a host with the sandbox "box", which has an app on port 3000."""
    said = {"api_key": "k", "workspace": "local", "run_url": host["BL_RUN_URL"], "api_url": host["BL_API_URL"]}
    client = reveille_sandbox.Client(**said)
    client.sandboxes.create("box")
    app = "python3 -m http.server 3000"
    client.sandbox("box").processes.start(app, cwd="/tmp", wait_for_ports=[3000])
    return host


@pytest.mark.parametrize("example", list(examples()))
def test_an_example_runs(inhabited, example):
    example = example.replace("https://run.blaxel.ai/acme", f"{inhabited['BL_RUN_URL']}/local")
    command = [sys.executable, "-c", example]
    done = subprocess.run(command, env={**os.environ, **inhabited}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
