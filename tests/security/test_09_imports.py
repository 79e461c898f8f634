"""Demand 9: threads that ask the graph for the first time at once all get its answer, and none an ImportError."""

from __future__ import annotations

import json
import subprocess
import sys

from aegis_assets.settings import ROOT

# Without a lock one run in four met an ImportError. A module that takes its time to be found makes it every run.
SCRIPT = r"""
import importlib, json, sys, threading, time
from aegis_assets.errors import AegisError
from aegis_assets.stores.bolt import Bolt

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "neo4j._api":  # which imports neo4j.exceptions
            time.sleep(0.5)

sys.meta_path.insert(0, Slow())
found = []

def ask(delay):
    time.sleep(delay)
    try:
        Bolt("bolt://127.0.0.1:9", "neo4j", "", timeout=2, patience=0.1).query("RETURN 1")
    except AegisError as error:
        found.append(error.kind)
    except BaseException as error:
        found.append(repr(error))

threads = [threading.Thread(target=ask, args=(number * 0.05,)) for number in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.stdout.write("\n" + json.dumps(found))  # behind what was logged
"""


def test_sixteen_threads_import_the_driver_together() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == ["store_unavailable"] * 16
