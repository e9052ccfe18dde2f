# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright import errors

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("text", ["a\x1b[31mred", "x\r\ny", "\u202egnp.exe", "tab\there", "\x00", "\ud800"])
def test_text_from_files_cannot_steer_a_terminal(text):
    shown = errors.printable(text)
    assert shown.isprintable()
    assert shown != text


@pytest.mark.parametrize("text", ["plain", "naïve été", "図面 1.jpg", "quote'\"s", "зелёный: №3"])
def test_ordinary_text_of_any_script_is_left_alone(text):
    assert errors.printable(text) == text


def test_an_error_reads_where_what_remedy():
    assert str(errors.UserError("a.yaml:3", "is broken.", "Mend it")) == "a.yaml:3: is broken. Mend it"


def test_exit_codes_follow_the_contract():
    assert errors.BoxwrightError.exit_code == 1
    assert errors.DataError.exit_code == 2
    assert errors.FindingsError.exit_code == 3
