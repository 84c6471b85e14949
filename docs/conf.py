"""Sphinx configuration."""

import os
from importlib.metadata import version as distribution_version
from pathlib import Path

from PIL import Image
from sunpy_sphinx_theme import PNG_ICON

# Figures are drawn into files, also on machines with a display.
os.environ.setdefault("MPLBACKEND", "agg")
# Progress bars of the gallery's examples would be printed line by line.
os.environ.setdefault("TQDM_DISABLE", "1")

# -- Project -------------------------------------------------------------------

project = "sunpy_mag2euv"
author = "The sunpy_mag2euv developers"
copyright = f"2026, {author}"
release = distribution_version(project)
version = release

# -- Sphinx --------------------------------------------------------------------

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_automodapi.automodapi",
    "sphinx_automodapi.smart_resolver",
    "sphinx_changelog",
    "sphinx_gallery.gen_gallery",
]
default_role = "obj"
exclude_patterns = ["_build"]

# Docstrings follow numpydoc.
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_param = False
napoleon_use_rtype = False

automodapi_inheritance_diagram = False
automodapi_toctreedirnm = "api"
# Types are in the docstrings, with shapes and units; in signatures they would be in the way.
autodoc_typehints = "none"
autodoc_default_options = {"no-value": True, "show-inheritance": True}

# Without a network the inventories of other projects cannot be had, and references to them stay plain text.
intersphinx_mapping = {
    "astropy": ("https://docs.astropy.org/en/stable/", None),
    "matplotlib": ("https://matplotlib.org/stable/", None),
    "ndcube": ("https://docs.sunpy.org/projects/ndcube/en/stable/", None),
    "numpy": ("https://numpy.org/doc/stable/", None),
    "pooch": ("https://www.fatiando.org/pooch/latest/", None),
    "python": ("https://docs.python.org/3/", None),
    "sunpy": ("https://docs.sunpy.org/en/stable/", None),
    "torch": ("https://docs.pytorch.org/docs/stable/", None),
}
if os.environ.get("MAG2EUV_OFFLINE_DOCS"):
    intersphinx_mapping = {}

# A reference to something of this package that leads nowhere is an error; those to others' are not looked after.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!sunpy_mag2euv\b).*")]

# -- The front page's picture -----------------------------------------------------


def draw_front(folder):
    """Make the picture of the front page from that of the model card, whose cells are images of 1024 by 1024 pixels."""
    cell, columns = 1024, 5
    with Image.open(Path(__file__).parent / "images" / "full_size.jpg") as picture:
        if picture.size != (columns * cell, 2 * cell):
            raise ValueError(f"full_size.jpg must be {columns} by 2 images of {cell} pixels; it has {picture.size}")
        # On a phone: the magnetogram and the legend, and two passbands, each synthetic image beside what AIA saw.
        narrow = Image.new("RGB", (2 * cell, 3 * cell))
        for row, column in enumerate((0, 2, 3)):
            for side in range(2):
                box = (column * cell, side * cell, (column + 1) * cell, (side + 1) * cell)
                narrow.paste(picture.crop(box), (side * cell, row * cell))
        folder.mkdir(parents=True, exist_ok=True)
        picture.resize((1800, 720), Image.Resampling.LANCZOS).save(folder / "wide.jpg", quality=85)
        narrow.resize((720, 1080), Image.Resampling.LANCZOS).save(folder / "narrow.jpg", quality=85)


draw_front(Path(__file__).parent / "generated" / "front")

# -- Figures -------------------------------------------------------------------

plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 100)]
plot_pre_code = ""

# -- Gallery -------------------------------------------------------------------

sphinx_gallery_conf = {
    "default_thumb_file": str(PNG_ICON),
    "examples_dirs": "../examples",
    "gallery_dirs": "generated/gallery",
    # Numbers in their names say in which order; what has no number is shown without being run.
    "filename_pattern": r"plot_\d",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "matplotlib_animations": True,
    # What tells it of thumbnails is nothing to read.
    "remove_config_comments": True,
    # Words in figures are small on small screens, which show them sharply.
    "image_srcset": ["2x"],
    "min_reported_time": 60,
}

# -- HTML ----------------------------------------------------------------------

html_theme = "sunpy"
# The theme's own, which it names in a way that pages in directories do not find
html_favicon = str(PNG_ICON)
html_title = project
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["docs.css"]
