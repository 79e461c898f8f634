"""Which engines may be reached through a proxy of the environment."""

from __future__ import annotations

import pytest

from aegis_assets.network import is_near_host, may_use_proxy


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434", "localhost:11434", "gpu:11434", "http://gpu", "10.0.0.7:11434", "http://192.168.1.2", "http://[::1]",
        "http://user:secret@172.16.0.1:1", "http://gpu.local", "http://gpu.lan.", "https://ollama.internal", "http://[fe80::1]", "",
        "http://minio.minio.svc:9000", "http://minio.minio.svc.cluster.local:9000", "bolt://neo4j:7687",
    ],
)  # fmt: skip
def test_this_machine_and_private_networks_are_spoken_to_directly(url: str) -> None:
    assert not may_use_proxy(url)


@pytest.mark.parametrize("url", ["https://ollama.example.com", "8.8.8.8:80", "http://[2001:4860:4860::8888]", "local.example.org"])
def test_public_names_go_through_the_proxy_of_the_environment(url: str) -> None:
    assert may_use_proxy(url)


@pytest.mark.parametrize(
    ("host", "near_hosts", "near"),
    [
        ("minio.minio", "minio", True),
        ("minio.minio", "qdrant, MINIO.", True),
        ("minio.minio", "minio.minio", True),
        ("minio.minio", "", False),
        ("gpu.example", "", False),
        ("notminio", "minio", True),  # a name of one word is near anyway
        ("gpu.notminio", "minio", False),
        ("gpu.lab.example.com", "lab.example.com", True),
        ("lab.example.com.evil.org", "lab.example.com", False),
        ("100.64.0.7", "100.64.0.0/10", True),
        ("100.128.0.7", "100.64.0.0/10", False),
        ("100.64.0.7", "", False),
        ("8.8.8.8", "8.8", False),
        ("gpu.example", ",, .", False),
    ],
)
def test_a_setting_names_further_hosts_endings_and_networks_that_are_near(host: str, near_hosts: str, near: bool) -> None:
    assert is_near_host(host, near_hosts) is near
