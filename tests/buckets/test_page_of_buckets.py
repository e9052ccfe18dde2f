# SPDX-License-Identifier: Apache-2.0
"""The page about buckets tells the truth: its commands are run against a server."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from boxwright.system.buckets.address import read_address
from boxwright.system.buckets.manifest import read_manifest
from boxwright.system.buckets.remote import opened
from tests.support import pages

pytestmark = [pytest.mark.loopback, pytest.mark.filterwarnings("default", "ignore::ResourceWarning")]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "buckets-and-spot-machines.md"


def test_what_the_page_shows_works(s3, tmp_path):
    assert s3.proxy.asked == []
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("mine")
    text = PAGE.read_text()
    assert text.count("<!-- at a server") == 3
    page = tmp_path / PAGE.name
    page.write_text(text.replace("<!-- at a server", "<!-- run"))
    pages.run(page)
    assert (Path("elsewhere") / "birds" / "done.json").is_file()
    assert "weights/best.pt" in read_manifest(opened(read_address("s3://mine/runs/train/birds", "-"))).files
