"""
The commands of the command line.

What only some of them need is imported by them, so that asking for help does not wait for torch.
"""

import argparse
import contextlib
import functools
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from sunpy_mag2euv import __version__, files, inputs
from sunpy_mag2euv.archive import image_names, image_writers
from sunpy_mag2euv.cli import options
from sunpy_mag2euv.cli.usage import PLUGINS, UsageError, described
from sunpy_mag2euv.notes import collected, say, sentence

__all__ = ["lacking", "parser"]


def parser() -> argparse.ArgumentParser:
    """
    Make the parser of the command line.

    Returns
    -------
    `argparse.ArgumentParser`
        Its results have a ``command``, which takes them and returns the exit status.
    """
    parser = argparse.ArgumentParser(
        prog="mag2euv",
        **described(
            "Synthetic SDO/AIA images from solar magnetograms. Each command says more with --help.",
            "mag2euv demo",
            "mag2euv generate hmi.fits --passband 193 171 -o images",
        ),
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    network = argparse.ArgumentParser(add_help=False)
    group = network.add_argument_group("weights and device")
    group.add_argument(
        "--model", type=options.value, metavar="MODEL", help="name, path or address of the weights (default: packaged)"
    )
    group.add_argument(
        "--sha256", type=options.value, metavar="HEX", help="what the weights' hash must be; required for an address"
    )
    group.add_argument("--device", type=options.value, help="such as cpu or cuda (default: a GPU if there is one)")

    output = argparse.ArgumentParser(add_help=False)
    output.add_argument(
        "-o", "--output", type=options.output, default=Path(), metavar="DIR", help="default: this directory"
    )
    output.add_argument("--png", action="store_true", help="a picture beside each FITS file")
    overwrite: dict[str, Any] = {"action": "store_true", "help": "replace files that exist"}

    simultaneous = argparse.ArgumentParser(add_help=False)
    simultaneous.add_argument(
        "--max-time-difference", type=float, default=12, metavar="MINUTES", help="between them (default: %(default)s)"
    )

    level = argparse.ArgumentParser(add_help=False)
    level.add_argument(
        "--correction-table",
        type=options.value,
        metavar="FILE",
        help="what AIA has lost of its sensitivity; or SSW or JSOC, to fetch it (default: aiapy's own, good to 2017)",
    )

    generate = commands.add_parser(
        "generate",
        parents=[output, network],
        help="images from magnetogram files",
        **described(
            "Reads magnetograms and writes a FITS file for each of them and each passband, in DN/s and named after the "
            "magnetogram. With --observer, it reads charts of the whole Sun and shows them as the observer sees them.",
            "mag2euv generate hmi.fits --passband 193 171 -o images --png",
            "mag2euv generate archive --passband all -o images --jobs 4 --skip-existing",
            "mag2euv generate chart.fits --observer mars --passband 304 -o images",
        ),
    )
    generate.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="line-of-sight magnetogram, or chart; or a directory of them, a pattern, @LIST of any of these, or an "
        "address",
    )
    generate.add_argument(
        "--passband",
        nargs="+",
        type=options.passbands,
        required=True,
        metavar="BAND",
        help="such as 193 171, or all that the model has",
    )
    generate.add_argument(
        "--observer",
        type=options.observer,
        metavar="NAME",
        help="who sees a chart, such as earth or stereo_a, or LON,LAT,AU (Stonyhurst, such as 180,0,1; with = before "
        "a minus); FILEs are charts then",
    )
    generate.add_argument("--obstime", type=options.value, metavar="TIME", help="when (default: the chart's time)")
    existing = generate.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", **overwrite)
    existing.add_argument("--skip-existing", action="store_true", help="go on where an earlier run ended")
    generate.add_argument("--report", type=options.output, metavar="TABLE", help="what became of each file, as ECSV")
    side_by_side = generate.add_mutually_exclusive_group()
    side_by_side.add_argument("--jobs", type=int, default=1, metavar="N", help="so many processes (default: 1)")
    side_by_side.add_argument(
        "--scheduler", type=options.value, metavar="ADDRESS", help="of a dask cluster whose workers do it"
    )
    generate.set_defaults(command=_generate)

    translate = commands.add_parser(
        "translate",
        parents=[simultaneous, level, output, network],
        help="images from AIA images of other passbands",
        **described(
            "Reads AIA images of one time, of level 1 or 1.5 and one for each passband that there is, and writes a "
            "FITS file for each passband asked for, which is made of all of them together and named after the first.",
            "mag2euv translate aia_131.fits aia_1600.fits aia_304.fits --passband 335 \\\n    -o images",
            "mag2euv translate aia_171.fits --passband all -o images --png",
        ),
    )
    translate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="AIA image, of one passband each")
    translate.add_argument(
        "--passband",
        nargs="+",
        type=options.passbands,
        required=True,
        metavar="BAND",
        help="such as 335 211, or all that the model has but those given",
    )
    translate.add_argument("--overwrite", **overwrite)
    translate.set_defaults(command=_translate)

    compare = commands.add_parser(
        "compare",
        parents=[simultaneous, level],
        help="score a synthetic image against an observed one",
        **described(
            "Reads a synthetic image and an observed one of the same passband and prints a table of scores, with a row "
            "for each region of the Sun. The table and a figure can be written to files.",
            "mag2euv compare hmi_aia_0193.fits aia_193.fits",
            "mag2euv compare hmi_aia_0193.fits aia_193.fits -o table.ecsv --png figure.png",
        ),
    )
    compare.add_argument("synthetic", type=Path, metavar="SYNTHETIC", help="image whose pixels are scored")
    compare.add_argument("observed", type=Path, metavar="AIA", help="AIA image of the same passband and time")
    compare.add_argument(
        "--binning", type=int, metavar="N", help="average N by N pixels first (default: to a solar radius near 98)"
    )
    compare.add_argument(
        "-o", "--output", type=options.output, metavar="TABLE", help="write the table to this file, as ECSV"
    )
    compare.add_argument(
        "--png", type=options.output, metavar="FIGURE", help="draw both images, their ratio and scores to this file"
    )
    compare.set_defaults(command=_compare, prints=True)

    models = commands.add_parser(
        "models",
        help="list the published weights",
        **described(
            "Prints the weights that there are, with the passbands that they make and what they make them of: names "
            "for the --model of other commands.",
            "mag2euv models",
        ),
    )
    models.set_defaults(command=_models, prints=True)

    demo = commands.add_parser(
        "demo",
        parents=[network],
        help="all passbands of a made-up magnetogram",
        **described(
            "Makes a magnetogram up and images of it in all passbands. A picture of all of them comes first and is "
            "opened if there is a display, then a FITS file of each is written. It needs no files and no network.",
            "mag2euv demo",
            "mag2euv demo --seed 3 -o another_sun",
        ),
    )
    demo.add_argument("-o", "--output", type=options.output, metavar="DIR", help="default: %(default)s")
    demo.add_argument("--seed", type=int, default=0, help="another seed, another Sun (default: %(default)s)")
    demo.set_defaults(command=_demo, output=Path("mag2euv-demo"))

    for plugin in sorted(entry_points(group=PLUGINS), key=lambda plugin: plugin.name):
        try:
            add = plugin.load()
        except ImportError as error:
            # It stays in the list, and says what it lacks when it is called.
            add = functools.partial(_add_unusable, name=plugin.name, error=error)
        add(commands)
    return parser


