"""Composites of people as two real photographs show them: the recipe of the weights that come with this project."""

from .dataset import PeopleDataset

__all__ = ["PeopleDataset"]
