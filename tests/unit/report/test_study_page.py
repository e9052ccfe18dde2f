# SPDX-License-Identifier: Apache-2.0
"""The page of a study: what stands in the file. What a person at a browser gets is tested beside it."""

from __future__ import annotations

import html
import json
import re

import pytest

from boxwright.report.page import UNKNOWN
from boxwright.report.study_numbers import duration, fitness_words, percent, short
from boxwright.report.study_page import study_page
from tests.support.html_page import Page
from tests.support.studies import RUNGS, SEEDS, SIZE, study

MEAN = "</script><img src=x onerror=alert(1)>{{ 7 * 7 }}\u202e=cmd\x1b[31m\u2028"


@pytest.fixture(scope="module")
def content():
    return study(trials=40)


@pytest.fixture(scope="module")
def text(content):
    return study_page(content)


def held(text):
    return json.loads(Page(text).scripts[0])


def row_of(text, table, name):
    """The cells of a row of a table that the page has without its script."""
    part = text[text.index(f'id="{table}"') :]
    rows = [
        re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", part, re.DOTALL)
    ]
    return next(
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in row] for row in rows if row and row[0].startswith(name)
    )


def section(text, name):
    return re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)[0]


def heading(text):
    return html.unescape(re.search(r'<h2 class="sentence">(.*?)</h2>', text)[1])


# -- one file


def test_the_page_of_a_study_is_one_file_that_needs_nothing_from_anywhere(text):
    for tag, attributes in Page(text).elements:
        assert tag not in {"link", "iframe", "object", "img"}
        assert all((attributes.get(name) or "#").startswith("#") for name in ("src", "href", "action")), tag
    assert "default-src 'none'" in text
    assert not re.search(r"(@import|url\(|fetch\(|https?://(?!www\.w3\.org/2000/svg))", text)


def test_every_link_of_the_page_leads_somewhere(text):
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    links = {attributes["href"][1:] for tag, attributes in found.elements if tag == "a"}
    assert links <= set(found.ids)
    assert {"summary", "course", "best", "keys", "sets", "trials", "searched"} <= links


def test_nothing_in_a_study_becomes_part_of_its_page(content):
    def spoilt(value):
        if isinstance(value, str):
            return f"{value} {MEAN}"
        if isinstance(value, dict):
            return {(key if key in KEPT else f"{key} {MEAN}"): spoilt(one) for key, one in value.items()}
        return [spoilt(one) for one in value] if isinstance(value, list) else value

    mean = spoilt(content | {"trials": content["trials"][:20], "damaged": {"a": "b"}})
    mean |= {"method": "population", "generation_size": 5, "running": [{"name": MEAN, "worker": MEAN, "at": MEAN}]}
    text = study_page(mean)
    found = Page(text)
    assert len(found.scripts) == 2
    assert [tag for tag, _ in found.elements].count("img") == 0
    assert "{{ 7 * 7 }}" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert held(text)["columns"]["origin"][0].startswith("the start set </script><img")


# Words that a program writes, and no stranger; all others come from files.
KEPT = {
    *("name", "method", "state", "reason", "lines", "facts", "epochs", "trials_planned", "seconds", "seconds_left"),
    *(
        "generation_size",
        "keys",
        "fixed",
        "trials",
        "running",
        "best",
        "start",
        "verdict",
        "insight",
        "damaged",
        "command",
    ),
    *("network", "data", "images", "classes", "budget", "workers", "low", "high", "log", "why", "worker", "at"),
    *("trial", "stage", "values", "horizon", "seed", "fitness", "results", "failure", "origin", "made_from"),
    *("goes_on_from", "plan_hash", "attempt", "answer", "winner", "is_whole", "seeds", "finalists", "cost"),
    *("difference", "value", "probability", "won", "pairs", "failed", "trainings", "search", "by_luck", "missing"),
    *("rank_correlations", "more_epochs", "spearman", "word", "importance", "matters"),
}


def test_a_study_of_which_only_the_name_is_known_has_a_page():
    text = study_page({"name": "just begun"})
    assert "<h1>just begun</h1>" in text
    assert heading(text).startswith("No verdict")
    assert held(text)["columns"]["name"] == []


