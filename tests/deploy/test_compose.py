"""deploy/compose.yaml as far as it can be tried without a container engine: schema, names that meet, no secret, no open port."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from aegis_assets.embedded import container, secret_volumes
from aegis_assets.embedded.parts import parts
from aegis_assets.errors import BadInput, Misconfigured
from aegis_assets.network import is_near_host
from aegis_assets.settings import ROOT, Settings, load
from tests.deploy.compose import FILE, ONCE, OURS, VARIABLE, services, written

VARIANTS = ((".env",), (".env", "gpu.env"))
NOT_SETTINGS = {"DOCLING_ARTIFACTS_PATH"}  # docling's own
ONLY_COMPOSE = {"COMPOSE_PROFILES", "AEGIS_PUBLISH"}  # read by Compose or by compose.yaml, not by us
KEEPS = {"postgres": "/var/lib/postgresql", "neo4j": "/data", "qdrant": "/qdrant/storage", "s3": "/data", "ollama": "/models"}


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Volume by the path that it is mounted at."""
    return {line.split(":")[1]: line.split(":")[0] for line in service.get("volumes", [])}


def test_the_file_follows_the_compose_specification() -> None:
    checker = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(checker, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_server_and_every_part_is_a_service() -> None:
    servers = {"postgres", "neo4j", "qdrant", "ollama", "ollama-gpu", "redis", "s3"}
    ours = {part.name for part in parts(Settings.model_construct(), Settings(executor="celery"))} - {"postgres", "graph"}
    assert servers | ours | {"engine-gpu"} | ONCE == set(services())
    assert ours <= OURS


@pytest.mark.parametrize("name", sorted(services()))
def test_a_service_is_pinned_limited_and_watched(name: str) -> None:
    service = services()[name]
    assert re.fullmatch(r"[a-z0-9/]+:v?\d[\w.-]*", service["image"]), "an image is pinned by its version"
    limits = service["deploy"]["resources"]["limits"]
    assert float(limits["cpus"]) > 0
    assert re.fullmatch(r"\d+[MG]", limits["memory"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    if name in ONCE:
        assert "healthcheck" not in service
        assert service.get("restart", "no") in ("no", "on-failure:5")
    else:
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["restart"] == "unless-stopped"


def test_what_a_server_keeps_is_in_a_volume() -> None:
    for name, path in KEEPS.items():
        assert mounts(services()[name])[path] == name
    assert {volume for service in services().values() for volume in mounts(service).values()} == set(load_volumes())


def load_volumes() -> dict[str, None]:
    return dict(yaml.safe_load(FILE.read_text())["volumes"])


def test_nothing_is_published_but_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert set(published) == {"admin", "webserver"}
    assert all(line.startswith("127.0.0.1:") for lines in published.values() for line in lines)
    assert all(line.startswith("${AEGIS_PUBLISH:-127.0.0.1}:") for line in re.findall(r'ports: \["(.*?)"\]', FILE.read_text()))


@pytest.mark.parametrize("files", VARIANTS)
def test_no_secret_stands_in_a_file_an_environment_or_a_command(files: tuple[str, ...]) -> None:
    for name, service in services(*files).items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"(?i)password|secret|token|auth|api_?key", variable):
                assert variable.endswith("_FILE"), (name, variable)
                assert value.startswith("/run/secrets/")
            assert urlsplit(str(value)).password is None, (name, variable)
        words = " ".join([*service.get("command", []), *service.get("entrypoint", [])])
        assert not re.search(r"(?i)(requirepass|password|secret|api_key)[= ]+[^\"$/ ]", words), (name, words)
    for variable in written(*files):
        assert not re.search(r"(?i)password|secret|token|key", variable)


def test_every_variable_is_a_setting_and_every_setting_of_env_is_used() -> None:
    known = {f"AEGIS_{name.upper()}" for name in Settings.model_fields}
    for name in OURS:
        assert set(services()[name]["environment"]) - known <= NOT_SETTINGS, name
    interpolated = {match["name"] for match in VARIABLE.finditer(FILE.read_text())}
    assert set(written(*VARIANTS[-1])) - {"COMPOSE_PROFILES"} == interpolated
    assert interpolated - known <= ONLY_COMPOSE


@pytest.mark.parametrize("files", VARIANTS)
def test_the_settings_of_every_part_can_be_read(files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    for name in sorted(OURS):
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in services(*files)[name]["environment"].items():
                patch.setenv(variable, str(value))
            now = load()
            assert now.kept_here == (), "a directory would not be shared by the containers"
            command = services(*files)[name]["command"]
            assert find_spec(command[2])
            if name != "setup":
                part = name.removesuffix("-gpu")
                assert command == ["python", "-m", container.__name__, part]
                assert container.find_part(part, now).name == part
                assert services()[name]["healthcheck"]["test"][1:] == [*command[:3], "check", part]


@pytest.mark.parametrize("files", VARIANTS)
def test_a_profile_has_each_engine_once_under_the_name_that_the_settings_use(files: tuple[str, ...]) -> None:
    active = set(written(*files)["COMPOSE_PROFILES"].split(","))
    running = {name: each for name, each in services(*files).items() if not (of := set(each.get("profiles", []))) or of & active}
    hosts = [host for name, each in running.items() for host in each.get("networks", {}).get("default", {}).get("aliases", [name])]
    assert len(hosts) == len(set(hosts))
    for variable, value in services(*files)["admin"]["environment"].items():
        if variable.endswith(("_URL", "_ENDPOINT", "_BROKER")) and not value.startswith("s3://"):
            assert urlsplit(value).hostname in hosts, variable
            assert is_near_host(urlsplit(value).hostname or "", "")


def test_whoever_is_waited_for_is_there_and_says_that_it_is_ready() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            ready = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == ready, (name, other)
            optional = bool(services()[other].get("profiles"))
            assert how.get("required", True) is not optional, (name, other)


def test_a_server_mounts_its_own_secrets_alone_and_finds_the_file_that_it_reads(tmp_path: Path) -> None:
    secret_volumes.write(tmp_path)
    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    for name, service in services().items():
        volume = mounts(service).get("/run/secrets")
        text = json.dumps([service.get("environment", {}), service.get("command", []), service.get("entrypoint", [])])
        read = set(re.findall(r"/run/secrets/([\w.]+)", text))
        if volume is None:
            assert not read, name
            continue
        folder = mounts_by_volume()[volume].removeprefix("/secrets/")
        assert folder == ("engine" if name.startswith("engine") else "aegis" if name in OURS else name)
        assert {f"{folder}/{file}" for file in read} <= made
        assert bool(read) is (name not in OURS)


def mounts_by_volume() -> dict[str, str]:
    return {volume: path for path, volume in mounts(services()["secrets"]).items()}


def test_the_secrets_are_made_once_for_their_owners_alone(tmp_path: Path) -> None:
    secret_volumes.write(tmp_path)
    files = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    secret_volumes.write(tmp_path)
    assert {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o700}
    values = [text for path, text in files.items() if path.parent.name == "aegis"]
    assert len(set(values)) == len(values) == len(secret_volumes.GENERATED)
    assert {f"aegis_{name}" for name in Settings.model_fields} >= set(secret_volumes.GENERATED)


def test_a_secret_that_was_put_is_a_setting_and_a_wrong_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret_volumes.put(tmp_path, "aegis_docling_serve_api_key", "of a paid server\n")
    for part in ("aegis", "engine"):
        monkeypatch.setenv("AEGIS_SECRETS_DIR", str(tmp_path / part))
        assert load().docling_serve_api_key.get_secret_value() == "of a paid server"
    for name, value in (("aegis_no_such_thing", "x"), ("../../etc/passwd", "x"), ("aegis_engine_token", "\n")):
        with pytest.raises(BadInput):
            secret_volumes.put(tmp_path, name, value)


def test_a_part_without_a_database_or_with_an_unknown_name_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEGIS_HOME", str(tmp_path))
    with pytest.raises(Misconfigured, match="set AEGIS_POSTGRES_URL and AEGIS_DAGSTER_POSTGRES_URL"):
        container.environment(load())
    for name in ("postgres", "graph", "worker", "nobody"):  # a worker only where AEGIS_EXECUTOR asks for it
        with pytest.raises(
            Misconfigured, match=f"'{name}' is no part; this configuration has engine, code, webserver, daemon, admin"
        ):
            container.find_part(name, load())


def test_the_image_has_the_projects_version_and_extras() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    images = {service["image"] for service in services().values() if service["image"].startswith("aegis:")}
    assert images == {f"aegis:{project['version']}", f"aegis:{project['version']}-gpu"}
    asked = re.findall(r"EXTRAS[=:] *\"?([\w,]+)", (FILE.parent / "Dockerfile").read_text() + FILE.read_text())
    assert {extra for words in asked for extra in words.split(",")} <= set(project["optional-dependencies"])
