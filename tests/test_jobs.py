"""Jobs: done in a process of their own, followed by anybody, stopped, killed, still readable. All kills are real."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from engine.errors import EngineError
from engine.jobs import Busy, NoSuchJob, Runner
from engine.jobs.record import new_job, read_job, write_job
from engine.jobs.report import Pace
from engine.jobs.worker import WORKER_LOCK
from engine.workspace import FileCorrupt
from tests import _job_work
from tests._job_work import work

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))}
PATIENCE = 30.0
"""Seconds until a test gives up; it is never waited for to the end when all is well."""


def until(condition):
    """Wait for a condition and give its first true value."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    return value


def done(runner, kind, **arguments):
    """Do a job to its end."""
    return runner.wait(runner.start(kind, arguments).id, PATIENCE)


def worker_in(runner, job):
    """Give the process id that the work has told."""
    told = until(lambda: [event for event in runner.events(job.id) if event.event == "measure"])
    return int(told[0].data["values"]["pid"])


def has_ended(pid):
    """True when a process is gone, or is only waiting for somebody to be told so."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return False


def progress(runner, job, stage):
    """Give (done, total, eta) of each progress event of a stage."""
    shown = [e.data for e in runner.events(job.id) if e.event == "progress" and e.data["stage"] == stage]
    return [(data["done"], data["total"], data["eta"]) for data in shown]


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    """One runner for all tests that do not close it; its worker stays warm unless a test kills it."""
    with closing(Runner(tmp_path_factory.mktemp("home") / "jobs", work)) as runner:
        yield runner


@pytest.fixture
def parent(tmp_path):
    """A function that starts another process which owns `tmp_path / "jobs"` and does a job; gives both."""
    started = []

    def start(kind):
        code = f"from tests._job_work import be_a_parent\nbe_a_parent({str(tmp_path / 'jobs')!r}, {kind!r})"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_job_gives_its_result_and_the_next_one_finds_the_same_worker(runner):
    first = runner.start("count", {"to": 3})
    assert (first.state, first.kind, first.arguments) == ("queued", "count", {"to": 3})
    first = runner.wait(first.id, PATIENCE)
    second = done(runner, "count", to=4)
    assert (first.state, first.result["counted"], second.result["counted"]) == ("finished", 3, 4)
    assert first.result["pid"] == second.result["pid"] != os.getpid()
    assert first.created <= first.started <= first.ended <= second.created
    assert [job.id for job in runner.jobs()][:2] == [second.id, first.id]
    assert runner.current() is None


def test_what_is_on_the_disk_says_all_and_is_private(runner):
    job = done(runner, "show")
    found = json.loads((job.folder / "job.json").read_text(encoding="utf-8"))
    assert (found["version"], found["id"], found["kind"], found["state"]) == (1, job.id, "show", "finished")
    assert found["result"] == {"picture": "Zoë 写真.png"}
    lines = [json.loads(line) for line in (job.folder / "events.jsonl").read_text().splitlines()]
    assert [line["n"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[1]["values"] == {"loss": 0.5, "identity": None}
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(job.log.stat().st_mode) == 0o600


def test_a_reader_who_comes_late_sees_every_event_from_the_first_to_the_end(runner):
    job = done(runner, "show")
    late = Runner(job.folder.parent, work)
    events = late.events(job.id)
    assert [event.n for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event.event for event in events] == ["progress", "measure", "progress", "preview", "progress", "finished"]
    assert events[3].data == {"name": "held-out", "path": str(job.folder / "held-out.png")}
    assert events[-1].data == {"result": {"picture": "Zoë 写真.png"}}
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert late.events(job.id, after=4) == events[4:]
    assert late.events(job.id, after=6) == late.events(job.id, after=99) == []


def test_ticks_are_thinned_but_the_first_and_the_last_of_a_stage_are_kept(runner):
    job = done(runner, "count", to=20_000)
    shown = progress(runner, job, "counting")
    assert shown[0] == (0, 20_000, None)
    assert shown[-1] == (20_000, 20_000, 0.0)
    assert len(shown) <= 2 + (job.ended - job.started) * 10


def test_a_stage_that_is_left_in_its_middle_keeps_its_last_event(runner):
    job = done(runner, "break_off")
    assert [tick[:2] for tick in progress(runner, job, "searching")][-1] == (49, 1000)
    rested = [tick[:2] for tick in progress(runner, job, "resting")]
    assert (rested[0], rested[-1]) == ((0, 3), (2, 3))


def test_time_left_follows_the_mean_rate_of_the_stage():
    pace = Pace()
    assert pace.seconds_left("tuning", 0, 10, 100.0) is None
    assert pace.seconds_left("tuning", 1, 10, 102.0) == 18.0
    assert pace.seconds_left("tuning", 4, 10, 104.0) == 6.0
    assert pace.seconds_left("tuning", 10, 10, 110.0) == 0.0
    assert pace.seconds_left("tuning", 0, 10, 200.0) is None, "the stage starts over"
    assert pace.seconds_left("saving", 0, 0, 200.0) == 0.0, "nothing to do"


def test_time_left_of_resumed_work_counts_only_what_was_done_now():
    pace = Pace()
    assert pace.seconds_left("tuning", 500, 1000, 100.0) is None
    assert pace.seconds_left("tuning", 510, 1000, 110.0) == 490.0


def test_a_stop_takes_hold_at_the_next_tick_and_the_work_clears_up(runner):
    job = runner.start("tick_on", {})
    worker_in(runner, job)
    assert runner.current().id == job.id
    runner.stop(job.id)
    job = runner.wait(job.id, PATIENCE)
    assert (job.state, job.error, job.result) == ("stopped", "", None)
    assert (job.folder / "cleared-up").exists()
    assert runner.events(job.id)[-1].event == "stopped"
    runner.stop(job.id)
    assert runner.job(job.id) == job


def test_a_pause_holds_the_work_at_a_tick_until_it_is_over_and_a_paused_job_can_be_stopped(runner):
    job = runner.start("tick_on", {})
    until(lambda: progress(runner, job, "walking"))
    runner.pause(job.id)
    until(lambda: any(e.event == "paused" for e in runner.events(job.id)))
    assert runner.job(job.id).paused and runner.job(job.id).state == "running"
    held = len(runner.events(job.id))
    time.sleep(0.5)
    assert len(runner.events(job.id)) == held
    runner.resume(job.id)
    until(lambda: [e.event for e in runner.events(job.id, held)][:2] == ["resumed", "progress"])
    assert not runner.job(job.id).paused
    runner.pause(job.id)
    until(lambda: [e.event for e in runner.events(job.id)].count("paused") == 2)
    runner.stop(job.id)
    over = runner.wait(job.id, PATIENCE)
    assert over.state == "stopped" and not over.paused and (over.folder / "cleared-up").exists()


def test_a_pause_is_no_part_of_the_rate(runner):
    pace = Pace()
    assert pace.seconds_left("walking", 0, 10, 0.0) is None
    pace.leave_out(100.0)
    assert pace.seconds_left("walking", 5, 10, 105.0) == 5.0


def test_a_job_that_is_stopped_before_it_began_does_nothing(tmp_path):
    with closing(Runner(tmp_path / "jobs", work)) as runner:
        with FileLock(tmp_path / "jobs" / WORKER_LOCK):  # as if an earlier worker had not ended
            job = runner.start("tick_on", {})
            runner.stop(job.id)
            assert runner.job(job.id).state == "queued"
        job = runner.wait(job.id, PATIENCE)
        assert (job.state, job.started) == ("stopped", None)
        assert not (job.folder / "cleared-up").exists()


def test_work_that_cancels_itself_is_stopped(runner):
    assert done(runner, "cancel_itself").state == "stopped"


def test_a_second_job_is_refused_while_one_runs(runner):
    job = runner.start("tick_on", {})
    with pytest.raises(Busy, match=r"Another job \(tick_on\) is still running\. Wait until it is done, or stop it"):
        runner.start("show", {})
    assert [found.id for found in runner.jobs() if not found.over] == [job.id]
    runner.stop(job.id)
    runner.wait(job.id, PATIENCE)
    assert done(runner, "show").state == "finished"


def test_waiting_gives_up_in_time(runner):
    job = runner.start("tick_on", {})
    with pytest.raises(TimeoutError, match=rf"{job.id} was still (queued|running) after 0\.05 seconds"):
        runner.wait(job.id, 0.05)
    runner.stop(job.id)
    runner.wait(job.id, PATIENCE)


def test_the_state_on_the_disk_is_whole_at_every_moment(runner):
    over = threading.Event()
    seen = []

    def read():
        while not over.is_set():
            for path in runner._folder.glob("*/job.json"):
                seen.append(json.loads(path.read_bytes())["state"])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(10):
            done(runner, "show")
    finally:
        over.set()
        reader.join()
    assert {"queued", "running", "finished"} & set(seen)


def test_a_mistake_of_the_user_is_told_in_its_own_words(runner):
    job = done(runner, "err")
    assert (job.state, job.bug) == ("failed", False)
    assert job.error == "IMG_3.jpg is black. Take the cap off the lens and take the photo again."
    assert runner.events(job.id)[-1].data == {"error": job.error, "bug": False, "log": str(job.log)}
    assert "Traceback" not in job.log.read_text()


def test_a_bug_leaves_its_traceback_in_the_log_and_the_event_says_where(runner):
    job = done(runner, "break_down", people=0)
    assert (job.state, job.bug) == ("failed", True)
    assert job.error == f"Something broke (ZeroDivisionError: division by zero). The log is at {job.log}."
    last = runner.events(job.id)[-1]
    assert (last.event, last.data["bug"], last.data["log"]) == ("failed", True, str(job.log))
    log = Path(last.data["log"]).read_text()
    assert "Traceback" in log and "in break_down" in log and "ZeroDivisionError" in log
    assert Path(last.data["log"]).parent == job.folder.parents[1] / "logs"


def test_work_that_calls_exit_ends_its_job_and_not_the_worker(runner):
    before = done(runner, "count", to=1).result["pid"]
    assert done(runner, "leave").error.startswith("Something broke (SystemExit: had enough).")
    assert done(runner, "count", to=1).result["pid"] == before


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("give_no_json", "TypeError: Object of type PosixPath is not JSON"),
        ("give_no_number", "ValueError: Out of range"),
    ],
)
def test_a_result_that_is_no_json_is_a_bug(runner, kind, said):
    job = done(runner, kind)
    assert (job.state, job.bug, job.result) == ("failed", True, None)
    assert said in job.error


def test_arguments_that_are_no_json_are_refused_and_leave_nothing(runner):
    before = sorted(runner._folder.iterdir())
    with pytest.raises(TypeError, match="PosixPath is not JSON serializable"):
        runner.start("show", {"photo": Path("a.jpg")})
    assert sorted(runner._folder.iterdir()) == before
    assert done(runner, "show").state == "finished"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("want_too_much", "There was not enough memory while enlarging. Close other programs"),
        ("want_too_much_of_the_card", "There was not enough memory. Close other programs"),
    ],
)
def test_a_lack_of_memory_is_told_with_remedies_and_the_worker_gives_all_back(runner, kind, said):
    before = done(runner, "count", to=1).result["pid"]
    job = done(runner, kind)
    assert (job.state, job.bug) == ("failed", False)
    assert job.error.startswith(said)
    assert "MemoryError" in job.log.read_text() or "OutOfMemoryError" in job.log.read_text()
    assert done(runner, "count", to=1).result["pid"] != before
    assert has_ended(before)


def test_what_the_worker_writes_is_kept_in_the_log_of_the_job(runner, capfd):
    job = done(runner, "speak")
    other = done(runner, "speak")
    for log in (job.log.read_text(encoding="utf-8"), other.log.read_text(encoding="utf-8")):
        lines = log.splitlines()
        assert {"from stdout: Zoë", "from stderr", "from C"} <= set(lines)
        assert sum(line.endswith("INFO some.library: from logging") for line in lines) == 1
        assert len(lines) == 4
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_is_killed_interrupts_its_job_and_the_next_job_gets_a_new_one(runner):
    job = runner.start("hang", {})
    pid = worker_in(runner, job)
    os.kill(pid, signal.SIGKILL)
    job = runner.wait(job.id, PATIENCE)
    assert (job.state, job.bug) == ("interrupted", False)
    assert job.error.startswith("The worker process was ended from outside while it did this;")
    assert runner.events(job.id)[-1].event == "interrupted"
    assert read_job(job.folder) == job
    assert done(runner, "count", to=1).result["pid"] != pid


def test_a_line_that_was_torn_by_a_kill_is_not_seen(runner):
    job = done(runner, "tear")
    assert (job.folder / "events.jsonl").read_bytes().endswith(b'"time": 17')
    assert [(event.n, event.event) for event in runner.events(job.id)] == [(1, "measure"), (2, "interrupted")]


def test_a_worker_that_crashes_is_a_bug_and_the_log_says_where(runner):
    job = done(runner, "crash")
    assert (job.state, job.bug) == ("failed", True)
    assert job.error == f"The worker process broke off (exit code {-signal.SIGSEGV}). The log is at {job.log}."
    assert "Segmentation fault" in job.log.read_text() and "in crash" in job.log.read_text()


def test_a_worker_that_was_killed_while_idle_is_replaced(runner):
    pid = done(runner, "count", to=1).result["pid"]
    os.kill(pid, signal.SIGKILL)
    assert done(runner, "count", to=1).state == "finished"


def test_ctrl_c_does_not_reach_the_worker_while_it_works_or_starts(runner):
    assert done(runner, "interrupt").result == {"went": "on"}
    os.kill(done(runner, "count", to=1).result["pid"], signal.SIGKILL)
    until(lambda: not multiprocessing.active_children() and runner._worker is None)
    job = runner.start("count", {"to": 1})
    (starting,) = multiprocessing.active_children()
    os.kill(starting.pid, signal.SIGINT)
    assert runner.wait(job.id, PATIENCE).result["pid"] == starting.pid


def test_a_full_disk_takes_events_but_not_the_result(tmp_path):
    with closing(Runner(tmp_path / "jobs", work)) as runner:
        job = done(runner, "fill_the_disk")
        assert (job.state, job.result) == ("finished", {"kept": "all"})
        assert read_job(job.folder) == job
        assert [(event.n, event.event) for event in runner.events(job.id)] == [(1, "measure"), (2, "finished")]


def test_a_job_whose_folder_is_removed_is_gone_and_the_runner_goes_on(runner):
    with pytest.raises(NoSuchJob, match="It may have been removed"):
        done(runner, "remove_itself")
    until(lambda: runner.current() is None)
    assert done(runner, "show").state == "finished"


def test_closing_interrupts_the_job_at_its_next_tick_and_leaves_no_process(tmp_path):
    runner = Runner(tmp_path / "jobs", work)
    job = runner.start("tick_on", {})
    pid = worker_in(runner, job)
    runner.close(PATIENCE)
    runner.close()
    job = runner.job(job.id)
    assert (job.state, job.bug) == ("interrupted", False)
    assert job.error == "Likeness was closed before this was done. Start it again; what it had saved is used."
    assert (job.folder / "cleared-up").exists()
    with pytest.raises(ProcessLookupError):  # not even a zombie
        os.kill(pid, 0)
    with pytest.raises(RuntimeError, match="this runner was closed"):
        runner.start("show", {})


def test_closing_kills_work_that_does_not_listen(tmp_path):
    runner = Runner(tmp_path / "jobs", work)
    job = runner.start("hang", {})
    pid = worker_in(runner, job)
    runner.close(0.1)
    assert runner.job(job.id).state == "interrupted"
    assert runner.job(job.id).error.startswith("Likeness was closed before this was done.")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_when_the_parent_is_killed_the_worker_ends_itself_and_the_next_owner_settles_the_job(parent, tmp_path):
    process, job = parent("hang")
    reader = Runner(tmp_path / "jobs", work)
    pid = worker_in(reader, reader.job(job))
    assert reader.current().id == job
    assert reader.job(job).state == "running", "a reader leaves it as it is"
    with pytest.raises(Busy, match=r"Another Likeness is at work in .*Close the other one, or try again in a moment\."):
        reader.start("show", {})

    process.kill()
    process.wait()
    with closing(Runner(tmp_path / "jobs", work)) as owner:
        assert has_ended(pid)
        found = owner.job(job)
        assert (found.state, found.bug) == ("interrupted", False)
        assert found.error == "Likeness ended while this was running. Start it again; what it had saved is used."
        assert reader.job(job) == found
        assert reader.events(job)[-1].event == "interrupted"
        assert done(owner, "show").state == "finished"


def test_a_reader_in_another_process_stops_a_job_and_a_program_that_forgets_to_close_still_ends(parent, tmp_path):
    process, job = parent("tick_on")
    with closing(Runner(tmp_path / "jobs", work)) as reader:
        worker_in(reader, reader.job(job))
        reader.stop(job)
        assert reader.wait(job, PATIENCE).state == "stopped"
        assert process.wait(PATIENCE) == 0


def test_of_two_runners_on_one_folder_only_the_owner_marks_and_starts(runner):
    job = runner.start("tick_on", {})
    second = Runner(runner._folder, work)
    assert not second.job(job.id).over
    assert second.current().id == job.id
    with pytest.raises(Busy, match="Another Likeness is at work"):
        second.start("show", {})
    second.stop(job.id)
    assert second.wait(job.id, PATIENCE).state == runner.wait(job.id, PATIENCE).state == "stopped"


def test_jobs_that_a_dead_process_left_queued_or_running_are_interrupted(tmp_path):
    jobs = [new_job(tmp_path / "jobs", tmp_path / "logs", "tune", {}) for _ in range(3)]
    for job, state in zip(jobs, ("queued", "running", "stopped"), strict=True):
        job.folder.mkdir(parents=True)
        write_job(replace(job, state=state))
    with closing(Runner(tmp_path / "jobs", work)) as runner:
        assert [runner.job(job.id).state for job in jobs] == ["interrupted", "interrupted", "stopped"]
        assert read_job(jobs[1].folder) == runner.job(jobs[1].id)


def test_a_program_without_a_main_guard_is_told_so_in_the_log(tmp_path):
    program = tmp_path / "careless.py"
    program.write_text(
        "from pathlib import Path\n"
        "from engine.jobs import Runner\n"
        "from tests._job_work import work\n"
        f"runner = Runner(Path({str(tmp_path / 'jobs')!r}), work)\n"
        "job = runner.wait(runner.start('show', {}).id, 30)\n"
        "print(job.state, job.bug, job.error)\n"
    )
    ran = subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False
    )
    assert ran.returncode == 0
    assert ran.stdout.startswith("failed True The worker process could not start (exit code 1).")


def test_work_that_another_process_cannot_find_is_refused(tmp_path):
    for wrong in (lambda *_: {}, _job_work.KINDS.get, Runner(tmp_path / "a", work).start):
        with pytest.raises(ValueError, match="work must stand at the top of a module that can be imported, got "):
            Runner(tmp_path / "jobs", wrong)


@pytest.mark.parametrize("name", ["job-20250101-000000-000000-abcd", "../logs", "", "x" * 300, "a/b", "a\0b"])
def test_an_unknown_job_is_told_in_a_sentence(runner, name):
    for ask in (runner.job, runner.events, runner.stop, runner.wait):
        with pytest.raises(NoSuchJob, match=r"There is no job .* It may have been removed"):
            ask(name)


def test_a_damaged_job_is_told_of_and_does_not_hide_the_others(runner):
    job = done(runner, "show")
    other = done(runner, "show")
    path = job.folder / "job.json"
    whole = path.read_text()
    for broken, said in [
        (whole[:40], "is damaged"),
        ("[]", "does not describe a job"),
        (whole.replace('"version": 1', '"version": 9'), "is of version 9"),
    ]:
        path.write_text(broken)
        with pytest.raises(FileCorrupt, match=said):
            runner.job(job.id)
        assert runner.jobs()[0] == other
    path.write_text(whole)


def test_a_folder_that_cannot_be_used_is_told_in_a_sentence(tmp_path):
    (tmp_path / "jobs").write_text("a file")
    with pytest.raises(EngineError, match=r"The folder .*jobs cannot be used for jobs: .* Check your rights to it"):
        Runner(tmp_path / "jobs", work)
