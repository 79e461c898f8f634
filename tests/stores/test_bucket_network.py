"""The way to an S3 server: past the proxy of the environment where it is near, and with authorities of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aegis_assets.errors import Misconfigured, StoreUnavailable
from aegis_assets.stores.bucket import connection_options, open_bucket
from tests import certificates
from tests.stores.conftest import S3
from tests.stores.seaweed_service import start_seaweed

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment whose proxy answers nobody."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("http_proxy", NOBODY)
    monkeypatch.setenv("https_proxy", NOBODY)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, made: certificates.Certificates) -> Iterator[S3]:
    process, endpoint, filer = start_seaweed(tmp_path_factory.mktemp("encrypted"), tls=(made.certificate, made.key))
    yield S3(endpoint, filer)
    process.kill()
    process.wait(10)


def test_a_near_server_is_spoken_to_directly_whatever_the_environments_proxy_is(s3: S3) -> None:
    open_bucket("s3://documents/direct", s3.settings()).check()


def test_an_authority_of_ones_own_is_trusted_by_its_setting_alone(encrypted: S3, made: certificates.Certificates) -> None:
    open_bucket("s3://documents/tls", encrypted.settings(ca_file=str(made.authority))).check()
    with pytest.raises(StoreUnavailable):
        open_bucket("s3://documents/tls", encrypted.settings(), outage_seconds=0.3).check()


def test_a_file_without_certificates_is_named_by_its_setting(encrypted: S3, tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        path = tmp_path / "authorities.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(Misconfigured, match="AEGIS_CA_FILE cannot be read"):
            open_bucket("s3://documents/tls", encrypted.settings(ca_file=str(path)))


def test_a_far_server_keeps_the_environments_proxy(made: certificates.Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    far = "https://s3.example.org"
    assert connection_options(far, "") == {}
    assert connection_options(far, str(made.authority))["proxy_url"] == NOBODY
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.delenv(name)
    assert connection_options(far, str(made.authority))["proxy_excludes"] == "s3.example.org"
