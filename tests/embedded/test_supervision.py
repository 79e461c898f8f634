"""A real supervisord over small parts that live, die and run away."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from aegis_assets.embedded import stack
from aegis_assets.embedded.parts import Part
from aegis_assets.embedded.supervision import MARK, Running, Supervisor
from aegis_assets.embedded.supervisor_conf import FIRST_SECONDS, configuration
from aegis_assets.errors import Internal, Misconfigured

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
RUNAWAY = (  # a part whose child leaves for a session of its own, as run workers do
    sys.executable,
    "-c",
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],"
    " start_new_session=True); time.sleep(600)",
)
LATE = ("/bin/sh", "-c", f"sleep {FIRST_SECONDS + 1}; echo out of paper; exit 4")
DYING = ("/bin/sh", "-c", "echo the cable is not plugged in; exit 3")


def part(name: str, command: tuple[str, ...]) -> Part:
    return Part(name, command, "-", (), lambda: True)


@pytest.fixture
def supervisor(open_directory: Path) -> Iterator[Supervisor]:
    home = open_directory / "100% of a home"
    home.mkdir()
    one = Supervisor(home)
    yield one
    one.stop()


def start(supervisor: Supervisor, *parts: Part, **environment: str) -> None:
    supervisor.start(parts, environment)
    for one in parts:
        supervisor.launch(one.name)


def eventually(supervisor: Supervisor, name: str, fits: Callable[[Running], bool]) -> Running:
    """The part's state as soon as it fits."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        one = next(one for one in supervisor.programs() if one.name == name)
        if fits(one):
            return one
        time.sleep(0.1)
    raise AssertionError(f"{name} is {one}")


