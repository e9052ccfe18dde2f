# SPDX-License-Identifier: Apache-2.0
"""One small training that all tests of a process look at. Nobody writes into it."""

from __future__ import annotations

import pytest

from tests.support.runs import Ground, Trained, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    return train(Ground.laid(folder), folder / "runs", plots=True)


@pytest.fixture
def ground(tmp_path) -> Ground:
    """Data and network of one's own."""
    return Ground.laid(tmp_path / "ground")
