"""The official Python client, sync: reveille grade -- python3 conformance/grade/python.py"""

import os

from blaxel.core.client.client import client
from blaxel.core.common.settings import Settings, settings

Settings.base_url = property(lambda self: os.environ["BL_API_URL"])
Settings.run_url = property(lambda self: os.environ["BL_RUN_URL"])
client.with_base_url(settings.base_url)

from blaxel.core import SyncSandboxInstance

box = SyncSandboxInstance.get("box")
# What the platform's record says, and the one of the scenarios does not.
box.sandbox.metadata.url = f"{settings.run_url}/acme/sandboxes/box"
match os.environ["GRADE_OPERATION"]:
    case "list":
        assert box.drives.list(), "no drives"
    case "fetch":
        box.fetch(3000, "/page").raise_for_status().json()
    case "exec":
        assert box.process.exec({"command": "true", "wait_for_completion": True}).exit_code == 0
    case "post":
        box.fetch(3000, "/orders", "POST", content=b"{}").raise_for_status()
    case "put":
        box.fetch(3000, "/orders/1", "PUT", content=b"{}").raise_for_status()
