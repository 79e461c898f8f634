"""The device that a model of this process computes on, made ready for it."""

from __future__ import annotations

import math

from aegis_assets.engines.forward import cores
from aegis_assets.errors import Misconfigured


def prepare_device(device: str, setting: str) -> int:
    """Let torch use the cores of this process, and return how many these are.

    setting: the name of the one that names the device. Raises Misconfigured where no such device answers.
    """
    import torch

    threads = max(1, math.floor(cores()))
    torch.set_num_threads(threads)
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:  # AssertionError: a torch without CUDA
        raise Misconfigured(f"{setting} is '{device}' and no such device answers: mend it, or set it to cpu.") from error
    return threads
