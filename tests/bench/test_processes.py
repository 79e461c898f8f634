"""Processor time is counted once, wherever it was spent: by who lives, by who was reaped, by who was never seen."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench.processes import Usage, Watch

BURN = """
import time
end = time.process_time() + {0}
while time.process_time() < end:
    pass
"""
ORPHANING = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN.format(0.4)!r}])"
# A child that burns and is reaped, a grandchild whose parent is gone before it ends, and the process itself.
FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN.format(0.3)!r}])
subprocess.run([sys.executable, "-c", {ORPHANING!r}])
{BURN.format(0.2)}
"""


def watched(every: float) -> Usage:
    watch = Watch(("BENCH_TEST_MARK", str(os.getpid())), {}, every).start()
    environment = {**os.environ, "BENCH_TEST_MARK": str(os.getpid())}
    subprocess.run([sys.executable, "-c", FAMILY], env=environment, check=True)
    time.sleep(3)
    return watch.stop()


@pytest.mark.parametrize("every", [0.05, 0.2])
def test_all_of_a_family_s_time_is_counted_once(every: float) -> None:
    usage = watched(every)
    assert usage.cpu_total == pytest.approx(0.9, abs=0.4), "the starts of four interpreters come on top"
    assert set(usage.cpu) == {"other"}
    assert 5 < usage.peak_mb["other"] < 100


def test_what_was_there_before_is_not_counted() -> None:
    environment = {**os.environ, "BENCH_TEST_MARK": "before"}
    with subprocess.Popen([sys.executable, "-c", BURN.format(0.4) + "\ntime.sleep(60)"], env=environment) as process:
        time.sleep(3)
        usage = Watch(("BENCH_TEST_MARK", "before"), {process.pid: "named"}).start().stop()
        process.kill()
    assert usage.cpu["named"] < 0.2
