"""Long work in a process of its own: started, followed, stopped, and readable on the disk at any time.

A `Runner` owns a folder of jobs and one worker process that does them one at a time. What the work is, it does not
know: it gets one function. A job is a folder that anybody may read while it runs and after:

    <jobs>/<id>/job.json      what was asked, the state, the end; always whole
    <jobs>/<id>/events.jsonl  one line for each thing that happened on the way, in order, written by the worker alone
    <jobs>/<id>/stop          there once somebody asked the job to stop
    <jobs>/<id>/pause         there while somebody wants the job to wait
    <logs>/<id>.log           what the worker wrote to stdout and stderr meanwhile, and tracebacks

The end of a job stands in `job.json` alone, so that it comes about at one moment; `Runner.events` gives it as the last
event. A job is `queued`, then `running`, then one of

    finished      with a result
    failed        the work could not be done: by something the user can put right, or by a bug (`Job.bug`)
    stopped       somebody asked for it
    interrupted   the process that did it was ended from outside; what the work had saved can be built upon
"""

from engine.jobs.record import ENDS, Event, Job, NoSuchJob
from engine.jobs.runner import Busy, Runner, Work

__all__ = ["ENDS", "Busy", "Event", "Job", "NoSuchJob", "Runner", "Work"]
