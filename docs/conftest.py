"""What the pages have in common when their examples are run."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_figures_of_others():
    """Plots go to the current axes, which must not be those of another page."""
    plt.close("all")
    yield
    plt.close("all")
