"""Curves as pictures; needs matplotlib."""

from contextlib import contextmanager

from dataset.errors import install
from utils.system.errors import needed
from utils.system.files import atomic_path


@contextmanager
def figure(path, **options):
    """Give a matplotlib Figure to draw on; it is written to `path` (.png, .svg) when the block ends.

    Raises UsageError if matplotlib is not installed.
    """
    matplotlib = needed("matplotlib.figure", f"--plot needs matplotlib: {install('train')}")
    drawn = matplotlib.Figure(layout="constrained", **options)
    yield drawn
    with atomic_path(path) as temporary:
        drawn.savefig(temporary, dpi=110)