def test_empty_parts_are_as_good_as_missing_ones():
    empty = {key: [] for key in ("lines", "keys", "fixed", "trials", "running")}
    empty |= dict.fromkeys(("verdict", "insight", "best", "start", "seconds_left", "generation_size"))
    assert study_page({"name": "a", **empty}) == study_page({"name": "a"})


# -- what is in it


def test_the_page_holds_every_training_with_all_that_is_known_of_it(content, text):
    data = held(text)
    columns, keys = data["columns"], [key["name"] for key in data["keys"]]
    for i, one in enumerate(content["trials"]):
        assert columns["name"][i] == one["name"]
        assert columns["fitness"][i] == (None if one["failure"] else one["fitness"])
        assert dict(zip(keys, columns["values"][i], strict=True)) == one["values"]
        assert {k: v for k, v in zip(data["results"], columns["results"][i], strict=True) if v is not None} == one[
            "results"
        ]
        assert data["families"][columns["family"][i]] == one["made_from"]
        for name in ("trial", "epochs", "horizon", "seed", "failure", "reason", "origin", "worker", "seconds"):
            assert columns[name][i] == one[name]
    assert columns["name"][data["best"]] == content["best"]
    assert columns["name"][data["start"]] == content["start"]


def test_what_is_no_number_is_not_known():
    odd = [float("nan"), float("inf"), None, -float("inf")]
    trials = [{"name": str(i), "trial": i, "values": {"lr0": x}, "fitness": x, "seconds": x} for i, x in enumerate(odd)]
    keys = [{"name": "lr0", "low": 0.0, "high": 1.0, "start": odd[0], "best": odd[1]}]
    text = study_page({"name": "odd", "trials": trials, "keys": keys, "best": "1", "seconds": odd[0]})
    columns = held(text)["columns"]
    assert columns["fitness"] == columns["seconds"] == [None] * 4
    assert columns["values"] == [[None]] * 4
    assert row_of(text, "difference-table", "lr0")[1:] == [UNKNOWN] * 3
    assert "nan" not in section(text, "numbers").lower()


def test_thousands_of_trainings_stay_a_small_file(content):
    lot = content["trials"][:50]
    many = [
        one | {"name": f"{one['name']}-{i}", "made_from": list(map(str, range(50)))} for i in range(100) for one in lot
    ]
    text = study_page(content | {"trials": many})
    assert len(held(text)["columns"]["name"]) == 5000
    assert len(text) < 3_000_000


# -- the verdict


def test_the_answer_stands_first_and_a_no_as_large_as_a_yes(content, text):
    won, lost = content["verdict"], study(trials=40, gain=0.0)["verdict"]
    assert won["winner"] is not None
    assert lost["winner"] is None
    no = study_page(content | {"verdict": lost})
    assert heading(text) == won["answer"]
    assert heading(no) == lost["answer"]
    assert "keep your set" in heading(no)
    assert text.index("<h2") == text.index('<h2 class="sentence">')
    assert '<section id="verdict" class="won">' in text
    assert 'class="won"' not in no
    assert "were not shown to make it better" in section(no, "best")
    assert "were not shown to make it better" not in text


def test_every_finalist_has_its_interval_on_one_axis_with_its_pairs(content, text):
    part = section(text, "verdict")
    zero = float(re.search(r'class="zero" style="left:([\d.]+)%', part)[1])
    spans = [(float(a), float(b)) for a, b in re.findall(r'class="span" style="left:([\d.]+)%;width:([\d.]+)%', part)]
    middles = [float(a) for a in re.findall(r'class="middle" style="left:([\d.]+)%', part)]
    finalists = content["verdict"]["finalists"]
    assert len(spans) == len(middles) == len(finalists) == 3
    effects = [one["difference"] for one in finalists]
    scale = (middles[0] - zero) / effects[0]["value"]  # percent for 1 of fitness
    for (left, width), middle, effect in zip(spans, middles, effects, strict=True):
        assert left == pytest.approx(zero + scale * effect["low"], abs=0.01)
        assert left + width == pytest.approx(zero + scale * effect["high"], abs=0.02)
        assert middle == pytest.approx(zero + scale * effect["value"], abs=0.01)
        assert 0 <= left <= left + width <= 100
    pairs = re.findall(r'class="pair" style="left:([\d.]+)%" title="seed (\d+): ([+-][\d.]+)"', part)
    assert [int(seed) for _, seed, _ in pairs] == [*SEEDS] * 3
    assert all(float(place) == pytest.approx(zero + scale * float(gap), abs=scale * 1e-4) for place, _, gap in pairs)
    assert sum(float(gap) for _, _, gap in pairs[:5]) / 5 == pytest.approx(effects[0]["value"], abs=1e-4)


