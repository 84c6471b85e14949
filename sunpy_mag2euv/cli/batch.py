"""Many magnetogram files, done one after another or side by side."""

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from typing import TYPE_CHECKING

from sunpy_mag2euv import files
from sunpy_mag2euv.archive import Outcome, made_with
from sunpy_mag2euv.console import at_the_end
from sunpy_mag2euv.notes import say, sentence

if TYPE_CHECKING:
    from sunpy_mag2euv.archive import Job
    from sunpy_mag2euv.models import FieldModel

__all__ = ["counted", "do_all"]

#: Seconds between two lines that say how far the work is, where no bar shows it.
_INTERVAL = 60


def do_all(
    job: "Job",
    model: "FieldModel",
    sources: Sequence[str],
    outcomes: dict[str, Outcome],
    *,
    executor: Executor | None = None,
    resume: bool = False,
) -> None:
    """
    Do a job with many files; say what is to be said about them, and how far it is, as it comes.

    There is a progress bar if standard error is a terminal, and a line a minute otherwise.

    Parameters
    ----------
    job : `~sunpy_mag2euv.archive.Job`
    model : `~sunpy_mag2euv.models.FieldModel`
        The job's.
    sources : sequence of str
    outcomes : dict
        Filled: for every file that is done with, its `~sunpy_mag2euv.archive.Outcome`.
    executor : `concurrent.futures.Executor`, optional
        What does it. This process, unless given.
    resume : bool, optional
        Whether files whose images are all there are skipped, and where some are missing, all are made. Otherwise files
        of which there are images fail, unless the job overwrites them.
    """
    from tqdm import tqdm

    said, left, told = set(), [], time.monotonic()
    with (
        tqdm(total=len(sources), unit="file", leave=False, disable=True if len(sources) == 1 else None) as bar,
        at_the_end(bar.close),
    ):

        def tell(outcome: Outcome) -> None:
            outcomes[outcome.source] = outcome
            for note in outcome.notes:
                if note not in said:
                    said.add(note)
                    say(f"note: {note}")
            if outcome.status == "failed":
                say(f"{outcome.source}: {outcome.reason}")
            bar.update()

        for source in sources:
            known = _known(job, model, source, resume)
            if known is None:
                left.append(source)
            else:
                tell(known)
        _say_what_is_of_others(outcomes, model, "magnetogram" if job.observer is None else "chart")
        start = time.monotonic()
        for done, outcome in enumerate(_done(job, model, left, executor), start=1):
            tell(outcome)
            now = time.monotonic()
            if bar.disable and done < len(left) and now - told >= _INTERVAL:
                told = now
                say(_progress(outcomes, len(sources), done / (now - start)))


def counted(number: int, noun: str) -> str:
    """
    Say how many.

    Parameters
    ----------
    number : int
    noun : str
        For one of them.

    Returns
    -------
    str
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _progress(outcomes: dict[str, Outcome], total: int, rate: float) -> str:
    """How far it is, in a line; ``rate`` is a second's."""
    from tqdm import tqdm

    failed = sum(outcome.status == "failed" for outcome in outcomes.values())
    left = tqdm.format_interval((total - len(outcomes)) / rate)
    return f"{len(outcomes)} of {total} files, {failed} failed, {rate:.3g} a second, {left} left"


def _say_what_is_of_others(outcomes: dict[str, Outcome], model: "FieldModel", noun: str) -> None:
    """Say which images were skipped that are not what would be made now."""
    skipped = (outcome.model for outcome in outcomes.values() if outcome.status == "skipped")
    for name, number in Counter(skipped).items():
        if name not in (model.name, ""):
            has = "has" if number == 1 else "have"
            say(f"note: {counted(number, f'skipped {noun}')} {has} images of {name}, not of {model.name}")


def _done(job: "Job", model: "FieldModel", sources: Sequence[str], executor: Executor | None) -> Iterator[Outcome]:
    """What became of each file, in the order in which they are done."""
    if executor is None:
        yield from map(job, sources)
        return
    futures = {executor.submit(job, source): source for source in sources}
    for future in as_completed(list(futures)):
        source = futures.pop(future)
        try:
            outcome = future.result()
        except Exception as error:
            yield Outcome(source, "failed", sentence(error))
            continue
        # What was there when somebody came to it was not there before: a process that died since had made it.
        if outcome.status == "skipped":
            outcome = dataclasses.replace(outcome, status="done", model=model.name)
        yield outcome


def _known(job: "Job", model: "FieldModel", source: str, resume: bool) -> Outcome | None:
    """What becomes of a file that needs no work; None if it does."""
    names = job.names(source)
    if resume:
        if job.is_done(source):
            paths = tuple(str(job.directory / name) for name in names)
            return Outcome(source, "skipped", files=paths, model=made_with(paths[0], model))
    elif not job.overwrite:
        try:
            files.check(job.directory, names, advice="use --skip-existing to go on, --overwrite to replace it,")
        except OSError as error:
            return Outcome(source, "failed", sentence(error))
    return None
