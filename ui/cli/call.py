"""One call of a command: what every command is given, how it answers, and how it ends."""

from __future__ import annotations

import functools
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from engine.errors import EngineError
from engine.progress import Cancelled
from engine.workspace import Workspace, default_root, new_id, write_bytes
from ui.cli.fields import epilog
from ui.cli.report import ConsoleReport

P = ParamSpec("P")

STOPPED = "stopped; nothing is half written and what was done is kept. Go on with the same command."

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        metavar="DIR",
        readable=False,  # whether it is, the engine finds out, which has a sentence for it
        help="Data folder; else LIKENESS_HOME, else your user data folder.",
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", metavar="NAME", help="auto (the usual), cpu, cuda, cuda:N or mps.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer with one JSON object on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")]


class NotAnswered(EngineError):
    """The answer could not be written to stdout."""


@dataclass(frozen=True)
class Given:
    """The options of every command as they were typed; they may stand before or after a command's name."""

    workspace: Path | None = None
    device: str | None = None
    as_json: bool = False
    quiet: bool = False

    def over(self, before: Given) -> Given:
        """Join with what stood before the command's name; these win."""
        return Given(
            self.workspace or before.workspace,
            self.device or before.device,
            self.as_json or before.as_json,
            self.quiet or before.quiet,
        )

    def call(self) -> Call:
        """Fill in what was not typed."""
        return Call(self.workspace or default_root(), self.device or "auto", self.as_json, self.quiet)


@dataclass(frozen=True)
class Call:
    """What every command is given."""

    root: Path
    """Data folder."""
    device: str = "auto"
    as_json: bool = False
    quiet: bool = False

    @property
    def workspace(self) -> Workspace:
        """The workspace, not locked: for reading."""
        return Workspace(self.root)

    @contextmanager
    def holding(self) -> Generator[Workspace]:
        """Hold the workspace, for writing."""
        workspace = self.workspace
        with workspace.lock():
            yield workspace

    def following(self) -> ConsoleReport:
        """Give the report that shows progress on stderr and stops at Ctrl-C; a context manager."""
        return ConsoleReport(sys.stderr, quiet=self.quiet)

    def answer(self, value: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Write the answer: `value` with `--json`, else `lines`.

        Raises:
            NotAnswered: stdout takes no more.
        """
        # Escapes only, so that no console's encoding can refuse or change the JSON.
        text = json.dumps(value, indent=1) if self.as_json else "\n".join(lines)
        try:
            typer.echo(text)
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise NotAnswered(f"The answer could not be written: {error.strerror}. Send it elsewhere.") from error


def command(
    app: typer.Typer, name: str, *, answers: str, or_answers: str = ""
) -> Callable[[Callable[Concatenate[Call, P], None]], Callable[Concatenate[Call, P], None]]:
    """Make a function a command that also has the options of every command.

    Args:
        app: the group it belongs to.
        name: what is typed.
        answers: its key in `fields.FIELDS`.
        or_answers: that of its other answer, where it has two.
    """

    def add(function: Callable[Concatenate[Call, P], None]) -> Callable[Concatenate[Call, P], None]:
        # typer reads a function's signature and calls it by keyword, so one is made of the function's own parameters
        # and those that every command has.
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        shared = list(inspect.signature(_shared, eval_str=True).parameters.values())

        @functools.wraps(function)
        def enter(**values: Any) -> None:
            context: typer.Context = values["context"]
            before = context.obj if isinstance(context.obj, Given) else Given()
            call = _shared(**{p.name: values.pop(p.name) for p in shared}).over(before).call()
            with ending(call.root):
                function(call, **values)  # pyright: ignore[reportCallIssue]

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared)]
        enter.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        enter.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name, epilog=epilog(answers, or_answers))(enter)
        return function

    return add


def _shared(
    context: typer.Context,
    workspace: WorkspaceOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> Given:
    """Read the options that every command has."""
    del context
    return Given(workspace, device, as_json, quiet)


@contextmanager
def ending(root: Path) -> Generator[None]:
    """Turn what a command raises into one line on stderr and an exit code.

    Args:
        root: data folder; the traceback of a bug goes into its logs.
    """
    try:
        yield
    except EngineError as error:
        say(str(error))
        raise typer.Exit(1) from error
    except (Cancelled, KeyboardInterrupt) as error:
        say(STOPPED)
        raise typer.Exit(130) from error
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except ModuleNotFoundError as error:
        if (error.name or "engine").partition(".")[0] in ("engine", "ui"):
            raise _broken(root, error) from error
        say(f"{error.name} is not installed. Run: python -m pip install -r requirements.txt")
        raise typer.Exit(1) from error
    except Exception as error:  # the only place that sees every bug
        if {kind.__name__ for kind in type(error).__mro__} & {"MemoryError", "OutOfMemoryError"}:
            say("there is not enough memory. Close other programs, or choose another --device or fewer pixels.")
            raise typer.Exit(1) from error
        raise _broken(root, error) from error


def say(sentence: str) -> None:
    """Write one line to stderr, printable whatever names it holds."""
    line = " ".join(sentence.split())
    typer.echo("likeness: " + "".join(letter if letter.isprintable() else "?" for letter in line), err=True)


def _broken(root: Path, error: Exception) -> typer.Exit:
    """Say where the traceback of a bug lies, and give the exit."""
    trace = "".join(traceback.format_exception(error))
    say(f"something broke that should not ({type(error).__name__}). {_keep(root, trace)}")
    return typer.Exit(3)


def _keep(root: Path, trace: str) -> str:
    """Keep a traceback in the logs and say where."""
    try:
        path = Workspace(root).logs / f"{new_id('bug')}.log"
        write_bytes(path, f"{sys.argv}\n\n{trace}".encode(errors="backslashreplace"))
    except EngineError as error:
        typer.echo(trace, err=True)
        return f"No log could be written: {error}"
    return f"The log is at {path}"