def test_effect_interval_probability_and_costs_are_there_in_numbers(content, text):
    part = html.unescape(section(text, "verdict"))
    for one in content["verdict"]["finalists"]:
        effect = one["difference"]
        assert f'<td data-head="difference">{effect["value"]:+.4f}</td>' in part
        assert f"{effect['low']:+.4f} to {effect['high']:+.4f}" in part
        assert f"{one['won']} of 5" in part
    assert f"search {content['verdict']['cost']['search']['trainings']} trainings" in part
    assert "verdict 20 trainings, 540 epochs" in part


def test_a_finalist_of_whom_nothing_is_known_has_no_bar(content):
    unknown = {"trial": "7", "difference": {"value": None, "low": None, "high": -float("inf")}, "probability": None}
    part = section(
        study_page(content | {"verdict": {"answer": "a", "winner": None, "finalists": [unknown]}}), "verdict"
    )
    assert "trial 7" in part
    assert 'class="span"' not in part
    assert part.count(f">{UNKNOWN}</td>") == 3


def test_a_study_without_a_verdict_says_that_nothing_was_tested():
    text = study_page(study("mutation", 12))
    assert heading(text).startswith("No verdict: whether the best set is better")
    assert "partly by luck" in section(text, "verdict")
    assert heading(study_page(study("search", 9, state="running"))).startswith("No verdict yet")


# -- numbers and tables


def test_a_training_that_goes_on_from_another_costs_only_what_it_adds():
    trials = [
        {"name": "0-r0", "trial": 0, "epochs": 3, "horizon": 27, "fitness": 0.1},
        {"name": "0-r1", "trial": 0, "epochs": 9, "horizon": 27, "fitness": 0.2, "goes_on_from": "0-r0"},
        {"name": "1-r0", "trial": 1, "epochs": 3, "horizon": 27, "failure": "data", "fitness": 0.0},
    ]
    part = section(study_page({"name": "a", "trials": trials}), "numbers")
    assert "12 epochs" in part
    assert "<b>2</b>trials ended<br><span>3 trainings</span>" in part
    assert "<b>1</b>trainings failed<br><span>1 data</span>" in part


def test_best_and_start_set_stand_beside_each_other_the_most_important_keys_first(content, text):
    names = re.findall(r"<tr[^>]*><td>(\w+)</td>", section(text, "best"))
    importance = {name: one["importance"] for name, one in content["insight"]["keys"].items()}
    assert [importance[name] for name in names] == sorted(importance.values(), reverse=True)
    for key in content["keys"]:
        cells = row_of(text, "difference-table", key["name"])
        assert float(cells[1]) == pytest.approx(key["start"])
        assert float(cells[2]) == pytest.approx(key["best"])
        if key["best"]:
            change, factor = re.fullmatch(r"([+-][\d.e-]+) \(\u00d7([\d.e+-]+)\)", html.unescape(cells[3])).groups()
            assert float(change) == pytest.approx(key["best"] - key["start"], rel=1e-3)
            assert float(factor) == pytest.approx(key["best"] / key["start"], rel=1e-2)
        assert cells[4] == f"{100 * importance[key['name']]:.0f} %"


