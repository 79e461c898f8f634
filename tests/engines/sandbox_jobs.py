"""Jobs for real children of the sandbox; what they do wrong is what hostile documents make parsers do."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aegis_assets.engines.sandbox import Json
from aegis_assets.errors import BadInput


def name_of(job: Callable[[Json], object]) -> str:
    return f"{job.__module__}:{job.__name__}"


def double(payload: Json) -> Json:
    return {"value": 2 * payload["value"]}


def who(_: Json) -> Json:
    return {"pid": os.getpid()}


def count_frozen(_: Json) -> Json:
    return {"frozen": gc.get_freeze_count()}


def import_of_its_own(payload: Json) -> Json:
    """The modules that are not among what the template froze."""
    own = {id(each) for each in gc.get_objects()}
    return {"own": [name for name in payload["names"] if name not in sys.modules or id(sys.modules[name]) in own]}


HOARD: list[bytes] = []


def hoard(payload: Json) -> Json:
    HOARD.append(os.urandom(2**20) * payload["mb"])
    return who(payload)


def hang(payload: Json) -> Json:
    (Path(payload["file"] + ".part")).write_text(str(os.getpid()))
    os.rename(payload["file"] + ".part", payload["file"])
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))  # as deaf as a C loop
    while True:
        time.sleep(3600)


def rest(payload: Json) -> Json:
    time.sleep(payload["seconds"])
    return {"rested": payload["seconds"]}


def eat(_: Json) -> Json:
    hoard = []
    while True:
        hoard.append(bytearray(os.urandom(2**20)) * 4)


def eat_in_a_grandchild(payload: Json) -> Json:
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); x = bytearray(200 * 2**20); time.sleep(3600)"
    subprocess.run([sys.executable, "-c", code, payload["file"]], check=True, start_new_session=True)
    return {}


def crash(_: Json) -> Json:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def leave(_: Json) -> Json:
    os._exit(3)


def refuse(_: Json) -> Json:
    raise BadInput("The document is encrypted.", kind="encrypted")


def fail(_: Json) -> Json:
    raise ValueError("secret text of the document")


def crash_beside_a_grandchild(payload: Json) -> Json:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    Path(payload["file"]).write_text(str(other.pid))
    return crash(payload)


def hang_with_a_temporary_file(_: Json) -> Json:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("text of the document")
        file.flush()
        time.sleep(3600)
    return {}


def answer_with_a_link(payload: Json) -> Json:
    (Path(payload["folder"]) / "answer.json").symlink_to(payload["target"])
    return _answered()


def answer_with_a_pipe(payload: Json) -> Json:
    os.mkfifo(Path(payload["folder"]) / "answer.json")
    return _answered()


def answer_with_a_folder(payload: Json) -> Json:
    (Path(payload["folder"]) / "answer.json").mkdir()
    return _answered()


def answer_with(payload: Json) -> Json:
    (Path(payload["folder"]) / "answer.json").write_text(payload["text"])
    return _answered()


def _answered() -> Json:
    """A child that was taken over: it writes the answer itself and says that it is complete."""
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:"):
                os.write(int(descriptor), b"1")
    time.sleep(3600)
    return {}
