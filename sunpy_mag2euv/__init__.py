"""
Solar magnetograms to the ultraviolet images that SDO/AIA would have taken.

>>> import sunpy_mag2euv as mag2euv
>>> from sunpy_mag2euv.sample import sample_magnetogram
>>> synthetic = mag2euv.generate(sample_magnetogram(size=1024), passband=193)
>>> synthetic.instrument
'AIA SYNTHETIC'
"""

from importlib.metadata import version

from sunpy_mag2euv.metrics.comparison import compare
from sunpy_mag2euv.models import available_models, load_model
from sunpy_mag2euv.synthesis import generate, generate_cube
from sunpy_mag2euv.translation import translate

__all__ = ["__version__", "available_models", "compare", "generate", "generate_cube", "load_model", "translate"]

__version__ = version("sunpy_mag2euv")
