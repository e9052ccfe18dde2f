# SPDX-License-Identifier: Apache-2.0
"""The pages about data do what they say: their commands are run, their YAML is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from boxwright.cli import main
from boxwright.data.labels.fault_policy import RULES
from boxwright.data.splits.dataset import read_dataset
from tests.support import datasets, formats
from tests.support.many_channels import write_many_channels

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
NAMES = ("my-labels-are-broken.md", "coco-and-voc.md", "make-the-loader-fast.md")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / name).read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def sets(tmp_path):
    """What the pages speak of, in the working folder."""
    work = tmp_path / "work"
    datasets.write(work / "my_set", train=6, val=4)
    formats.write_coco(work / "my_coco")
    formats.write_voc(work / "my_voc").unlink()
    write_many_channels(work / "my_channels", 4, ".tif")
    datasets.write_model(work)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_page_runs(name, capsys):
    lines = [line for block in blocks(name, "sh") for line in block.splitlines() if line]
    assert len(lines) > 2
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "boxwright"
        assert main(words) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", NAMES[:2])
def test_every_yaml_of_a_page_is_read(name):
    whole = "path: my_set\ntrain: images/train\nval: images/val\nnames: [car, bus, crowd, ped]\n"
    for number, text in enumerate(blocks(name, "yaml")):
        yaml = Path(f"page{number}.yaml")
        names = "RBC, WBC, Platelets" in text
        edited = (
            text.replace("[RBC, WBC, Platelets]", "[red, blue, green]").replace("pedestrian", "red")
            if names or "sources" in text
            else text
        )
        yaml.write_text(edited if "path:" in text or "sources:" in text else whole + edited)
        assert read_dataset(yaml).names


def test_the_page_names_every_rule():
    text = (PAGES / NAMES[0]).read_text()
    assert all(f"`{rule}`" in text for rule in RULES)
