# SPDX-License-Identifier: Apache-2.0
"""Every document that is read again is used or refused in one line, whichever of its fields is of another kind."""

from __future__ import annotations

from tests.fuzz.documents import survey


def test_two_hundred_changed_documents_are_used_or_refused_in_one_line(tmp_path):
    counts, finds = survey(200, tmp_path)  # `make fuzz` changes 20,000
    assert finds == []
    assert counts["refused"] > 60
    assert counts["used"] > 20
