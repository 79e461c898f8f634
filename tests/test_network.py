"""Which engines may be reached through a proxy of the environment."""

from __future__ import annotations

import pytest

from aegis_assets.network import may_use_proxy


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:11434", "localhost:11434", "gpu:11434", "http://gpu", "10.0.0.7:11434", "http://192.168.1.2", "http://[::1]",
        "http://user:secret@172.16.0.1:1", "http://gpu.local", "http://gpu.lan.", "https://ollama.internal", "http://[fe80::1]", "",
    ],
)  # fmt: skip
def test_this_machine_and_private_networks_are_spoken_to_directly(url: str) -> None:
    assert not may_use_proxy(url)


@pytest.mark.parametrize("url", ["https://ollama.example.com", "8.8.8.8:80", "http://[2001:4860:4860::8888]", "local.example.org"])
def test_public_names_go_through_the_proxy_of_the_environment(url: str) -> None:
    assert may_use_proxy(url)
