"""Documents at work -> a bar each on a terminal, or a line for each step of ten per cent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from aegis_assets.errors import AegisError
from aegis_assets.model.document import AT_REST, State
from aegis_assets.model.ledger import DocumentRow
from aegis_assets.model.progress import Progress
from aegis_assets.pipeline.flow.rebuild import RebuildProgress
from webadmin.documents import platform
from webadmin.documents.console import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

BARS = 12  # more do not fit a terminal; the others are counted
NAME_WIDTH = 40


class Display(Protocol):
    def show(self, rows: Sequence[DocumentRow]) -> None: ...
    def say(self, sentence: str) -> None: ...
    def close(self) -> None: ...


def display(say: Callable[[str], None]) -> Display:
    return Bars() if sys.stderr.isatty() else Lines(say)


class Lines:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: dict[UUID, tuple[State, int, str]] = {}

    def show(self, rows: Sequence[DocumentRow]) -> None:
        for row in rows:
            now = (row.state, 0 if row.state in AT_REST else int(row.fraction * 10), row.waiting_for)
            if self._said.get(row.id) != now:
                self._said[row.id] = now
                self._say(self._line(row))

    def say(self, sentence: str) -> None:
        """Say it as a line of its own."""
        self._say(sentence)

    def close(self) -> None:
        pass

    def _line(self, row: DocumentRow) -> str:
        if row.state == State.RUNNING:
            return f"{row.name}: {int(row.fraction * 100)} % {stages(row)}".rstrip()
        return f"{row.name}: {row.state}. {row.sentence}".rstrip()


def bars() -> RichProgress:
    """Return an empty set of bars on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stages]}", markup=False),
        console=Console(stderr=True),
        refresh_per_second=4,
    )


class Bars:
    """Bars of the documents at work; one that is at rest becomes a line above them."""

    def __init__(self) -> None:
        self._bars = bars()
        self._bars.start()
        self._tasks: dict[UUID, object] = {}
        self._done: set[UUID] = set()

    def show(self, rows: Sequence[DocumentRow]) -> None:
        for row in rows:
            if row.state in AT_REST:
                self._rest(row)
            elif row.id in self._tasks or len(self._tasks) < BARS:
                if row.id not in self._tasks:
                    name = printable(row.name)[:NAME_WIDTH].ljust(min(NAME_WIDTH, 24))
                    self._tasks[row.id] = self._bars.add_task(name, total=1.0, stages="")
                text = stages(row) if row.state == State.RUNNING else row.sentence.partition(". ")[0] or row.state.value
                self._bars.update(self._tasks[row.id], completed=row.fraction, stages=text)  # type: ignore[arg-type]

    def say(self, sentence: str) -> None:
        """Print it above the bars."""
        self._bars.console.print(printable(sentence), markup=False, highlight=False)

    def close(self) -> None:
        self._bars.stop()

    def _rest(self, row: DocumentRow) -> None:
        if row.id in self._done:
            return
        self._done.add(row.id)
        task = self._tasks.pop(row.id, None)
        if task is not None:
            self._bars.remove_task(task)  # type: ignore[arg-type]
        self.say(f"{row.name}: {row.state}. {row.message}".rstrip())


def stages(row: DocumentRow) -> str:
    """'parse 3/25 · embed 40/190': the stages that have begun and are not through. '' when the ledger cannot tell now."""
    try:
        progress = platform.ledger().progress(row.id)
    except AegisError:
        return ""
    return in_words(progress)


def in_words(progress: Progress) -> str:
    begun = [(stage, count) for stage, count in progress.stages.items() if count.total and count.done + count.failed < count.total]
    return " · ".join(f"{stage} {count.done}/{count.total}" for stage, count in begun)


class RebuildDisplay(Protocol):
    def show(self, progress: RebuildProgress) -> None: ...
    def close(self) -> None: ...


def rebuild_display(say: Callable[[str], None], name: str) -> RebuildDisplay:
    """Return what shows how far the rebuild of a collection is."""
    return RebuildBar(name) if sys.stderr.isatty() else RebuildLines(say, name)


class RebuildLines:
    """A line for each step of ten per cent."""

    def __init__(self, say: Callable[[str], None], name: str) -> None:
        self._say, self._name, self._said = say, name, -1

    def show(self, progress: RebuildProgress) -> None:
        """Say it, if it is a new step."""
        tenth = 10 * progress.done // progress.total if progress.total else 10
        if tenth != self._said:
            self._said = tenth
            self._say(f"{self._name}: {10 * tenth} %")

    def close(self) -> None:
        """Do nothing: lines stay."""


class RebuildBar:
    """One bar on a terminal."""

    def __init__(self, name: str) -> None:
        self._bars = bars()
        self._bars.start()
        self._task = self._bars.add_task(printable(name)[:NAME_WIDTH], total=1.0, stages="")

    def show(self, progress: RebuildProgress) -> None:
        """Move the bar."""
        share = progress.done / progress.total if progress.total else 1.0
        self._bars.update(self._task, completed=share, stages=f"{progress.done}/{progress.total}")

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bars.stop()
