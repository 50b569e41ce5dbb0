"""What a restorer is: one aligned face in, one aligned face out, and a descriptor that says all about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.errors import EngineError
from engine.progress import Look, Tick

if TYPE_CHECKING:
    from engine.faces import SeenDamage
    from engine.prior.bundle import Prior

Pixels = NDArray[np.float32]


class BadOption(EngineError):
    """An option that a restorer does not have, or a value outside its range."""


class PackageMissing(EngineError):
    """A restorer needs a Python package that is not installed."""


@dataclass(frozen=True)
class Choice:
    """What is known of one option: enough to check a value, to draw a control and to write its help."""

    title: str
    help: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    turns_off: str = ""
    """Name of the switch that no longer decides once this option is named."""
    original: str = ""
    """What the authors' own program calls it, such as `--eta`; "" where it has nothing like it."""


def option(default: Any, title: str, help: str, **known: Any) -> Any:
    """Declare an option: its default, its title, what it does, and `Choice`'s other fields."""
    return field(default=default, metadata={"choice": Choice(title, help, **known)})


@dataclass(frozen=True)
class Options:
    """Base of a restorer's typed options; every field is declared by `option`."""

    def exact(self) -> bool:
        """Whether networks compute in float32 even where the device has something faster."""
        return False


def choice(of: Field[Any]) -> Choice:
    """Give what is known of an option field."""
    known: Choice = of.metadata["choice"]
    return known


def read_options(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """Make checked options from names and values; what is not named keeps its default.

    A switch that lets something else decide is off once what it decides is named and it is not.

    Raises:
        BadOption: an unknown name, a value of another type or outside its range, each with what is allowed.
    """
    known = {f.name: f for f in fields(kind)}
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise BadOption(f"There is no option {name!r} here. The options are: {allowed}.")
        read[name] = _checked(name, value, known[name])
    for name in tuple(read):
        switch = choice(known[name]).turns_off
        if switch and switch not in values:
            read[switch] = False
    return kind(**read)


def _checked(name: str, value: Any, of: Field[Any]) -> Any:
    what = choice(of)
    if what.choices:
        if value not in what.choices:
            raise BadOption(f"{name} must be one of {', '.join(what.choices)}, got {value!r}.")
        return value
    if isinstance(of.default, bool):
        if not isinstance(value, bool):
            raise BadOption(f"{name} must be true or false, got {value!r}.")
        return value
    if isinstance(of.default, str):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BadOption(f"{name} must be a number, got {value!r}.") from error
    too_low = what.low is not None and number < what.low
    if too_low or (what.high is not None and number > what.high) or not np.isfinite(number):
        raise BadOption(f"{name} must be {what.low:g} to {what.high:g}, got {value!r}.")
    if isinstance(of.default, int):
        if number != int(number):
            raise BadOption(f"{name} must be a whole number, got {value!r}.")
        return int(number)
    return number


@dataclass(frozen=True)
class Subject:
    """What is known of the face and of whoever it belongs to; blind restorers read nothing of the person."""

    prompt: str = ""
    """The person's phrase, such as `a photo of a sks man`."""
    references: tuple[Pixels, ...] = ()
    """Aligned reference faces."""
    tuned: Path | None = None
    """Folder of the person's tuned model."""
    damage: SeenDamage | None = None
    """What was seen of the face's damage; None where nobody looked."""
    look: Look | None = None
    """Who wants to see the face as it comes; None for nobody. Restorers that draw it in one go never call it."""


@dataclass(frozen=True)
class Context:
    """What a restorer may need to load."""

    prior: Callable[[], Prior]
    """Gives the loaded prior; loads it once."""
    weights: Path | None = None
    """Folder of the user's weights; None where there is none."""
    device: str = "auto"
    """Where networks that are not the prior's run: as `prior.device.choose` takes it."""
    prior_name: str = "pocket"
    """What the prior was asked for by, so that a restorer that holds one is not taken for one that holds another."""


class Restorer(Protocol):
    """A loaded restorer."""

    def restore(self, face: Pixels, subject: Subject, options: Any, *, seed: int, tick: Tick) -> Pixels:
        """Restore one face.

        Args:
            face: `(size, size, 3)`, 0 to 1, FFHQ alignment; not changed. The size is `RestorerInfo.size`.
            subject: see there.
            options: of the restorer's own `Options` class.
            seed: the same seed gives the same picture.
            tick: to be called at every step; raises `Cancelled`.

        Returns:
            Like `face`.
        """
        ...


@dataclass(frozen=True)
class RestorerInfo:
    """Everything about a restorer that can be said without loading it."""

    id: str
    title: str
    summary: str
    """One sentence for people who know photos, not networks."""
    paper: str
    """Address of the paper, or "none"."""
    source: str
    """repository@commit that its numbers are compared with, or "this project"."""
    license: str
    """Of the weights and the code, as one would ask before using the result for money."""
    load: Callable[[Context], Restorer]
    options: type[Options] = Options
    needs_person: bool = False
    """Whether it can do nothing without a tuned model."""
    fitted: bool = True
    """Whether its faces get the grain and the sharpness that the photo has round them."""
    size: int | None = None
    """Side in px of the faces it takes and gives; None for those of the loaded prior."""
    weights: tuple[str, ...] = ()
    """Files of the list of weights that it can use, by their ids; the prior's own are not among them."""
    chosen_weights: Callable[[Any], tuple[str, ...]] | None = None
    """Gives those of `weights` that options ask for; None where it needs all of them."""
    package: str = ""
    """Python package that it needs beside the app's requirements, as pip takes it, with its range; "" for none."""
    memory: int = 0
    """Bytes that it holds at most, the prior's not counted; 0 for nothing worth counting. What `bench --restorers`
    tells, less half a GB of libraries, and the file that is read."""
    untrained: Callable[[str], Restorer] | None = None
    """Gives it on a device with networks of the right size that have learnt nothing, to measure speed and memory
    without its files; None where that makes no sense."""
    left_out: tuple[str, ...] = ()
    """Options of the authors' own program that are not options here, each with the reason, in sentences."""

    def weights_for(self, options: Any) -> tuple[str, ...]:
        """Give the ids of the files that are needed with these options."""
        return self.weights if self.chosen_weights is None else self.chosen_weights(options)


def require_package(title: str, package: str) -> None:
    """Raise `PackageMissing` unless a package can be imported.

    Args:
        title: of what needs it.
        package: as pip takes it, with its range.
    """
    name = package.split(">", maxsplit=1)[0]
    if find_spec(name) is None:
        raise PackageMissing(f'{title} needs the package {name}, which is not installed. Run: pip install "{package}"')
