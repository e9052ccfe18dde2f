# SPDX-License-Identifier: Apache-2.0
"""Real processes that are killed and frozen. `make chaos EVOLVE=1` does it with thousands of trials."""

from __future__ import annotations

from tests.support.study_chaos import Chaos


def test_no_result_is_lost_doubled_or_damaged_when_workers_are_killed_and_frozen(tmp_path):
    chaos = Chaos(tmp_path / "chaos", trials=120, workers=4, kills=50, freezes=8, lease_s=0.4, work_s=0.004)
    assert chaos.run() == []
    assert chaos.told["results"] == 120
    assert chaos.told["kills"] >= 40
    assert chaos.told["freezes"] >= 2
    assert chaos.told["workers"] == 4 + chaos.told["kills"] + chaos.told["stops"]
