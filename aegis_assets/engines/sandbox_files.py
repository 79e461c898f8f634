"""The request and the answer of a sandboxed call, which parent and child exchange as files in the call's folder.

They are files and not pickles: a child that a hostile document has taken over must not make its parent run code.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aegis_assets.errors import AegisError, EngineFailed

ANSWER_BYTES: Final = 64 * 2**20  # larger results belong in files
REQUEST: Final = "request.json"
ANSWER: Final = "answer.json"


def write_request(folder: Path, job: str, payload: Mapping[str, object]) -> None:
    (folder / REQUEST).write_text(json.dumps({"job": job, "payload": payload}))


def read_request(folder: Path) -> tuple[str, Any]:
    """Return the job and its payload."""
    request = json.loads((folder / REQUEST).read_text())
    return str(request["job"]), request["payload"]


def write_answer(folder: Path, answer: Mapping[str, object]) -> None:
    """Write a whole answer or none: a child may be killed at any moment."""
    part = folder / "answer.part"
    part.write_text(json.dumps(answer))
    part.rename(folder / ANSWER)


def read_answer(folder: Path, subject: str) -> dict[str, Any]:
    """Return what a child answered: {"result": {...}} or {"error": {...}}. Raise EngineFailed for anything else."""
    try:
        answer = json.loads(read_untrusted(folder / ANSWER, ANSWER_BYTES))
        if not isinstance(answer, dict) or not isinstance(answer.get("error", answer.get("result")), dict):
            raise ValueError("neither a result nor an error")
    except (OSError, ValueError, RecursionError) as error:
        raise EngineFailed(f"{subject} came back with an answer that cannot be read.", retryable=False) from error
    return answer


def dump_error(error: AegisError) -> dict[str, object]:
    """Return an error as what load_error reads."""
    fields = {"kind": error.kind, "message": error.message, "retryable": error.retryable, "server": error.server}
    return {"class": type(error).__name__, **fields}


def load_error(fields: Mapping[str, object]) -> AegisError:
    """Return the error that a child met; of a class that is not known, it is the engine's failure."""
    classes = {cls.__name__: cls for cls in AegisError.__subclasses__()}
    cls = classes.get(str(fields.get("class")), EngineFailed)
    known = {"kind": str(fields.get("kind")), "server": str(fields.get("server", ""))}
    return cls(str(fields.get("message")), retryable=bool(fields.get("retryable")), **known)


def read_untrusted(path: Path, max_bytes: int) -> bytes:
    """Read at most max_bytes of a file that a child left. Raise OSError if it is anything but a file.

    A child that was taken over may have left a link, a directory, or a pipe that nobody writes to.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("no file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    finally:
        os.close(descriptor)
