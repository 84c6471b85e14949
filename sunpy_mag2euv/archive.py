"""
From one image to an archive: a magnetogram file → its image files, as a function that can be sent to other processes.

>>> from sunpy_mag2euv.archive import Job
>>> job = Job("images", [171, 193], model="shared-browse")
>>> job.names("2014/hmi.M_720s.20140701_000000_TAI.magnetogram.fits")[0]
'hmi.M_720s.20140701_000000_TAI.magnetogram_aia_0171.fits'
>>> outcomes = map(job, ["first.fits", "second.fits"])
"""

import contextlib
import ctypes
import functools
import itertools
import os
import re
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv import files, inputs
from sunpy_mag2euv.execution import is_large
from sunpy_mag2euv.notes import collected, sentence

if TYPE_CHECKING:
    from sunpy.map import GenericMap

    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.passbands import Passband

__all__ = ["Job", "Outcome", "image_names", "image_writers", "made_with"]

#: Held while a magnetogram is worked on: what is warned of belongs to the whole process, and torch has threads anyway.
_ALONE = threading.RLock()

#: After so many magnetograms memory that is free is given back, with large images and with others; oftener it would
#: cost time, less often memory grows.
_ROUNDS = {True: 10, False: 3}
_count = itertools.count(1)

#: What ``malloc.h`` calls from which size on an array gets memory of its own from the system, and how much of what is
#: free at the end of the rest is kept.
_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD = -3, -1


def _be_free() -> None:
    """In a forked process, nobody is at work, whoever was when it was forked."""
    global _ALONE
    _ALONE = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_be_free)


@dataclass(frozen=True)
class Outcome:
    """
    What became of a magnetogram file.

    Attributes
    ----------
    source : str
        The file, or its address.
    status : str
        "done"; "skipped" if all its images were there; "failed".
    reason : str
        Why it failed, in a sentence.
    files : tuple of str
        The files of its images.
    validity : dict
        For every passband (int, angstrom) that was made, what its image says in ``VALIDITY``, see
        `~sunpy_mag2euv.validity.FieldValidity.header`.
    notes : tuple of str
        What was warned of.
    seconds : float
        How long it took.
    model : str
        Name of the model that its images were made with, where that was found out.
    """

    source: str
    status: str
    reason: str = ""
    files: tuple[str, ...] = ()
    validity: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    model: str = ""


