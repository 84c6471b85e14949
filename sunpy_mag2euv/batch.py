"""Many magnetogram files, done one after another or side by side."""

import dataclasses
from concurrent.futures import as_completed

from sunpy_mag2euv import files
from sunpy_mag2euv.archive import Outcome
from sunpy_mag2euv.notes import say, sentence

__all__ = ["do_all"]


def do_all(job, sources, outcomes, *, executor=None, resume=False):
    """
    Do a job with many files, with a progress bar; say what is to be said about them as it comes.

    Parameters
    ----------
    job : `~sunpy_mag2euv.archive.Job`
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

    said = set()
    with tqdm(total=len(sources), unit="file", leave=False, disable=True if len(sources) == 1 else None) as bar:
        for outcome in _done(job, sources, executor, resume):
            outcomes[outcome.source] = outcome
            for note in outcome.notes:
                if note not in said:
                    said.add(note)
                    say(f"note: {note}")
            if outcome.status == "failed":
                say(f"{outcome.source}: {outcome.reason}")
            bar.update()


def _done(job, sources, executor, resume):
    """What became of each file, in the order in which they are done."""
    futures = {}
    for source in sources:
        if (outcome := _known(job, source, resume)) is not None:
            yield outcome
        elif executor is None:
            yield job(source)
        else:
            futures[executor.submit(job, source)] = source
    for future in as_completed(list(futures)):
        source = futures.pop(future)
        try:
            outcome = future.result()
        except Exception as error:
            yield Outcome(source, "failed", sentence(error))
            continue
        # What was there when somebody came to it was not there before: a process that died since had made it.
        yield dataclasses.replace(outcome, status="done") if outcome.status == "skipped" else outcome


def _known(job, source, resume):
    """What becomes of a file that needs no work; None if it does."""
    names = job.names(source)
    if resume:
        if job.is_done(source):
            return Outcome(source, "skipped", files=tuple(str(job.directory / name) for name in names))
    elif not job.overwrite:
        try:
            files.check(job.directory, names)
        except OSError as error:
            return Outcome(source, "failed", sentence(error))
    return None