def test_a_key_that_stayed_is_called_the_same_and_one_from_0_has_no_factor():
    keys = [
        {"name": name, "low": 0.0, "high": 1.0, "start": a, "best": b}
        for name, a, b in (("x", 0.5, 0.5), ("y", 0.0, 0.25))
    ]
    text = study_page({"name": "a", "keys": keys, "best": "0"})
    assert row_of(text, "difference-table", "x")[3] == "same"
    assert row_of(text, "difference-table", "y")[3] == "+0.25"


def test_an_importance_that_chance_would_show_is_grey(content, text):
    part = section(text, "best")
    assert (
        part.count('class="share chance"') == sum(not one["matters"] for one in content["insight"]["keys"].values()) > 0
    )


def test_the_command_stands_there_as_it_has_to_be_typed(content, text):
    command = re.search(r"<pre><code>(.*?)</code></pre>", text)[1]
    assert html.unescape(re.sub(r"<[^>]*>", "", command)) == content["command"]
    assert "<pre>" not in study_page(content | {"best": None})


def test_what_was_not_searched_is_there_with_its_reason(content, text):
    part = section(text, "searched")
    for one in content["fixed"]:
        assert f"<td>{one['name']}</td><td>{one['why']}</td>" in part
    assert row_of(text, "searched-table", "lr0")[1:] == ["0.00001", "0.1", "0.01", "factors"]
    assert row_of(text, "searched-table", "mosaic")[-1] == "differences"


def test_a_key_goes_by_factors_where_its_limits_are_far_apart_and_nobody_says_otherwise():
    keys = [
        {"name": "a", "low": 1e-5, "high": 0.1},
        {"name": "b", "low": 0.6, "high": 0.98},
        {"name": "c", "low": 0.0, "high": 9.0},
    ]
    keys += [{"name": "d", "low": 1.0, "high": 9.0, "log": False}, {"name": "e", "low": 0.0, "high": 1.0, "log": True}]
    assert [key["log"] for key in held(study_page({"name": "x", "keys": keys}))["keys"]] == [
        True,
        False,
        False,
        False,
        False,
    ]


def test_generations_are_shown_of_a_population_alone():
    text = study_page(study("population", 3 * SIZE))
    assert 'href="#generations"' in text
    assert 'id="generation-chart"' in text
    assert held(text)["generation_size"] == SIZE
    assert 'id="generation-chart"' not in study_page(study("population", SIZE)), "one generation is no course"
    assert 'id="generations"' not in study_page(study("mutation", 3))


def test_rank_correlations_of_rungs_are_there_with_what_they_mean(content, text):
    for one in content["insight"]["rank_correlations"]:
        name = f"{one['epochs']} and {one['more_epochs']}"
        cells = row_of(text, "rung-table", name)
        assert cells == [f"{name} {one['word']}", f"{one['spearman']:+.2f}", str(one["trials"])]
    assert RUNGS[1] == content["insight"]["rank_correlations"][0]["more_epochs"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2.0 h"),
        (40 * 3600, "40.0 h"),
        (1e6, "278 h"),
        (None, UNKNOWN),
    ],
)
def test_lengths_of_time_are_short_and_of_a_fitting_unit(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.01, "0.01"),
        (1e-5, "0.00001"),
        (5.8956e-5, "0.000058956"),
        (0.000123456789, "0.00012346"),
        (0, "0"),
        (640, "640"),
        (1e-9, "1e-09"),
        (-0.25, "-0.25"),
        (0.99999999, "1"),
        (float("nan"), UNKNOWN),
    ],
)
def test_numbers_have_five_digits_and_no_exponent_where_learning_rates_lie(value, words):
    assert short(value) == words


def test_a_small_fitness_keeps_three_digits():
    assert [fitness_words(x) for x in (0.49321, 0.1, 0.0, 0.000461, 0.01234)] == [
        "0.4932",
        "0.1000",
        "0.0000",
        "0.000461",
        "0.0123",
    ]


def test_no_probability_is_rounded_to_a_certainty():
    assert [percent(x) for x in (0.0, 0.0001, 0.5, 0.9991, 0.99999, 1.0)] == [
        "0.0 %",
        "< 0.1 %",
        "50.0 %",
        "> 99.9 %",
        "> 99.9 %",
        "100.0 %",
    ]
