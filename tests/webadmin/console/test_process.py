"""The web process is light: it is what an operator's machine keeps running beside everything else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy
import psutil
import pytest
from django.conf import settings as django_settings

from aegis_assets.errors import StoreUnavailable
from aegis_assets.model.embedding import Embedding, VectorPoint
from aegis_assets.model.ids import collection_id
from aegis_assets.settings import ROOT
from tests.doubles.engine import EMBEDDER, EngineDouble
from tests.services import free_ports
from tests.waiting import until
from tests.webadmin.conftest import browser
from tests.webadmin.console.test_search import PAGE, engine, put  # noqa: F401  a fixture
from webadmin.documents import platform
from webadmin.documents.aside import Aside

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


POINTS, SEARCHES = 500, 64  # the local mode compares a question with every point in Python


def test_searches_from_many_threads_leave_it_light(engine: EngineDouble, ledger_url: str, site: Path) -> None:  # noqa: F811
    put(["Ada Lovelace wrote programs"])
    fill(POINTS)
    port = free_ports(1)[0]
    environment = {**os.environ, "AEGIS_SECRET_KEY": django_settings.SECRET_KEY}
    cookies = {name: morsel.value for name, morsel in browser(superuser=True).cookies.items()}
    command = [sys.executable, "-m", "uvicorn", "webadmin.asgi:application", "--port", str(port), "--lifespan", "off"]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", cookies=cookies, trust_env=False, timeout=60) as client,
    ):
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    client.get("/healthz")
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            assert client.get("/admin/dashboard/health").status_code == 200

            def found(_: int) -> bool:
                return "a.md" in client.get(PAGE, params={"q": "Ada Lovelace wrote programs"}).text

            with ThreadPoolExecutor(16) as pool:
                assert all(pool.map(found, range(SEARCHES)))
            web = psutil.Process(process.pid)

            assert web.memory_info().rss / 2**20 < MEGABYTES
            mapped = " ".join(part.path for part in web.memory_maps())
            assert "numpy" not in mapped, "its libraries would be mapped, and Qdrant's client imports it"
            asides = [child for child in web.children() if "spawn_main" in " ".join(child.cmdline())]
            for child in asides:
                child.kill()
            assert len(asides) == 1
            assert found(0), "another child is started"
        finally:
            process.terminate()


def test_an_error_of_a_store_is_raised_as_it_is_and_a_killed_child_is_replaced(site: Path) -> None:
    aside = Aside()
    aside.on = True
    os.environ["AEGIS_NEO4J_URL"] = "bolt://127.0.0.1:9"
    try:
        with pytest.raises(StoreUnavailable) as near:
            platform.check_graph()
        with pytest.raises(StoreUnavailable) as far:
            aside.call(platform.check_graph)
    finally:
        del os.environ["AEGIS_NEO4J_URL"]
    assert (far.value.message, far.value.kind, far.value.retryable) == (near.value.message, near.value.kind, near.value.retryable)
    for child in children():
        child.kill()
    aside.call(platform.check_vectors)


def test_a_child_that_does_not_answer_is_ended_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    aside = Aside()
    aside.on = True
    first = aside.call(os.getpid)
    monkeypatch.setattr("webadmin.documents.aside.MOST_SECONDS", 0.5)
    with pytest.raises(StoreUnavailable, match="did not answer"):
        aside.call(time.sleep, 600)
    until(lambda: not psutil.pid_exists(first))
    monkeypatch.undo()
    assert aside.call(os.getpid) not in (first, os.getpid())


def test_a_child_that_nobody_asks_ends_and_the_next_question_starts_another(monkeypatch: pytest.MonkeyPatch) -> None:
    aside = Aside()
    aside.on = True
    monkeypatch.setattr("webadmin.documents.aside.IDLE_SECONDS", 0.5)
    first = aside.call(os.getpid)
    until(lambda: not psutil.pid_exists(first))
    assert aside.call(os.getpid) not in (first, os.getpid())


def test_the_child_of_a_killed_web_process_ends_too() -> None:
    script = (
        "import os, time; from webadmin.documents.aside import aside; aside.on = True\n"
        "if __name__ == '__main__': print(aside.call(os.getpid), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as web:
        assert web.stdout is not None
        child = int(web.stdout.readline())
        assert psutil.pid_exists(child)
        web.kill()
    until(lambda: not psutil.pid_exists(child))


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def fill(count: int) -> None:
    numbers = numpy.random.default_rng(1)
    points = []
    for _ in range(count):
        words = sorted({int(word) for word in numbers.integers(0, 20_000, 60)})
        dense = tuple(float(value) for value in numbers.normal(size=EMBEDDER.dimension))
        embedding = Embedding(dense=dense, indices=tuple(words), values=tuple(1.0 for _ in words))
        points.append(VectorPoint(id=uuid.uuid4(), document=uuid.uuid4(), embedding=embedding, live=False))
    platform.vectors().upsert(collection_id("books"), points)
    platform.vectors().close()
