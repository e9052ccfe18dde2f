# SPDX-License-Identifier: Apache-2.0
"""The report of a run: what stands in the file, and what a person at a browser gets."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from boxwright import cli
from boxwright.metrics.mistakes import Outcome
from boxwright.report.advice import Facts, advice
from boxwright.report.gallery import chosen_ones, gallery
from boxwright.report.page import UNKNOWN, page
from boxwright.runs.evaluation.report_content import BAR_PX, bar_width
from tests.support import datasets
from tests.support.html_page import Page

pytestmark = pytest.mark.slow

SECTIONS = (
    "summary",
    "next",
    "classes",
    "mistakes",
    "confusion",
    "worst",
    "curves",
    "course",
    "data",
    "settings",
    "environment",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few epochs with its report, and a second one beside it."""
    folder = tmp_path_factory.mktemp("report")
    data, model = datasets.write(folder / "data", train=40, val=12), datasets.write_model(folder)
    for name in ("first", "second"):
        words = [
            "train",
            "--data",
            data,
            "--cfg",
            model,
            "--weights",
            "",
            "--hyp",
            "small-data",
            "--epochs",
            "6",
            "--imgsz",
            "64",
            "--batch",
            "4",
        ]
        words += [
            "--device",
            "cpu",
            "--threads",
            "1",
            "--workers",
            "0",
            "--noautoanchor",
            "--quiet",
            "--project",
            folder / "runs",
            "--name",
            name,
            *(["--noplots"] if name == "second" else []),
        ]
        words += ["--seed", "1"] if name == "second" else []
        assert cli.main([*map(str, words)]) == 0
    return folder / "runs" / "first"


@pytest.fixture(scope="module")
def text(trained):
    return (trained / "report.html").read_text()


