"""The entry point: one group of lazily loaded verbs, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from kbench import __version__
from kbench.errors import KbenchError, did_you_mean

INTERRUPTED = 130
VERBS = (
    "list",
    "plan",
    "doctor",
    "roof",
    "validate-clock",
    "compile",
    "occupancy",
    "verify",
    "sweep",
    "profile",
    "timeline",
    "diagnose",
    "show",
    "report",
    "export",
    "new",
)


class Verbs(click.Group):
    """Each verb is the `command` of the module of its name, imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(f"kbench.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            raise click.UsageError(f"unknown command {args[0]!r}{did_you_mean(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kbench")
@click.option("--debug", is_flag=True, envvar="KBENCH_DEBUG", help="Show the whole traceback of an unexpected error.")
def cli(debug: bool) -> None:
    """Measure GPU kernels written as raw CUDA C++ files: compile, check, sweep, time, report.

    \b
    Example:
      kbench sweep --kernel copy_blocks
      kbench report --output out
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; the meaning of each code is in docs/architecture.md."""
    try:
        with _endings():
            code = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
        return code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except KbenchError as error:
        return _complain(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:
        _drop_output()  # the reader of a pipe has seen enough (`| head`)
        return 0
    except OSError as error:
        _drop_output()
        return _unexpected(error)
    except Exception as error:
        return _unexpected(error)


@contextmanager
def _endings() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: what is kept is told, workers are ended. Where someone else has
    decided about a signal (nohup, a test), that stands."""

    def end(number: int, frame: Any) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    ours: list[signal.Signals] = []
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)
                ours.append(number)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _run(words: list[str]) -> int:
    # Not cli.main(): that one ends the process by itself when a pipe closes.
    try:
        with cli.make_context("kbench", words) as ctx:
            return int(cli.invoke(ctx) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code


def _drop_output() -> None:
    """What could not be written stays unwritten: the interpreter would try again at its exit, and complain then."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(message: str, code: int) -> int:
    click.echo(f"kbench: {message}", err=True)
    return code


def _unexpected(error: Exception) -> int:
    """A bug of kbench, or a machine in trouble: one line for the user, the traceback in a file for the report."""
    if "--debug" in sys.argv or os.environ.get("KBENCH_DEBUG"):
        traceback.print_exception(error)
        return 1
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        return _complain(f"{what} (--debug shows where)", 1)
    try:
        from kbench.machine.build import cache_dir

        path = cache_dir() / "last-error.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)))
        where = f"the traceback is in {path}"
    except (OSError, ImportError) as failure:
        where = f"the traceback could not be written: {failure}; --debug shows it"
    return _complain(f"unexpected {what}\n{where}", 1)


if __name__ == "__main__":
    sys.exit(main())
