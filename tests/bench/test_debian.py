"""A manual comes out of a Debian package as the file that its readers open."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from bench import debian


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a package with a compressed manual, another one beside it, and a plain one."""
    root = tmp_path / "root"
    documents = root / "usr/share/doc/some-doc"
    documents.mkdir(parents=True)
    (documents / "main.pdf.gz").write_bytes(gzip.compress(b"the manual"))
    (documents / "main.pdf.old").write_bytes(b"an older one")
    (documents / "plain.pdf").write_bytes(b"a plain one")
    (root / "DEBIAN").mkdir()
    control = "Package: some-doc\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a manual\n"
    (root / "DEBIAN/control").write_text(control)
    archive = tmp_path / "some-doc.deb"
    subprocess.run(["dpkg-deb", "-b", root, archive], check=True, capture_output=True)
    return archive


def test_a_file_comes_out_of_a_package_decompressed(package: Path, tmp_path: Path) -> None:
    for name, content in (("main.pdf", b"the manual"), ("plain.pdf", b"a plain one")):
        debian.unpack_file(package, name, tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    with pytest.raises(RuntimeError, match=r"some-doc\.deb has no file other\.pdf"):
        debian.unpack_file(package, "other.pdf", tmp_path / "other.pdf")


def test_what_lies_in_the_cache_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "manual.pdf").write_bytes(b"kept")
    assert debian.cached_file("no-such-package-at-all", "main.pdf", "manual.pdf", tmp_path).read_bytes() == b"kept"


def test_a_package_that_cannot_be_fetched_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "manual.pdf"
    with pytest.raises(RuntimeError, match=rf"put main\.pdf of that package at {path}\."):
        debian.cached_file("no-such-package-at-all", "main.pdf", "manual.pdf", path.parent)
    assert not path.exists()