def test_the_report_is_one_file_that_needs_nothing_from_anywhere(text):
    found = Page(text)
    for tag, attributes in found.elements:
        assert tag not in {"link", "iframe", "object"}
        for name in ("src", "href", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith("#"), (tag, value)
    assert "default-src 'none'" in text
    assert not re.search(r"(@import|url\(|fetch\(|https?://(?!www\.w3\.org/2000/svg))", text)


def test_every_section_is_there_and_every_link_leads_somewhere(text):
    found = Page(text)
    assert set(SECTIONS) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    links = [attributes["href"][1:] for tag, attributes in found.elements if tag == "a"]
    assert set(links) <= set(found.ids)


def test_every_control_has_a_name(text):
    inputs = [place for place, (tag, _) in enumerate(Page(text).elements) if tag in {"select", "input"}]
    assert inputs
    elements = Page(text).elements
    assert all("label" in [tag for tag, _ in elements[max(place - 2, 0) : place]] for place in inputs)


def test_the_page_holds_the_numbers_of_the_run(trained, text):
    held = json.loads(Page(text).scripts[0])
    done = json.loads((trained / "done.json").read_text())
    kept = json.loads((trained / "report.json").read_text())
    assert kept["metrics"]["metrics/mAP_0.5:0.95"] == done["results"]["metrics/mAP_0.5:0.95"]
    assert held["best_epoch"] == done["best_epoch"]
    assert len(held["history"]["epoch"]) == 6
    assert sum(map(sum, held["confusion"]["counts"])) == len((trained / "errors.jsonl").read_text().splitlines())
    assert all(one["picture"].startswith("data:image/jpeg;base64,") for one in held["gallery"])


def test_a_name_cannot_become_part_of_the_page():
    mean = "</script><script>alert(1)</script>"
    document = json.loads(
        json.dumps({**EMPTY, "name": mean, "confusion": {"names": [mean], "counts": [[1, 0], [0, 0]]}})
    )
    found = Page(page([document]))
    assert len(found.scripts) == 2
    assert json.loads(found.scripts[0])["confusion"]["names"] == [mean]


EMPTY = {
    "version": 1, "name": "run", "headline": "", "metrics": {}, "confidence": "0.5", "cards": [], "advice": [],
    "kinds": [],
    "course": "",
    "data": [],
    "settings": [], "environment": [], "history": {}, "best_epoch": None, "classes": [],
    "curves": {"confidence": [], "operating_point": 0, "classes": []},
    "confusion": {"names": [], "counts": [[0]]}, "gallery": [], "worst": [],
}  # fmt: skip


def test_all_counts_on_the_page_are_of_one_rule(trained):
    kept = json.loads((trained / "report.json").read_text())
    counts = {one["kind"]: one["count"] for one in kept["kinds"][:6]}
    matrix = np.array(kept["confusion"]["counts"])
    cards = {one["name"]: one["value"] for one in kept["cards"]}
    right, objects = counts["right"], counts["right"] + counts["wrong class"] + counts["missed"]
    assert right == matrix[:-1, :-1].trace()
    assert objects == matrix[:, :-1].sum()
    assert cards["objects found, and rightly"] == f"{right} of {objects}"
    said = int(matrix[:-1].sum())
    assert cards.get("detections false", "none") == (f"{said - right} of {said}" if said else "none")
    assert kept["sums"].startswith(f"{objects} objects: {right} right, {counts['wrong class']} of the wrong class, ")


def test_epochs_are_counted_from_1_wherever_people_read_them(trained):
    kept, done = (json.loads((trained / name).read_text()) for name in ("report.json", "done.json"))
    best = done["best_epoch"] + 1
    assert f"6 epochs, counted from 1; the best one, {best}, is marked" in kept["course"]
    log = (trained / "run.log").read_text()
    assert f"best epoch {best} of 6" in log
    assert "epoch 1 of 6: " in log
    assert "epoch 6 of 6: " in log


def test_a_bar_is_as_long_as_there_is_to_win():
    assert bar_width(0.0004, {"missed": 0.0004}) == 0, "beside +0.000 there is none"
    assert 0 < bar_width(0.001, {"missed": 0.001}) < BAR_PX / 20
    assert bar_width(0.3, {"missed": 0.3, "duplicate": 0.0}) == BAR_PX
    assert bar_width(None, {"missed": 0.3}) == 0


def test_the_page_can_be_made_again_from_a_run_and_one_page_from_several(capsys, trained, tmp_path):
    before = (trained / "report.json").read_text()
    (trained / "report.html").unlink()
    (trained / "report.json").unlink()
    assert cli.main(["report", str(trained), "--threads", "1"]) == 0
    assert (trained / "report.html").is_file()
    again, known = json.loads((trained / "report.json").read_text()), json.loads(before)
    assert {key: again[key] for key in ("metrics", "classes", "confusion", "kinds")} == {
        key: known[key] for key in ("metrics", "classes", "confusion", "kinds")
    }
    capsys.readouterr()
    assert (
        cli.main(["report", str(trained), str(trained.parent / "second"), "--threads", "1", "--project", str(tmp_path)])
        == 0
    )
    both = (tmp_path / "exp" / "report.html").read_text()
    assert "first, second" in both
    assert "<td>seed</td><td>0</td><td>1</td>" in both
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "is no run folder" in capsys.readouterr().err


def test_errors_are_told_in_counts_that_add_up(capsys, trained):
    capsys.readouterr()
    assert cli.main(["errors", str(trained), "--threads", "1", "--json"]) == 0
    kinds = json.loads(capsys.readouterr().out)["kinds"]
    lines = [json.loads(line) for line in (trained / "errors.jsonl").read_text().splitlines()]
    for one in kinds[:6]:
        assert one["count"] == sum(line["kind"] == one["kind"] for line in lines)
    assert cli.main(["errors", str(trained), "--threads", "1"]) == 0
    assert "counted above confidence 0.25 at IoU 0.45; what is to win, over all detections" in capsys.readouterr().out


def test_two_runs_are_compared_on_the_same_images(capsys, trained):
    capsys.readouterr()
    assert (
        cli.main(
            ["compare", str(trained), str(trained.parent / "second"), "--rounds", "50", "--threads", "1", "--json"]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    first, second = found["values"]["mAP50-95"]
    assert found["differences"]["mAP50-95"]["value"] == pytest.approx(second - first)
    assert {"key": "seed", "first": "0", "second": "1"} in found["settings"]
    assert cli.main(["compare", str(trained), str(trained), "--rounds", "20", "--threads", "1"]) == 0
    assert "not distinguishable" in capsys.readouterr().out
    assert cli.main(["compare", str(trained)]) == 2


# -- parts


def outcome(kind, image=0, confidence=0.9, box=(1.0, 1.0, 20.0, 20.0)):
    missed = kind == "missed"
    return Outcome(
        kind,
        image,
        None if missed else 0,
        0 if kind in {"right", "missed"} else None,
        None if missed else confidence,
        0.5,
        box,
        box,
    )


def test_pictures_of_a_large_set_stay_within_their_budget(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    listed = [
        outcome(kind, image, confidence=0.3 + image / 10_000)
        for image in range(2000)
        for kind in ("background", "missed", "right")
    ]
    made = gallery(listed, [str(tmp_path / "noise.png")] * 2000, ("thing",), {})
    assert sum(len(one["picture"]) for one in [*made.items, *made.worst]) < 4 * 2**20 * 1.4
    assert {one["kind"] for one in made.items} == {"background", "missed", "right"}


def test_the_worst_images_all_have_their_picture_even_where_close_ups_would_fill_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr("boxwright.report.gallery.BUDGET_BYTES", 700_000)
    paths = [str(tmp_path / f"{i}.png") for i in range(12)]
    for i, path in enumerate(paths):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (120, 160, 3), dtype=np.uint8)).save(path)
    listed = [outcome(kind, image) for image in range(12) for kind in ("background", "missed") for _ in range(30)]
    listed = [replace(one, confidence=0.9 - i / 10_000) for i, one in enumerate(listed)]
    made = gallery(listed, paths, ("thing",), {})
    assert len(made.worst) == 12
    assert all(one["picture"] for one in made.worst)
    assert 0 < len(made.items) < 120


def test_the_most_telling_are_chosen_and_doubts_come_first():
    sure, unsure, doubtful = (
        outcome("background", confidence=0.9),
        outcome("background", 1, 0.3),
        outcome("wrong class", 2, 0.8),
    )
    assert chosen_ones([unsure, sure, doubtful], {doubtful: "the class of the label"}) == [doubtful, sure, unsure]


def facts(**changes):
    usual = {
        "gains": {},
        "confused": [],
        "coco": {},
        "labels_by_class": {"a": 500},
        "num_images": 500,
        "num_labels": 500,
        "suspects": [],
        "fitness": [],
        "interval": (0.4, 0.5),
    }
    return Facts(**(usual | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"suspects": [0.9, 0.8, 0.7]}, "Look at 3 labels"),
        ({"gains": {"missed": 0.2}}, "Most to win: missed (+0.20 mAP50)"),
        ({"gains": {"wrong class": 0.2}, "confused": [("cat", "dog", 7)]}, "7 times, 'dog' is called 'cat'"),
        ({"fitness": [0.1, 0.2, 0.3, 0.4, 0.5]}, "Train longer"),
        ({"fitness": [0.1, 0.5, 0.4, 0.3, 0.2, 0.1]}, "by heart"),
        ({"coco": {"AP_small": 0.1, "AP_large": 0.6}}, "larger --imgsz"),
        ({"labels_by_class": {"a": 500, "b": 4}}, "b (4)"),
        ({"num_images": 30}, "from 0.40 to 0.50"),
    ],
)
def test_advice_names_the_number_it_comes_from(changes, says):
    assert says in " ".join(" ".join(one) for one in advice(facts(**changes)))


