# SPDX-License-Identifier: Apache-2.0
"""A real browser, for pages that have to be clicked through."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium on this machine; the laws of the page are checked above")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed; the laws of the page are checked above"
    )
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
