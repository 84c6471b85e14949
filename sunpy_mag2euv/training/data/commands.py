"""
The commands ``mag2euv data download | prepare | sdoml``: from the archives to a store that networks are trained on.

What they need is imported by them, so that asking for help does not wait.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sunpy_mag2euv.cli import described

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.time import Time

    from sunpy_mag2euv.training.data.sdoml import Estimate

__all__ = ["add_data"]

#: Those of Park et al. 2019, doi:10.3847/2041-8213/ab46bb.
_PASSBANDS = ("94", "131", "171", "193", "211", "304", "335", "1600", "1700")


def add_data(commands: Any) -> None:
    """
    Add the command ``data``.

    Parameters
    ----------
    commands
        What `argparse.ArgumentParser.add_subparsers` returned.
    """
    parser = commands.add_parser(
        "data",
        help="observations to train on",
        **described(
            "Brings magnetograms and AIA images of the same times from the archives into a store that networks are "
            "trained on. Each step says more with --help.",
            "mag2euv data prepare files frames.zarr --passbands 193",
        ),
    )
    data = parser.add_subparsers(required=True, metavar="STEP")

    download = data.add_parser(
        "download",
        help="magnetograms and images from the archives",
        **described(
            "Fetches HMI magnetograms and AIA images of the same times from the JSOC into a directory, and writes a "
            "table of what was taken and what was not, and why. Run again, it goes on.",
            "mag2euv data download --start 2011-01-01 --end 2018-01-01 --passbands 193 \\\n"
            "    --email you@example.org -o files",
        ),
    )
    _add_times(download)
    _add_selection(download)
    download.add_argument(
        "--series",
        default="level1",
        metavar="SERIES",
        help="of the images: level1, or synoptic, the same reduced to 1024 by 1024 (default: %(default)s)",
    )
    download.add_argument("--email", required=True, metavar="ADDRESS", help="registered with the JSOC")
    download.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the files go")
    download.set_defaults(command=_download)

    prepare = data.add_parser(
        "prepare",
        help="a store from a directory of files",
        **described(
            "Finds magnetograms and images of the same times among the FITS files of a directory and writes them to a "
            "store, on one grid and at one epoch of AIA's sensitivity. Run again, it goes on.",
            "mag2euv data prepare files frames.zarr --passbands 193",
            "mag2euv data prepare files frames.zarr --size 256 --skip-problems",
        ),
    )
    prepare.add_argument("directory", type=Path, metavar="DIR", help="FITS files of HMI and AIA")
    prepare.add_argument("store", type=Path, metavar="STORE", help="made, or filled on")
    _add_grid(prepare, 1024)
    _add_selection(prepare)
    prepare.add_argument(
        "--reference-epoch",
        default="2011-01-01",
        metavar="TIME",
        help="the images are brought to AIA's sensitivity at this time (default: %(default)s)",
    )
    prepare.add_argument("--pointing-table", type=Path, metavar="FILE", help="default: fetched, if it is needed")
    prepare.add_argument("--correction-table", type=Path, metavar="FILE", help="default: fetched, if it is needed")
    prepare.add_argument("--skip-problems", action="store_true", help="go on without the files that have any")
    prepare.set_defaults(command=_prepare)

    sdoml = data.add_parser(
        "sdoml",
        help="a store from SDOML, in public and without an account",
        **described(
            "Fetches magnetograms and images of the same times from the machine-learning data set of SDO into a store, "
            "with a table of what was taken and what was not, and why. Run again, it goes on.",
            "mag2euv data sdoml --start 2011-01-01 --end 2018-01-01 -o sdoml.zarr --dry-run",
            "mag2euv data sdoml --start 2011-01-01 --end 2018-01-01 -o sdoml.zarr",
        ),
    )
    _add_times(sdoml)
    _add_selection(sdoml, "3min")
    _add_grid(sdoml, 512)
    sdoml.add_argument(
        "--root",
        metavar="DIR",
        help="directory or address that holds sdomlv2.zarr and sdomlv2_hmi.zarr (default: NASA's public copy)",
    )
    sdoml.add_argument("--dry-run", action="store_true", help="estimate size and time, and do nothing else")
    sdoml.add_argument("-o", "--output", type=Path, required=True, metavar="STORE", help="made, or filled on")
    sdoml.set_defaults(command=_sdoml)


def _add_times(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--start", required=True, metavar="TIME", help="first time, such as 2011-01-01")
    parser.add_argument("--end", required=True, metavar="TIME", help="end, which is not taken any more")
    parser.add_argument("--cadence", default="6h", metavar="STEP", help="default: %(default)s")


def _add_grid(parser: argparse.ArgumentParser, size: int) -> None:
    parser.add_argument("--size", type=int, default=size, metavar="PIXELS", help="of a side (default: %(default)s)")
    parser.add_argument(
        "--radius", type=float, metavar="PIXELS", help="of the Sun (default: 392 of 1024, in proportion)"
    )


def _add_selection(parser: argparse.ArgumentParser, tolerance: str = "60s") -> None:
    parser.add_argument(
        "--passbands", nargs="+", default=_PASSBANDS, metavar="BAND", help="default: the nine of AIA, 94 to 1700"
    )
    parser.add_argument(
        "--tolerance", default=tolerance, metavar="TIME", help="between magnetogram and image (default: %(default)s)"
    )


def _download(arguments: argparse.Namespace) -> int:
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.training.data import archive

    passbands, tolerance = _selection(arguments)
    times = _slots(arguments)
    try:
        table = archive.download(
            arguments.output, times, passbands, arguments.email, series=arguments.series, tolerance=tolerance
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        _say(f"mag2euv: error: {error}")
        return 1
    return _summarize(table, arguments.output / archive.TABLE)


def _sdoml(arguments: argparse.Namespace) -> int:
    from sunpy_mag2euv import files
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.training.data import sdoml, sdoml_selection
    from sunpy_mag2euv.training.data.archive import TABLE
    from sunpy_mag2euv.training.data.store import Store

    passbands, tolerance = _selection(arguments)
    grid, times = _grid(arguments.size, arguments.radius), _slots(arguments)
    root = arguments.root or sdoml_selection.ROOT
    if arguments.output.exists():
        # Said before gigabytes are read rather than after.
        try:
            Store.open(arguments.output)
        except (FileNotFoundError, ValueError) as error:
            raise UsageError(f"{arguments.output} is there and is no training store; give another -o") from error
    try:
        if arguments.dry_run:
            _print_estimate(sdoml.estimate(root, times, passbands, grid), len(times), len(passbands))
            return 0
        files.prepare(arguments.output.absolute().parent)
        selection = sdoml_selection.select(root, times, passbands, tolerance=tolerance)
        store = sdoml.open_store(arguments.output, selection, grid)
        table = sdoml.fill(store, selection, arguments.output)
    except (FileNotFoundError, ImportError, ValueError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        _say(f"mag2euv: error: {error}; nothing is lost, so run the same again to go on")
        return 1
    print(f"{int(store.has.any(axis=1).sum())} of {len(times)} frames in {arguments.output}")
    return _summarize(table, arguments.output / TABLE)


def _print_estimate(estimate: "Estimate", times: int, passbands: int) -> None:
    """What will be fetched, at most, and how long that takes."""
    hours = estimate.seconds / 3600
    print(f"{times} times, magnetogram and {passbands} passbands, at most")
    print(f"attributes to read, once and for all: {estimate.attributes / 1e9:.3g} GB")
    print(f"frames to fetch: {estimate.pieces} of {estimate.piece_bytes / 1e6:.3g} MB")
    print(f"store, before compression: {estimate.store_bytes / 1e9:.3g} GB")
    print(f"time: {hours:.2g} h at the {estimate.rate / 1e6:.3g} MB/s of one frame; several are fetched at once")


def _summarize(table: "Table", path: Path) -> int:
    """Print how much was taken and rejected; returns the exit status."""
    counts = {status: int((table["status"] == status).sum()) for status in ("taken", "rejected", "failed")}
    said = ", ".join(f"{count} {status}" for status, count in counts.items())
    print(f"{said}; {path} says why")
    return 1 if counts["failed"] else 0


def _prepare(arguments: argparse.Namespace) -> int:
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.training.data import observations, pairs

    passbands, tolerance = _selection(arguments)
    grid, epoch = _grid(arguments.size, arguments.radius), _time("--reference-epoch", arguments.reference_epoch)
    try:
        frames, problems = pairs.match(arguments.directory, passbands, tolerance=tolerance)
    except FileNotFoundError as error:
        raise UsageError(str(error)) from error
    _report(problems)
    if len(problems) and not arguments.skip_problems:
        _say(f"mag2euv: error: {len(problems)} problems, so nothing was done; use --skip-problems to go on without")
        return 1
    if not len(frames):
        _say(f"mag2euv: error: {arguments.directory} holds no magnetogram with images in all passbands asked for")
        return 1
    try:
        calibration = observations.load_calibration(
            arguments.directory,
            frames,
            passbands,
            epoch,
            pointing_table=arguments.pointing_table,
            correction_table=arguments.correction_table,
        )
        store = observations.open_store(arguments.store, frames, passbands, grid, calibration)
    except (FileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        _say(f"mag2euv: error: {error}")
        return 1
    try:
        unusable = observations.fill(store, arguments.directory, calibration)
    except OSError as error:
        _say(f"mag2euv: error: cannot write {arguments.store} ({error}); run the same again to go on")
        return 1
    _report(unusable)
    print(f"{int(store.done.sum())} of {len(frames)} frames in {arguments.store}")
    return 1 if len(unusable) else 0


def _selection(arguments: argparse.Namespace) -> tuple:
    """Passbands in angstrom, each once, and the tolerance."""
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.passbands import get_passband

    try:
        passbands = list(dict.fromkeys(get_passband(label).angstrom for label in arguments.passbands))
    except ValueError as error:
        raise UsageError(str(error)) from error
    return passbands, _duration("--tolerance", arguments.tolerance)


def _slots(arguments: argparse.Namespace) -> "Time":
    """The times that were asked for."""
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.training.data.archive import slots

    try:
        return slots(arguments.start, arguments.end, _duration("--cadence", arguments.cadence))
    except ValueError as error:
        raise UsageError(f"no times between --start and --end: {error}") from error


def _duration(option: str, text: str) -> Any:
    import astropy.units as u

    from sunpy_mag2euv.cli import UsageError

    try:
        duration = u.Quantity(text).to(u.s)
    except (TypeError, u.UnitConversionError):
        duration = None
    if duration is None or not 0 < duration.value < float("inf"):
        raise UsageError(f"{option} must be a time with its unit, such as 60s, 12min, 6h or 1d; got {text!r}")
    return duration


def _time(option: str, text: str) -> Any:
    from sunpy.time import parse_time

    from sunpy_mag2euv.cli import UsageError

    try:
        return parse_time(text)
    except ValueError as error:
        raise UsageError(f"{option} must be a time such as 2011-01-01; got {text!r}") from error


def _grid(size: int, radius: float) -> Any:
    from sunpy_mag2euv.cli import UsageError
    from sunpy_mag2euv.grid import Grid
    from sunpy_mag2euv.training.data.observations import GRID

    if radius is None:
        radius = size * GRID.solar_radius / GRID.shape[0]
    if size < 1 or not 0 < radius <= size / 2:
        raise UsageError(f"--size and --radius must be positive and the Sun must fit in; got {size} and {radius:g}")
    return Grid((size, size), radius)


def _report(problems: Any) -> None:
    for file, kind, reason in problems:
        _say(f"{file}: {kind}: {reason}")


def _say(line: str) -> None:
    """Print to standard error, past a progress bar."""
    import sys

    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)
