"""
Observations → a store: magnetograms by the package's own preparation, AIA images by aiapy's calibration.

Both end on one grid, by the same single interpolation. aiapy says where a level 1 image has the Sun and how sensitive
the instrument was; its ``register`` is not used, since that would interpolate a second time.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import astropy.units as u
import sunpy.map
from astropy.io.fits.verify import VerifyWarning
from astropy.table import QTable
from astropy.time import Time
from sunpy.map.sources import AIAMap

from sunpy_mag2euv.aia import level_of
from sunpy_mag2euv.disk import Disk
from sunpy_mag2euv.grid import Grid
from sunpy_mag2euv.intensity import unit_of, unit_written
from sunpy_mag2euv.preparation import prepare, resample
from sunpy_mag2euv.sensitivity import AS_TAKEN, Sensitivity, aiapy_tables, epoch_of
from sunpy_mag2euv.training.data.pairs import observation_time, problem_table, read_header
from sunpy_mag2euv.training.data.store import Store

if TYPE_CHECKING:
    from astropy.table import Table
    from sunpy.map import GenericMap

__all__ = [
    "GRID",
    "SATURATION",
    "UNCORRECTED",
    "Calibration",
    "fill",
    "load_calibration",
    "open_store",
    "prepare_image",
    "read_pointing_table",
]

#: That of Park et al. 2019, doi:10.3847/2041-8213/ab46bb.
GRID = Grid((1024, 1024), 392.0)

#: Largest count that AIA's 14-bit converter gives: what is there is at least this bright.
SATURATION = 16383

#: Passbands whose degradation Park et al. 2019 left uncorrected.
UNCORRECTED = (1600, 1700)

#: The columns of the master pointing table that aiapy takes as quantities, by the end of their names.
_POINTING_UNITS = {"X0": u.pix, "Y0": u.pix, "IMSCALE": u.arcsec / u.pix, "INSTROT": u.deg}


@dataclass(frozen=True)
class Calibration:
    """
    What DN/s refer to.

    Attributes
    ----------
    reference_epoch : `~astropy.time.Time`
        All images are brought to AIA's sensitivity at this time.
    sensitivity : `~sunpy_mag2euv.sensitivity.Sensitivity`, optional
        Not needed for `UNCORRECTED` passbands.
    pointing_table : `~astropy.table.QTable`, optional
        As aiapy's ``get_pointing_table`` returns it. Needed for level 1 images only.
    """

    reference_epoch: Time
    sensitivity: Sensitivity | None = None
    pointing_table: QTable | None = None

    def factor(self, passband: int, time: Time) -> float:
        """
        Sensitivity at a time, in units of that at the reference epoch.

        Parameters
        ----------
        passband : int
            In angstrom.
        time : `~astropy.time.Time`

        Returns
        -------
        float
            What DN/s have to be divided by; 1 for `UNCORRECTED` passbands.

        Raises
        ------
        ValueError
            If the table does not cover the time, or is not to be believed then.
        """
        if passband in UNCORRECTED:
            return 1.0
        then, reference = (
            self.sensitivity.since_launch(  # type: ignore[union-attr]
                passband, moment
            )
            for moment in (time, self.reference_epoch)
        )
        return then / reference

    def epoch(self, passband: int) -> str | None:
        """The epoch of AIA's sensitivity that DN/s refer to, a date; None for `UNCORRECTED` passbands."""
        return None if passband in UNCORRECTED else self.reference_epoch.utc.strftime("%Y-%m-%d")

    def describe(self, passband: int) -> str:
        """What a passband's DN/s refer to, in words."""
        if passband in UNCORRECTED:
            return "DN/s of observed AIA images, not corrected for degradation"
        epoch, version = self.epoch(passband), self.sensitivity.version  # type: ignore[union-attr]
        return f"DN/s at AIA's sensitivity of {epoch}, by version {version} of its degradation table"


