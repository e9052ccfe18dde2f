# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import copy

import pytest
import torch

from boxwright.engine.freezing import freeze, in_words, trains
from boxwright.engine.optimizer import parameter_groups
from boxwright.errors import SettingError
from boxwright.model.detector import build
from tests.support import training
from tests.support.networks import tiny_spec


def frozen_rows(network) -> set[str]:
    return {name for name, _, mine in trains(network) if mine == 0}


@pytest.mark.parametrize(
    ("words", "rows"),
    [((0,), []), ((2,), ["model.0", "model.1"]), ((0, 2), ["model.0", "model.2"]), (("model.1.*",), ["model.1"])],
    ids=str,
)
def test_a_number_freezes_the_first_rows_several_exactly_these_and_names_what_matches(words, rows):
    network = build(tiny_spec())
    freeze(network, words, statistics=False)
    assert frozen_rows(network) == set(rows)


def test_a_fragment_of_a_name_is_enough():
    network = build(tiny_spec())
    done = freeze(network, ("bn.weight",), statistics=False)
    assert done.parameters
    assert all(name.endswith("bn.weight") for name in done.parameters)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((99,), "there is no row 11"),
        (("nonsense",), "no parameter's name matches 'nonsense'"),
        (("*",), "nothing would be left to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(words, what):
    network = build(tiny_spec())
    with pytest.raises(SettingError, match="freeze: ") as refused:
        freeze(network, words, statistics=False)
    assert what.split(" 11")[0] in str(refused.value)


def test_what_is_frozen_is_in_no_group_and_the_report_says_so():
    network = build(tiny_spec())
    done = freeze(network, (1,), statistics=False)
    groups = parameter_groups(network, "not-norm")
    assert not set(done.parameters) & {*groups.bias, *groups.weight, *groups.norm}
    assert "rows 0 are frozen" in in_words(network)
    assert not in_words(build(tiny_spec()))


@pytest.mark.parametrize("statistics", [False, True])
def test_frozen_weights_do_not_move_and_statistics_only_where_they_may(statistics):
    made = training.machines()
    done = freeze(made.detector, (2,), statistics=statistics)
    made.still = done.still
    before = copy.deepcopy(made.detector.state_dict())
    training.trainer(made).fit()
    after = made.detector.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in done.parameters)
    assert any(
        not torch.equal(before[name], after[name])
        for name in before
        if name not in done.parameters and name.endswith("weight")
    )
    first = next(name for name in before if name.endswith("running_mean"))
    assert torch.equal(before[first], after[first]) is statistics
