# SPDX-License-Identifier: Apache-2.0
"""Every document that is read again is used or refused in one line, whichever of its fields is of another kind."""

from __future__ import annotations

from tests.fuzz.documents import survey


def test_four_hundred_changed_documents_are_used_or_refused_in_one_line(tmp_path):
    counts, finds = survey(400, tmp_path)  # `make fuzz` changes 20,000
    assert finds == []
    assert counts["refused"] > 120
    assert counts["used"] > 40
