"""Hypothesis as the tests of properties use it: the same examples in every run, and no limit of time.

Importing this module skips a test file where Hypothesis is missing.
"""

import pytest

pytest.importorskip("hypothesis", reason="hypothesis (requirements/tests.txt)")

from hypothesis import HealthCheck, given, settings  # noqa: F401
from hypothesis import strategies as st

settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tests")


def pictures(rng, *shape):
    """uint8 array of noise."""
    return rng.integers(0, 256, shape, "uint8")


seeds = st.integers(0, 2**32 - 1)
# Mostly small, sometimes a few hundred; both sides are drawn apart, so that odd and very long shapes come up.
sides = st.one_of(st.integers(1, 40), st.integers(1, 300))
# Names of files as people and cameras give them, without what no file system takes.
names = st.text(
    st.one_of(
        st.sampled_from(list("abzAZ019 .-_%#'\"\\()[]{}&;$~*?:|<>,=+!@^`\n\t")),
        st.sampled_from(list("äÉßñ图像写真ありمرحبا🙂́\u200b\u202e")),
        st.characters(exclude_categories=["Cs"], exclude_characters="/\0"),
    ),
    min_size=1,
    max_size=20,
).filter(lambda name: name not in (".", ".."))