def load_calibration(
    directory: str | os.PathLike,
    frames: "Table",
    passbands: Sequence[int],
    reference_epoch: Time,
    *,
    pointing_table: str | os.PathLike | None = None,
    correction_table: str | os.PathLike | None = None,
) -> Calibration:
    """
    Gather what the images of some frames need, and make sure that it covers them.

    Parameters
    ----------
    directory : path-like
        Where the files of ``frames`` are.
    frames : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.data.pairs.match` makes it.
    passbands : sequence of int
        In angstrom.
    reference_epoch : `~astropy.time.Time`
    pointing_table, correction_table : path-like, optional
        Files, see `read_pointing_table` and aiapy's ``get_correction_table``. Unless given, and if they are
        needed, the pointing is fetched from the JSOC and the correction from SolarSoft.

    Returns
    -------
    Calibration

    Raises
    ------
    ValueError
        If a file is not such a table, or does not cover the reference epoch.
    OSError
        If a file cannot be read, or a table not fetched.
    """
    sensitivity = pointing = None
    if corrected := [band for band in passbands if band not in UNCORRECTED]:
        sensitivity = Sensitivity.read("SSW" if correction_table is None else correction_table)
    if pointing_table is not None:
        pointing = _pointing(Path(pointing_table), read_pointing_table)
    elif _level_1(directory, frames, passbands):
        # An entry holds for 3 hours, or longer if there was no fit.
        span = Time([frames["time"].min() - 1 * u.day, frames["time"].max() + 1 * u.day])
        pointing = _pointing("JSOC", lambda source: aiapy_tables().get_pointing_table(source, time_range=span))
    calibration = Calibration(reference_epoch, sensitivity, pointing)
    for band in corrected:
        try:
            calibration.factor(band, reference_epoch)
        except ValueError as error:
            raise ValueError(
                f"the correction table must cover the reference epoch in {band} Å ({error}); "
                "give a later epoch or another table"
            ) from error
    return calibration


def _pointing(source: Any, read: Any) -> Any:
    """Read the pointing table, with one sentence about whatever goes wrong."""
    if isinstance(source, Path) and not source.is_file():
        raise FileNotFoundError(f"there is no pointing table {source}; expected the path of an existing file")
    try:
        return read(source)
    except Exception as error:
        if isinstance(source, Path):
            raise ValueError(
                f"{source} is not a pointing table as aiapy reads it ({type(error).__name__}: {error})"
            ) from error
        raise OSError(
            f"cannot fetch AIA's pointing table from {source} ({error}); get the file elsewhere and give it with "
            "--pointing-table"
        ) from error


def _level_1(directory: str | os.PathLike, frames: "Table", passbands: Sequence[int]) -> bool:
    """Whether there are images that need the pointing table; those of one passband have one level."""
    columns = [f"aia_{band:04}" for band in passbands] if len(frames) else []
    return any(read_header(Path(directory, frames[column][0])).get("LVL_NUM", 1) < 1.5 for column in columns)


def read_pointing_table(path: str | os.PathLike) -> QTable:
    """
    Read AIA's master pointing table from a file.

    Parameters
    ----------
    path : path-like
        A table that astropy reads (ECSV or CSV) with the columns of the JSOC's ``aia.master_pointing3h``. Units that
        the file does not say are taken as the JSOC has them.

    Returns
    -------
    `~astropy.table.QTable`
        As aiapy's ``get_pointing_table`` returns it, which itself reads no files.

    Raises
    ------
    ValueError
        If columns are missing.
    """
    table = QTable.read(path, format="ascii")
    if not {"T_START", "T_STOP"} < set(table.colnames) or not any(name.endswith("_INSTROT") for name in table.colnames):
        raise ValueError("a pointing table must have the columns T_START, T_STOP, A_171_INSTROT and so on")
    for name in table.colnames:
        column = table[name]
        if name in ("T_START", "T_STOP"):
            table[name] = Time(column, scale="utc")
        elif unit := _POINTING_UNITS.get(name.rsplit("_", 1)[-1]):
            # What is missing must be NaN, which aiapy passes over.
            values = u.Quantity(np.ma.filled(getattr(column, "unmasked", column), np.nan), column.unit or unit)
            table[name] = values.to(unit)
    return table


