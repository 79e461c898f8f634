"""What `make` says before and while it installs. pip is the real one, on indexes and folders of the test; nothing is downloaded."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from aegis_assets.settings import ROOT


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "deploy" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["install"] = module
    spec.loader.exec_module(module)
    return module


install = loaded()
WANTED = install.wanted_version()


@pytest.fixture(autouse=True)
def only_the_tests_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def index(folder: Path, *versions: str) -> str:
    """The address of a package index that has these versions of torch."""
    (folder / "torch").mkdir(parents=True)
    links = "".join(f'<a href="torch-{version}-py3-none-any.whl">torch</a>\n' for version in versions)
    (folder / "torch" / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")
    return folder.as_uri()


def announced(installed: str = "") -> str:
    return "\n".join(install.announcement(WANTED, installed))


@pytest.mark.skipif(sys.platform != "linux", reason="PyPI's build for other systems has no CUDA")
def test_pypis_build_is_said_to_bring_cuda_with_its_size_and_the_way_to_the_smaller_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path, "1.0", WANTED, "99.0"))
    text = announced()
    assert f"torch {WANTED} with CUDA: about 4 GB to download and 7 GB on disk" in text
    assert f"PIP_EXTRA_INDEX_URL={install.cpu_index()}" in text
    assert "PIP_FIND_LINKS=" in text


def test_the_build_of_a_second_index_is_the_one_that_pip_will_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path / "one", WANTED))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", index(tmp_path / "two", f"{WANTED}+cpu", "99.0+cpu"))
    assert f"torch {WANTED}+cpu, without CUDA: about 1.5 GB" in announced()
    assert "PIP_EXTRA_INDEX_URL" not in announced()


def test_an_index_of_cuda_builds_is_not_taken_for_the_small_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path, f"{WANTED}+cu130", f"{WANTED}+cpu"))
    assert f"torch {WANTED}+cu130 with CUDA" in announced()


@pytest.mark.parametrize("as_address", [False, True])
def test_a_wheel_in_a_folder_is_named_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_address: bool) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / f"torch-{WANTED}+cpu-py3-none-any.whl"
    with wheel.open("wb") as file:
        file.truncate(187_000_000)
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path / "index", WANTED))
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path}/none {folder.as_uri() if as_address else folder}")
    assert f"torch {WANTED}+cpu from {wheel} (187 MB)" in announced()


@pytest.mark.parametrize(
    ("requires", "words"),
    [("nvidia-cublas", "3.5 GB of other packages, CUDA among them"), ("filelock", "1.3 GB of other packages")],
)
def test_a_wheel_in_a_folder_says_itself_whether_it_brings_cuda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requires: str, words: str
) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"torch-{WANTED}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"torch-{WANTED}.dist-info/METADATA", f"Name: torch\nVersion: {WANTED}\nRequires-Dist: {requires}\n")
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path / "index", WANTED))
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    assert words in announced()


def test_an_index_without_torch_or_without_an_answer_is_said_to_be_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index(tmp_path, "1.0"))
    assert "did not say which torch it has" in announced()
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "none").as_uri())
    assert "did not say which torch it has" in announced()


@pytest.mark.parametrize("installed", [WANTED, f"{WANTED}+cpu"])
def test_where_torch_is_there_already_nothing_is_said_of_downloads(installed: str) -> None:
    assert announced(installed) == f"Installing what has changed into {Path(sys.prefix).name}; torch {installed} stays."


PIP = """
import sys, time
if "install" not in sys.argv:
    sys.exit(0)  # no index here has torch
print("Collecting dagster==1.13.27 (from aegis==0.1.0)")
print("  Downloading dagster-1.13.27-py3-none-any.whl.metadata (12 kB)")
print("  Downloading dagster-1.13.27-py3-none-any.whl (2.1 MB)")
print("  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (530.2 MB)", flush=True)
time.sleep(float(sys.argv[-1]) if sys.argv[-1][0].isdigit() else 0)
for number in range(200):
    print(f"Requirement already satisfied: package{number} in ./.venv/lib")
print("  Using cached nvidia_cublas-13-py3-none-manylinux1_x86_64.whl (0.4 GB)")
print("Installing collected packages: torch, dagster, aegis")
print("Successfully installed torch-2.13.0")
print("ERROR: something" if "fail" in sys.argv else "", file=sys.stderr)
sys.exit(3 if "fail" in sys.argv else 0)
"""


@pytest.fixture
def pip(tmp_path: Path) -> list[str]:
    """A program that prints what pip prints where there is no terminal."""
    program = tmp_path / "pip.py"
    program.write_text(PIP)
    return [sys.executable, str(program), "install"]


def test_without_a_terminal_large_packages_and_each_beat_get_a_line_and_no_other_does(
    pip: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert install.run_with_heartbeat([*pip, "1.0"], 0.4) == 0
    lines = capsys.readouterr().out.splitlines()
    fixed = [line for line in lines if " min: " not in line]
    assert fixed == ["  torch (530 MB)", "  nvidia_cublas (400 MB)", "  unpacking 3 packages"]
    beats = [line for line in lines if " min: " in line]
    assert any(line.endswith("min: 2 packages fetched, 532 MB; torch (530 MB)") for line in beats)
    assert lines[-1].endswith("min: 3 packages fetched, 932 MB")


def test_what_pip_says_of_a_failure_goes_through_with_its_exit_code(pip: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert install.run_with_heartbeat([*pip, "fail"], 30) == 3
    assert "ERROR: something" in capfd.readouterr().err


def test_make_installs_once_by_this_script_and_stops_where_it_fails(tmp_path: Path) -> None:
    """A virtual environment whose pip is the program above: what `make install` runs, without the packages."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "deploy").mkdir()
    for name in ("install.py", "Dockerfile"):
        shutil.copy(ROOT / "deploy" / name, tmp_path / "deploy")
    fake = tmp_path / "fake" / "pip"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    (fake / "__main__.py").write_text(textwrap.dedent(PIP))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / ".venv")], check=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(fake.parent)}

    def make(target: str) -> subprocess.CompletedProcess[str]:
        words = ["make", "--no-print-directory", "-f", "Makefile", target, f"PYTHON={sys.executable}"]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False)

    first = make("install")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "Installing into .venv" in first.stdout.splitlines()[0]
    assert "  torch (530 MB)" in first.stdout
    assert make("install").stdout == ""
    (fake / "__main__.py").write_text("import sys\nsys.exit(1)\n")
    assert make("install-test").returncode != 0
    assert ".[test]" not in (tmp_path / ".venv" / "installed").read_text()
