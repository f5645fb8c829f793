import numpy as np
import pytest

from utils.evaluation.metric import RULES, make_trimap


def edge(height=60, width=80, column=40):
    """White on the left of `column`, black right of it, three soft columns between."""
    pha = np.zeros((height, width), np.uint8)
    pha[:, :column] = 255
    pha[:, column : column + 3] = 128
    return pha


def columns(trimap, value):
    assert (trimap == trimap[0]).all()
    return np.flatnonzero(trimap[0] == value).tolist()


def test_the_papers_rule_keeps_the_soft_pixels():
    trimap = make_trimap(edge())
    assert columns(trimap, 128) == [40, 41, 42]
    assert columns(trimap, 255) == list(range(40))
    # What is too opaque to be soft is foreground, and what is too faint background.
    pha = edge()
    pha[:, 20], pha[:, 60] = 246, 15
    np.testing.assert_array_equal(make_trimap(pha), trimap)


def test_the_papers_rule_closes_gaps_narrower_than_the_dilations():
    pha = edge()
    pha[:, 55:57] = 128  # 12 columns further on: both bands grow by 10 and meet
    assert columns(make_trimap(pha), 128) == list(range(40, 57))
    pha = edge()
    pha[:, 64:66] = 128  # two bands that grow by 10 do not bridge 21
    assert columns(make_trimap(pha), 128) == [40, 41, 42, 64, 65]


def test_the_reference_rule_counts_every_value_that_is_not_pure():
    pha = edge()
    assert columns(make_trimap(pha, rule="reference"), 128) == list(range(30, 53))
    pha[:, 15] = 254  # as good as white to the other rules
    assert columns(make_trimap(pha, rule="reference"), 128) == list(range(5, 26)) + list(range(30, 53))
    pha[:, 15] = 255
    pha[:, 60] = 1  # far below the other rules' threshold
    assert columns(make_trimap(pha, rule="reference"), 128) == list(range(30, 53)) + list(range(53, 71))


def test_the_kernel_is_a_cross():
    pha = np.zeros((41, 41), np.uint8)
    pha[20, 20] = 255
    y, x = np.mgrid[:41, :41]
    city_block = abs(y - 20) + abs(x - 20)
    np.testing.assert_array_equal(make_trimap(pha, rule="reference") == 128, city_block <= 10)


def test_thresholds_are_strict():
    """A value that is a threshold in single precision is not soft; nor is what is beyond."""
    for low, soft in ((0.05, False), (0.06, False), (0.0601, True), (0.9599, True), (0.96, False), (0.97, False)):
        assert (make_trimap(np.full((3, 4), low)) == 128).all() == soft
    assert (make_trimap(np.full((3, 4), 0.97)) == 255).all() and (make_trimap(np.full((3, 4), 0.05)) == 0).all()


def test_the_frame_is_no_edge():
    pha = np.full((30, 30), 255, np.uint8)
    for rule in RULES:
        assert (make_trimap(pha, rule=rule) == 255).all()
        assert (make_trimap(0 * pha, rule=rule) == 0).all()


@pytest.mark.parametrize("rule", RULES)
def test_bytes_and_floats_agree_and_stay_unchanged(rule):
    rng = np.random.default_rng(1)
    pha = np.kron(rng.choice([0, 255, 90], (6, 7)), np.ones((16, 16))).astype(np.uint8)
    copy = pha.copy()
    pha.setflags(write=False)
    trimap = make_trimap(pha, rule=rule)
    assert trimap.dtype == np.uint8 and set(np.unique(trimap)) == {0, 128, 255}
    np.testing.assert_array_equal(trimap, make_trimap(pha / np.float32(255), rule=rule))
    np.testing.assert_array_equal(pha, copy)


def test_wrong_inputs_are_refused():
    with pytest.raises(ValueError, match="choose one of paper, reference"):
        make_trimap(edge(), rule="other")
    with pytest.raises(ValueError, match=r"\(H, W\), not \(4, 4, 3\)"):
        make_trimap(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8 or floating"):
        make_trimap(np.zeros((4, 4), np.int64))
