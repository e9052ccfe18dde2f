# SPDX-License-Identifier: Apache-2.0
"""A session owns a run: it opens everything, and behind it the process is as it was."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import cv2
import pytest
import torch

from boxwright.config.assemble import resolve_train
from boxwright.errors import SettingError
from boxwright.native import binary
from boxwright.runs.folder import folder_of
from boxwright.runs.plan import plan_of
from boxwright.runs.result import TrainResult
from boxwright.runs.session import session
from boxwright.runs.training import train
from boxwright.system.device import configured_process
from boxwright.system.distributed.world import World
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.bus import Delivery
from boxwright.track.events import Ended, EpochEnded, Event, FileWritten, RunEnded
from tests.support.commands import command
from tests.support.runs import Ground

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
USUAL = {"hyp": "small-data", "imgsz": (64,), "batch_size": 4, "workers": 2, "device": "cpu", "quiet": True}


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("ground"))


@pytest.fixture
def planned(ground, tmp_path):
    def planned(**more):
        usual = {**USUAL, "data": str(ground.data), "cfg": str(ground.cfg), "epochs": 1, "noplots": True}
        return plan_of(resolve_train({**usual, "project": str(tmp_path / "runs"), **more}), None)

    return planned


class Listening:
    delivery = Delivery.INLINE

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.closed = 0

    def handle(self, event: Event) -> None:
        self.heard.append(event)

    def close(self) -> None:
        self.closed += 1


def process() -> dict[str, object]:
    """Everything of the process that a session touches."""
    shared = Path(f"/dev/shm/boxwright-{os.getuid()}")
    return {
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "compute threads": torch.get_num_threads(),
        "image threads": cv2.getNumThreads(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "kernels": binary.is_on(),
        "handlers": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "memory": sorted(path.name for path in shared.iterdir()) if shared.is_dir() else [],
    }


@pytest.fixture
def other_switches():
    """Switches that no run would choose, so that a run which leaves its own behind is seen."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(3)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True


def trained_once(planned, **more) -> TrainResult:
    plan = planned(threads=1, kernels="portable", cache="ram", **more)
    with session(plan, folder=folder_of(plan)) as run:
        assert (torch.get_num_threads(), cv2.getNumThreads(), binary.is_on()) == (1, 1, False)
        return run.train()


@pytest.mark.usefixtures("other_switches")
def test_a_run_leaves_the_process_as_it_was(planned):
    trained_once(planned)  # what is loaded late is loaded now
    before = process()
    result = trained_once(planned)
    assert process() == before
    assert result.ended is Ended.DONE
    assert result.best.is_file()
    assert 0 <= result.fitness <= 1


