# SPDX-License-Identifier: Apache-2.0
"""One test over many files: a case for each would take longer to set up than to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


def every(
    paths: Iterable[Path], name_of: Callable[[Path], str]
) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """A test of one path as a test of all; it names each that fails, and why."""

    def decorate(test: Callable[[Path], None]) -> Callable[[], None]:
        def of_all() -> None:
            wrong = []
            for path in paths:
                try:
                    test(path)
                except AssertionError as error:
                    wrong.append(f"{name_of(path)}: {error}")
            assert not wrong, "\n".join(wrong)

        of_all.__name__, of_all.__module__, of_all.__doc__ = test.__name__, test.__module__, test.__doc__
        return of_all

    return decorate
