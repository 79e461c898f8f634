"""The Kubernetes variant as far as it can be tried without a cluster: schemas, Dagster's own reading of it, names that meet."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes.config
import kubernetes_validate
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.config_schema import process_workspace_config
from dagster_k8s import K8sRunLauncher

from aegis_assets import settings as settings_module
from aegis_assets.defs.executor import LANES, ingest_executor
from aegis_assets.defs.worker import queues
from aegis_assets.embedded.parts import parts
from aegis_assets.errors import Misconfigured
from aegis_assets.network import is_near, may_use_proxy
from aegis_assets.settings import ROOT, Settings
from aegis_assets.stores.bucket import s3_store

FOLDER = ROOT / "deploy" / "kubernetes"
GPU = ROOT / "deploy" / "kubernetes-gpu"
VERSIONS = ("1.30", kubernetes_validate.latest_version())
NOT_OURS = {"AEGIS_IMAGE"}  # read by dagster.yaml alone


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    for name in kustomization()["resources"]:
        for one in yaml.safe_load_all((FOLDER / name).read_text()):
            yield FOLDER / name, one


def kustomization() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "kustomization.yaml").read_text()))


def containers() -> Iterator[dict[str, Any]]:
    for _, one in manifests():
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            yield from (*pod.get("initContainers", []), *pod["containers"])


def variables(name: str, folder: Path = FOLDER) -> dict[str, str]:
    lines = [line for line in (folder / name).read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_follows_kubernetes_own_schema(version: str) -> None:
    kinds = set()
    for path, one in manifests():
        kubernetes_validate.validate(one, version, strict=True)
        kinds.add((one["kind"], one["metadata"]["name"]))
        assert path.exists()
    assert {name for kind, name in kinds if kind == "Deployment"} == {
        f"aegis-{part}" for part in ("code", "dagster", "daemon", "admin", "engine", "worker")
    }


def gpu(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((GPU / name).read_text()))


def test_the_gpu_variant_changes_what_is_there() -> None:
    (overlay,) = gpu("kustomization.yaml")
    assert (GPU / overlay["resources"][0]).resolve() == FOLDER
    assert FOLDER not in GPU.parents, "kustomize takes an overlay below its base for a cycle"
    for patch in overlay["patches"]:
        (change,) = gpu(patch["path"])
        (target,) = [one for _, one in manifests() if one["kind"] == change["kind"] and one["metadata"] == change["metadata"]]
        ours = {one["name"] for one in target["spec"]["template"]["spec"]["containers"]}
        assert {one["name"] for one in change["spec"]["template"]["spec"]["containers"]} <= ours
    (settings,) = overlay["configMapGenerator"]
    assert (settings["name"], settings["behavior"]) == ("aegis-settings", "merge")
    assert set(variables("settings.env", GPU)) <= {f"AEGIS_{name.upper()}" for name in Settings.model_fields}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_weights_of_the_gpu_variant_lie_where_its_engine_looks(version: str) -> None:
    claim, job = gpu("weights.yaml")
    (engine,) = gpu("engine.yaml")
    for one in (claim, job):
        kubernetes_validate.validate(one, version, strict=True)
    assert "weights.yaml" in gpu("kustomization.yaml")[0]["resources"]
    pods = [job["spec"]["template"]["spec"], engine["spec"]["template"]["spec"]]
    for pod in pods:
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            assert container["image"] == "aegis-gpu"
            (mount,) = container["volumeMounts"]
            assert (mount["name"], mount["mountPath"]) == (volume["name"], "/models")
    (fetch,) = pods[0]["containers"][0]["args"]
    environment = {one["name"]: one["value"] for one in pods[1]["containers"][0]["env"]}
    for path in (environment["DOCLING_ARTIFACTS_PATH"], variables("settings.env", GPU)["AEGIS_EMBEDDER_PATH"], "/models/.complete"):
        assert path in fetch
    assert "/models/.complete" in pods[1]["initContainers"][0]["args"][0]


def test_the_commands_that_fetch_weights_have_these_options() -> None:
    for words in (["docling-tools", "models", "download", "--help"], ["hf", "download", "--help"]):
        program = str(Path(sys.executable).with_name(words[0]))
        done = subprocess.run([program, *words[1:]], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert ("--output-dir" if words[0] == "docling-tools" else "--local-dir") in done.stdout


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a pod of the GPU variant."""
    given = variables("settings.env") | variables("settings.env", GPU) | variables("secrets.example.env")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings_module.settings.cache_clear()
    yield given
    settings_module.settings.cache_clear()


def test_every_address_of_the_manifests_is_near(cluster: dict[str, str]) -> None:
    addresses = {name: value for name, value in cluster.items() if "://" in value and not value.startswith("s3://")}
    assert {"AEGIS_S3_ENDPOINT", "AEGIS_OLLAMA_URL", "AEGIS_POSTGRES_URL", "AEGIS_CELERY_BROKER"} <= set(addresses)
    assert [name for name, value in addresses.items() if not is_near(value)] == []
    assert [value for value in ("https://minio.example.org", "http://gpu.example:9000") if is_near(value)] == []


