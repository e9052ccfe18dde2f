# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from boxwright.errors import BoxwrightError, UserError
from boxwright.search.job import Job, Result, Stage
from boxwright.search.ledger import LEASE_S, Ledger, Over, Wait, open_ledger
from boxwright.search.sealed import seal
from boxwright.search.store import FolderStore
from boxwright.system import files
from boxwright.system.owner import Owner
from tests.support.study import HASH, KEYS, NextNumber, fitness_of, plan_of, result_of


class Study:
    """A folder, a clock that stands still until it is turned, and workers."""

    def __init__(self, folder, trials: int = 6) -> None:
        self.folder, self.now, self.plan = folder, 0.0, plan_of(trials)
        self.method = NextNumber(self.plan)

    def worker(self, name: str = "w", owner: Owner | None = None) -> Ledger:
        return Ledger(FolderStore(self.folder), self.plan, worker=name, owner=owner, clock=lambda: self.now)

    def take(self, ledger: Ledger):
        return ledger.take(self.method)

    def train(self, ledger: Ledger, **others) -> Job:
        job = self.take(ledger)
        assert ledger.finish(result_of(job, **others), HASH)
        return job

    def lapse(self, *watching: Ledger) -> None:
        """Let a lease run out while these look."""
        for ledger in watching:
            ledger.look()
        self.now += LEASE_S + 1


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path / "study")


def test_workers_take_different_jobs_and_the_study_is_over_when_all_have_results(study):
    first, second = study.worker("a"), study.worker("b")
    jobs = [study.take(first), study.take(second), *(study.take(first) for _ in range(4))]
    assert sorted(job.trial for job in jobs) == list(range(6))
    assert study.take(second) == Wait(5.0, ("t0", "t1", "t2", "t3", "t4", "t5"))
    for job in jobs:
        owner = second if job == jobs[1] else first
        assert owner.finish(result_of(job), HASH)
    assert study.take(second) == Over("the study is done: 6 results")
    assert {name: one.fitness for name, one in second.results().items()} == {job.name: fitness_of(job) for job in jobs}
    assert second.results()["t1"].worker == "b"
    assert not second.running()
    assert not second.damaged()


def test_a_job_whose_worker_gives_no_sign_of_life_is_begun_again_as_it_was_before_any_other(study):
    study.train(study.worker())
    dead, other = study.worker("dead"), study.worker("other")
    job = study.take(dead)
    assert job.made_from == ("t0",)
    study.train(other)  # more is known by now than the job was made from
    study.lapse(other)
    assert study.take(other) == job
    assert [(one.worker, one.attempt) for one in other.running()] == [("other", 1)]
    assert other.finish(result_of(job), HASH)
    assert other.results()[job.name].attempt == 1


def test_a_worker_who_gives_signs_of_life_keeps_its_job_however_long_it_takes(study):
    slow, other = study.worker("slow"), study.worker("other")
    job = study.take(slow)
    for _ in range(20):
        study.now += LEASE_S - 1
        slow.beat(job, "epoch 3")
        assert study.take(other) != job
        assert other.running()[0].silent_s == 0
    assert other.running()[0].progress == "epoch 3"


def test_a_lease_begins_when_the_observer_first_looks(study):
    """Whatever its clock says: a machine whose clock is a year ahead takes nobody's job away."""
    job = study.take(study.worker("dead"))
    study.now += 3e7
    other = study.worker("other")
    assert study.take(other) != job
    study.now += LEASE_S + 1
    assert study.take(other) == job


def test_a_job_whose_process_is_known_to_have_ended_is_begun_again_at_once(study):
    ended = replace(Owner.myself(), started="1")  # another process has its number by now
    job = study.take(study.worker("dead", ended))
    elsewhere = study.worker("elsewhere", replace(ended, boot="another machine"))
    assert study.take(elsewhere) == job
    assert study.take(study.worker("other")) != job  # of that one nothing is known


def test_a_result_that_a_full_disk_refused_can_be_written_later(study, monkeypatch):
    ledger = study.worker()
    job = study.take(ledger)

    def full(_part, _path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "link", full)
        with pytest.raises(
            UserError, match=r"t0\.json: cannot be written \(no space left on device\)\. Free some space"
        ):
            ledger.finish(result_of(job), HASH)
    assert ledger.finish(result_of(job), HASH)


