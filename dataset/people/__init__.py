"""Composites of people as two real photographs show them: the recipe of the weights that come with this project.

`PeopleDataset` makes them, sample by sample, from the same data sets as the original's recipe in `dataset.composite`.
"""

from .dataset import PeopleDataset, frame_size

__all__ = ["PeopleDataset", "frame_size"]
