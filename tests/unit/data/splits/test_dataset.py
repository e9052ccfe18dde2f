# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.listing import listed
from boxwright.data.splits.open_split import open_split
from boxwright.data.splits.source import USUAL_RULE, Source
from boxwright.errors import DataError, UserError
from tests.support import datasets

NAMES = "names: [red, blue, green]\n"
SPLITS = "train: images/train\nval: images/val\n"


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=3, val=2)
    return tmp_path / "set"


def opened(root: Path, text: str, **options):
    (root / "data.yaml").write_text(text)
    return read_dataset(root / "data.yaml", **options)


def images_of(dataset, split: str) -> list[str]:
    return [Path(path).name for source in dataset.sources[split] for path in listed(source, split, 0.01).files]


def refused(root: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        opened(root, text)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert caught.value.remedy
    return str(caught.value)


# -- classes


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("names: [red, blue]\n", ("red", "blue")),
        ("names: {0: red, 1: blue}\n", ("red", "blue")),
        ("names:\n  1: blue\n  0: red\n", ("red", "blue")),
        ("nc: 2\nnames: [red, blue]\n", ("red", "blue")),
        ("names: [yes, 007, 1.0, on]\n", ("yes", "007", "1.0", "on")),
        ("names:\n  0: no\n  1: 1e3\n", ("no", "1e3")),
    ],
)
def test_names_are_a_list_or_numbered_lines_and_stay_as_written(root, names, expected):
    assert opened(root, SPLITS + names).names == expected


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("", "the classes have no names"),
        ("names:\n", "the classes have no names"),
        ("names: []\n", "names are []"),
        ("names: red\n", "names are 'red'"),
        ("nc: 3\nnames: [red, blue]\n", "nc is 3, but names lists 2"),
        ("nc: two\nnames: [red, blue]\n", "nc is 'two'"),
        ("nc: true\nnames: [red]\n", "nc is True"),
        ("names: {0: red, 2: blue}\n", "names has no class 1"),
        ("names: {1: red}\n", "names has no class 0"),
        ("names: {-1: red, 0: blue}\n", "names has no class -1"),
        ("names: {a: red}\n", "'a' is no class number"),
    ],
)
def test_names_that_do_not_fit_are_one_line_that_says_how(root, names, says):
    assert says in refused(root, SPLITS + names)


# -- where splits are


def test_a_split_is_a_folder_a_list_file_or_several_of_them(root):
    (root / "first.txt").write_text("images/train/000.png\n\n  images/train/002.png  \n")
    (root / "second.txt").write_bytes(
        b"\xef\xbb\xbf./images/val/000.png\r\n" + str(root / "images/train/000.png").encode()
    )
    forms = {
        "images/train": ["000.png", "001.png", "002.png"],
        "images": ["000.png", "001.png", "002.png", "000.png", "001.png"],
        "first.txt": ["000.png", "002.png"],
        "[first.txt, second.txt]": ["000.png", "002.png", "000.png"],
        "[images/train, images/val]": ["000.png", "001.png", "002.png", "000.png", "001.png"],
        "[images/val, first.txt]": ["000.png", "002.png", "000.png", "001.png"],
        f"'{root}/images/train'": ["000.png", "001.png", "002.png"],
    }
    for form, expected in forms.items():
        assert images_of(opened(root, f"train: {form}\nval: images/val\n{NAMES}"), "train") == expected, form


def test_an_image_that_is_named_twice_counts_once_and_the_order_is_that_of_paths(root):
    (root / "list.txt").write_text("images/train/002.png\nimages/train/000.png\nimages/train/002.png\n")
    assert images_of(opened(root, f"train: [list.txt, images/train]\nval: images/val\n{NAMES}"), "train") == [
        "000.png",
        "001.png",
        "002.png",
    ]


@pytest.mark.parametrize("path", ["", "path: .\n", "path:\n", "path: ../set\n", "path: {absolute}\n"])
def test_the_root_is_relative_to_the_yaml_or_absolute(root, path):
    dataset = opened(root, path.format(absolute=root) + SPLITS + NAMES)
    assert dataset.root == root.resolve()
    assert images_of(dataset, "val") == ["000.png", "001.png"]


