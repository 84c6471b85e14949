"""
The command line: ``mag2euv generate | translate | compare | models | demo``, and what plug-ins add to it.

It does for files what the package does for Maps. What only some commands need is imported by them, so that asking for
help does not wait for torch.

A plug-in is a function in the entry-point group `PLUGINS`, named after its command. It is called with what
`argparse.ArgumentParser.add_subparsers` returned, adds a parser to it, and does
``parser.set_defaults(command=function)``; ``function(arguments)`` returns the exit status, or raises `UsageError`. This
is how ``sunpy_mag2euv.training`` has commands although nothing here imports it.
"""

import argparse
import contextlib
import functools
import os
import re
import sys
import tempfile
import textwrap
import warnings
from importlib.metadata import entry_points
from pathlib import Path

from sunpy_mag2euv import __version__

__all__ = ["PLUGINS", "UsageError", "main"]

#: Entry-point group of functions that add a command.
PLUGINS = "sunpy_mag2euv.commands"


class UsageError(Exception):
    """Something is wrong with the arguments rather than with a file; nothing has been done, and the status is 2."""


def main(argv=None):
    """
    Run ``mag2euv``.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process unless given.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 if a file could not be done, 2 if the arguments cannot be used, 130 if
        interrupted.
    """
    arguments = _parser().parse_args(argv)
    try:
        with _quiet():
            return arguments.command(arguments)
    except UsageError as error:
        _say(f"mag2euv: error: {error}")
        return 2
    except ImportError as error:
        # What the commands of this module need comes with the package: if that is missing, the installation is broken.
        if arguments.command.__module__ == __name__:
            raise
        _say(f"mag2euv: error: {_lacking(error)}")
        return 2
    except KeyboardInterrupt:
        _say("mag2euv: interrupted")
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="mag2euv", description="Synthetic SDO/AIA images from solar magnetograms.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    network = argparse.ArgumentParser(add_help=False)
    group = network.add_argument_group("network")
    group.add_argument("--model", metavar="MODEL", help="name, path or address of the weights (default: packaged)")
    group.add_argument("--sha256", metavar="HEX", help="what the weights' hash must be; required for an address")
    group.add_argument("--device", help="such as cpu or cuda (default: a GPU if there is one)")

    files = argparse.ArgumentParser(add_help=False)
    files.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="default: this directory")
    files.add_argument("--png", action="store_true", help="a picture beside each FITS file")
    files.add_argument("--overwrite", action="store_true", help="replace files that exist")

    simultaneous = argparse.ArgumentParser(add_help=False)
    simultaneous.add_argument(
        "--max-time-difference", type=float, default=12, metavar="MINUTES", help="between them (default: %(default)s)"
    )

    level = argparse.ArgumentParser(add_help=False)
    level.add_argument(
        "--correction-table",
        metavar="FILE",
        help="what AIA has lost of its sensitivity; or SSW or JSOC, to fetch it (default: aiapy's own, good to 2017)",
    )

    generate = commands.add_parser("generate", parents=[files, network], help="images from magnetogram files")
    generate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="line-of-sight magnetogram")
    generate.add_argument(
        "--passband", nargs="+", required=True, metavar="BAND", help="such as 193 171, or all that the model has"
    )
    generate.set_defaults(command=_generate)

    translate = commands.add_parser(
        "translate", parents=[simultaneous, level, files, network], help="images from AIA images of other passbands"
    )
    translate.add_argument("files", nargs="+", type=Path, metavar="FILE", help="AIA image, of one passband each")
    translate.add_argument("--passband", nargs="+", required=True, metavar="BAND", help="such as 335 211")
    translate.set_defaults(command=_translate)

    compare = commands.add_parser(
        "compare", parents=[simultaneous, level], help="score a synthetic image against an observed one"
    )
    compare.add_argument("synthetic", type=Path, metavar="SYNTHETIC", help="image whose pixels are scored")
    compare.add_argument("observed", type=Path, metavar="AIA", help="AIA image of the same passband and time")
    compare.add_argument(
        "--binning", type=int, metavar="N", help="average N by N pixels first (default: to a solar radius near 98)"
    )
    compare.add_argument("-o", "--output", type=Path, metavar="TABLE", help="write the table to this file, as ECSV")
    compare.set_defaults(command=_compare)

    models = commands.add_parser("models", help="list the published weights")
    models.set_defaults(command=_models)

    demo = commands.add_parser("demo", parents=[network], help="all passbands of a made-up magnetogram")
    demo.add_argument("-o", "--output", type=Path, metavar="DIR", help="default: %(default)s")
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


def _add_unusable(commands, name, error):
    def fail(arguments):
        raise UsageError(_lacking(error))

    command = commands.add_parser(name, help="needs sunpy_mag2euv[train]", add_help=False, prefix_chars="\0")
    command.add_argument("arguments", nargs="*")
    command.set_defaults(command=fail)


