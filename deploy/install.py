"""Installs the project into the virtual environment of the Python that runs this: `.venv/bin/python deploy/install.py '.[test]'`.

Before it begins it says which build of torch will come, for that is most of what is downloaded, and how to get the smaller one.
On a terminal pip shows its own progress; elsewhere, where pip prints hundreds of lines or, quiet, none for minutes, each large
package and every half minute get a line. Only the standard library is there yet.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

ROOT: Final = Path(__file__).resolve().parents[1]
PIP: Final = (sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check")
ASKING_SECONDS: Final = 60.0  # of an index that does not answer; the installation itself will say why
BEAT_SECONDS: Final = 30.0
LARGE_MB: Final = 40.0
UNITS: Final = {"kB": 0.001, "MB": 1.0, "GB": 1000.0}
DOWNLOAD: Final = re.compile(
    r"(?:Downloading|Using cached) (?P<file>\S+\.(?:whl|tar\.gz|zip)) \((?P<size>[\d.]+) (?P<unit>kB|MB|GB)\)"
)
# Measured with the tests' tools: pip's downloads, and `du -sh .venv` afterwards.
WITH_CUDA: Final = "about 4 GB to download and 7 GB on disk"
WITHOUT_CUDA: Final = "about 1.5 GB to download and 3 GB on disk"


class Build(NamedTuple):
    """A build of torch."""

    version: str
    has_cuda: bool
    wheel: Path | None = None  # in a folder of PIP_FIND_LINKS


def main(arguments: Sequence[str]) -> int:
    (target,) = arguments
    for line in announcement(wanted_version(), installed_version()):
        say(line)
    command = [*PIP, "install", "-c", "constraints.txt", "-e", target]
    if sys.stdout.isatty():
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    return run_with_heartbeat([*command, "--progress-bar", "off"], BEAT_SECONDS)


def announcement(wanted: str, installed: str) -> list[str]:
    """Return what to say before the installation. installed: '' where there is no torch yet."""
    where = Path(sys.prefix).name
    if installed.split("+")[0] == wanted:
        return [f"Installing what has changed into {where}; torch {installed} stays."]
    build = find_build(wanted)
    if build is None:
        return [f"Installing into {where}: {WITH_CUDA}, less without CUDA. The package index did not say which torch it has."]
    if build.wheel is not None:
        size = f"{build.wheel.stat().st_size / 1e6:.0f} MB"
        others = "about 3.5 GB of other packages, CUDA among them" if build.has_cuda else "about 1.3 GB of other packages"
        return [f"Installing into {where}: torch {build.version} from {build.wheel} ({size}), and {others}."]
    if not build.has_cuda:
        return [f"Installing into {where}: torch {build.version}, without CUDA: {WITHOUT_CUDA}, some minutes."]
    return [
        f"Installing into {where}: torch {build.version} with CUDA: {WITH_CUDA}, seven minutes on two cores.",
        f"Without an NVIDIA GPU the build without CUDA serves as well: {WITHOUT_CUDA}. To get it, stop this (ctrl-C) and set",
        f"  PIP_EXTRA_INDEX_URL={cpu_index()}   or   PIP_FIND_LINKS=a folder with its wheel",
    ]


def find_build(wanted: str) -> Build | None:
    """Return the build that pip will choose: of one version the one with the highest local part, and a folder before an index."""
    versions = available_versions()
    builds = sorted(version for version in versions if version.split("+")[0] == wanted)
    if not builds:
        return None
    local = builds[-1].partition("+")[2]
    if wheel := local_wheel(builds[-1]):
        return Build(builds[-1], asks_for_cuda(wheel), wheel)
    # PyPI's, which has no local part, has CUDA for Linux, and not for macOS and Windows.
    return Build(builds[-1], local.startswith("cu") if local else platform.system() == "Linux")


def available_versions() -> list[str]:
    """Ask pip, which knows its indexes, folders and configuration. Empty if it finds nothing or no index answers."""
    answer = ask_pip("index", "versions", "torch")
    match = re.search(r"^Available versions: (.*)$", answer, re.MULTILINE)
    return [version.strip() for version in match[1].split(",")] if match else []


def local_wheel(version: str) -> Path | None:
    """Return the wheel of that version in a folder that pip is told to look into."""
    words = re.findall(r"\.find-links='([^']*)'", ask_pip("config", "list"))
    for word in " ".join(words).replace("\\n", " ").split():
        folder = Path(url2pathname(urlsplit(word).path)) if word.startswith("file:") else Path(word)
        for wheel in sorted(folder.glob(f"torch-{version}-*.whl")) if folder.is_dir() else ():
            return wheel
    return None


def asks_for_cuda(wheel: Path) -> bool:
    """Return whether the wheel's own metadata asks for NVIDIA's packages. A file that is no wheel asks for nothing."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            return re.search(rb"^Requires-Dist: (nvidia|cuda)-", archive.read(name), re.MULTILINE) is not None
    except (zipfile.BadZipFile, OSError, StopIteration):
        return False


def ask_pip(*words: str) -> str:
    try:
        done = subprocess.run([*PIP, *words], cwd=ROOT, capture_output=True, text=True, timeout=ASKING_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout


def wanted_version() -> str:
    match = re.search(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert match, "constraints.txt pins torch"
    return match[1]


def installed_version() -> str:
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def cpu_index() -> str:
    """Return the address of PyTorch's own index, which the Dockerfile installs from."""
    match = re.search(r"^ARG TORCH_INDEX=(\S+)$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert match, "the Dockerfile names the index"
    return match[1]


class Progress:
    """What pip has fetched, told from the lines that it prints."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.packages = 0
        self.megabytes = 0.0
        self.doing = "looking for packages"

    def take(self, line: str) -> str:
        """Return what to say at once of this line: of a large package, of installing, or nothing."""
        if match := DOWNLOAD.search(line):
            size = float(match["size"]) * UNITS[match["unit"]]
            self.packages += 1
            self.megabytes += size
            self.doing = f"{match['file'].rsplit('/', maxsplit=1)[-1].split('-')[0]} ({size:.0f} MB)"
            return f"  {self.doing}" if size >= LARGE_MB else ""
        if line.startswith("Installing collected packages"):
            self.doing = f"unpacking {line.count(',') + 1} packages"
            return f"  {self.doing}"
        return ""

    def summary(self) -> str:
        seconds = time.monotonic() - self.began
        return f"  {seconds / 60:.1f} min: {self.packages} packages fetched, {self.megabytes:.0f} MB; {self.doing}"


def run_with_heartbeat(command: Sequence[str], beat_seconds: float) -> int:
    """Run pip and return its exit code. Its errors and warnings, on stderr, go through as they are."""
    progress, over = Progress(), threading.Event()

    def beat() -> None:
        while not over.wait(beat_seconds):
            say(progress.summary())

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None
        threading.Thread(target=beat, daemon=True).start()
        for line in process.stdout:
            if words := progress.take(line):
                say(words)
    over.set()
    if process.returncode == 0:
        say(progress.summary().rpartition(";")[0])
    return process.returncode


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
