# SPDX-License-Identifier: Apache-2.0
"""The page of a study at a real browser: what is drawn, clicked and typed."""

from __future__ import annotations

import re

import pytest

from boxwright.report.page import UNKNOWN
from boxwright.report.study_page import study_page
from tests.support.studies import ALL, FEW, RUNGS, SIZE, study

pytestmark = [pytest.mark.slow, pytest.mark.loopback]

MEAN = "</script><img src=x onerror=alert(1)>\u202e" + "x" * 200
OVERLAPS = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')].filter(one => one.textContent);
  const boxes = texts.map(one => [one.textContent, one.getBoundingClientRect()]);
  const meet = (p, q) => p.left < q.right && q.left < p.right && p.top + 2 < q.bottom - 2 && q.top + 2 < p.bottom - 2;
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) => meet(p, q)).map(([b]) => `${a} and ${b}`));
})"""
BEYOND = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const all = svg.getBoundingClientRect(), texts = [...svg.querySelectorAll('text')].filter(one => one.textContent);
  const is_out = box => box.left < all.left - 1 || box.right > all.right + 12;
  return texts.filter(one => is_out(one.getBoundingClientRect())).map(one => one.textContent);
})"""


@pytest.fixture(scope="module")
def window(browser):
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.fixture
def show(window, tmp_path):
    """Open the page of a study; nothing may be said on the console, asked for, or shown as a dialog."""
    said = []
    heard = {
        "console": lambda message: said.append(message.text),
        "pageerror": lambda error: said.append(str(error)),
        "dialog": lambda dialog: (said.append(dialog.message), dialog.dismiss()),
        "request": lambda one: None if one.url.startswith("file:") else said.append(one.url),
    }

    def opened(content, width=1200, scheme="light"):
        (tmp_path / "study.html").write_text(study_page(content))
        window.set_viewport_size({"width": width, "height": 900})
        window.emulate_media(color_scheme=scheme)
        window.goto((tmp_path / "study.html").as_uri())
        window.wait_for_selector("body[data-ready=yes]")
        return window

    for event, hear in heard.items():
        window.on(event, hear)
    yield opened
    for event, hear in heard.items():
        window.remove_listener(event, hear)
    assert not said


@pytest.fixture(scope="module")
def content():
    return study(trials=40)


def names(window):
    return window.eval_on_selector_all("#trial-table tr.trial", "all => all.map(one => one.children[0].textContent)")


def column(window, head):
    heads = window.eval_on_selector_all("#trial-table thead th", "all => all.map(one => one.textContent)")
    place = heads.index(head)
    return window.eval_on_selector_all(
        "#trial-table tr.trial", f"all => all.map(one => one.children[{place}].textContent)"
    )


def numbers(texts):
    return [float(text) for text in texts if text != UNKNOWN]


# -- the table


def test_the_table_of_trials_sorts_by_keyboard_and_what_is_missing_stands_last(show, content):
    window = show(content | {"trials": content["trials"][:60]})
    for head in ("Fitness", "lr0"):
        button = window.locator("#trial-table th button", has_text=re.compile(f"^{head}$"))
        if head != "Fitness":  # which it is sorted by
            button.focus()
            window.keyboard.press("Enter")
        down = column(window, head)
        assert numbers(down) == sorted(numbers(down), reverse=True)
        assert len(set(numbers(down))) > 5
        window.locator("#trial-table th[aria-sort=descending] button").focus()
        window.keyboard.press("Enter")
        up = column(window, head)
        assert numbers(up) == sorted(numbers(up))
        assert UNKNOWN not in up[: len(numbers(up))], "what is missing stands last"
        assert window.evaluate("document.activeElement.textContent") == head
    assert UNKNOWN in column(window, "Fitness")


def test_the_table_has_every_column(show, content):
    window = show(content)
    heads = window.eval_on_selector_all("#trial-table thead th", "all => all.map(one => one.textContent)")
    assert {"Trial", "Outcome", "Fitness", "Epochs", "Time", *FEW, "mAP_0.5", "Seed", "Origin", "Made from"} <= set(
        heads
    )
    assert heads[-3:] == ["Goes on from", "Worker", "Reason of failure"]


