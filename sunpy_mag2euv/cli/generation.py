"""The command ``mag2euv generate``: any number of files, here, in other processes, or on other machines."""

import argparse
import contextlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv import inputs
from sunpy_mag2euv.archive import Job
from sunpy_mag2euv.cli.batch import counted, do_all
from sunpy_mag2euv.cli.options import check_view, chosen, make_directory, settings_of
from sunpy_mag2euv.cli.report import is_report, write_report
from sunpy_mag2euv.cli.usage import UsageError
from sunpy_mag2euv.console import at_the_end
from sunpy_mag2euv.notes import say, sentence

if TYPE_CHECKING:
    from sunpy_mag2euv.archive import Outcome

__all__ = ["generate_files"]


def generate_files(arguments: argparse.Namespace) -> int:
    """
    Make the images of all files, each by itself: one that fails does not stop the others.

    Parameters
    ----------
    arguments : `argparse.Namespace`

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    UsageError
        If the arguments cannot be used.
    """
    from sunpy_mag2euv.models import FieldModel

    if arguments.jobs < 1:
        raise UsageError(f"--jobs must be at least 1; got {arguments.jobs}")
    if arguments.report is not None and arguments.report.suffix.lower() != ".ecsv":
        raise UsageError(f"--report must name a table that ends in .ecsv; got {arguments.report}")
    check_view(arguments)
    if arguments.observer is not None:
        from sunpy_mag2euv.models import DEFAULT_CHART_MODEL

        arguments.model = arguments.model or DEFAULT_CHART_MODEL
    if arguments.scheduler is not None:
        # What is relative is so to another directory where the workers are.
        arguments.output = arguments.output.absolute()
        if arguments.model is not None and os.path.isfile(arguments.model):
            arguments.model = os.path.abspath(arguments.model)
    sources = _sources(arguments)
    number = min(arguments.jobs, len(sources))
    outcomes: dict[str, Outcome] = {}
    unwritten: list[OSError] = []
    with contextlib.ExitStack() as stack:
        # First of all, since other processes take as long to get ready as this one.
        executor = stack.enter_context(_executor(number, arguments.scheduler))
        settings = settings_of(arguments, FieldModel, chosen(arguments))
        # Others load the model themselves, which has to be the same one.
        chosen_model = (
            {"model": settings["model"]}
            if executor is None
            else {"model": arguments.model, "sha256": settings["model"].sha256}
        )
        job = Job(
            arguments.output,
            settings["passband"],
            device=arguments.device,
            observer=arguments.observer,
            obstime=arguments.obstime,
            png=arguments.png,
            overwrite=arguments.overwrite,
            **chosen_model,
        )
        _check_inputs(job, sources)
        _check_report(arguments)
        make_directory(arguments.output)

        def report() -> None:
            try:
                write_report(arguments.report, job, sources, outcomes, settings["model"])
            except OSError as error:
                unwritten.append(error)
                say(sentence(error))

        if arguments.report is not None:
            stack.enter_context(at_the_end(report))
        stack.enter_context(at_the_end(lambda: _say_what_is_left(sources, outcomes)))
        do_all(job, settings["model"], sources, outcomes, executor=executor, resume=arguments.skip_existing)
    statuses = [outcome.status for outcome in outcomes.values()]
    done, skipped, failed = map(statuses.count, ("done", "skipped", "failed"))
    print(
        f"{counted(done * len(job.passbands), 'image')} of "
        f"{counted(done, 'magnetogram' if arguments.observer is None else 'chart')} written to {arguments.output}"
        + (f", {skipped} skipped" if skipped else "")
        + (f", {failed} failed" if failed else "")
    )
    return 1 if failed or unwritten else 0


def _sources(arguments: argparse.Namespace) -> list[str]:
    """The files that are meant, which must not be written to the same places."""
    try:
        sources = inputs.expand(arguments.files)
    except (OSError, ValueError) as error:
        raise UsageError(sentence(error)) from error
    if arguments.scheduler is not None:
        sources = [source if inputs.is_address(source) else os.path.abspath(source) for source in sources]
    stems: dict[str, str] = {}
    for source in sources:
        other = stems.setdefault(inputs.stem(source), source)
        if other is not source:
            raise UsageError(f"{source} and {other} would be written to the same files; give each its own -o")
    return sources


def _check_inputs(job: Job, sources: Sequence[str]) -> None:
    """Refuse to replace an input by an image of another."""
    inputs_ = {os.path.abspath(source) for source in sources if not inputs.is_address(source)}
    directory = os.path.abspath(job.directory)
    for source in sources:
        if taken := inputs_.intersection(os.path.join(directory, name) for name in job.names(source)):
            raise UsageError(f"an image of {source} would replace the input {taken.pop()}; give another -o")


def _check_report(arguments: argparse.Namespace) -> None:
    """Refuse to replace what ``--report`` names, unless it is a report and its work is gone on with."""
    path = arguments.report
    if path is None:
        return
    if path.is_dir():
        raise UsageError(f"{path} is a directory; --report must name a file")
    resumable = path.is_file() and is_report(path)
    if path.exists() and not (arguments.overwrite or (arguments.skip_existing and resumable)):
        advice = "--skip-existing to go on, " if resumable else ""
        raise UsageError(
            f"{path} exists already; use {advice}--overwrite to replace it and all images, or another --report"
        )
    make_directory(path.parent)


@contextlib.contextmanager
def _executor(number: int, scheduler: str | None) -> Iterator[Executor | None]:
    """What does the work: other machines, a number of other processes, or None for this one."""
    if scheduler is not None:
        from sunpy_mag2euv.cluster import connected

        with contextlib.ExitStack() as stack:
            try:
                executor = stack.enter_context(connected(scheduler))
            except (ImportError, OSError) as error:
                raise UsageError(str(error)) from error
            yield executor
    elif number == 1:
        yield None
    else:
        from sunpy_mag2euv.workers import Workers

        def retried(cause: str, source: Any) -> None:
            say(f"note: {source}: a process died at it, {cause}; it is tried once more")

        with Workers(number, ["sunpy_mag2euv.synthesis"], retried) as executor, at_the_end(executor.stop):
            yield executor


def _say_what_is_left(sources: Sequence[str], outcomes: "dict[str, Outcome]") -> None:
    """Say how far the work with many files is if it ends before its end."""
    if len(outcomes) < len(sources) and len(sources) > 1:
        failed = sum(outcome.status == "failed" for outcome in outcomes.values())
        say(
            f"{len(sources) - len(outcomes)} of {len(sources)} files left"
            + (f", {failed} failed" if failed else "")
            + "; go on with --skip-existing"
        )