def test_a_namespace_that_is_not_named_is_refused_with_the_setting_that_names_it(
    cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = settings_module.settings()
    s3_store(now.bucket_address, now)
    assert not may_use_proxy(now.ollama_url)
    monkeypatch.setenv("AEGIS_NEAR_HOSTS", "qdrant")
    settings_module.settings.cache_clear()
    with pytest.raises(Misconfigured, match=r"AEGIS_S3_ENDPOINT must be https.*AEGIS_NEAR_HOSTS"):
        s3_store(now.bucket_address, now)
    assert may_use_proxy(now.ollama_url)


def test_dagster_reads_its_instance_and_the_launcher_its_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {**variables("settings.env"), **variables("secrets.example.env")}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text((FOLDER / "dagster.yaml").read_text())
    instance, custom = dagster_instance_config(str(tmp_path))
    assert custom is None
    launcher = instance["run_launcher"]
    assert (launcher["module"], launcher["class"]) == ("dagster_k8s", "K8sRunLauncher")
    outcome = validate_config(K8sRunLauncher.config_type(), launcher["config"])
    assert outcome.success, outcome.errors
    process_workspace_config(yaml.safe_load((FOLDER / "workspace.yaml").read_text()))
    own = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    for part in ("storage", "run_coordinator", "compute_logs", "telemetry"):
        assert instance.get(part) == own.get(part), f"{part}: another than the project's own for no reason"


@dg.job
def nothing() -> None: ...


def test_steps_as_pods_keep_to_their_lanes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kubernetes.config, "load_incluster_config", lambda *_, **__: None)
    with dg.DagsterInstance.local_temp(str(tmp_path), {"telemetry": {"enabled": False}}) as instance:
        context = dg.InitExecutorContext(
            dg.reconstructable(nothing), ingest_executor, {"mode": "k8s", "max_concurrent": 7}, instance
        )
        executor = vars(ingest_executor.executor_creation_fn(context))
    assert executor["_max_concurrent"] == 7
    assert {limit["value"]: limit["limit"] for limit in executor["_tag_concurrency_limits"]} == LANES
    assert executor["_retries"].disabled
    assert executor["_sleep_seconds"] > 0, "what we do not set is Dagster's default"


def test_names_meet() -> None:
    made = {one["name"] for one in kustomization()["configMapGenerator"]} | {"aegis-secrets"}
    (image,) = [one for one in kustomization()["images"] if one["name"] == "aegis"]
    assert variables("settings.env")["AEGIS_IMAGE"] == f"{image['newName']}:{image['newTag']}"
    known = {f"AEGIS_{name.upper()}" for name in Settings.model_fields} | NOT_OURS
    assert set(variables("settings.env")) | set(variables("secrets.example.env")) <= known
    for container in containers():
        assert container["image"] == "aegis"
        assert {next(iter(source.values()))["name"] for source in container["envFrom"]} <= made
        if container["command"][:2] == ["python", "-m"]:
            assert find_spec(container["command"][2]), container["command"]
        if container["name"] == "worker":
            (words,) = container["args"]
            assert queues(words)
    config = yaml.safe_load((FOLDER / "dagster.yaml").read_text())["run_launcher"]["config"]
    assert {config["instance_config_map"], *config["env_config_maps"], *config["env_secrets"]} <= made
    hosts = {one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for _, one in manifests() if one["kind"] == "Service"}
    grpc = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert hosts[grpc["host"]] == grpc["port"]
    for address in ("AEGIS_DAGSTER_URL", "AEGIS_ENGINE_URL"):
        host, port = re.fullmatch(r"http://([a-z-]+):(\d+)", variables("settings.env")[address]).groups()  # type: ignore[union-attr]
        assert hosts[host] == int(port)


def test_a_part_is_the_module_that_it_is_on_one_machine() -> None:
    """Another one would run, and lack what ours adds: Dagster's own daemon keeps to no number of the console."""
    here = {
        part.name: part.command[2]
        for part in parts(Settings.model_construct(), Settings(executor="celery"))
        if part.command[1] == "-m"
    }
    there = {one["name"]: one["command"][2] for one in containers() if one["command"][:2] == ["python", "-m"]}
    assert there == {name: here[name] for name in there}
    assert "daemon" in there


def test_the_admin_believes_the_proxies_that_a_setting_names_and_no_other() -> None:
    (admin,) = [one for one in containers() if one["name"] == "admin"]
    assert admin["args"][admin["args"].index("--forwarded-allow-ips") + 1] == "$(AEGIS_TRUSTED_PROXIES)"
    assert variables("settings.env")["AEGIS_TRUSTED_PROXIES"] == ""  # of an absent one the text itself would stay


def test_no_secret_stands_in_a_file() -> None:
    for path in (*FOLDER.rglob("*"), *GPU.rglob("*")):
        if path.is_file() and path.name != "secrets.example.env":
            assert not re.search(r"(?i)(password|secret_key|(?<!ServiceAccount)token)\s*[:=]\s*\S", path.read_text()), path
    assert all(not value or "PASSWORD" in value for value in variables("secrets.example.env").values())