def test_the_table_is_searched_and_filtered_by_kind(show, content):
    window = show(content)
    trials = content["trials"]
    failed = [one for one in trials if one["failure"]]
    kinds = {"failed": failed, "verdict": [one for one in trials if one["stage"] == "verdict"]}
    kinds["early"] = [
        one for one in trials if one["stage"] == "trial" and not one["failure"] and one["epochs"] < RUNGS[-1]
    ]
    for kind, wanted in kinds.items():
        window.select_option("#kind", kind)
        assert set(names(window)) == {one["name"] for one in wanted}
    window.select_option("#kind", "failed")
    window.fill("#query", "MEMORY out")
    memory = [one["name"] for one in failed if one["failure"] == "out of memory"]
    assert set(names(window)) == set(memory) != set()
    assert window.inner_text("#shown") == f"{len(memory)} of {len(memory)} shown"
    window.fill("#query", "nothing of the kind")
    assert window.inner_text("#trial-table tbody") == "Nothing of this kind."
    window.click("#filters button[type=reset]")
    window.locator("#shown", has_text=f"of {len(trials)} shown").wait_for()


def test_a_row_shows_the_whole_trial_by_keyboard_and_leads_to_what_it_came_from(show, content):
    window = show(content)
    longer = next(one for one in content["trials"] if one["goes_on_from"] and one["trial"])
    before = next(one for one in content["trials"] if one["name"] == longer["goes_on_from"])
    window.fill("#query", longer["name"])
    button = window.locator(f"#trial-table button[aria-expanded][title='{longer['name']}']")
    button.focus()
    window.keyboard.press("Enter")
    shown = window.inner_text("#trial-table .detail")
    assert longer["origin"] in shown
    assert longer["worker"] in shown
    for name, value in longer["values"].items():
        assert f"{name}\n{value:.5g}" in re.sub(r"\n+", "\n", shown) or "e" in f"{value:.5g}"
    window.locator("#trial-table .detail button", has_text=before["name"]).focus()
    window.keyboard.press("Enter")
    assert window.get_attribute("#trial-table tr.trial:has(+ .detail) button", "title") == before["name"]
    assert window.evaluate("document.activeElement.title") == before["name"]
    window.keyboard.press("Enter")
    assert not window.query_selector("#trial-table .detail")


def test_a_failed_training_says_why(show, content):
    window = show(content)
    failed = next(one for one in content["trials"] if one["failure"])
    window.select_option("#kind", "failed")
    window.locator("#trial-table tr.trial", has_text=failed["name"]).first.click()
    shown = window.inner_text("#trial-table .detail")
    assert f"failed: {failed['failure']}" in shown
    assert failed["reason"] in shown


# -- charts


def test_there_is_a_panel_for_every_key_with_a_dot_for_every_training(show):
    content = study("mutation", 30, ALL, failing=0.2)
    window = show(content)
    good = [one for one in content["trials"] if not one["failure"]]
    panels = window.eval_on_selector_all("#key-charts svg", "all => all.map(one => one.ariaLabel)")
    assert panels == [key["name"] for key in content["keys"]]
    counts = window.eval_on_selector_all(
        "#key-charts svg", "all => all.map(one => one.querySelector('.dots').getAttribute('d').split('h0').length - 1)"
    )
    assert counts == [len(good)] * len(ALL)
    failed = window.eval_on_selector_all(
        "#key-charts svg",
        "all => all.map(one => one.querySelector('path.failed')?.getAttribute('d').split('M').length - 1)",
    )
    assert failed == [len(content["trials"]) - len(good)] * len(ALL)
    for kind in ("circle.best", "path.start", ".start-line"):
        assert len(window.query_selector_all(f"#key-charts svg {kind}")) == len(ALL)