def test_the_root_is_looked_for_beside_the_yaml_then_here_then_in_the_data_folder(root, tmp_path, monkeypatch):
    elsewhere = tmp_path / "yaml" / "data.yaml"
    elsewhere.parent.mkdir()
    elsewhere.write_text("path: set\n" + SPLITS + NAMES)
    tried = re.escape(f"(tried {elsewhere.parent / 'set'}, {Path('set').resolve()})")
    with pytest.raises(DataError, match=f"the folder 'set' is not there {tried}"):
        read_dataset(elsewhere)
    monkeypatch.setenv("BOXWRIGHT_DATA", str(tmp_path))
    assert read_dataset(elsewhere).root == root.resolve()
    datasets.write(Path("set"), train=1, val=1)
    assert read_dataset(elsewhere).root == Path("set").resolve()


def test_only_the_splits_that_are_needed_have_to_be_there(root):
    assert set(opened(root, f"val: images/val\n{NAMES}", needed=("val",)).sources) == {"val"}
    assert set(opened(root, f"{SPLITS}test: images/val\n{NAMES}").sources) == {"train", "val", "test"}
    assert "has no key 'train'" in refused(root, f"val: images/val\n{NAMES}")
    assert "(found: val)" in refused(root, f"val: images/val\n{NAMES}")


def test_a_split_that_is_not_needed_may_be_somewhere_else_and_is_told(root):
    text = f"{SPLITS}test: images/test\n{NAMES}"
    dataset = opened(root, text)
    assert set(dataset.sources) == {"train", "val"}
    assert [line for line in dataset.lines if "data.yaml:3: split 'test' is left out" in line and "tried" in line]
    assert set(opened(root, f"train: gone\nval: images/val\n{NAMES}", needed=("val",)).sources) == {"val"}
    with pytest.raises(DataError, match="'images/test' of split 'test' is not there"):
        opened(root, text, needed=("test",))
    with pytest.raises(DataError, match="'gone' of split 'train' is not there"):
        opened(root, f"train: gone\nval: gone too\n{NAMES}", needed=())


def test_splits_named_as_if_the_yaml_lay_in_a_folder_beside_theirs_are_found_with_a_note(root):
    text = f"train: ../images/train\nval: ../images/val\ntest: ../images/test\nnc: 3\n{NAMES}"
    dataset = opened(root, text)
    assert images_of(dataset, "train") == ["000.png", "001.png", "002.png"]
    assert "data.yaml:1: '../images/train' is not there, and 'images/train' is" in dataset.notes[0]
    assert len(open_split(dataset, "val")) == 2
    datasets.write(root.parent, train=1, val=1)  # where the words lead as they are written, they are followed
    assert (images_of(opened(root, text), "train"), opened(root, text).notes) == (["000.png"], ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train: images/trian\nval: images/val\n", "Did you mean 'images/train'?"),
        ("train: pictures/x/y\nval: images/val\n", "There is 'images/train'; correct 'train'"),
        ("train: [images/train, gone.txt]\nval: images/val\n", "'gone.txt' of split 'train' is not there (tried "),
        (
            "train: gone\nval: images/val\ndownload: https://example.org/a.zip\n",
            "Its 'download' names https://example.org/a.zip; `boxwright data fetch ",
        ),
        ("train: gone\nval: images/val\ndownload: import os; os.remove('x')\n", "which this program never does"),
        ('train: gone\nval: images/val\ndownload: "bash \\e[31m x"\n', "\\x1b[31m"),
    ],
)
def test_a_split_that_is_not_there_is_one_line_with_every_place_tried_and_a_remedy(root, text, says):
    message = refused(root, text + NAMES)
    assert says in message
    assert "data.yaml:1: " in message


def test_a_yaml_that_is_not_there_names_its_neighbour(root):
    with pytest.raises(DataError, match=r"there is no such file\. Did you mean '.*data\.yaml'\?"):
        read_dataset(root / "dta.yaml")
    with pytest.raises(DataError, match="is a folder without a data set YAML"):
        read_dataset(root / "images")
    assert read_dataset(root).names == read_dataset(root / "data.yaml").names