def test_a_result_of_an_earlier_record_is_written_down_once(study):
    old = Result(Job("row-7", -7, dict.fromkeys(KEYS, 0.5), 1, 1, 0), 0.5)
    first, second = study.worker("a"), study.worker("b")
    assert first.record(old)
    assert not second.record(replace(old, fitness=0.1))
    assert second.results() == {"row-7": old}
    assert study.take(second).made_from == ("row-7",)


def test_a_worker_frozen_past_its_lease_may_finish_and_the_first_result_counts(study):
    frozen, other = study.worker("frozen"), study.worker("other")
    job = study.take(frozen)
    study.lapse(other)
    assert study.take(other) == job
    assert frozen.finish(result_of(job, seconds=1.0), HASH)
    assert not other.finish(result_of(job, seconds=2.0), HASH)
    found = study.worker()
    found.look()
    assert (found.results()["t0"].worker, found.results()["t0"].seconds) == ("frozen", 1.0)
    assert len(found.results()) == 1
    assert other.results() == found.results()


def test_a_job_that_is_given_back_is_begun_again_at_once_and_costs_no_life(study):
    ledger, other = study.worker("a"), study.worker("b")
    job = study.take(ledger)
    for _ in range(5):
        ledger.release(job)
        assert study.take(other) == job
        ledger, other = other, ledger
    assert ledger.finish(result_of(job), HASH)


def test_a_job_at_which_three_workers_died_is_recorded_as_failed(study):
    observer = study.worker("observer")
    job = study.take(study.worker("dead0"))
    for number in (1, 2):
        dead = study.worker(f"dead{number}")
        study.lapse(dead)
        assert study.take(dead) == job
    study.lapse(observer)
    assert study.take(observer).name != job.name
    found = observer.results()[job.name]
    assert (found.failure, found.fitness) == ("worker died", 0.0)
    assert found.reason == "3 workers were lost at it, the last one of them dead2"


def test_a_study_stops_after_three_failures_in_a_row_of_one_kind_and_a_later_start_lifts_that(study):
    first, second = study.worker("a"), study.worker("b")
    study.train(first, failure="out of memory", reason="no room for 3 MiB")
    study.train(second)
    for ledger in (first, second, first):
        assert not study.worker().stopped()
        study.train(ledger, failure="out of memory", reason="no room for 3 MiB")
    said = "3 trainings in a row failed with 'out of memory' (t2, t3, t4): no room for 3 MiB"
    for ledger in (second, first, study.worker()):
        assert study.take(ledger) == Over(said, is_stopped=True)
    later = study.worker("later")
    assert later.lift().reason == said
    assert later.lift() is None
    assert study.take(first).name == "t5"


def test_failures_behind_a_lifted_stop_count_anew(tmp_path):
    study = Study(tmp_path / "study", trials=20)
    ledger = study.worker()
    for _ in range(3):
        study.train(ledger, failure="data")
    assert study.take(ledger).is_stopped
    assert ledger.lift()
    for _ in range(3):
        study.train(ledger, failure="data")
    assert study.take(ledger).reason.startswith("3 trainings in a row failed with 'data' (t3, t4, t5)")
    assert sorted(path.name for path in study.folder.glob("*.json")) == [
        "lifted.json",
        "stopped.2.json",
        "stopped.json",
    ]


def test_failures_of_different_kinds_stop_nothing(study):
    ledger = study.worker()
    for kind in ("data", "out of memory", "data", "data", "not finite"):
        study.train(ledger, failure=kind)
    assert study.take(ledger).name == "t5"


def test_a_result_of_other_settings_is_a_failure_without_numbers(study):
    ledger = study.worker()
    job = study.take(ledger)
    assert ledger.finish(result_of(job, plan_hash="b" * 64, results={"mAP": 0.5}), HASH)
    found = ledger.results()[job.name]
    assert (found.failure, found.fitness, found.results) == ("other settings", 0.0, {})
    assert found.reason == f"trained with settings {'b' * 12}, and the job has {'a' * 12}"
    assert ledger.best() is None


def test_a_result_of_other_values_than_those_of_the_job_is_refused(study):
    ledger = study.worker()
    job = study.take(ledger)
    for other in (replace(job, values={**job.values, "lr0": 0.25}), replace(job, name="t3")):
        with pytest.raises(BoxwrightError, match="is not the one that this worker took"):
            ledger.finish(replace(result_of(job), job=other), HASH)
    assert ledger.finish(result_of(job), HASH)
    with pytest.raises(BoxwrightError, match="is not the one that this worker took"):
        ledger.finish(result_of(job), HASH)


