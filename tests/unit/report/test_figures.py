# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from boxwright.metrics.curves import curves
from boxwright.report import canvas, curves_figure
from boxwright.report import labels_figure as labels_figure_file
from boxwright.report import results_figure as results_figure_file
from boxwright.report.batches import batch_sheet, prediction_sheet
from boxwright.report.confusion_figure import _names, _values, confusion_figure
from boxwright.report.contact import FALSE, FOUND, MISSED, contact_sheet, outcomes
from boxwright.report.correlogram_figure import correlogram_figure
from boxwright.report.curves_figure import f1_curve, p_curve, pr_curve, r_curve
from boxwright.report.labels_figure import labels_figure
from boxwright.report.results_figure import PANELS, best_epoch, results_figure, smoothed
from boxwright.report.schedule_figure import _merged, schedule_figure
from boxwright.structures.detections import Detections

pytestmark = pytest.mark.slow

SHORT = ("RBC", "WBC", "Platelets")
LONG = tuple(f"_{number} $x^2$ Очень длинное имя класса 日本語 \n{number}" for number in range(100))


def drawn(picture: np.ndarray) -> np.ndarray:
    """What every figure is: RGB on white with something on it."""
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 3
    assert picture.flags.c_contiguous
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert (picture < 200).any()
    return picture