@pytest.mark.usefixtures("other_switches")
def test_a_run_outside_the_main_thread_leaves_nothing_either(planned):
    trained_once(planned)
    before, found = process(), []

    def work() -> None:
        switches = torch.get_num_threads(), cv2.getNumThreads()
        found.append(trained_once(planned))
        found.append(switches == (torch.get_num_threads(), cv2.getNumThreads()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].ended is Ended.DONE
    assert found[1]
    assert process() == before


@pytest.mark.usefixtures("other_switches")
def test_a_session_that_never_trains_can_be_opened_a_hundred_times(planned, tmp_path):
    plan = planned(cache="ram")
    with session(plan) as run:
        assert run.data
    before = process()
    for _ in range(100):
        with session(plan) as run:
            batch = next(iter(run.data.training.loader(run.data.training.addresses(0, 0, []))))
            assert batch.images.shape[0] == 4
    assert process() == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("other_switches")
def test_an_error_within_a_session_leaves_nothing_as_well(planned):
    class Failing:
        delivery = Delivery.INLINE

        def handle(self, event: Event) -> None:
            if isinstance(event, EpochEnded):
                raise KeyboardInterrupt

        def close(self) -> None:
            """Nothing is open."""

    trained_once(planned)
    before, plan = process(), planned(epochs=2)
    with pytest.raises(KeyboardInterrupt), session(plan, folder=folder_of(plan), sinks=[Failing()]) as run:
        run.train()
    assert run.ended is Ended.STOPPED
    assert process() == before


def test_batches_that_an_error_left_in_the_middle_keep_no_thread(planned):
    before = process()["threads"]
    with session(planned()) as run:
        batches = run.data.training.loader(run.data.training.addresses(0, 0, []))
        next(batches)
        assert process()["threads"] != before
    assert process()["threads"] == before
    assert next(batches, None) is None


def test_a_run_without_files_trains_tells_its_sinks_and_writes_nothing(planned, tmp_path):
    sink = Listening()
    with session(planned(epochs=2, noplots=False), sinks=[sink]) as run:
        trial = run.train()
    assert not list((tmp_path).rglob("runs*"))
    assert trial.ended is run.ended is Ended.DONE
    assert trial.epochs_done == 2
    assert not isinstance(trial, TrainResult)
    assert [event.epoch for event in sink.heard if isinstance(event, EpochEnded)] == [0, 1]
    assert [event.ended for event in sink.heard if isinstance(event, RunEnded)] == [Ended.DONE]
    assert not [event for event in sink.heard if isinstance(event, FileWritten)]
    assert sink.closed == 1


def test_a_run_without_files_comes_to_the_numbers_of_one_with_files(planned):
    found = []
    for folder in (None, folder_of):
        plan, sink = planned(epochs=2, final_val="none"), Listening()
        with session(plan, folder=folder and folder(plan), sinks=[sink]) as run:
            run.train()
        found.append([event.results for event in sink.heard if isinstance(event, EpochEnded)])
    assert found[0] == found[1]


def test_every_file_of_a_run_is_announced_once_it_is_written(planned):
    plan, sink = planned(noplots=False), Listening()
    with session(plan, folder=folder_of(plan), sinks=[sink]) as run:
        result = run.train()
    told = {Path(event.path): event.kind for event in sink.heard if isinstance(event, FileWritten)}
    folder = RunFolder(result.folder)
    there = {path for path in result.folder.rglob("*") if path.is_file()}
    tables = {path for path in there if path.name.startswith("confusion_matrix") and path.suffix == ".csv"}
    lists = {path for path in there if path.parent == folder / RunFile.LISTS}
    assert there - set(told) == tables | lists
    assert set(told) <= there
    assert told[folder.best] == told[folder.last] == "weights"
    assert told[folder / RunFile.RESULTS] == told[folder / RunFile.EVENTS] == "log"
    assert told[folder / RunFile.DONE] == told[folder / RunFile.SETTINGS] == "record"
    assert told[folder / RunFile.RESULTS_PICTURE] == "picture"
    assert told[folder / RunFile.REPORT] == "report"
    assert "FileWritten" not in (folder / RunFile.EVENTS).read_text()


def test_stops_saves_and_patience_are_agreed_on_at_fixed_points(planned):
    class Counting(World):
        def agree(self, reason: str, name: str = "stop") -> str:
            asked.append(name)
            return super().agree(reason, name)

    asked: list[str] = []
    with session(planned(), world=Counting()) as run:
        run.train()
        batches = len(run.data.training.batches)
    steps = asked.count("save")
    assert asked.count("finite") == batches
    assert asked.count("patience") == 2  # before the first epoch, and behind it
    assert steps >= 1
    assert set(asked) == {"finite", "patience", "stop", "save"}


def test_another_process_that_wants_to_stop_stops_this_one(planned):
    class Elsewhere(World):
        def agree(self, reason: str, name: str = "stop") -> str:
            return super().agree(reason or ("rank 1 was asked to" if name == "stop" else ""), name)

    with session(planned(epochs=3), world=Elsewhere()) as run:
        trial = run.train()
    assert (trial.ended, trial.reason) == (Ended.STOPPED, "rank 1 was asked to")
    assert trial.epochs_done == 0


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--resume",)])
def test_a_launcher_that_says_nothing_of_a_rank_is_one_line_before_anything_is_made(
    ground, tmp_path, monkeypatch, more
):
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = command(*ground.words(tmp_path / "runs", *more))
    assert said.code != 0
    assert said.err.count("\n") == 1
    assert "RANK: is not set, and WORLD_SIZE asks for several processes" in said.err
    assert not (tmp_path / "runs").exists()


def test_a_mistake_in_what_a_run_is_judged_by_is_told_before_a_folder_is_made(planned, tmp_path):
    plan = planned(best_by="metrics/recal")
    with pytest.raises(SettingError, match="Did you mean"), session(plan, folder=folder_of(plan)):
        pass
    assert not (tmp_path / "runs").exists()


def test_a_run_that_is_done_says_so_and_keeps_its_result(ground, tmp_path):
    usual = {**USUAL, "data": str(ground.data), "cfg": str(ground.cfg), "epochs": 1, "noplots": True}
    first = train(resolve_train({**usual, "project": str(tmp_path / "runs")}))
    again = train(resolve_train({"resume": str(first.folder)}))
    assert (first.ended, again.ended) == (Ended.DONE, Ended.ALREADY_DONE)
    assert (again.folder, again.best, again.last) == (first.folder, first.best, first.last)
    assert again.reason.startswith("this run is done after 1 epochs")


def test_a_result_shows_numbers_places_and_curves_in_a_notebook_and_nothing_of_a_name_is_markup(planned):
    plan = planned(noplots=False, name="<b>&")
    with session(plan, folder=folder_of(plan)) as run:
        result = run.train()
    page = result._repr_html_()
    assert "metrics/mAP_0.5" in page
    assert "&lt;b&gt;&amp;" in page
    assert "<b>" not in page
    assert 'src="data:image/png;base64,iVBOR' in page
    (result.folder / RunFile.RESULTS_PICTURE).unlink()
    assert "<img" not in result._repr_html_()


@pytest.mark.usefixtures("other_switches")
def test_switches_of_several_at_work_are_put_back_in_whatever_order_they_end():
    before = process()
    first, second = configured_process(CPU, 1, kernels=False), configured_process(CPU, 3)
    first.__enter__()
    second.__enter__()
    assert (torch.get_num_threads(), binary.is_on()) == (3, True)
    first.__exit__(None, None, None)
    assert (torch.get_num_threads(), binary.is_on()) == (3, True)
    second.__exit__(None, None, None)
    assert process() == before
    with configured_process(CPU, 1), configured_process(CPU, 3):
        assert torch.get_num_threads() == 3
    assert process() == before


@pytest.mark.usefixtures("other_switches")
def test_switches_of_several_threads_are_put_back_when_the_first_ends_first():
    before, entered, leave = process(), threading.Event(), threading.Event()

    def work() -> None:
        with configured_process(CPU, 3, kernels=False):
            entered.set()
            assert leave.wait(60)

    thread = threading.Thread(target=work)
    with configured_process(CPU, 1):
        thread.start()
        assert entered.wait(60)
    assert torch.get_num_threads() == 2
    assert not binary.is_on()  # the other one is still at work
    leave.set()
    thread.join()
    assert process() == before
    found = []
    late = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    late.start()
    late.join()
    assert found == [2]