def _lacking(error):
    return f"this command needs more than is installed ({error}); install sunpy_mag2euv[train]"


def _generate(arguments):
    """All files, each by itself: one that fails does not stop the others."""
    from tqdm import tqdm

    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.synthesis import generate

    settings = _settings(arguments, FieldModel, None if arguments.passband == ["all"] else arguments.passband)
    stems = _stems(arguments.files)
    _make_directory(arguments.output)
    failed, notes = 0, set()
    for path in tqdm(arguments.files, unit="file", leave=False, disable=True if len(arguments.files) == 1 else None):
        try:
            with _noted(notes):
                _make_files(stems[path], arguments, settings, lambda path=path: generate(_read(path), **settings))
        except Exception as error:
            failed += 1
            _say(f"{path}: {_sentence(error)}")
    done = len(arguments.files) - failed
    print(f"{done * len(settings['passband'])} images of {done} magnetograms written to {arguments.output}")
    return 1 if failed else 0


def _translate(arguments):
    """All files together are what one translation is made of."""
    from sunpy_mag2euv.models import ImageModel
    from sunpy_mag2euv.translation import translate

    together = {"max_time_difference": _time_difference(arguments), "correction_table": _correction_table(arguments)}
    settings = _settings(arguments, ImageModel, arguments.passband)
    _make_directory(arguments.output)

    def make():
        return translate(list(map(_read_named, arguments.files)), **together, **settings)

    try:
        with _noted(set()):
            _make_files(_stem(arguments.files[0]), arguments, settings, make)
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    print(f"{len(settings['passband'])} images of {len(arguments.files)} AIA images written to {arguments.output}")
    return 0


def _make_files(stem, arguments, settings, make):
    """Write the Maps that ``make()`` returns, unless there are such files."""
    from sunpy_mag2euv.visualization import picture

    suffixes = ["fits", "png"] if arguments.png else ["fits"]
    names = [_name(stem, band, suffix) for suffix in suffixes for band in settings["passband"]]
    existing = [arguments.output / name for name in names if (arguments.output / name).exists()]
    if existing and not arguments.overwrite:
        raise FileExistsError(f"{existing[0]} exists already; use --overwrite to replace it, or another -o DIR")
    images = make()
    writers = [image.save for image in images]
    if arguments.png:
        writers += [picture(image).savefig for image in images]
    _write(arguments.output, dict(zip(names, writers, strict=True)))


def _compare(arguments):
    """One pair of files."""
    from sunpy_mag2euv import compare

    if arguments.binning is not None and arguments.binning < 1:
        raise UsageError(f"--binning must be at least 1; got {arguments.binning}")
    together = {"max_time_difference": _time_difference(arguments), "correction_table": _correction_table(arguments)}
    if arguments.output is not None:
        if arguments.output.exists():
            raise UsageError(f"{arguments.output} exists already; remove it, or give another -o")
        _make_directory(arguments.output.parent)
    try:
        with _noted(set()):
            images = [_read_named(path) for path in (arguments.synthetic, arguments.observed)]
            table = compare(*images, binning=arguments.binning, **together)
            if arguments.output is not None:
                writer = functools.partial(table.write, format="ascii.ecsv")
                _write(arguments.output.parent, {arguments.output.name: writer})
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    for key, value in table.meta.items():
        print(f"{key}: {value}")
    for name in table.colnames[2:]:
        table[name].info.format = ".3f"
    print(*table.pformat(max_lines=-1, max_width=-1), sep="\n")
    return 0


def _models(arguments):
    """A table that fits 80 columns: inputs and descriptions have lines of their own."""
    from sunpy_mag2euv import remote
    from sunpy_mag2euv.models import available_models

    table = available_models()
    width = max(len(name) for name in table["name"])
    print(f"{'name':{width}}  packaged  passbands (Å)")
    for row in table:
        packaged = "yes" if remote.packaged(row["file"]) else "no"
        inputs = row["inputs"] if isinstance(row["inputs"], str) else " ".join(map(str, row["inputs"]))
        print(f"{row['name']:{width}}  {packaged:8}  {' '.join(map(str, row['passbands']))}")
        for line in (f"inputs: {inputs}", row["description"]):
            print(textwrap.indent(textwrap.fill(line, 78 - width), " " * (width + 2)))
    print("The first of each kind of inputs is the default.")
    return 0


def _demo(arguments):
    """Everything that the package does, on a magnetogram that is made up; earlier output of its own is replaced."""
    from sunpy_mag2euv.models import FieldModel
    from sunpy_mag2euv.sample import sample_magnetogram
    from sunpy_mag2euv.synthesis import generate
    from sunpy_mag2euv.visualization import contact_sheet

    settings = _settings(arguments, FieldModel)
    _make_directory(arguments.output)
    try:
        with _noted(set()):
            magnetogram = sample_magnetogram(arguments.seed)
            images = generate(magnetogram, **settings)
            names = [_name("sample", band) for band in settings["passband"]]
            writers = dict(zip(names, [image.save for image in images], strict=True))
            writers["contact_sheet.png"] = contact_sheet(magnetogram, images).savefig
            _write(arguments.output, writers)
    except Exception as error:
        _say(f"mag2euv: error: {_sentence(error)}")
        return 1
    print(f"{len(images)} FITS files and contact_sheet.png written to {arguments.output}")
    return 0