@pytest.mark.parametrize("fitness", [math.nan, math.inf, -math.inf])
def test_a_fitness_that_is_not_finite_is_a_failure(study, fitness):
    ledger = study.worker()
    study.train(ledger, fitness=fitness, results={"mAP": math.nan})
    again = study.worker()
    again.look()
    assert (again.results()["t0"].failure, again.results()["t0"].fitness) == ("not finite", 0.0)


def test_the_best_is_the_highest_of_whole_trials_and_the_first_among_equals(study):
    ledger = study.worker()
    made = [
        {"fitness": 0.5},
        {"fitness": 0.7},
        {"fitness": 0.7},
        {"fitness": 0.9, "failure": "data"},
        {"fitness": 0.8, "job": {"epochs": 0}},
        {"fitness": 0.95, "job": {"stage": Stage.VERDICT}},
    ]

    class Changed(NextNumber):
        def next_job(self, done, taken):
            job = super().next_job(done, taken)
            return job and replace(job, **made[job.trial].get("job", {}))

    study.method = Changed(study.plan)
    for _ in made:
        job = study.take(ledger)
        assert ledger.finish(result_of(job, **{k: v for k, v in made[job.trial].items() if k != "job"}), HASH)
    assert ledger.best().job.name == "t1"
    again = study.worker()
    again.look()
    assert again.best() == ledger.best()


def damaged(content: bytes) -> bytes:
    return content.replace(b"lr0", b"lr1")


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (damaged, "is not as it was written"),
        (lambda content: content[: len(content) // 2], "is not as it was written"),
        (lambda _content: b"", "is empty"),
        (lambda _content: b"[" * 100_000, "is not as it was written"),
        (lambda _content: seal(b"[" * 100_000), "does not say what such a file has to say"),
        (lambda _content: seal(b'{"result": {}}'), "does not say what such a file has to say"),
        (lambda content: seal(content.splitlines()[1].replace(b'"t0"', b'"t7"')), "is of job 't7'"),
        (
            lambda content: seal(content.splitlines()[1].replace(b'"seconds": 0.0', b'"fitness": NaN')),
            "holds a number that is not finite",
        ),
    ],
    ids=["changed", "cut", "empty", "brackets", "sealed brackets", "other", "of another job", "not finite"],
)
def test_a_damaged_result_is_named_passed_over_and_its_job_is_trained_again(study, spoil, what):
    first = study.worker("first")
    job = study.train(first)
    path = study.folder / "results" / "t0.json"
    path.write_bytes(spoil(path.read_bytes()))
    other = study.worker("other")
    assert study.take(other) == job  # at once
    assert other.damaged() == {"results/t0.json": what}
    assert study.take(study.worker("third")).name == "t1"  # and not by everybody
    assert other.finish(result_of(job), HASH)
    for ledger in (other, study.worker(), first):
        ledger.look()
        assert ledger.results()["t0"].fitness == fitness_of(job)
    assert sorted(path.name for path in (study.folder / "results").iterdir()) == ["t0.1.json", "t0.json"]
    path.unlink()  # somebody clears it away
    again = study.worker()
    again.look()
    assert list(again.results()) == ["t0"]
    assert not Ledger(Blind(study.folder), study.plan).record(result_of(job, fitness=0.1))


def test_a_damaged_claim_is_named_and_its_job_is_begun_by_somebody_else(study):
    job = study.take(study.worker("first"))
    path = study.folder / "claims" / "t0.0.json"
    path.write_bytes(damaged(path.read_bytes()))
    other = study.worker("other")
    assert study.take(other) == job
    assert other.damaged() == {"claims/t0.0.json": "is not as it was written"}
    assert (study.folder / "claims" / "t0.1.json").exists()


def test_files_of_strangers_are_named_and_passed_over(study):
    ledger = study.worker()
    study.train(ledger)
    results = study.folder / "results"
    (results / "Thumbs.db").write_bytes(b"x")
    (results / "t0 (copy)\x1b[2J.json").write_bytes((results / "t0.json").read_bytes())
    (results / "t1.json").symlink_to("t0.json")
    (study.folder / "claims" / "notes.txt").write_bytes(b"x")
    again = study.worker()
    again.look()
    found = again.damaged()
    assert sorted(found) == [
        "claims/notes.txt",
        "results/Thumbs.db",
        r"results/t0 (copy)\x1b[2J.json",
        "results/t1.json",
    ]
    assert found["results/Thumbs.db"] == "is no result by its name"
    assert list(again.results()) == ["t0"]


