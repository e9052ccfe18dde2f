# SPDX-License-Identifier: Apache-2.0
"""The pages tell the truth: their commands and programs are run (see tests/support/pages.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import pages

DOCS = Path(__file__).parents[2] / "docs"
RUN = [page for page in sorted(DOCS.rglob("*.md")) if pages.RUN.search(page.read_text())]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_what_a_page_shows_works(page):
    pages.run(page)


def test_the_pages_that_promise_it_are_there():
    assert {"your-own-data", "journey-of-a-batch", "small-data"} <= {page.stem for page in RUN}
    for page in RUN:
        assert len(page.read_text().splitlines()) <= 150
        assert any(step.kind in {"sh", "python"} for step in pages.steps_of(page.read_text()))


def test_a_page_that_does_not_work_is_noticed(tmp_path):
    for number, block in enumerate(
        ("```sh\nboxwright fly\n```\n", "```sh\nrm -r x\n```\n", "```python\nassert False\n```\n")
    ):
        page = tmp_path / f"{number}.md"
        page.write_text(f"text\n\n<!-- run -->\n{block}")
        with pytest.raises(AssertionError):
            pages.run(page)


def test_orders_on_a_page_reach_the_next_block_and_no_further():
    page = (
        "<!-- run: 60 -> 1 -->\n```sh\nx 60\n```\n"
        "<!-- not run: long -->\n```sh\ny\n```\n<!-- run -->\n```sh\nz 60\n```\n```text\nno\n```\n"
        "<!-- file: a -->\n```yaml\nb: 1\n```\n"
    )
    assert [(step.kind, step.text, step.target) for step in pages.steps_of(page)] == [
        ("sh", "x 1\n", ""),
        ("sh", "z 60\n", ""),
        ("file", "b: 1\n", "a"),
    ]
    with pytest.raises(AssertionError, match="'61' is not in the block"):
        pages.steps_of(page.replace("60 ->", "61 ->"))
    with pytest.raises(AssertionError, match="without a word"):
        pages.steps_of(page.replace("<!-- not run: long -->", ""))