def titles(**changes) -> list[str]:
    return [one.title for one in advice(facts(**changes))]


def test_the_advice_that_brings_most_comes_first():
    mistakes = {"gains": {"missed": 0.2}, "suspects": [0.9, 0.8]}
    assert titles(**mistakes)[0] == "Most to win: missed (+0.20 mAP50)"
    assert titles(**mistakes, num_labels=5)[0] == "Look at 2 labels that may be wrong"
    rising = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
    assert titles(**mistakes, fitness=rising)[0] == "Train longer"
    slowly = [0.05, 0.28, 0.29, 0.295, 0.3, 0.305]
    assert titles(**mistakes, fitness=slowly)[:2] == ["Most to win: missed (+0.20 mAP50)", "Train longer"]


def test_a_best_epoch_at_the_end_is_no_reason_to_train_longer_where_nothing_rises():
    flat = [0.1, 0.3, 0.4, 0.45, 0.48, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5001]
    lucky = [0.1, 0.3, 0.4, 0.45, 0.48, 0.5, 0.5, 0.5, 0.5, 0.42, 0.46, 0.501]
    assert "Train longer" not in titles(fitness=flat) + titles(fitness=lucky)
    assert "The best epoch is 12 of 12" in advice(facts(fitness=[0.02 * i for i in range(12)]))[0].text