@dataclass(frozen=True)
class Job:
    """
    Make the images of a magnetogram file, and write them to files.

    A job is a function of a path. It can be pickled, so that processes of this machine or others can do it, and each of
    them loads the model once. It can be done again: images that are there are not made twice.

    Parameters
    ----------
    directory : path-like
        Where the images are written. Made, with its parents, if it is not there.
    passbands : int, str, `~astropy.units.Quantity` or sequence of these, optional
        All that the model has, unless given.
    model, device, observer, obstime
        As for `~sunpy_mag2euv.generate`, but one observer. With an observer the files are charts, which
        `~sunpy_mag2euv.read_chart` reads.
    sha256 : str, optional
        As for `~sunpy_mag2euv.load_model`.
    png : bool, optional
        Whether there is a picture beside each FITS file.
    overwrite : bool, optional
        Whether images that are there are made again. Otherwise a magnetogram whose images are all there is skipped; if
        some of them are missing, all are made.

    Raises
    ------
    TypeError, ValueError
        If ``passbands`` names no passbands, or there are several observers.
    """

    directory: Path
    # None becomes all that the model has.
    passbands: tuple = None  # type: ignore[assignment]
    _: KW_ONLY
    model: object = None
    sha256: str | None = None
    device: object = None
    observer: object = None
    obstime: object = None
    png: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        from sunpy_mag2euv.inference import is_single
        from sunpy_mag2euv.passbands import get_passband

        object.__setattr__(self, "directory", Path(self.directory))
        if self.passbands is not None:
            passbands = [self.passbands] if is_single(self.passbands) else self.passbands
            object.__setattr__(self, "passbands", tuple(dict.fromkeys(map(get_passband, passbands))))
            if not self.passbands:
                raise ValueError("the passbands of a job must be at least one; for all, leave them out")
        if not (is_single(self.observer) and is_single(self.obstime)):
            raise TypeError("a job must have one observer and one obstime; make a job with a directory for each")

    def __call__(self, source: Any) -> Outcome:
        """
        Do it.

        Parameters
        ----------
        source : path-like or str
            A magnetogram file, or its address, as `~sunpy_mag2euv.inputs.read` takes it.

        Returns
        -------
        Outcome
            Whatever is wrong with the file is said there.

        Raises
        ------
        ValueError, OSError
            If model, passbands or device cannot be used, as `~sunpy_mag2euv.generate` raises them: no file can be done.
        """
        source = str(source)
        with _ALONE, collected() as notes:
            start = time.perf_counter()
            settings = self._settings()
            # Small images gain nothing by it, and the memory that they take would not stay the same.
            large = is_large(settings["model"].grid)
            if large:
                _keep_memory()
            try:
                status, validity = self._make(source, settings)
                reason = ""
            except Exception as error:
                status, validity, reason = "failed", {}, sentence(error)
            model = settings["model"].name if status == "done" else ""
            seconds = time.perf_counter() - start
            if next(_count) % _ROUNDS[large] == 0:
                _give_memory_back()
        paths = () if status == "failed" else tuple(str(self.directory / name) for name in self.names(source))
        return Outcome(source, status, reason, paths, validity, tuple(notes), seconds, model)

    def names(self, source: Any) -> list[str]:
        """
        Name the files that are made of a magnetogram.

        Parameters
        ----------
        source : path-like or str

        Returns
        -------
        list of str
            FITS files in the order of the passbands, then pictures, if there are any.

        Raises
        ------
        ValueError, OSError
            If the model is asked for its passbands, and cannot be used.
        """
        passbands = self.passbands or self._settings()["passband"]
        return image_names(self.stem(source), passbands, self.png)

    def stem(self, source: Any) -> str:
        """
        Name what is made of a magnetogram.

        Parameters
        ----------
        source : path-like or str

        Returns
        -------
        str
            What the names of all its images begin with: the file's name, and who sees a chart, and when if that was
            said.
        """
        words = [inputs.stem(str(source))]
        if self.observer is not None:
            words.append(_word(self.observer))
        if self.obstime is not None:
            words.append(_time(self.obstime).utc.strftime("%Y%m%dT%H%M%S"))
        return "_".join(words)

    def is_done(self, source: Any) -> bool:
        """
        Find out whether all files that are made of a magnetogram are there.

        Parameters
        ----------
        source : path-like or str

        Returns
        -------
        bool
        """
        return all((self.directory / name).is_file() for name in self.names(source))

    def _make(self, source: Any, settings: dict[str, Any]) -> tuple[str, dict[int, str]]:
        """Status, and what the images say of themselves."""
        if not self.overwrite and self.is_done(source):
            return "skipped", {}
        names = self.names(source)
        files.check(self.directory, names, overwrite=True)
        images = self._images(source, settings)
        writers = image_writers(images, self.png)
        self.directory.mkdir(parents=True, exist_ok=True)
        files.write(self.directory, dict(zip(names, writers, strict=True)), overwrite=True)
        return "done", {
            band.angstrom: image.meta["validity"] for band, image in zip(settings["passband"], images, strict=True)
        }

    def _images(self, source: Any, settings: dict[str, Any]) -> Any:
        """The Maps that are made of a file."""
        from sunpy_mag2euv.synthesis import generate

        reader = _read_magnetogram
        if self.observer is not None:
            from sunpy_mag2euv.charts import read_chart as reader
        return generate(inputs.read(source, reader), observer=self.observer, obstime=self.obstime, **settings)

    def _settings(self) -> dict[str, Any]:
        """What `generate` takes besides, resolved once in a process."""
        model = self.model
        if model is None and self.observer is not None:
            from sunpy_mag2euv.models import DEFAULT_CHART_MODEL

            model = DEFAULT_CHART_MODEL
        return _resolved(model, self.sha256, self.device, self.passbands, _stamp(model))


def _read_magnetogram(path: Any) -> "GenericMap":
    """The Map in a file. Charts are told what they lack, those that only `read_chart` can read, too."""
    from sunpy_mag2euv.charts import is_chart

    try:
        image = inputs.read(path)
        chart = is_chart(image)
    except ValueError:
        if not _holds_chart(path):
            raise
        chart = True
    if chart:
        raise ValueError(
            "a chart must have an observer, since it shows the whole Sun, which nobody sees at once; give one, such as "
            "earth (on the command line, --observer earth)"
        )
    return image


