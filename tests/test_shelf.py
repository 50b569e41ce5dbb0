"""Which restorers stay loaded, and which is let go of for another, never without a word."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import pytest

from engine.restorers import Context, RestorerInfo
from engine.studio.shelf import RESERVE, Shelf, free_bytes
from engine.weights import WeightsMissing

GB = 1_000_000_000


class Held:
    """Something that can be watched going."""


@dataclass
class Machine:
    """Memory that loaded restorers take from."""

    total: int
    taken: dict[int, int]
    made: int = 0

    def free(self, device):
        assert device == "cpu"
        return self.total - sum(self.taken.values())

    def info(self, id, memory):
        number = self.made = self.made + 1

        def load(context):
            held = Held()
            self.taken[number] = memory
            weakref.finalize(held, self.taken.pop, number)
            return held

        return RestorerInfo(id, id.title(), "It restores.", "none", "a test", "CC0", load, memory=memory)


CONTEXT = Context(lambda: pytest.fail("the prior is not needed"), None, "cpu")


def test_restorers_stay_loaded_while_they_fit_and_the_longest_unused_goes_first():
    machine = Machine(6 * GB + RESERVE, {})
    shelf = Shelf(machine.free)
    first, second, third = (machine.info(name, 3 * GB) for name in ("first", "second", "third"))
    loaded = [shelf.get(info, CONTEXT)[0] for info in (first, second)]
    assert shelf.get(first, CONTEXT) == (loaded[0], ())  # used again, so the second goes first
    loaded.clear()
    restorer, told = shelf.get(third, CONTEXT)
    assert told == ("Second was unloaded: Third needs about 3.0 GB, and 0.0 GB were left.",)
    assert shelf.holds() == ["first", "third"]
    assert isinstance(restorer, Held) and len(machine.taken) == 2


def test_two_that_do_not_fit_together_are_never_held_together():
    machine = Machine(4 * GB + RESERVE, {})
    shelf = Shelf(machine.free)
    loads = 0  # that had to push one off
    for name in ("first", "second", "first", "second"):
        told = shelf.get(machine.info(name, 3 * GB), CONTEXT)[1]
        assert shelf.holds() == [name] and machine.free("cpu") == GB + RESERVE
        assert len(told) == loads
        loads = 1


def test_one_too_large_for_the_machine_is_tried_once_all_others_are_gone():
    machine = Machine(4 * GB, {})
    shelf = Shelf(machine.free)
    shelf.get(machine.info("small", GB), CONTEXT)
    _, told = shelf.get(machine.info("large", 9 * GB), CONTEXT)
    assert [sentence[:18] for sentence in told] == ["Small was unloaded"] and shelf.holds() == ["large"]


def test_of_those_on_the_prior_the_last_is_kept_and_others_need_not_go_for_it():
    machine = Machine(4 * GB + RESERVE, {})
    shelf = Shelf(machine.free)
    shelf.get(machine.info("large", 3 * GB), CONTEXT)
    for name in ("diffbir", "dual-pivot"):
        assert shelf.get(machine.info(name, 0), CONTEXT)[1] == ()
    assert shelf.holds() == ["large", "dual-pivot"]


def test_one_that_cannot_be_loaded_leaves_the_others():
    def load(context):
        raise WeightsMissing("It is not there.")

    machine = Machine(9 * GB, {})
    shelf = Shelf(machine.free)
    shelf.get(machine.info("small", GB), CONTEXT)
    broken = RestorerInfo("broken", "Broken", "It restores.", "none", "a test", "CC0", load, memory=GB)
    with pytest.raises(WeightsMissing):
        shelf.get(broken, CONTEXT)
    assert shelf.holds() == ["small"]


def test_free_memory_of_this_machine_is_known():
    assert free_bytes("cpu") > 100_000_000
