"""The web process is light: it is what an operator's machine keeps running beside everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from aegis_assets.settings import ROOT
from tests.services import free_ports

CPU_SECONDS = 3.0  # of processor time, since a wall clock also measures who else is busy
MEGABYTES = 200


def test_it_starts_in_three_seconds_and_stays_below_two_hundred_megabytes(ledger_url: str, tmp_path: Path) -> None:
    port = free_ports(1)[0]
    environment = {**os.environ, "AEGIS_POSTGRES_URL": ledger_url, "AEGIS_HOME": str(tmp_path), "AEGIS_SECRET_KEY": "k" * 50}
    command = [sys.executable, "-m", "uvicorn", "webadmin.asgi:application", "--port", str(port), "--lifespan", "off"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            spent = psutil.Process(process.pid).cpu_times()
            assert spent.user + spent.system < CPU_SECONDS
            for _ in range(20):
                assert httpx.get(f"http://127.0.0.1:{port}/admin/login/", trust_env=False).status_code == 200
            assert psutil.Process(process.pid).memory_info().rss / 2**20 < MEGABYTES
        finally:
            process.terminate()


def test_asking_every_store_loads_no_data_frames(ledger_url: str, tmp_path: Path) -> None:
    """The graph's driver would bring pandas and pyarrow along, where something else has installed them: 120 MB."""
    script = (
        "import django, sys; django.setup(); from webadmin.monitoring.doctor import diagnose; diagnose();"
        "import psutil; print(psutil.Process().memory_info().rss >> 20, *sorted({'pandas', 'pyarrow', 'neo4j'} & set(sys.modules)))"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "webadmin.settings",
        "AEGIS_POSTGRES_URL": ledger_url,
        "AEGIS_HOME": str(tmp_path),
        **{f"AEGIS_{name}_PORT": "9" for name in ("ENGINE", "DAGSTER", "BOLT")},
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    megabytes, *loaded = done.stdout.splitlines()[-1].split()
    assert loaded == ["neo4j"]
    assert int(megabytes) < MEGABYTES