def _settings(arguments, kind, passbands=None):
    """
    What `generate` and `translate` take besides the Maps, with every mistake found before any file is read.

    The model is one of its ``kind``, and the passbands are all that it has unless given.
    """
    from sunpy_mag2euv.inference import resolve_device, resolve_model, resolve_passbands
    from sunpy_mag2euv.passbands import get_passband

    try:
        if passbands is not None:
            passbands = dict.fromkeys(map(get_passband, passbands))
        device = resolve_device(arguments.device)
        model = resolve_model(arguments.model, kind, arguments.sha256)
        passbands = resolve_passbands(passbands or model.passbands, model)
        model.network(device)
    except Exception as error:
        raise UsageError(_sentence(error)) from error
    return {"passband": passbands, "model": model, "device": device}


def _time_difference(arguments):
    """``--max-time-difference`` with its unit."""
    import astropy.units as u

    if not arguments.max_time_difference >= 0:
        raise UsageError(f"--max-time-difference must be a number of minutes; got {arguments.max_time_difference:g}")
    return arguments.max_time_difference * u.min


def _correction_table(arguments):
    """``--correction-table`` as it is read, None unless it is given."""
    from sunpy_mag2euv.sensitivity import Sensitivity

    if arguments.correction_table is None:
        return None
    try:
        return Sensitivity.read(arguments.correction_table)
    except (ImportError, OSError, ValueError) as error:
        raise UsageError(_sentence(error)) from error


def _stems(paths):
    """What the names of each input's outputs begin with."""
    stems = {}
    for path in paths:
        stem = _stem(path)
        if stem in stems.values():
            raise UsageError(f"{path} and another input would be written to the same files; run them one by one")
        stems[path] = stem
    return stems


def _stem(path):
    """A file's name without what says that it is an image."""
    return re.sub(r"\.(fits?|fts|fz|jp2)(\.\w+)?$", "", path.name, flags=re.IGNORECASE)


def _name(stem, passband, suffix="fits"):
    return f"{stem}_aia_{passband.angstrom:04}.{suffix}"


def _read_named(path):
    """The one Map in a file, whose errors say which file it was."""
    try:
        return _read(path)
    except Exception as error:
        raise ValueError(f"{path}: {_sentence(error)}") from error


def _read(path):
    """The one Map in a file."""
    import sunpy.map

    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    try:
        image = sunpy.map.Map(path)
    except Exception as error:
        reason = _sentence(error.__cause__ or error)
        raise ValueError(f"cannot be read as an image with solar coordinates ({reason})") from error
    if isinstance(image, list):
        raise ValueError(f"the file must hold one image; it holds {len(image)}. Save one to a file of its own")
    return image


def _make_directory(directory):
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the directory {directory} ({error.strerror}); give another -o") from error


def _write(directory, writers):
    """
    Write all files or none: they appear only when the last of them is complete.

    Parameters
    ----------
    directory : `pathlib.Path`
    writers : dict
        For every file's name a function that takes the path to write to.
    """
    with tempfile.TemporaryDirectory(prefix=".mag2euv-", dir=directory) as scratch:
        for name, write in writers.items():
            write(Path(scratch, name))
        for name in writers:
            os.replace(Path(scratch, name), directory / name)


@contextlib.contextmanager
def _noted(notes):
    """Say what users are warned of, each sentence once; warnings about other people's headers are not for them."""
    from sunpy.util.exceptions import SunpyUserWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for warning in caught:
                text = str(warning.message)
                if issubclass(warning.category, SunpyUserWarning) and text not in notes:
                    notes.add(text)
                    _say(f"note: {text}")


@contextlib.contextmanager
def _quiet():
    """Keep sunpy from telling how it goes about things."""
    from sunpy import log

    level = log.level
    log.setLevel("WARNING")
    try:
        yield
    finally:
        log.setLevel(level)


def _sentence(error):
    """An exception in one line."""
    text = textwrap.shorten(str(error), 500)
    expected = isinstance(error, OSError | TypeError | ValueError) and text
    return text if expected else f"{type(error).__name__}: {text}"


def _say(line):
    """Print to standard error, past a progress bar."""
    from tqdm import tqdm

    tqdm.write(line, file=sys.stderr)


if __name__ == "__main__":
    # Run as a script, this file is not the module whose UsageError plug-ins raise.
    from sunpy_mag2euv.cli import main

    sys.exit(main())