def marked(supervisor: Supervisor) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(supervisor.home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_parts_are_listed_in_their_order_and_a_killed_one_comes_back(supervisor: Supervisor) -> None:
    start(supervisor, part("zebra", SLEEPER), part("ant", SLEEPER))
    assert [one.name for one in supervisor.programs()] == ["zebra", "ant"]
    before = eventually(supervisor, "ant", lambda one: one.state == "RUNNING")
    os.kill(before.pid, signal.SIGKILL)
    eventually(supervisor, "ant", lambda one: one.state == "RUNNING" and one.pid != before.pid)


def test_a_part_that_ends_before_supervisord_has_answered_is_not_one_that_cannot_be_started(supervisor: Supervisor) -> None:
    """One in ten is that fast."""
    start(supervisor, *(part(f"brief-{number}", ("/bin/true",)) for number in range(20)))
    assert {one.said for one in supervisor.programs()} == {""}


def test_a_part_that_keeps_dying_is_given_up_with_its_last_words(supervisor: Supervisor) -> None:
    start(supervisor, part("dying", DYING), part("sleeper", SLEEPER))
    eventually(supervisor, "dying", lambda one: one.state == "FATAL")
    dying = next(one for one in supervisor.programs() if one.name == "dying")
    reason = stack.row(part("dying", DYING), dying, supervisor).reason
    assert "(exit status 3)" in reason
    assert "the cable is not plugged in" in reason
    assert eventually(supervisor, "sleeper", lambda one: one.state == "RUNNING").pid


def test_a_part_that_ends_again_and_again_is_unsteady_and_one_that_came_back_says_so(supervisor: Supervisor) -> None:
    """supervisord starts what ended after its first seconds again at once, for ever, and calls it running."""
    parts = [part("late", LATE), part("killed", SLEEPER), part("steady", SLEEPER)]
    start(supervisor, *parts)
    killed = eventually(supervisor, "killed", lambda one: one.state == "RUNNING")
    os.kill(killed.pid, signal.SIGKILL)
    eventually(supervisor, "killed", lambda one: one.state == "RUNNING" and one.pid != killed.pid)
    eventually(supervisor, "late", lambda one: one.ends >= stack.UNSTEADY and one.pid > 0)
    running = {one.name: one for one in supervisor.programs()}
    rows = {one.name: stack.row(one, running[one.name], supervisor) for one in parts}
    assert (rows["late"].state, rows["killed"].state, rows["steady"].state) == ("unsteady", "running", "running")
    assert re.search(r"ended \d times since `make up`, last \d+ s ago \(exit status 4\): .*out of paper", rows["late"].reason)
    assert re.search(r"ended once since `make up`, last \d+ s ago \(terminated by SIGKILL\)", rows["killed"].reason)
    assert rows["steady"].reason == ""


def test_a_command_that_is_not_there_is_an_error_at_once(supervisor: Supervisor) -> None:
    """It once stayed STOPPED in silence, until the patience for its answer ran out."""
    with pytest.raises(Internal, match=r"odd cannot be started .*/nowhere/server"):
        start(supervisor, part("odd", ("/nowhere/server",)))


def test_stopping_takes_runaway_children_along_and_leaves_no_file_of_its_own(supervisor: Supervisor) -> None:
    start(supervisor, part("runaway", RUNAWAY))
    eventually(supervisor, "runaway", lambda one: len(psutil.Process(one.pid).children()) == 1 if one.pid else False)
    supervisor.stop()
    assert marked(supervisor) == []
    assert not supervisor.run.exists()
    assert [path.name for path in supervisor.home.iterdir()] == ["logs"]


def test_what_a_killed_part_leaves_in_its_temporary_directory_goes_too(supervisor: Supervisor) -> None:
    """A fork server makes a directory with a socket in it, and removes it only when it ends by itself."""
    forks = "from multiprocessing import forkserver; forkserver.ensure_running(); import time; time.sleep(600)"
    before = set(Path(tempfile.gettempdir()).glob("pymp-*"))
    start(supervisor, part("forks", (sys.executable, "-c", forks)))
    deadline = time.monotonic() + 60
    while not list(supervisor.temporary.glob("pymp-*/listener-*")):
        assert time.monotonic() < deadline, "the fork server did not listen"
        time.sleep(0.1)
    os.kill(eventually(supervisor, "forks", lambda one: one.pid > 0).pid, signal.SIGKILL)
    supervisor.stop()
    assert [path.name for path in supervisor.home.iterdir()] == ["logs"]
    assert set(Path(tempfile.gettempdir()).glob("pymp-*")) <= before


def test_what_a_killed_supervisord_leaves_behind_is_swept_up(supervisor: Supervisor) -> None:
    start(supervisor, part("sleeper", SLEEPER))
    eventually(supervisor, "sleeper", lambda one: one.pid > 0)
    os.kill(int((supervisor.run / "supervisord.pid").read_text()), signal.SIGKILL)
    deadline = time.monotonic() + 60
    while supervisor.answers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert supervisor.sweep() >= 1
    assert marked(supervisor) == []
    start(supervisor, part("sleeper", SLEEPER))
    assert supervisor.answers()


def test_a_process_is_known_in_the_instant_in_which_it_shows_no_environment(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instant of its execve, in which one process of a hundred was once left running."""
    start(supervisor, part("sleeper", SLEEPER))
    eventually(supervisor, "sleeper", lambda one: one.pid > 0)
    asked = set[int]()

    def at_first(empty: Any, read: Callable[[psutil.Process], Any]) -> Callable[[psutil.Process], Any]:
        def seen(process: psutil.Process) -> Any:
            if process.pid in asked:
                return read(process)
            asked.update([process.pid] if empty == [] else [])
            return empty

        return seen

    monkeypatch.setattr(psutil.Process, "environ", at_first({}, psutil.Process.environ))
    monkeypatch.setattr(psutil.Process, "cmdline", at_first([], psutil.Process.cmdline))
    assert supervisor.left() == 2  # with supervisord


def test_a_home_too_deep_for_a_socket_gets_a_short_directory_of_its_own(open_directory: Path) -> None:
    deep = open_directory / ("long" * 30)
    deep.mkdir()
    supervisor = Supervisor(deep)
    assert len(os.fsencode(supervisor.socket)) < 90
    try:
        start(supervisor, part("sleeper", SLEEPER))
        assert supervisor.answers()
        assert supervisor.socket.parent.stat().st_mode & 0o777 == 0o700
        assert len(os.fsencode(supervisor.temporary / "pymp-12345678" / "listener-12345678")) <= 107
    finally:
        supervisor.stop()
    assert not supervisor.socket.parent.exists()


def test_a_short_directory_that_someone_else_prepared_is_not_used_and_nothing_goes_through_it(open_directory: Path) -> None:
    """A link below /tmp under the name that it will have: `make up` and `make down` sweep before anything is checked."""
    deep = open_directory / ("trap" * 30)
    deep.mkdir()
    (open_directory / "tmp").mkdir()
    (open_directory / "tmp" / "letter").write_text("Dear Ada")
    supervisor = Supervisor(deep)
    supervisor.socket.parent.symlink_to(open_directory)
    try:
        supervisor.sweep()
        with pytest.raises(Misconfigured, match="not a directory of this account alone"):
            start(supervisor, part("sleeper", SLEEPER))
        supervisor.stop()
    finally:
        supervisor.socket.parent.unlink()
    assert (open_directory / "tmp" / "letter").read_text() == "Dear Ada"


def test_a_secret_reaches_the_parts_but_no_command_line_and_no_configuration(supervisor: Supervisor) -> None:
    start(supervisor, part("sleeper", SLEEPER), AEGIS_ENGINE_TOKEN="for-your-eyes")
    # Between fork and the end of exec a process has its parent's environment, or none.
    pid = eventually(supervisor, "sleeper", lambda one: one.pid > 0 and psutil.Process(one.pid).cmdline() == list(SLEEPER)).pid
    assert psutil.Process(pid).environ()["AEGIS_ENGINE_TOKEN"] == "for-your-eyes"
    assert all("for-your-eyes" not in " ".join(process.cmdline()) for process in marked(supervisor))
    assert "for-your-eyes" not in supervisor.configuration.read_text()
    assert supervisor.socket.stat().st_mode & 0o777 == 0o600


def test_a_path_that_supervisord_would_cut_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot take"):
        configuration([part("odd", ("/opt/a #1/bin/x",))], tmp_path, tmp_path, tmp_path / "socket")
