# SPDX-License-Identifier: Apache-2.0
"""Detections with their image: drawn, saved, shown, cut out, and turned into other forms."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageShow

from boxwright.data.pixels.channels import Kind
from boxwright.errors import DataError, SettingError
from boxwright.infer.results import ImageDetections, Predictions
from boxwright.structures.detections import Detections
from boxwright.system.video_file import VideoFile
from tests.support.datasets import picture

NAMES = ("cat", "<b>dog</b>")
ROWS = np.array([[2.2, 3.7, 20, 30, 0.9, 1], [-3, -3, 5.5, 6, 0.5, 0], [39.9, 10, 40, 10, 0.25, 0]], np.float32)


def image() -> np.ndarray:
    return picture(1, (40, 50))[0]


def found(rows: np.ndarray = ROWS, **more: object) -> ImageDetections:
    return ImageDetections.of(Detections.from_rows(rows, NAMES, (50, 40)), **{"image": image(), **more})


def test_plot_draws_boxes_and_leaves_the_image_alone():
    one = found()
    before = one.image.copy()
    drawn = one.plot()
    assert drawn.shape == (50, 40, 3)
    assert (drawn != before).any()
    assert np.array_equal(one.image, before)
    assert np.array_equal(found(ROWS[:0]).plot(), before), "nothing found, nothing drawn"
    assert (one.plot(labels=False) != drawn).any()


def test_save_writes_what_plot_draws_and_says_where(tmp_path):
    path = found().save(tmp_path / "new" / "a.png")
    assert path == tmp_path / "new" / "a.png"
    assert np.array_equal(np.asarray(Image.open(path)), found().plot())
    assert found().save(str(tmp_path / "b.JPG")).exists()


def test_save_never_writes_over_the_image_and_refuses_other_formats(tmp_path):
    Image.fromarray(image()).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    one = ImageDetections.of(Detections.from_rows(ROWS, NAMES, (50, 40), str(tmp_path / "a.png")))
    with pytest.raises(SettingError, match="is the image itself"):
        one.save(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    with pytest.raises(SettingError, match="no name of a picture"):
        one.save(tmp_path / "a.gif")


def test_the_image_of_a_file_is_read_when_it_is_drawn(tmp_path):
    Image.fromarray(image()).save(tmp_path / "a.png")
    one = ImageDetections.of(Detections.from_rows(ROWS, NAMES, (50, 40), str(tmp_path / "a.png")))
    assert np.array_equal(one.plot(), found().plot())
    Image.fromarray(image()[:20]).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: is another image by now"):
        one.plot()
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"a\.png: .*Keep the image"):
        one.crop()


def test_the_image_of_a_frame_is_that_frame(tmp_path):
    film = VideoFile(tmp_path / "a.mp4", 10)
    for brightness in (10, 120, 240):
        film.add(np.full((64, 64, 3), brightness, np.uint8))
    film.close()
    nothing = Detections.from_rows(ROWS[:0], NAMES, (64, 64), str(tmp_path / "a.mp4"))
    assert abs(float(ImageDetections.of(nothing, frame=1).plot().mean()) - 120) < 12
    with pytest.raises(DataError, match="has no frame 9"):
        ImageDetections.of(nothing, frame=9).plot()


def test_crop_cuts_what_each_box_holds_in_whole_pixels():
    cut = found().crop()
    assert [one.shape for one in cut] == [(27, 18, 3), (6, 6, 3), (1, 1, 3)]
    assert np.array_equal(cut[0], image()[3:30, 2:20])
    cut[0][:] = 0
    assert np.array_equal(found().image, image()), "what is cut out is a copy"


def test_channels_that_eyes_do_not_see_are_left_out_of_pictures():
    deep = np.full((50, 40, 5), 0x80FF, np.uint16)
    assert (found(ROWS[:0], image=deep, kind=Kind(5, "uint16")).plot() == 0x80).all()


def test_show_hands_the_picture_to_a_viewer_or_says_that_there_is_none(monkeypatch):
    shown = []

    class Wall(ImageShow.Viewer):
        def show(self, image, **_options):
            shown.append(np.asarray(image))
            return True

    monkeypatch.setattr(ImageShow, "_viewers", [])
    with pytest.raises(SettingError, match=r"nothing on this machine shows pictures. Write it with save"):
        found().show()
    ImageShow.register(Wall)
    found().show()
    assert np.array_equal(shown[0], found().plot())


def test_parts_of_detections_know_their_image_too():
    for part in (
        found()[:1],
        found().filter(min_score=0.8),
        found().filter(classes=[1]),
        found().filter(classes="cat"),
    ):
        assert isinstance(part, ImageDetections)
        assert np.array_equal(part.image, image())
    assert len(found().filter(classes="cat")) == 2
    for word in ("bird", 2, -1, 1.5, True, None):
        with pytest.raises(SettingError, match=r"there is no class .*Classes: cat"):
            found().filter(classes=[word])


def test_to_dict_is_plain_and_whole():
    document = json.loads(json.dumps(found().to_dict()))
    assert document["size_wh"] == [40, 50]
    assert [one["class"] for one in document["detections"]] == [1, 0, 0]
    assert document["detections"][0]["box_xyxy_px"] == pytest.approx(ROWS[0, :4].tolist())


def test_to_pandas_is_one_line_where_pandas_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for method in (found().to_pandas, found().pandas):
        with pytest.raises(SettingError, match=r"pandas cannot be imported .* pip install pandas"):
            method()


def test_to_pandas_hands_over_columns_of_one_length(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=dict))
    columns = found().to_pandas()
    assert list(columns) == ["x1", "y1", "x2", "y2", "score", "class", "name"]
    assert columns["name"] == ["<b>dog</b>", "cat", "cat"]
    assert {len(column) for column in columns.values()} == {3}


def test_a_notebook_shows_a_table_in_which_names_stay_text():
    table = found()._repr_html_()
    assert table.count("<tr>") == 4
    assert "&lt;b&gt;dog&lt;/b&gt;" in table
    assert "<b>" not in table
    many = found(np.repeat(ROWS, 30, axis=0))._repr_html_()
    assert "and 70 more" in many
    assert str(found()) == "image 40x50: 2 cat, 1 <b>dog</b>"


def test_predictions_are_a_sequence():
    both = Predictions((found(), found(ROWS[:1])))
    assert [len(one) for one in both] == [3, 1]
    assert both[-1] is both.found[1]
    assert len(both[:1]) == 1
    assert both._repr_html_().count("<table>") == 2


def test_predictions_become_one_table_and_one_document(monkeypatch):
    both = Predictions((found(), found(ROWS[:1])), left_out=({"path": "b.jpg", "reason": "gone"},))
    document = json.loads(json.dumps(both.to_dict()))
    assert [len(one["detections"]) for one in document["images"]] == [3, 1]
    assert document["left_out"] == [{"path": "b.jpg", "reason": "gone"}]
    monkeypatch.setitem(sys.modules, "pandas", types.SimpleNamespace(DataFrame=dict))
    columns = both.to_pandas()
    assert list(columns) == ["path", "frame", "x1", "y1", "x2", "y2", "score", "class", "name"]
    assert {len(column) for column in columns.values()} == {4}
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SettingError, match="pip install pandas"):
        both.pandas()


def test_predictions_are_saved_side_by_side_whatever_their_names(tmp_path):
    image = np.zeros((50, 40, 3), np.uint8)
    one = ImageDetections.of(found(), image)
    film = ImageDetections.of(replace(found(), path="far/a.mp4"), image, frame=7)
    saved = Predictions((one, one, film)).save(tmp_path / "out")
    assert [path.name for path in saved] == ["image.png", "image_2.png", "a_7.png"]
    assert all(path.is_file() for path in saved)