def test_a_key_that_looks_misspelt_is_a_note_and_others_are_let_pass(root):
    assert opened(root, SPLITS + NAMES + "authors: me\nlicence: MIT\n").notes == ()
    notes = opened(root, SPLITS + NAMES + "tset: images/val\n").notes
    assert len(notes) == 1
    assert "data.yaml:4: key 'tset' has no effect; did you mean 'test'?" in notes[0]


# -- images of a split


def test_folders_are_searched_to_the_bottom_for_pictures_of_every_spelling(tmp_path):
    deep = tmp_path / "images" / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("x.JPG", "y.TiFf", "z.webp", "notes.txt", "noend", ".hidden"):
        (deep / name).write_text("x")
    (deep / "folder.png").mkdir()
    (deep / "w.gif").write_text("x")
    files, findings = listed(Source("yolo", tmp_path, tmp_path), "train", 0.01)[:2]
    assert [Path(file).name for file in files] == ["x.JPG", "y.TiFf", "z.webp"]
    assert [(Path(finding.file).name, finding.rule, finding.action) for finding in findings] == [
        ("w.gif", "format", "image skipped")
    ]


def test_a_split_without_pictures_is_one_line(root):
    (root / "empty").mkdir()
    (root / "empty.txt").write_text("\n\n")
    for source in ("empty", "empty.txt", "labels"):
        dataset = opened(root, f"train: {source}\nval: images/val\n{NAMES}")
        with pytest.raises(DataError, match=rf"^split 'train': no images in .*{source}"):
            open_split(dataset, "train")


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfea\0.\0p\0n\0g\0", b"a\0.\0p\0n\0g\0", "bäd.png".encode("latin-1")],
    ids=["utf-16", "without its mark", "latin-1"],
)
def test_a_list_that_is_no_utf8_text_is_one_line(root, content):
    (root / "list.txt").write_bytes(content)
    dataset = opened(root, f"train: list.txt\nval: images/val\n{NAMES}")
    with pytest.raises(DataError, match=r"list\.txt: is not a text file with one image path per line"):
        open_split(dataset, "train")


def test_a_list_that_cannot_be_read_is_one_line(root):
    dataset = opened(root, f"train: /proc/self/mem\nval: images/val\n{NAMES}")  # there, and readable by nobody
    with pytest.raises(DataError, match=r"^/proc/self/mem: cannot be read \(input/output error\)"):
        open_split(dataset, "train")


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("/a/images/train/1.jpg", "/a/labels/train/1.txt"),
        ("/images/a/images/b.c.png", "/images/a/labels/b.c.txt"),
        ("/a/pictures/1.JPEG", "/a/pictures/1.txt"),
        ("/a/images.old/1.bmp", "/a/images.old/1.txt"),
    ],
)
def test_a_label_file_lies_where_the_last_images_folder_becomes_labels(image, label):
    assert USUAL_RULE.label_of(image) == label


# -- records


def test_a_record_holds_the_pixels_and_objects_of_its_files(root):
    index = open_split(read_dataset(root / "data.yaml"), "train")
    assert len(index) == len(list(index)) == 3
    for number, record in enumerate(index):
        image, rows = datasets.picture(number, datasets.SIZES_WH[number])
        assert record.size_wh == datasets.SIZES_WH[number]
        assert np.array_equal(record.image_rgb(), image)
        assert record.classes.tolist() == rows[:, 0].tolist()
        assert np.allclose(record.boxes_cxcywh_norm, rows[:, 1:], atol=1e-6)
    assert index[-1].path == index[2].path
    for number in (3, -4):
        with pytest.raises(IndexError):
            index[number]
    assert index.counts() == {"used": 3, "skipped": 0, "background": 0, "boxes": len(index.classes)}


def test_a_fingerprint_is_that_of_content_and_not_of_place(root, tmp_path):
    datasets.write(tmp_path / "copy", train=3, val=2)
    prints = [
        open_split(read_dataset(folder / "data.yaml"), "train").fingerprint() for folder in (root, tmp_path / "copy")
    ]
    assert prints[0] == prints[1]
    label = tmp_path / "copy/labels/train/001.txt"
    label.write_text(label.read_text().replace("0.", "0.1", 1))
    assert open_split(read_dataset(tmp_path / "copy/data.yaml"), "train").fingerprint() != prints[0]
