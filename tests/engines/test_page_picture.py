"""What a child that a document has taken over may leave in a picture's place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aegis_assets.engines.service.documents import MB, PAGE_MB, _picture
from aegis_assets.errors import EngineFailed, LimitExceeded


def test_a_picture_is_read(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"RIFF")
    assert _picture(tmp_path / "page") == b"RIFF"


def test_a_link_to_a_file_of_the_server_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "page").symlink_to(tmp_path / "secret")
    with pytest.raises(EngineFailed, match="left no picture"):
        _picture(tmp_path / "page")


@pytest.mark.timeout(20)
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "page")
    with pytest.raises(EngineFailed, match="left no picture"):
        _picture(tmp_path / "page")


def test_nothing_and_a_folder_are_no_picture(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(EngineFailed, match="left no picture"):
            _picture(path)


def test_a_picture_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "page").open("wb") as stream:
        stream.truncate(PAGE_MB * MB + 1)
    with pytest.raises(LimitExceeded, match="larger than"):
        _picture(tmp_path / "page")