def prepare_image(image: "GenericMap", grid: Grid, calibration: Calibration) -> tuple:
    """
    Bring an AIA image to a grid and to the calibration's DN/s.

    Parameters
    ----------
    image : `~sunpy.map.sources.AIAMap`
        Full disk, level 1 (4096 by 4096 pixels, whose pointing is updated) or level 1.5 (whose coordinates are taken
        as they are, at any size), in DN or DN/s.
    grid : Grid
    calibration : Calibration

    Returns
    -------
    values : `~numpy.ndarray`
        In DN/s per AIA pixel, float32, shape ``grid.shape``, NaN where there is no data.
    ceiling : float
        In DN/s: values there are lower limits. Infinite if the header does not say the exposure time.

    Raises
    ------
    TypeError
        If ``image`` is not an AIA image.
    ValueError
        If it says no level, unit or exposure time, or that its level was corrected already; if it does not show the
        full disk, or the tables do not cover it.
    """
    if not isinstance(image, AIAMap):
        raise TypeError(f"the image must be from AIA; this is a {type(image).__name__}")
    unit = unit_of(image)
    if unit not in (u.DN, u.DN / u.s):
        raise ValueError(f"the image must be in DN or DN/s; its unit is {unit_written(image.meta) or 'none'}")
    if (level := level_of(image.meta)) is None:
        raise ValueError("the image must say its level, 1 or 1.5, in LVL_NUM; its header does not")
    if epoch_of(image) != AS_TAKEN:
        raise ValueError(
            "the image must be as it was taken; its header says with DEGEPOCH or DEG_COR that its level was corrected"
        )
    if level < 1.5:
        image = _point(image, calibration.pointing_table)
    disk = Disk.of(image)
    if not disk.inside(image.data.shape):
        raise ValueError("the image must show the full disk; this one does not")
    exposure = image.meta.get("exptime")
    if exposure is None and unit == u.DN:
        raise ValueError("the image must say its exposure time in EXPTIME; its header does not")
    passband = round(image.wavelength.to_value(u.angstrom))
    factor = calibration.factor(passband, image.date)

    values = np.array(image.data, dtype=np.float32, order="C")
    known = np.isfinite(values)
    if image.mask is not None:
        known &= ~np.asarray(image.mask, dtype=bool)
    if not known.any():
        raise ValueError("the image must have values; it has none")
    values[~known] = 0
    divisor = factor * (exposure if unit == u.DN else 1)
    # Half a count less, since the averages of pixels that all saturate come out as the ceiling only to rounding.
    ceiling = np.inf if exposure is None else (SATURATION - 0.5) / exposure / factor
    return resample(values, known, disk, grid) / np.float32(divisor), ceiling


def _point(image: Any, pointing_table: Any) -> Any:
    """The level 1 image with the fitted pointing."""
    from aiapy.calibrate import update_pointing

    if pointing_table is None:
        raise ValueError("a level 1 image needs the pointing table; there is none, since the first images are not")
    try:
        return update_pointing(image, pointing_table=pointing_table)
    except (IndexError, KeyError) as error:
        raise ValueError(f"the pointing table must cover the image ({error})") from error


