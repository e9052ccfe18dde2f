# SPDX-License-Identifier: Apache-2.0
"""The files that a page shows for batch systems: they parse, and what they start is understood."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from torch.distributed.run import get_args_parser

from boxwright.config.assemble import resolve_verb
from boxwright.config.flags import read
from boxwright.config.schema.evolve import EvolveVerbSettings
from boxwright.config.schema.train import TrainSettings

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "several-machines.md"
MACHINES = {"$SLURM_NNODES": "2", "$first": "first", "$SLURM_JOB_ID": "7"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def commands() -> dict[str, list[str]]:
    """The torchrun of every file, as words."""
    plain = next(part for part in PAGE.read_text().split("\n\n") if part.startswith("    torchrun"))
    found = {"plain": shlex.split(plain.replace("\\\n", " "))[1:]}
    script = blocks("bash")[0].replace("\\\n", " ")
    line = next(line for line in script.splitlines() if line.startswith("srun torchrun"))
    for name, value in MACHINES.items():
        line = line.replace(name, value)
    found["slurm"] = shlex.split(line)[2:]
    job = [*yaml.safe_load_all(blocks("yaml")[0])][1]
    found["kubernetes"] = job["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


@pytest.mark.parametrize("name", ["plain", "slurm", "kubernetes"])
def test_torchrun_and_the_program_understand_what_a_file_starts(name):
    launcher = get_args_parser().parse_args(commands()[name])
    assert (launcher.nnodes, launcher.nproc_per_node, launcher.max_restarts) == ("2", "4", 3)
    assert launcher.module
    assert launcher.training_script == "boxwright"
    verb, *words = launcher.training_script_args
    assert verb == "train"
    line = read("train", TrainSettings, words, reports=True)
    settings = resolve_verb(TrainSettings, line.flags, line.words).settings
    assert settings.batch_size % (2 * 4) == 0
    assert settings.project == "/shared/runs"


def test_the_batch_script_is_one_that_a_shell_can_read():
    assert subprocess.run(["bash", "-n"], input=blocks("bash")[0], text=True, check=False).returncode == 0


def test_the_job_is_indexed_and_its_pods_find_each_other():
    service, job = yaml.safe_load_all(blocks("yaml")[0])
    pods = job["spec"]["template"]["spec"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert service["spec"]["clusterIP"] == "None"
    assert pods["subdomain"] == service["metadata"]["name"]
    mounted = {mount["name"] for container in pods["containers"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pods["volumes"]}


# -- the same for studies

STUDIES = PAGE.with_name("evolve-on-several-machines.md")


def commands_of_studies() -> list[list[str]]:
    """Every `boxwright evolve` of the page, from lines, the script and the file of the job, as words."""
    text = STUDIES.read_text()
    lines = [line.strip() for line in text.splitlines() if "boxwright evolve --" in line]
    found = [shlex.split(line[line.index("boxwright evolve --") :])[2:] for line in lines]
    job = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    return [*found, job["spec"]["template"]["spec"]["containers"][0]["args"][1:]]


def test_workers_of_a_study_are_started_as_the_page_says():
    found = commands_of_studies()
    assert len(found) == 5
    for words in found:
        line = read("evolve", EvolveVerbSettings, words, reports=True)
        settings = resolve_verb(EvolveVerbSettings, line.flags, line.words).settings
        assert (settings.trials, settings.epochs, settings.name) == (300, 10, "birds")


def test_the_script_of_a_study_is_a_script(tmp_path):
    [script] = re.findall(r"```bash\n(.*?)```", STUDIES.read_text(), re.DOTALL)
    (tmp_path / "study.sh").write_text(script)
    subprocess.run(["bash", "-n", tmp_path / "study.sh"], check=True)