def test_that_images_are_known_by_heart_is_said_only_where_later_epochs_are_worse():
    heart = "It stopped getting better half-way"
    assert heart in titles(fitness=[0.1, 0.5, 0.45, 0.4, 0.4, 0.4])
    assert heart not in titles(fitness=[0.1, 0.5, 0.499, 0.498, 0.499, 0.499])


def test_classes_without_any_example_are_counted_and_not_listed():
    counts = {f"empty{i}": 0 for i in range(30)} | {"dog": 2}
    text = next(one.text for one in advice(facts(labels_by_class=counts)) if one.title == "Few examples to learn from")
    assert "dog (2). None at all for 30 classes." in text


def test_of_a_network_that_knows_nothing_its_mistakes_are_not_explained():
    given = advice(
        facts(
            interval=(0.0, 0.004),
            num_images=30,
            gains={"badly placed": 0.2},
            fitness=[0.001] * 6,
            labels_by_class={"a": 4},
        )
    )
    assert [one.title for one in given] == ["It has hardly learnt anything yet", "Few examples to learn from"]
    assert "badly placed" in " ".join(one.title for one in advice(facts(gains={"badly placed": 0.2})))


def test_without_a_reason_there_is_no_advice():
    assert advice(facts()) == []


# -- at a browser


@pytest.fixture
def opened(browser, trained):
    window = browser.new_page(viewport={"width": 1200, "height": 900})
    said: list[str] = []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.goto((trained / "report.html").as_uri())
    window.wait_for_selector("body[data-ready=yes]")
    yield window
    assert not said
    window.close()


@pytest.mark.loopback
def test_filters_show_what_they_say(opened, trained):
    held = json.loads((trained / "report.json").read_text())["gallery"]
    kinds = {one["kind"] for one in held}
    for kind in kinds:
        opened.select_option("#kind", kind)
        tags = opened.eval_on_selector_all("#gallery figure", "all => all.map(one => one.dataset.kind)")
        assert set(tags) == {kind}
        assert opened.inner_text("#shown").startswith(f"{len(tags)} of {sum(one['kind'] == kind for one in held)} ")
    opened.select_option("#kind", "")
    opened.select_option("#class", "red")
    assert f"of {sum('red' in (one['said'], one['true']) for one in held)} shown" in opened.inner_text("#shown")
    opened.click("#filters button[type=reset]")
    opened.locator("#shown", has_text=f"of {len(held)} shown").wait_for()
    assert opened.is_visible("#more") == (len(opened.query_selector_all("#gallery figure")) < len(held))