def test_the_line_of_the_course_is_the_best_whole_training_so_far(show, content):
    window = show(content)
    points = [
        tuple(map(float, one.split())) for one in window.get_attribute("#course-chart .record", "d")[1:].split("L")
    ]
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True), "up is less in pixels"
    whole = [
        one
        for one in content["trials"]
        if one["stage"] == "trial" and one["epochs"] == RUNGS[-1] and not one["failure"]
    ]
    steps, best = 0, 0.0
    for one in sorted(whole, key=lambda one: one["trial"]):
        steps, best = (steps + 1, one["fitness"]) if one["fitness"] > best else (steps, best)
    assert len(set(heights)) == steps
    assert min(heights) == pytest.approx(float(window.get_attribute("#course-chart circle.best", "cy")), abs=0.1)


def test_what_is_shown_is_chosen_once_for_all_charts(show, content):
    window = show(content)
    whole = [
        one
        for one in content["trials"]
        if one["stage"] == "trial" and one["epochs"] == RUNGS[-1] and not one["failure"]
    ]
    count = "all => all.map(one => Number(one.dataset.count))"
    assert len(window.eval_on_selector_all("#course-chart .dots", count)) == len(RUNGS)
    window.select_option("#course [data-choice=epochs]", str(RUNGS[-1]))
    assert window.eval_on_selector_all("#course-chart .dots", count) == [len(whole)]
    assert window.eval_on_selector_all("#key-charts .dots", count) == [len(whole)] * len(FEW)
    assert window.input_value("#keys [data-choice=epochs]") == str(RUNGS[-1])
    window.select_option("#keys [data-choice=part]", "0.5")
    assert window.eval_on_selector_all("#course-chart .dots", count) == [-(-len(whole) // 2)]
    window.select_option("#course [data-choice=x]", "spent")
    assert "epochs" in window.eval_on_selector_all("#course-chart text", "all => all.map(one => one.textContent)")


def test_a_click_on_a_dot_shows_its_trial(show, content):
    window = show(content)
    window.locator("#course-chart").scroll_into_view_if_needed()
    box = window.locator("#course-chart circle.best").bounding_box()
    window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    best = next(one for one in content["trials"] if one["name"] == content["best"])
    assert f"{best['name']}: {best['fitness']:.4f}" in window.text_content("#course-chart svg")
    window.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert window.get_attribute("#trial-table tr.trial:has(+ .detail) button", "title") == content["best"]


def test_one_of_the_best_sets_can_be_brought_to_the_front(show, content):
    window = show(content)
    shown = len(window.query_selector_all("#set-legend button"))
    assert len(window.query_selector_all("#set-chart path.set:not(.origin)")) == shown > 4
    assert not window.query_selector("#set-chart .picked")
    button = window.locator("#set-legend button").nth(3)
    button.focus()
    window.keyboard.press("Enter")
    assert len(window.query_selector_all("#set-chart .picked")) == 1
    assert window.locator("#set-legend button").nth(3).get_attribute("aria-pressed") == "true"
    assert window.evaluate("document.activeElement.ariaPressed") == "true"


def test_of_a_population_each_generation_has_its_best_and_its_median(show):
    content = study("population", 4 * SIZE, failing=0.2)
    window = show(content)
    best = window.get_attribute("#generation-chart path.mean", "d")[1:].split("L")
    median = window.get_attribute("#generation-chart path.line", "d")[1:].split("L")
    assert len(best) == len(median) == 4
    assert all(float(a.split()[1]) < float(b.split()[1]) for a, b in zip(best, median, strict=True)), "up is less"


# -- every shape and size


@pytest.mark.parametrize("width", [390, 1280, 3840])
def test_nothing_overlaps_or_leaves_the_window(show, width):
    window = show(study(trials=25, keys=ALL), width)
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.evaluate(OVERLAPS) == []
    assert window.evaluate(BEYOND) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_names_of_strangers_stay_text_and_inside(show, content, width):
    mean = content | {"name": MEAN, "lines": [MEAN], "command": MEAN, "reason": MEAN}
    mean |= {"verdict": content["verdict"] | {"answer": MEAN}, "fixed": [{"name": MEAN, "why": MEAN}]}
    mean |= {"keys": [key | {"name": MEAN if i == 0 else key["name"]} for i, key in enumerate(content["keys"])]}
    more = {"reason": MEAN, "worker": MEAN, "made_from": [MEAN, "__proto__"], "origin": MEAN}
    odd = {0: {"name": MEAN}, 1: {"name": "__proto__"}, 2: {"name": "constructor", "failure": MEAN}}
    mean |= {"trials": [one | more | odd.get(i, {}) for i, one in enumerate(content["trials"])]}
    window = show(mean, width)
    window.fill("#query", "onerror")
    window.locator("#trial-table tr.trial").first.click()
    assert window.query_selector("#trial-table .detail")
    assert window.query_selector_all("img") == []
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    assert window.evaluate(BEYOND) == []


def test_dark_is_dark(show, content):
    window = show(content, scheme="dark")
    paper, ink = (
        window.eval_on_selector("#course", f"one => getComputedStyle(one).{key}")
        for key in ("backgroundColor", "color")
    )
    assert max(map(int, re.findall(r"\d+", paper)[:3])) < 60
    assert min(map(int, re.findall(r"\d+", ink)[:3])) > 200


HARDLY = {
    "nothing": ({"name": "x"}, {"#course": "No trial has ended yet.", "#keys": "No key", "#shown": "0 of 0"}),
    "no trial": (study("mutation", 0), {"#keys": "No trial has ended", "#best": "There is no best set yet"}),
    "one trial": (study("mutation", 1), {"#best": "The best set is the start set itself.", "#sets": "too few"}),
    "all failed": (
        study("mutation", 3, failing=1),
        {"#course": "failed (3)", "#best": "no whole training has succeeded"},
    ),
    "all of a search failed": (study("search", 2, failing=1), {"#course": "failed (2)"}),
    "all of a population failed": (
        study("population", 2 * SIZE, failing=1),
        {"#generations": "No training has succeeded"},
    ),
}


@pytest.mark.parametrize(("content", "says"), HARDLY.values(), ids=HARDLY)
def test_a_study_that_has_hardly_begun_or_failed_says_so(show, content, says):
    window = show(content)
    for place, words in says.items():
        assert words in window.inner_text(place)
    assert not window.is_visible("#more")
    assert window.is_visible("#course form") == (len(content.get("trials", [])) > 1)


def test_trials_of_an_earlier_record_stand_before_all_others(show):
    content = study("mutation", 12, failing=0)
    old = [one | {"name": f"old-{one['trial']}", "epochs": 0, "horizon": 0} for one in content["trials"][:5]]
    window = show(content | {"trials": old + content["trials"]})
    assert "Trials below 0 were taken over" in window.inner_text("#course")
    assert window.eval_on_selector_all("#course-chart .dots", "all => all.map(one => one.dataset.count)") == ["17"]
    window.fill("#query", "earlier record")
    assert sorted(names(window)) == [f"old-{i}" for i in range(5)]
    assert set(column(window, "Epochs")) == {UNKNOWN}


def test_thousands_of_trainings_are_drawn_at_once_and_any_of_them_is_found(show):
    lot = study("mutation", 100)["trials"]
    many = [one | {"name": f"{i}-{one['name']}", "trial": 100 * i + one["trial"]} for i in range(50) for one in lot]
    content = study("mutation", 1) | {"trials": many, "best": None, "start": None}
    window = show(content)
    assert len(window.query_selector_all("svg *")) < 3000, "a path for many dots"
    assert len(names(window)) == 100
    window.evaluate("open(trials.findIndex(one => one.name === '49-3'))")
    assert names(window)[0] == "49-3", "shown as the first, where it would be far below"
    assert len(names(window)) == 100
    window.click("#more")
    assert len(names(window)) == 200
    assert window.evaluate("document.activeElement.closest('tr').sectionRowIndex") == 101, "one row is the open one's"


def test_a_page_of_another_width_is_drawn_anew(show, content):
    window = show(content, 1200)
    window.set_viewport_size({"width": 500, "height": 900})
    window.wait_for_function("document.querySelector('#course-chart svg').viewBox.baseVal.width < 500")
    assert window.evaluate("document.documentElement.scrollWidth") <= 500
