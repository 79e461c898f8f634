"""A model's forward pass -> the same, computed once where it is asked for twice, and in pieces side by side on a CPU."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

PIECE_TOKENS = 512  # 1,024 takes as long, 2,048 longer (MiniLM, 1 MB of cache per core)
CPU_MAX: Final = Path("/sys/fs/cgroup/cpu.max")  # cgroup v2, of the container that this process is in


class OncePerBatch:
    """A model's forward(), which answers a batch that comes twice in a row with what it has just computed.

    encode() finds out by its first batch whether the memory suffices, throws the result away and computes it again: half of the
    work of a call with one batch, a ninth of one with eight. The probe itself stays: on a GPU it is what makes batches smaller.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._last: tuple[dict[str, Any], Any] | None = None

    def __call__(self, *positional: Any, **named: Any) -> Any:
        """As FlagEmbedding calls its models: the batch is the only positional argument, or all of the named ones."""
        batch = dict(positional[0]) if positional else {name: value for name, value in named.items() if hasattr(value, "shape")}
        if self._last is None or not _same(self._last[0], batch):
            self._last = None  # its memory is free before more is asked for
            self._last = batch, self._forward(*positional, **named)
        return self._last[1]

    def forget(self) -> None:
        self._last = None


class Pieces:
    """A transformer's forward() on a CPU, which computes a batch in pieces side by side, each on a core of its own.

    torch would share each of its operations among all cores: they wait for each other some hundred times per batch, and what they
    work on is larger than their caches. MiniLM on two cores: a tenth less wall time alone, a quarter less beside spaCy (`make
    bench-embedder`). A batch comes sorted by length, so a piece needs less padding too. Fewer pieces than cores share them.
    """

    def __init__(self, forward: Callable[..., Any], threads: int) -> None:
        self._forward, self._threads = forward, threads
        self._pool = ThreadPoolExecutor(threads, "embedder")

    def __call__(self, *, attention_mask: Any, **named: Any) -> Any:
        """attention_mask and all tensors of `named`: (texts, tokens). Returns an output with nothing but last_hidden_state."""
        import torch

        cuts = pieces(attention_mask.sum(dim=1).tolist())
        if len(cuts) < 2:
            torch.set_num_threads(self._threads)
            return self._forward(attention_mask=attention_mask, **named)
        each = max(1, self._threads // len(cuts))
        tensors = {name: value for name, value in named.items() if hasattr(value, "shape")} | {"attention_mask": attention_mask}
        others = {name: value for name, value in named.items() if name not in tensors}

        def work(cut: tuple[int, int, int]) -> Any:
            first, end, length = cut
            torch.set_num_threads(each)  # of this thread's operations
            with torch.no_grad():
                return self._forward(**{name: value[first:end, :length] for name, value in tensors.items()}, **others)

        outputs = list(self._pool.map(work, cuts))
        hidden = outputs[0].last_hidden_state
        joined = hidden.new_zeros((*attention_mask.shape, hidden.shape[-1]))
        for (first, end, length), output in zip(cuts, outputs, strict=True):
            joined[first:end, :length] = output.last_hidden_state
        return type(outputs[0])(last_hidden_state=joined)


def pieces(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Tokens of texts -> (first, end, longest) of pieces of at most PIECE_TOKENS with their padding, or of one text."""
    cuts: list[tuple[int, int, int]] = []
    for index, length in enumerate(lengths):
        if cuts:
            first, _, longest = cuts[-1]
            longest = max(longest, length)
            if longest * (index + 1 - first) <= PIECE_TOKENS:
                cuts[-1] = (first, index + 1, longest)
                continue
        cuts.append((index, index + 1, length))
    return cuts


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def cores(quota_file: Path = CPU_MAX) -> float:
    """Return how many cores this process may use: its affinity, or less where a container has a quota.

    More threads only wait for each other.
    """
    found = float(len(os.sched_getaffinity(0)))
    with contextlib.suppress(OSError, ValueError):
        quota, period = quota_file.read_text().split()
        found = min(found, int(quota) / int(period))  # ValueError: "max", no quota
    return found
