"""What `import sunpy_mag2euv` gives, and what it does not load."""

import subprocess
import sys
from importlib import resources

import pytest

import sunpy_mag2euv as mag2euv


def test_public_names():
    verbs = (
        "age_map available_models compare generate generate_chart generate_cube light_curve load_model read read_chart "
        "reproject save translate"
    )
    assert verbs.split() == mag2euv.__all__[1:]
    for name in verbs.split():
        assert callable(getattr(mag2euv, name))
    assert mag2euv.__version__[0].isdigit()


def test_its_types_are_for_others_too():
    assert (resources.files("sunpy_mag2euv") / "py.typed").is_file()


def test_import_is_light():
    # Each of these takes longer to import than all of this package may; the second half is for training.
    code = (
        "import sys, sunpy.map; before = set(sys.modules); import sunpy_mag2euv; "
        "heavy = {'torch', 'safetensors', 'ndcube', 'pooch', 'requests', 'skimage', 'reproject'}; "
        "training = {'lightning', 'zarr', 'skimage', 'tensorboard', 'torch', 'aiapy'}; "
        "print(sorted(heavy & (set(sys.modules) - before)), sorted(training & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] []"


def test_the_command_line_is_lighter_still():
    # Until it has been imported it can neither help nor be interrupted quietly.
    heavy = {"numpy", "astropy", "sunpy", "torch", "tqdm"}
    code = f"import sys, sunpy_mag2euv.cli; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_waits_for_nothing():
    # What only hints name is imported by nobody who asks for help.
    heavy = {"numpy", "astropy", "sunpy", "torch"}
    code = (
        "import sys; from sunpy_mag2euv.cli.commands import parser; parser(); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_names_are_there_once_they_are_asked_for(monkeypatch):
    monkeypatch.delitem(vars(mag2euv), "generate", raising=False)
    monkeypatch.delitem(vars(mag2euv), "passbands", raising=False)
    assert set(mag2euv.__all__) <= set(dir(mag2euv))
    assert mag2euv.generate is mag2euv.synthesis.generate
    assert mag2euv.passbands.get_passband(193).angstrom == 193
    with pytest.raises(AttributeError, match="module 'sunpy_mag2euv' has no attribute 'nothing'"):
        mag2euv.nothing  # noqa: B018