def test_every_file_is_read_once(study, monkeypatch):
    ledger, other = study.worker("a"), study.worker("b")
    for _ in range(4):
        study.train(other)
    ledger.look()
    read, real = [], FolderStore.read
    monkeypatch.setattr(FolderStore, "read", lambda self, name: (read.append(name), real(self, name))[1])
    study.train(other)
    read.clear()
    ledger.look()
    ledger.look()
    assert read == ["results/t4.json"]
    assert len(ledger.results()) == 5


class Blind(FolderStore):
    """A file server whose lists of names are late without end; `unseen` are files that cannot be read yet either."""

    unseen: tuple[str, ...] = ()

    def names(self, folder: str) -> list[str]:
        return super().names(folder)[:0]

    def read(self, name: str) -> bytes | None:
        return None if name in self.unseen else super().read(name)


def test_a_result_that_no_list_shows_keeps_its_job_from_being_begun_again(study):
    first = study.worker()
    jobs = [study.take(first), study.take(first)]
    blind = Ledger(Blind(study.folder), study.plan, worker="blind", clock=lambda: study.now)
    assert study.take(blind).name == "t2"  # it met the claims when it tried to make them
    assert first.finish(result_of(jobs[0]), HASH)
    study.lapse(blind)
    assert study.take(blind) == jobs[1]
    assert list(blind.results()) == ["t0"]


def test_a_claim_that_is_there_and_cannot_be_seen_is_somebody_s(study):
    first = study.worker()
    job = study.take(first)
    store = Blind(study.folder)
    store.unseen = ("claims/t0.0.json",)
    blind = Ledger(store, study.plan, worker="blind", clock=lambda: study.now)
    assert study.take(blind).name == "t1"
    assert (study.folder / "claims" / "t0.0.json").exists()
    assert not (study.folder / "claims" / "t0.1.json").exists()
    store.unseen = ()
    blind.look()
    assert (blind.running()[0].job, blind.running()[0].worker) == (job, "w")


def test_what_is_published_is_made_again_when_more_became_known_meanwhile(study):
    ledger, other = study.worker("a"), study.worker("b")
    study.train(ledger)

    def render() -> bytes:
        content = f"{len(ledger.results())}".encode()
        if len(other.results()) < 2:
            study.train(other)
        return content

    ledger.publish("best.yaml", render)
    assert ledger.store.read("best.yaml") == b"2"


def test_the_second_worker_goes_by_the_plan_of_the_first(tmp_path):
    store = FolderStore(tmp_path / "study")
    assert open_ledger(store) is None
    assert not store.folder.exists()
    first = open_ledger(store, plan_of(3))
    second = open_ledger(store, plan_of(7))
    assert first.plan == second.plan == open_ledger(store).plan == plan_of(3)
    assert first.worker != second.worker


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda body: body | {"version": 2}, r"is in format 2, and this version of the program knows format 1\. Go on"),
        (lambda body: body | {"trials": 0}, r"trials: input should be greater than or equal to 1\. Begin a new"),
        (lambda body: body | {"more": 1}, r"more: extra inputs are not permitted\. Begin a new"),
        (lambda _body: [], r"is no plan of a study: it has no version\. Begin a new"),
    ],
)
def test_a_plan_that_cannot_be_used_is_one_line(tmp_path, change, what):
    body = json.loads(plan_of(3).model_dump_json())
    (tmp_path / "plan.json").write_bytes(seal(json.dumps(change(body)).encode()))
    with pytest.raises(UserError, match=rf"plan\.json: {what}"):
        open_ledger(FolderStore(tmp_path))


def test_a_plan_that_was_changed_is_one_line(tmp_path):
    store = FolderStore(tmp_path)
    open_ledger(store, plan_of(300))
    path = tmp_path / "plan.json"
    path.write_bytes(path.read_bytes().replace(b"300", b"400"))
    with pytest.raises(UserError, match=r"plan\.json: is no plan of a study: it is not as it was written\. Begin"):
        open_ledger(store)


def test_a_lease_has_room_for_three_signs_of_life(study):
    with pytest.raises(ValueError, match="too short"):
        Ledger(FolderStore(study.folder), study.plan, lease_s=30.0, beat_s=10.0)
