"""Every method of the official Python client on the files of a sandbox, against the URL of a sandbox.

    REVEILLE_SANDBOX_URL=... REVEILLE_KEY=... REVEILLE_WORKSPACE=... python3 files.py

Needs the package blaxel (0.4.24). Ends with "ok", or with the assertion that does not hold.
"""

import asyncio
import os
import tempfile
import uuid

# The client asks for them whatever it was given in code.
os.environ.update(BL_API_KEY=os.environ["REVEILLE_KEY"], BL_WORKSPACE=os.environ["REVEILLE_WORKSPACE"])

from blaxel.core.client.models import Metadata, Sandbox, SandboxSpec
from blaxel.core.sandbox import SandboxInstance
from blaxel.core.sandbox.sync import SyncSandboxInstance

URL = os.environ["REVEILLE_SANDBOX_URL"]
HEADERS = {
    "X-Blaxel-Authorization": "Bearer " + os.environ["REVEILLE_KEY"],
    "X-Blaxel-Workspace": os.environ["REVEILLE_WORKSPACE"],
}
ROOT = f"/tmp/files-py-{uuid.uuid4().hex[:8]}"


def record():
    return Sandbox(metadata=Metadata(name="box"), spec=SandboxSpec())


async def asynchronous():
    fs = SandboxInstance(sandbox=record(), force_url=URL, headers=HEADERS).fs
    root = ROOT + "/async"
    await fs.mkdir(root)
    await fs.write(f"{root}/a.txt", "hello\n")
    assert await fs.read(f"{root}/a.txt") == "hello\n"
    content = bytes(range(256)) * 1000
    await fs.write_binary(f"{root}/b.bin", content)
    assert await fs.read_binary(f"{root}/b.bin") == content
    large = os.urandom(12 * 1024 * 1024 + 5)
    await fs.write_binary(f"{root}/large.bin", large)
    assert await fs.read_binary(f"{root}/large.bin") == large
    await fs.write(f"{root}/large.txt", "x" * (6 * 1024 * 1024))
    assert len(await fs.read(f"{root}/large.txt")) == 6 * 1024 * 1024
    with tempfile.TemporaryDirectory() as here:
        await fs.download(f"{root}/b.bin", f"{here}/b.bin")
        with open(f"{here}/b.bin", "rb") as file:
            assert file.read() == content
    await fs.write_tree([{"path": "src/main.rs", "content": "fn main() {}\n"}, {"path": "README.md", "content": "# main\n"}], f"{root}/t")
    listed = await fs.ls(f"{root}/t")
    assert [file.name for file in listed.files] == ["README.md"], listed
    assert [directory.name for directory in listed.subdirectories] == ["src"], listed
    tree = await fs.read_tree(f"{root}/t")
    assert {file.path: file.content for file in tree.files} == {
        f"{root}/t/README.md": "# main\n", f"{root}/t/src/main.rs": "fn main() {}\n"}, tree
    found = await fs.find(f"{root}/t", patterns=["*.rs"])
    assert [match.path for match in found.matches] == ["src/main.rs"], found
    lines = await fs.grep("main", f"{root}/t")
    assert sorted((match.path, match.line) for match in lines.matches) == [("README.md", 1), ("src/main.rs", 1)], lines
    await fs.cp(f"{root}/t", f"{root}/copy")
    assert await fs.read(f"{root}/copy/src/main.rs") == "fn main() {}\n"
    await fs.cp(f"{root}/a.txt", f"{root}/c.txt", no_overwrite=True)
    try:
        await fs.cp(f"{root}/a.txt", f"{root}/c.txt", no_overwrite=True)
        raise AssertionError("it was overwritten")
    except FileExistsError:
        pass
    await watched(fs, root)
    try:
        await fs.read(f"{root}/no")
        raise AssertionError("what is not there was read")
    except AssertionError:
        raise
    except Exception as error:
        assert "404" in str(error) or "no such" in str(error).lower(), error
    await fs.rm(f"{root}/a.txt")
    await fs.rm(root, recursive=True)


async def watched(fs, root):
    await fs.mkdir(f"{root}/w")
    seen, done = [], asyncio.Event()

    async def note(event):
        seen.append((event.op, event.name, event.content))
        if event.name == "end":
            done.set()

    with fs.watch(f"{root}/w/**", note, {"with_content": True, "ignore": ["skipped"]}) as _:
        while not done.is_set():
            await fs.write(f"{root}/w/skipped", "x")
            await fs.write(f"{root}/w/d/f", "content")
            await fs.write(f"{root}/w/end", "x")
            try:
                await asyncio.wait_for(done.wait(), 0.2)
            except asyncio.TimeoutError:
                pass
    names = {name for _, name, _ in seen}
    assert "skipped" not in names and "end" in names, seen


def synchronous():
    fs = SyncSandboxInstance(sandbox=record(), force_url=URL, headers=HEADERS).fs
    root = ROOT + "/sync"
    fs.mkdir(root)
    fs.write(f"{root}/a.txt", "hello\n")
    assert fs.read(f"{root}/a.txt") == "hello\n"
    fs.write_binary(f"{root}/b.bin", b"\x00\xff")
    assert fs.read_binary(f"{root}/b.bin") == b"\x00\xff"
    large = os.urandom(6 * 1024 * 1024)
    fs.write_binary(f"{root}/large.bin", large)
    assert fs.read_binary(f"{root}/large.bin") == large
    fs.write_tree([{"path": "x/y", "content": "1"}], f"{root}/t")
    assert [directory.name for directory in fs.ls(f"{root}/t").subdirectories] == ["x"]
    assert [file.content for file in fs.read_tree(f"{root}/t").files] == ["1"]
    fs.cp(f"{root}/t", f"{root}/copy", no_overwrite=True)
    assert fs.read(f"{root}/copy/x/y") == "1"
    fs.rm(ROOT, recursive=True)


asyncio.run(asynchronous())
synchronous()
print("ok")