@pytest.fixture
def beside(browser, trained, tmp_path):
    """The page of three runs at a narrow window.

    Two of them bear one name, one was validated on other data and knows a setting more.
    """
    documents = [
        json.loads((trained.parent / name / "report.json").read_text()) for name in ("first", "second", "second")
    ]
    more = {"key": "of_old", "value": "7", "source": "hyp", "chosen": True}
    documents[2] = documents[2] | {
        "settings": [one | {"value": "other.yaml"} if one["key"] == "data" else one for one in documents[2]["settings"]]
        + [more]
    }
    (tmp_path / "report.html").write_text(page(documents))
    window = browser.new_page(viewport={"width": 420, "height": 900})
    said: list[str] = []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.goto((tmp_path / "report.html").as_uri())
    window.wait_for_selector("body[data-ready=yes]")
    yield window, documents
    assert not said
    window.close()


@pytest.mark.loopback
def test_a_page_of_several_runs_shows_their_numbers_beside_each_other_and_fits_a_narrow_window(beside):
    window, documents = beside
    heads = window.eval_on_selector_all("#number-table th", "all => all.map(one => one.textContent)")
    assert heads == ["Number", "first", "second (1)", "second (2)"]
    rows = window.eval_on_selector_all(
        "#number-table tbody tr", "all => all.map(row => [...row.children].map(cell => cell.textContent))"
    )
    shown = {row[0]: row[1:] for row in rows}
    assert shown["mAP_0.5"] == [f"{one['metrics']['metrics/mAP_0.5']:.3f}" for one in documents]
    assert shown["coco/AP"] == [f"{one['metrics']['coco/AP']:.3f}" for one in documents]
    settings = window.eval_on_selector_all(
        "#setting-table tbody tr", "all => all.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert ["seed", "0", "1", "1"] in settings
    assert ["of_old", UNKNOWN, UNKNOWN, "7"] in settings
    assert "different data" in window.inner_text("#summary")
    classes = window.eval_on_selector_all("#class-table tbody td:first-child", "all => all.map(one => one.textContent)")
    assert set(classes) == {one["class"] for one in documents[0]["classes"]}
    assert window.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.mark.loopback
def test_the_course_of_several_runs_is_one_chart_for_each_number_with_a_line_for_each_run(beside):
    window, documents = beside
    charts = window.query_selector_all("#course-charts svg")
    assert len(charts) >= 8
    assert len(window.query_selector_all("#course-charts svg:first-child path[fill=none]")) == len(documents)
    assert window.eval_on_selector_all("#legend .tag", "all => all.map(one => one.textContent)") == [
        "first",
        "second (1)",
        "second (2)",
    ]
    for link in window.eval_on_selector_all("nav a", "all => all.map(one => one.hash)"):
        assert window.query_selector(link), link


def test_runs_that_differ_in_nothing_say_so(trained):
    document = json.loads((trained / "report.json").read_text())
    assert '<td colspan="3">none</td>' in page([document, document])


@pytest.mark.loopback
def test_the_table_sorts_by_keyboard(opened):
    column = "all => all.map(row => row.children[0].textContent)"
    opened.focus("#class-table th[data-key=class] button")
    opened.keyboard.press("Enter")
    names = opened.eval_on_selector_all("#class-table tbody tr", column)
    assert names == sorted(names)
    opened.keyboard.press("Enter")
    assert opened.eval_on_selector_all("#class-table tbody tr", column) == names[::-1]
    assert opened.get_attribute("#class-table th[data-key=class]", "aria-sort") == "descending"


@pytest.mark.loopback
def test_a_cell_of_the_confusion_leads_to_its_pictures(opened):
    cell = opened.locator("#matrix td button:not(:empty)").first
    count = int(cell.get_attribute("title").rsplit(": ", 1)[1])
    cell.focus()
    opened.keyboard.press("Enter")
    opened.locator("#shown", has_text="(").wait_for()
    assert len(opened.query_selector_all("#gallery figure")) <= count


@pytest.mark.loopback
def test_charts_are_drawn_and_classes_can_be_switched_off(opened):
    assert len(opened.query_selector_all("#course-charts svg")) >= 8
    lines = len(opened.query_selector_all("#curve-charts path"))
    opened.locator("#curve-legend button").first.click()
    assert len(opened.query_selector_all("#curve-charts path")) == lines - 4
