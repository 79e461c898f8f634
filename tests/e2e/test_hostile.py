"""Hostile files: each gets a state and one sentence, and the good ones beside them come through."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from aegis_assets.settings import ROOT
from tests.defs.test_ingest import chapters, paged
from tests.e2e.conftest import Person


def encrypted(content: bytes) -> bytes:
    writer, target = PdfWriter(clone_from=PdfReader(io.BytesIO(content))), io.BytesIO()
    writer.encrypt("secret")
    writer.write(target)
    return target.getvalue()


def pageless() -> bytes:
    target = io.BytesIO()
    PdfWriter().write(target)
    return target.getvalue()


def bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"<a>" + b" " * 400_000_000)
    return target.getvalue()


def hostile() -> dict[str, bytes]:
    good = paged(chapters(3))
    return {
        "empty.md": b"",
        "blank.txt": b" \n\t\n ",
        "junk.pdf": bytes(range(256)) * 40,
        "truncated.pdf": good[: len(good) // 3],
        "encrypted.pdf": encrypted(good),
        "pageless.pdf": pageless(),
        "bomb.docx": bomb(),
        "binary.bin": bytes(range(256)) * 100,
    }


@pytest.mark.timeout(600)
def test_each_hostile_file_has_its_sentence_and_the_rest_is_untouched(person: Person, tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    for name, content in hostile().items():
        (folder / name).write_bytes(content)
    odd = ["<b>bold<script>alert(1)<script>.md", "ünïcödé-" + "😀" * 50 + ".md", "new\nline\x07.md"]
    for number, name in enumerate(odd):
        (folder / name).write_text(f"# Odd {number}\n\nAlan Turing wrote paper {number} in Cambridge.\n")
    (folder / "latin.txt").write_bytes("Größe und Maß: Konrad Zuse baute die Z3 in Berlin. ".encode("latin-1") * 5)
    code, out, err = person.manage("ingest", str(folder), "--collection", "hostile", "--json", seconds=500)
    reports = {report["name"]: report for report in map(json.loads, out.splitlines())}
    assert code != 0
    assert "Traceback" not in out + err
    assert len(reports) == 8 + len(odd) + 1
    for name in hostile():
        report = reports[name]
        assert report["state"] == "failed", report
        (failure,) = report["failures"]
        assert failure["kind"] != "internal", report
        assert failure["message"].endswith("."), report
    good = [report for name, report in reports.items() if name not in hostile()]
    assert all(report["state"] == "succeeded" and report["chunks"] for report in good), good


def test_a_file_over_the_limit_is_refused_and_leaves_nothing(person: Person, tmp_path: Path) -> None:
    large = tmp_path / "large.txt"
    with large.open("wb") as stream:
        stream.truncate(201 * 1024 * 1024)
    code, out, _ = person.manage("ingest", str(large), "--json")
    (report,) = map(json.loads, out.splitlines())
    assert code != 0
    assert "200 MB" in report["failures"][0]["message"]


def test_commands_without_a_stack_say_so(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS_")}
    for command in (["ingest", str(ROOT / "samples" / "unix.md")], ["search", "x"], ["retry", "x"], ["doctor"]):
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**environment, "AEGIS_HOME": str(tmp_path / "nowhere")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode != 0
        assert "Traceback" not in done.stderr
        assert "make up" in done.stderr + done.stdout