def _holds_chart(path: Any) -> bool:
    """Whether a file that sunpy cannot read is a chart."""
    from sunpy_mag2euv.charts import read_chart

    try:
        with warnings.catch_warnings(action="ignore"):
            read_chart(path)
    except (OSError, TypeError, ValueError):
        return False
    return True


def _time(obstime: Any) -> Any:
    from sunpy.time import parse_time

    return parse_time(obstime)


def _word(observer: Any) -> str:
    """A name, or a place, as part of a file's name."""
    if not isinstance(observer, str):
        place = observer.spherical
        observer = f"{place.lon.deg:g} {place.lat.deg:g} {place.distance.value:g}{place.distance.unit}"
    return re.sub(r"[^\w.+-]+", "_", observer.strip().lower())


@functools.lru_cache(maxsize=8)
def _resolved(model: Any, sha256: str | None, device: Any, passbands: Any, stamp: Any) -> dict[str, Any]:
    """Model, device and passbands; ``stamp`` tells versions of a weights file."""
    from sunpy_mag2euv.inference import resolve_device, resolve_model, resolve_passbands
    from sunpy_mag2euv.models import FieldModel

    model = resolve_model(model, FieldModel, sha256)
    passbands = resolve_passbands(model.passbands if passbands is None else passbands, model)
    return {"passband": passbands, "model": model, "device": resolve_device(device)}


@functools.cache
def _keep_memory() -> None:
    """
    Have GNU's C library keep what is freed for what comes next, once in a process.

    Otherwise it asks the system for each large array anew, all whose pages have to be cleared then: a third of the time
    that the default model takes. What is more than is ever needed at a time is given back, see `_give_memory_back`.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # There is another C library.
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, 2**27)
        library.mallopt(_M_TRIM_THRESHOLD, 2**30)


def _give_memory_back() -> None:
    """Have GNU's C library return what is free between what is used, which it keeps, and keeps more of, otherwise."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # There is another C library.
        ctypes.CDLL(None).malloc_trim(0)


def _stamp(model: Any) -> tuple | None:
    """What changes with a file; None if this is none."""
    try:
        status = os.stat(model)
    except (OSError, TypeError, ValueError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def image_names(stem: str, passbands: "Iterable[Passband]", png: bool = False) -> list[str]:
    """
    Name the files of images.

    Parameters
    ----------
    stem : str
        See `~sunpy_mag2euv.inputs.stem`.
    passbands : iterable of `~sunpy_mag2euv.passbands.Passband`
    png : bool, optional
        Whether there are pictures.

    Returns
    -------
    list of str
        FITS files first.
    """
    return [
        f"{stem}_aia_{band.angstrom:04}.{kind}" for kind in (["fits", "png"] if png else ["fits"]) for band in passbands
    ]


def made_with(path: Any, model: "FieldModel") -> str:
    """
    Find out what an image was made with.

    Parameters
    ----------
    path : path-like
        A FITS file of ours.
    model : `~sunpy_mag2euv.models.FieldModel`
        What it may have been made with.

    Returns
    -------
    str
        The model's name, with the beginning of the weights' sha256 if they are others than ``model`` has under this
        name; "unknown" if the header does not say it.
    """
    from astropy.io import fits

    from sunpy_mag2euv.aia import made_by

    try:
        history = "\n".join(fits.getheader(path).get("HISTORY", ()))
    except (OSError, ValueError):
        history = ""
    said = made_by(history)
    if said is None:
        return "unknown"
    name, sha256 = said
    if sha256 == model.sha256:
        return model.name
    return f"{name} (weights {sha256[:8]})" if name == model.name else name


def image_writers(images: "Iterable[GenericMap]", png: bool = False) -> list[Callable[[Any], object]]:
    """
    Find what writes images.

    Parameters
    ----------
    images : iterable of `~sunpy.map.GenericMap`
    png : bool, optional

    Returns
    -------
    list of callable
        In the order of `image_names`, each of a path.
    """
    from sunpy_mag2euv.storage import write

    writers: list[Callable[[Any], object]] = [functools.partial(write, image) for image in images]
    if png:
        from sunpy_mag2euv.visualization import picture

        writers += [picture(image).savefig for image in images]
    return writers