def _add_unusable(commands: Any, name: str, error: ImportError) -> None:
    def fail(arguments: argparse.Namespace) -> int:
        raise UsageError(lacking(error))

    command = commands.add_parser(name, help="needs sunpy_mag2euv[train]", add_help=False, prefix_chars="\0")
    command.add_argument("arguments", nargs="*")
    command.set_defaults(command=fail)


def lacking(error: ImportError) -> str:
    """
    Say what to do about something that only some commands need and that is not installed.

    Parameters
    ----------
    error : ImportError

    Returns
    -------
    str
    """
    return f"this command needs more than is installed ({error}); install sunpy_mag2euv[train]"


def _generate(arguments: argparse.Namespace) -> int:
    from sunpy_mag2euv.cli.generation import generate_files

    return generate_files(arguments)


def _translate(arguments: argparse.Namespace) -> int:
    """All files together are what one translation is made of."""
    from sunpy_mag2euv.models import ImageModel
    from sunpy_mag2euv.translation import translate

    together = {
        "max_time_difference": options.time_difference(arguments),
        "correction_table": options.correction_table(arguments),
    }
    chosen = options.chosen(arguments)
    settings = options.settings_of(arguments, ImageModel, chosen)
    options.make_directory(arguments.output)
    try:
        with _noted():
            images = list(map(_read_named, arguments.files))
            if chosen is None:
                settings["passband"] = _others(settings["passband"], images)
            names = image_names(inputs.stem(str(arguments.files[0])), settings["passband"], arguments.png)
            files.check(arguments.output, names, arguments.overwrite)
            writers = image_writers(translate(images, **together, **settings), arguments.png)
            files.write(arguments.output, dict(zip(names, writers, strict=True)), arguments.overwrite)
    except Exception as error:
        say(f"mag2euv: error: {sentence(error)}")
        return 1
    print(f"{len(settings['passband'])} images of {len(arguments.files)} AIA images written to {arguments.output}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    """One pair of files."""
    from sunpy_mag2euv import compare

    if arguments.binning is not None and arguments.binning < 1:
        raise UsageError(f"--binning must be at least 1; got {arguments.binning}")
    together = {
        "max_time_difference": options.time_difference(arguments),
        "correction_table": options.correction_table(arguments),
    }
    if arguments.png is not None and arguments.png.suffix.lower() != ".png":
        raise UsageError(f"--png must name a file that ends in .png; got {arguments.png}")
    for option, path in (("-o", arguments.output), ("--png", arguments.png)):
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"{path} is a directory; {option} must name a file")
        if path.exists():
            raise UsageError(f"{path} exists already; remove it, or give another {option}")
        options.make_directory(path.parent)
    try:
        with _noted():
            images = [_read_named(path) for path in (arguments.synthetic, arguments.observed)]
            scoring = {"binning": arguments.binning, **together}
            table = compare(*images, **scoring)
            writers = {}
            if arguments.png is not None:
                from sunpy_mag2euv.visualization import plot_comparison

                writers[arguments.png] = plot_comparison(*images, **scoring).savefig
            if arguments.output is not None:
                writers[arguments.output] = functools.partial(table.write, format="ascii.ecsv")
            for path, writer in writers.items():
                files.write(path.parent, {path.name: writer})
    except Exception as error:
        say(f"mag2euv: error: {sentence(error)}")
        return 1
    for key, value in table.meta.items():
        print(f"{key}: {value}")
    for name in table.colnames[2:]:
        table[name].info.format = ".3f"
    print(*table.pformat(max_lines=-1, max_width=-1), sep="\n")
    return 0


def _models(arguments: argparse.Namespace) -> int:
    from sunpy_mag2euv.models import available_models

    print(available_models())
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    """Everything that the package does, on a magnetogram that is made up; earlier output of its own is replaced."""
    from sunpy_mag2euv.cli.viewer import show
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.sample import sample_magnetogram
    from sunpy_mag2euv.synthesis import generate
    from sunpy_mag2euv.visualization import contact_sheet

    if arguments.seed < 0:
        raise UsageError(f"--seed must be at least 0; got {arguments.seed}")
    settings = options.settings_of(arguments, FieldModel)
    directory, sheet = arguments.output, "contact_sheet.png"
    names = image_names("sample", settings["passband"])
    options.make_directory(directory)
    try:
        with _noted():
            files.check(directory, [sheet, *names], overwrite=True)
            magnetogram = sample_magnetogram(arguments.seed)
            images = generate(magnetogram, **settings)
            # A picture is what people wait for, so it comes first.
            files.write(directory, {sheet: contact_sheet(magnetogram, images).savefig}, overwrite=True)
            print(f"all images in one picture: {directory / sheet}", flush=True)
            show(directory / sheet)
            files.write(directory, dict(zip(names, image_writers(images), strict=True)), overwrite=True)
    except Exception as error:
        say(f"mag2euv: error: {sentence(error)}")
        return 1
    print(f"{len(images)} FITS files written to {directory}")
    return 0


def _others(passbands: Sequence[Any], images: Sequence[Any]) -> list[Any]:
    """Those of some passbands that are not among the images given."""
    from sunpy_mag2euv.passbands import get_passband

    given = set()
    for image in images:
        with contextlib.suppress(TypeError, ValueError):  # It is none of AIA's, which is not for us to say.
            given.add(get_passband(image.wavelength))
    others = [passband for passband in passbands if passband not in given]
    if not others:
        raise ValueError("the images given are of all passbands that the model makes; leave out what is to be made")
    return others


def _read_named(path: Any) -> Any:
    """The one Map in a file, whose errors say which file it was."""
    try:
        return inputs.read(path)
    except Exception as error:
        raise ValueError(f"{path}: {sentence(error)}") from error


@contextlib.contextmanager
def _noted() -> Iterator[None]:
    """Say what users are warned of, each sentence once."""
    with collected() as notes:
        try:
            yield
        finally:
            said = notes
    for note in said:
        say(f"note: {note}")