def open_store(
    path: str | os.PathLike, frames: "Table", passbands: Sequence[int], grid: Grid, calibration: Calibration
) -> Store:
    """
    Open the store of some frames for writing, or make it.

    Parameters
    ----------
    path : path-like
    frames : `~astropy.table.Table`
        As `~sunpy_mag2euv.training.data.pairs.match` makes it.
    passbands : sequence of int
        In angstrom.
    grid : Grid
    calibration : Calibration

    Returns
    -------
    Store

    Raises
    ------
    ValueError
        If there is a store of other frames, or of the same prepared in another way.
    """
    texts = {band: calibration.describe(band) for band in passbands}
    if not Path(path).exists():
        times = frames["time"]
        provenance = (
            f"{len(frames)} frames of SDO/HMI line-of-sight magnetograms and SDO/AIA images, "
            f"{times.min().strftime('%Y-%m-%d')} to {times.max().strftime('%Y-%m-%d')}"
        )
        epochs = {band: epoch for band in passbands if (epoch := calibration.epoch(band))}
        return Store.create(path, grid, frames, passbands, provenance=provenance, calibration=texts, epochs=epochs)
    store = Store.open(path, "r+")
    files = [name for name in frames.colnames if name not in ("time", "source")]
    agreement = {
        "grid": store.grid == grid,
        "passbands": store.passbands == list(passbands),
        "calibration": store.calibration == texts,
        "frames": len(store.frames) == len(frames)
        and all(name in store.frames.colnames and (store.frames[name] == frames[name]).all() for name in files),
    }
    if different := [what for what, same in agreement.items() if not same]:
        raise ValueError(f"{path} was made with other {' and '.join(different)}; give another path, or remove it")
    return store


def fill(store: Store, directory: str | os.PathLike, calibration: Calibration) -> "Table":
    """
    Prepare and write the frames of a store that are not done, with a progress bar.

    Parameters
    ----------
    store : Store
        From `open_store`.
    directory : path-like
        Where the files are.
    calibration : Calibration

    Returns
    -------
    `~astropy.table.Table`
        Files that could not be used, whose frames are not done; as
        `~sunpy_mag2euv.training.data.pairs.problem_table` makes it, of the kinds ``unreadable`` and ``unusable``.
    """
    from tqdm import tqdm

    problems = []
    for row in tqdm(np.nonzero(~store.done)[0], unit="frame", disable=None):
        try:
            frame = _prepare_frame(store, store.frames[row], Path(directory), calibration)
        except _FileError as error:
            problems.append((error.file, error.kind, str(error)))
            continue
        store.write(int(row), **frame)
    return problem_table(problems)


class _FileError(Exception):
    """A file that cannot be used, which shows only once its data are read."""

    def __init__(self, file: Any, kind: str, error: BaseException) -> None:
        super().__init__(" ".join(str(error).split()) or type(error).__name__)
        self.file, self.kind = file, kind


def _prepare_frame(store: Store, frame: Any, directory: Path, calibration: Any) -> dict[str, Any]:
    """What `Store.write` takes of a frame."""
    images, times, ceilings = {}, {}, {}
    field, _ = _prepared(directory, frame["magnetogram"], lambda magnetogram: _field(magnetogram, store.grid))
    for band in store.passbands:
        (images[band], ceilings[band]), times[band] = _prepared(
            directory, frame[f"aia_{band:04}"], lambda image: prepare_image(image, store.grid, calibration)
        )
    return {"field": field, "images": images, "times": times, "ceilings": ceilings}


def _prepared(directory: Path, file: Any, function: Any) -> tuple:
    """A function's result for the Map in a file, and the time of the latter."""
    # What decoders and sunpy raise on damaged files is not to be foreseen, and no such file may stop the run.
    with warnings.catch_warnings():
        # The archives' headers break the standard in ways that astropy puts right.
        warnings.simplefilter("ignore", VerifyWarning)
        try:
            image = sunpy.map.Map(directory / file)
            time = observation_time(image.meta)
        except Exception as error:
            raise _FileError(file, "unreadable", error.__cause__ or error) from error
        try:
            return function(image), time
        except Exception as error:
            raise _FileError(file, "unusable", error) from error


def _field(magnetogram: Any, grid: Grid) -> npt.NDArray:
    prepared = prepare(magnetogram, grid)
    if unknown := np.count_nonzero(~prepared.known):
        # The store has zeros off the limb, and here they would pass for measurements.
        raise ValueError(f"the magnetogram must cover the whole disk; {unknown} pixels of the grid are unknown")
    return prepared.values
