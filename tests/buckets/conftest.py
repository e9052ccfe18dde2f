# SPDX-License-Identifier: Apache-2.0
"""One server of each kind for all tests here, and a bucket of its own for each test."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import fsspec
import pytest

from tests.support.bucket_servers import KEYS, LOOPBACK, Proxy, gcs_server, s3_server

_numbers = itertools.count(1)


class Bucket(NamedTuple):
    """Its address, and the proxy that stands before it."""

    address: str
    proxy: Proxy


@pytest.fixture(scope="session")
def servers():
    with s3_server() as s3, gcs_server("mine") as gcs:
        yield {"s3": s3, "gs": gcs}


@pytest.fixture
def s3(servers, monkeypatch):
    """A bucket of S3, as the environment names the service."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    name = f"mine{next(_numbers)}"
    proxy = Proxy(servers["s3"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{proxy.port}")
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(name)
    proxy.asked.clear()
    yield Bucket(f"s3://{name}", proxy)
    proxy.close()


@pytest.fixture
def gs(servers, monkeypatch):
    """A folder in the bucket of Google Cloud Storage."""
    proxy = Proxy(servers["gs"])
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{LOOPBACK}:{proxy.port}")
    yield Bucket(f"gs://mine/{next(_numbers)}", proxy)
    proxy.close()


@pytest.fixture(params=["s3", "gs"])
def bucket(request):
    """Both, one after the other."""
    return request.getfixturevalue(request.param)
