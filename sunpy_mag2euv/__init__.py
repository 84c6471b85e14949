"""
Solar magnetograms to the ultraviolet images that SDO/AIA would have taken.

>>> import sunpy_mag2euv as mag2euv
>>> from sunpy_mag2euv.sample import sample_magnetogram
>>> synthetic = mag2euv.generate(sample_magnetogram(size=1024), passband=193)
>>> synthetic.instrument
'AIA SYNTHETIC'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sunpy_mag2euv.charts import read_chart
    from sunpy_mag2euv.light_curves import light_curve
    from sunpy_mag2euv.metrics.comparison import compare
    from sunpy_mag2euv.models import available_models, load_model
    from sunpy_mag2euv.reprojection import reproject
    from sunpy_mag2euv.stitching import generate_chart
    from sunpy_mag2euv.storage import read, save
    from sunpy_mag2euv.synthesis import generate, generate_cube
    from sunpy_mag2euv.translation import translate
    from sunpy_mag2euv.vantage import age_map

__all__ = [
    "__version__",
    "age_map",
    "available_models",
    "compare",
    "generate",
    "generate_chart",
    "generate_cube",
    "light_curve",
    "load_model",
    "read",
    "read_chart",
    "reproject",
    "save",
    "translate",
]

#: Modules of the verbs, which are imported when a verb is first asked for: sunpy takes seconds, in which the command
#: line could neither help nor be interrupted quietly.
_HOMES = {
    "age_map": "vantage",
    "available_models": "models",
    "compare": "metrics.comparison",
    "generate": "synthesis",
    "generate_chart": "stitching",
    "generate_cube": "synthesis",
    "light_curve": "light_curves",
    "load_model": "models",
    "read": "storage",
    "read_chart": "charts",
    "reproject": "reprojection",
    "save": "storage",
    "translate": "translation",
}


def __getattr__(name: str) -> Any:
    """The version, a verb, or a module of the package."""
    if name in __all__:
        if name == "__version__":
            value = import_module("importlib.metadata").version(__name__)
        else:
            value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    try:
        return import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