def hits_of(num_classes: int, seed: int = 0):
    """Curves of detections of which some are right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), 12)
    said = np.concatenate((labels, rng.integers(0, max(num_classes, 1), len(labels))))
    right = np.arange(len(said)) < len(labels) * 0.8
    return curves(
        right[:, None] & (rng.uniform(0.4, 1, len(said))[:, None] > np.linspace(0.5, 0.95, 10)),
        rng.random(len(said)),
        said,
        labels,
    )


def boxes_of(count: int) -> np.ndarray:
    rng = np.random.default_rng(count)
    return np.concatenate((rng.uniform(0.2, 0.8, (count, 2)), rng.uniform(0.01, 0.3, (count, 2))), axis=1)


def columns_of(epochs: int) -> dict[str, list[float]]:
    rng = np.random.default_rng(epochs)
    return {"epoch": list(range(epochs)), **{name: rng.random(epochs).tolist() for name in PANELS}}


def rows_of(batches: int, warm: int) -> list[dict]:
    return [
        {
            "lr": {"bias": 0.1 - 0.09 * min(i / max(warm, 1), 1), "weight": 0.01, "norm": 0.01},
            "momentum": 0.8 + 0.1 * min(i / max(warm, 1), 1),
            "accumulate": 4,
        }
        for i in range(batches)
    ]


# Curves


@pytest.mark.parametrize(("num_classes", "names"), [(0, ()), (1, SHORT), (20, LONG), (100, LONG), (3, ())])
def test_curves_are_drawn_of_any_number_of_classes(num_classes, names):
    assert drawn(pr_curve(hits_of(num_classes), names)).shape == (896, 1440, 3)


def filled(monkeypatch, module, figure, *given) -> Figure:
    """The figure that a function would have drawn, to look at its parts."""
    made = Figure()

    def keep(_size, draw, **_):
        draw(made)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr(module, "rendered", keep)
    figure(*given)
    return made


def legend_of(made: Figure) -> list[str]:
    return [text.get_text() for legend in made.legends for text in legend.get_texts()]


def curves_with(found: int, num_classes: int):
    """Curves of so many classes, of which the first ones are found, each somewhat less well than the one before."""
    labels = np.repeat(np.arange(num_classes), 4)
    hits = (labels < found)[:, None] & np.ones(10, bool)
    return curves(hits, np.linspace(0.9, 0.1, len(labels)), labels, labels)


def test_a_legend_does_not_list_classes_that_reach_nothing(monkeypatch):
    names = tuple(f"c{i}" for i in range(80))
    nothing = filled(monkeypatch, curves_figure, pr_curve, curves_with(0, 45), names)
    assert [word for word in legend_of(nothing) if "c" in word and word.startswith("0.000")] == ["0.000  all classes"]
    assert curves_figure.NOTHING_FOUND in [text.get_text() for text in nothing.axes[0].texts]
    for count in (10, 45):
        some = legend_of(filled(monkeypatch, curves_figure, pr_curve, curves_with(3, count), names))
        assert sum(word.endswith(("c0", "c1", "c2")) for word in some) == 3
        assert [word for word in some if word.startswith("0.000")] == [f"0.000  {count - 3} other classes"]


@pytest.mark.parametrize("num_classes", [1, 3])
def test_the_dot_of_the_f1_figure_stands_on_the_peak_of_its_thick_line(monkeypatch, num_classes):
    axes = filled(monkeypatch, curves_figure, f1_curve, hits_of(num_classes), SHORT[:num_classes]).axes[0]
    thick = max(axes.lines, key=lambda line: line.get_linewidth() if len(line.get_xdata()) > 100 else 0)
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    assert dot.get_ydata()[0] == max(thick.get_ydata())
    assert dot.get_xdata()[0] == thick.get_xdata()[np.argmax(thick.get_ydata())]


@pytest.mark.parametrize("figure", [f1_curve, p_curve, r_curve])
def test_each_curve_over_confidence_is_another_picture(figure):
    others = {f1_curve, p_curve, r_curve} - {figure}
    picture = drawn(figure(hits_of(3), SHORT))
    assert all(not np.array_equal(picture, other(hits_of(3), SHORT)) for other in others)


# The confusion matrix


@pytest.mark.parametrize(("num_classes", "names"), [(0, ()), (1, SHORT), (26, LONG), (100, LONG)])
def test_the_confusion_matrix_is_drawn_of_any_number_of_classes(num_classes, names):
    matrix = np.random.default_rng(0).poisson(1.0, (num_classes + 1, num_classes + 1))
    before = matrix.copy()
    drawn(confusion_figure(matrix, names))
    assert np.array_equal(matrix, before)


@pytest.mark.parametrize("normalised", ["row", None])
def test_a_matrix_without_counts_is_drawn(normalised):
    drawn(confusion_figure(np.zeros((4, 4), int), SHORT, normalised))


def test_shares_of_a_class_add_up_to_one_and_a_class_without_objects_has_none():
    matrix = np.array([[3, 1, 0, 2], [1, 3, 0, 0], [0, 0, 0, 0], [4, 0, 0, 0]])
    by_column, by_row = _values(matrix, "column"), _values(matrix, "row")
    assert np.allclose(by_column[:, 0].sum(), 1)
    assert np.isnan(by_column[:, 2]).all()
    assert np.allclose(by_row[0].sum(), 1)
    assert np.isnan(by_row[2]).all()


def test_three_mistakes_in_a_hundred_are_seen_beside_a_full_diagonal():
    clean = np.diag([97] * 80 + [0])
    mistaken = clean.copy()
    mistaken[3, 60] = 3
    difference = confusion_figure(clean, LONG).astype(int) - confusion_figure(mistaken, LONG)
    assert difference.max() >= 30


@pytest.mark.parametrize("num_classes", [1, 8, 80, 300, 1000])
def test_names_beside_the_matrix_never_overlap_each_other(num_classes):
    cell_pt = 14.0 * 72 / (num_classes + 1)
    names = _names([f"name {number}" for number in range(num_classes)], num_classes, cell_pt)
    assert np.diff(names.places[:-1]).min(initial=num_classes) * cell_pt >= names.size_pt
    assert names.words[-1] == "background"


# The course of a run


@pytest.mark.parametrize("epochs", [0, 1, 300])
def test_results_are_drawn_of_any_number_of_epochs(epochs):
    assert drawn(results_figure(columns_of(epochs))).shape == (1024, 2400, 3)


def test_results_with_gaps_and_missing_columns_are_drawn():
    columns = columns_of(30)
    del columns["val/box_loss"], columns["epoch"]
    columns["metrics/mAP_0.5:0.95"][3:20] = [float("nan")] * 17
    columns["metrics/mAP_0.5"][2] = float("inf")
    columns["train/obj_loss"] = [float("nan")] * 30
    before = {name: list(values) for name, values in columns.items()}
    drawn(results_figure(columns))
    assert repr(columns) == repr(before)


def test_the_best_epoch_is_the_first_with_the_highest_fitness():
    columns = {
        "metrics/mAP_0.5": np.array([0.9, 0.5, 0.5, 0.4, np.nan]),
        "metrics/mAP_0.5:0.95": np.array([0.1, 0.3, 0.3, 0.2, 0.9]),
    }
    assert best_epoch(columns) == 1
    assert best_epoch({"metrics/mAP_0.5": np.array([0.9])}) is None
    assert best_epoch({name: np.array([np.nan]) for name in columns}) is None


def test_where_every_epoch_is_worth_nothing_the_last_is_the_best_as_for_the_run():
    assert best_epoch({name: np.zeros(6) for name in PANELS}) == 5


def test_the_course_counts_epochs_from_1_and_has_no_dead_panel(monkeypatch):
    columns = columns_of(12) | {"train/cls_loss": [0.0] * 12, "val/cls_loss": [0.0] * 12}
    made = filled(monkeypatch, results_figure_file, results_figure, columns, 11)
    assert len(made.axes) == 8
    assert "best epoch: 12 of 12" in legend_of(made)
    assert all(min(axes.lines[0].get_xdata()) == 1 for axes in made.axes)
    assert len(filled(monkeypatch, results_figure_file, results_figure, columns_of(12)).axes) == 10


def test_numbers_along_an_axis_are_round(monkeypatch):
    columns = {name: list(np.linspace(0.0031, 0.0279, 12)) for name in PANELS}
    for axes in filled(monkeypatch, results_figure_file, results_figure, columns).axes:
        step = np.diff(axes.get_yticks())[0]
        assert float(f"{step:.6e}".split("e", maxsplit=1)[0]) in {1.0, 2.0, 5.0}


def test_a_score_of_0_throughout_has_no_axis_below_0(monkeypatch):
    columns = columns_of(6) | {"metrics/mAP_0.5": [0.0] * 6}
    made = filled(monkeypatch, results_figure_file, results_figure, columns)
    axes = next(axes for axes in made.axes if axes.get_title("left") == "metrics/mAP_0.5")
    assert axes.get_ylim()[0] > -0.05
    assert axes.get_ylim()[1] == 1


def test_smoothing_keeps_a_straight_line_to_its_ends():
    line = np.linspace(3, 1, 40)
    assert np.allclose(smoothed(line), line)


@pytest.mark.parametrize(("batches", "warm"), [(0, 0), (1, 0), (40, 30), (9000, 300)])
def test_schedules_are_drawn_with_and_without_a_warm_up(batches, warm):
    assert drawn(schedule_figure(rows_of(batches, warm), [0.5] * batches)).shape == (1680, 1920, 3)


def test_groups_with_the_same_rates_share_a_line():
    merged = _merged({"bias": np.array([1.0, 2.0]), "weight": np.array([3.0]), "norm": np.array([3.0])})
    assert list(merged) == ["bias", "weight, norm"]


# Labels


@pytest.mark.parametrize(("count", "names"), [(0, ()), (1, ("one",)), (3000, SHORT), (200, LONG)])
def test_labels_are_drawn_of_any_data_set(count, names):
    boxes, classes = boxes_of(count), np.arange(count) % max(len(names), 1)
    before = boxes.copy()
    assert drawn(labels_figure(boxes, classes, names)).shape == (1504, 2080, 3)
    assert np.array_equal(boxes, before)


def test_labels_of_one_class_show_sizes_and_small_ones_fill_their_panels(monkeypatch):
    boxes = np.concatenate((np.full((40, 2), 0.5), np.linspace(0.005, 0.03, 80).reshape(40, 2)), axis=1)
    made = filled(monkeypatch, labels_figure_file, labels_figure, boxes, np.zeros(40), ("seed",))
    upper = next(axes for axes in made.axes if "objects" in axes.get_title("left"))
    assert "one class, seed" in upper.get_title("left")
    assert not upper.containers, "no bar alone"
    sizes = next(axes for axes in made.axes if axes.get_title("left") == "Sizes")
    assert sizes.get_xlim() == sizes.get_ylim() == (0, 0.05)
    assert any("20 times as large" in axes.get_title("left") for axes in made.axes)
    several = filled(monkeypatch, labels_figure_file, labels_figure, boxes, np.arange(40) % 2, ("seed", "stone"))
    assert any(axes.containers for axes in several.axes)


@pytest.mark.parametrize("count", [0, 500])
def test_the_correlogram_is_drawn_of_any_number_of_boxes(count):
    assert drawn(correlogram_figure(boxes_of(count))).shape == (1600, 1600, 3)


# What holds for all figures


def test_the_same_values_give_the_same_pixels_also_on_other_threads():
    jobs = [
        lambda: pr_curve(hits_of(3), SHORT),
        lambda: confusion_figure(np.eye(4), SHORT),
        lambda: schedule_figure(rows_of(50, 5), [0.5] * 50),
    ] * 2
    here = [job() for job in jobs[:3]]
    with ThreadPoolExecutor(3) as pool:
        there = list(pool.map(lambda job: job(), jobs))
    assert all(np.array_equal(picture, here[number % 3]) for number, picture in enumerate(there))


def test_settings_of_the_figure_library_are_left_alone():
    before = dict(mpl.rcParams)
    pr_curve(hits_of(1), SHORT)
    assert dict(mpl.rcParams) == before


def test_names_are_cut_in_the_middle_and_unknown_classes_have_their_number():
    assert canvas.name_of(("a" * 30 + "end",), 0).endswith("end")
    assert len(canvas.name_of(("a" * 30 + "end",), 0)) <= canvas.MAX_NAME
    assert canvas.name_of(SHORT, 7) == "class 7"
    assert canvas.plain("$a$") == r"\$a\$"


# Sheets


def batch(count: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 3, *size), dtype=np.uint8)


def test_a_batch_is_drawn_with_its_targets_and_stays_as_it_is():
    images = batch(5)
    targets = np.array([[0, 0, 0.5, 0.5, 0.4, 0.4], [4, 2, 0.1, 0.1, 0.3, 0.3], [1, 9, 0.5, 0.5, 2.0, 2.0]], np.float32)
    before = images.copy(), targets.copy()
    sheet = drawn(batch_sheet(images, targets, SHORT, [f"/x/{i}.jpg" for i in range(5)]))
    assert np.array_equal(images, before[0])
    assert np.array_equal(targets, before[1])
    assert np.array_equal(
        sheet, batch_sheet(images, targets, SHORT, [f"/y/z/{i}.jpg" for i in range(5)])
    )  # only the names of files are shown
    assert not np.array_equal(sheet, batch_sheet(images, targets[:0], SHORT, [f"/x/{i}.jpg" for i in range(5)]))


def many_small(count: int, classes: int) -> np.ndarray:
    draw = np.random.default_rng(count)
    columns = (
        np.zeros(count),
        draw.integers(0, classes, count),
        *draw.uniform(0.1, 0.9, (2, count)),
        *np.full((2, count), 0.02),
    )
    return np.stack(columns, axis=1)


def test_one_class_is_not_named_at_each_of_its_boxes():
    rows = np.array([[0, 0, 0.5, 0.5, 0.4, 0.4]])
    one, unnamed = (batch_sheet(batch(1, (320, 320)), rows, names, ["a.jpg"]) for names in (("cell",), ("", "")))
    assert np.array_equal(one, unnamed[: one.shape[0]])
    assert not np.array_equal(one, batch_sheet(batch(1, (320, 320)), rows, ("cell", "stone"), ["a.jpg"]))


def test_many_small_boxes_have_colours_and_a_legend_instead_of_captions():
    images, rows = batch(1, (320, 320)), many_small(60, 2)
    short, long = (batch_sheet(images, rows, (name, "stone"), ["a.jpg"]) for name in ("cell", "a much longer name"))
    few = batch_sheet(images, rows[:3], ("cell", "stone"), ["a.jpg"])
    sheet = few.shape[0]
    assert short.shape[0] > sheet, "a legend below"
    assert np.array_equal(short[:sheet], long[:sheet]), "no name among the boxes"
    found = np.concatenate((rows[:, 2:4] * 300, rows[:, 2:4] * 300 + 6, np.full((60, 1), 0.9), rows[:, 1:2]), axis=1)
    predicted = prediction_sheet(images, [found], ("cell", "stone"), ["a.jpg"])
    assert predicted.shape == short.shape
    assert batch_sheet(images, rows, ("cell",), ["a.jpg"]).shape[0] == sheet, "one colour needs no legend"


def test_regions_to_ignore_are_drawn_on_their_image_alone():
    targets, paths = np.array([[0, 0, 0.5, 0.5, 0.4, 0.4]], np.float32), ["a.jpg", "b.jpg"]
    plain = batch_sheet(batch(2), targets, SHORT, paths)
    sheet = drawn(batch_sheet(batch(2), targets, SHORT, paths, regions=np.array([[1, 0.5, 0.5, 0.6, 0.6]], np.float32)))
    changed = (sheet != plain).any(axis=(0, 2))
    assert changed.any()
    assert not changed[: len(changed) // 2].any()
    assert np.array_equal(plain, batch_sheet(batch(2), targets, SHORT, paths, regions=np.zeros((0, 5), np.float32)))


def test_a_sheet_shows_at_most_so_many_images():
    paths = [f"{i}.jpg" for i in range(20)]
    assert np.array_equal(
        batch_sheet(batch(20), np.zeros((0, 6)), SHORT, paths, 4),
        batch_sheet(batch(20)[:4], np.zeros((0, 6)), SHORT, paths[:4]),
    )
    assert batch_sheet(batch(0), np.zeros((0, 6)), SHORT, []).ndim == 3
    assert prediction_sheet(batch(0), [], SHORT, []).ndim == 3


def test_only_predictions_that_are_sure_enough_are_drawn():
    rows = np.array([[5, 5, 30, 30, 0.9, 0], [10, 10, 40, 40, 0.1, 1]], np.float32)
    sheets = [prediction_sheet(batch(1), [shown], SHORT, ["a.jpg"]) for shown in (rows, rows[:1], rows[:0])]
    assert np.array_equal(sheets[0], sheets[1])
    assert not np.array_equal(sheets[1], sheets[2])


def detections(rows: list[list[float]], size_hw: tuple[int, int] = (100, 120)) -> Detections:
    return Detections.from_rows(np.array(rows, np.float32).reshape(-1, 6), SHORT, size_hw, "folder/a.jpg")


def test_outcomes_say_what_was_found_what_was_missed_and_what_is_not_there():
    truth = np.array([[0, 10, 10, 40, 40], [1, 60, 60, 90, 90], [2, 0, 0, 9, 9]])
    said = detections([[11, 10, 41, 40, 0.9, 0], [10, 11, 40, 41, 0.8, 0], [60, 60, 90, 90, 0.7, 2]])
    of_labels, of_detections = outcomes(said, truth)
    assert of_labels == [FOUND, MISSED, MISSED]
    assert sorted(of_detections) == sorted([FOUND, FALSE, FALSE])
    assert of_detections[2] == FALSE


def test_a_contact_sheet_is_drawn_of_pairs_and_of_nothing():
    image = np.full((100, 120, 3), 90, np.uint8)
    truth = np.array([[0, 10, 10, 40, 40], [1, 60, 60, 90, 90]])
    said = detections([[11, 10, 41, 40, 0.9, 0], [1, 1, 9, 9, 0.3, 1], [1, 1, 9, 9, 0.1, 1]])
    sheet = drawn(contact_sheet([image] * 3, [said, detections([]), said], [truth, truth, truth[:0]]))
    assert all((sheet == outcome.ink).all(axis=2).any() for outcome in (FOUND, MISSED, FALSE))
    assert (image == 90).all()
    assert contact_sheet([], [], []).ndim == 3
