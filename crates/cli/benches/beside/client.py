"""Does what it is told on its standard input with the official Python client, and says how long that took.

A line names an operation and how often, or how many bytes; the answer is the seconds, one line.
"""

import asyncio
import os
import sys
import time

os.environ.update(BL_API_KEY=os.environ["REVEILLE_KEY"], BL_WORKSPACE=os.environ["REVEILLE_WORKSPACE"])

from blaxel.core.client.models import Metadata, Sandbox, SandboxSpec
from blaxel.core.sandbox import SandboxInstance

HEADERS = {
    "X-Blaxel-Authorization": "Bearer " + os.environ["REVEILLE_KEY"],
    "X-Blaxel-Workspace": os.environ["REVEILLE_WORKSPACE"],
}


async def main():
    record = Sandbox(metadata=Metadata(name="box"), spec=SandboxSpec())
    sandbox = SandboxInstance(sandbox=record, force_url=os.environ["REVEILLE_SANDBOX_URL"], headers=HEADERS)
    for line in sys.stdin:
        what, number = line.split()
        number = int(number)
        content = bytes(number) if what == "upload" else b""
        began = time.perf_counter()
        if what == "exec":
            for _ in range(number):
                await sandbox.process.exec({"command": "true", "wait_for_completion": True})
        elif what == "read":
            for _ in range(number):
                await sandbox.fs.read("/tmp/page")
        elif what.startswith("fetch-"):
            callers = int(what.removeprefix("fetch-"))

            async def caller():
                for _ in range(number // callers):
                    answer = await sandbox.fetch(7001, "/")
                    assert answer.status_code == 200

            await asyncio.gather(*(caller() for _ in range(callers)))
        elif what == "upload":
            await sandbox.fs.write_binary("/tmp/large", content)
        elif what == "download":
            assert len(await sandbox.fs.read_binary("/tmp/large")) == number
        print(time.perf_counter() - began, flush=True)


asyncio.run(main())
