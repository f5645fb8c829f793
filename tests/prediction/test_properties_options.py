"""Whatever stands behind a flag: a value, or the clean error that names the flag; never anything else."""

import argparse

import numpy as np
import pytest

from dataset.folders import SOURCES, canonical_name
from dataset.picture import PictureError
from tests.properties import given, settings, st
from tools import webcam
from utils.prediction import options as predict_options
from utils.prediction.options import frame_rate
from utils.prediction.target import open_target
from utils.predictor import choose_device
from utils.system.cpu import rank_and_count, set_threads
from utils.system.errors import UsageError, user_message
from utils.training.options import parse_jobs

digits = st.text(st.one_of(st.sampled_from("0123456789"), st.characters(categories=["Nd", "No"])), max_size=6)
whole, odd = st.integers(-(10**7), 10**7).map(str), st.sampled_from(["", "-", "1e3", "²"])
numbers = st.one_of(whole, st.floats().map(str), digits, odd)
words = st.one_of(numbers, st.text(max_size=12))


def clean(function, *arguments):
    """The function's value, or None after a clean error."""
    try:
        return function(*arguments)
    except argparse.ArgumentTypeError as error:
        assert "\n" not in str(error)
    except (UsageError, PictureError, OSError) as error:
        line = user_message(error)
        assert line and "\n" not in line
    return None


@given(words, numbers)
def test_size(width, height):
    found = clean(webcam.parse, ["--size", width, height])
    assert not (found and found.size) or len(found.size) == 2 and min(found.size) >= 1


colours = st.one_of(
    st.builds("{}({},{},{})".format, st.sampled_from(["rgb", "RGB", "hsl", "hsv"]), *[numbers] * 3),
    st.builds("rgba({},{},{},{})".format, *[numbers] * 4),
    st.builds("rgb({}%, {}%, {}%)".format, *[numbers] * 3),
    st.builds("hsl({}, {}%, {}%)".format, *[numbers] * 3),
    st.from_regex(r"#[0-9a-fA-F]{1,9}", fullmatch=True),
    st.sampled_from(["white", "Tomato", "transparent", "", ".", "no.png", "a\0b", "x" * 5000]),
)


@settings(max_examples=150)
@given(st.one_of(colours, words))
def test_target_background(spec):
    target = clean(open_target, spec)
    if target is not None and not hasattr(target, "clip"):
        frame = target.frame(0, 3, 4)
        assert frame.shape == (3, 4, 3) and frame.dtype == np.uint8


@given(st.one_of(words, st.builds("{}/{}".format, numbers, numbers)))
def test_frame_rate(text):
    found = clean(frame_rate, text)
    assert found is None or 0 < found <= 1000


@given(st.one_of(words, st.builds("{}:{}".format, st.sampled_from(["cpu", "gpu", "xpu"]), words)))
def test_device(text):
    found = clean(choose_device, text)
    assert found is None or found == "cpu" or found.startswith(("cpu:", "gpu")) or text == ""


@given(words)
def test_data_set_name(name):
    assert clean(canonical_name, name) in {None, *SOURCES}


@given(words, words, words, words)
def test_ranks(rank, count, local, threads):
    environ = {"PADDLE_TRAINER_ID": rank, "PADDLE_TRAINERS_NUM": count, "PADDLE_LOCAL_SIZE": local}
    found = clean(rank_and_count, environ)
    assert found is None or 0 <= found[0] < found[1]
    environ["OMP_NUM_THREADS"] = threads
    set_threads(environ)
    assert environ["OMP_NUM_THREADS"] == threads or int(environ["OMP_NUM_THREADS"]) >= 1


@settings(max_examples=100)
@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.sampled_from(
                    [
                        "--batch-size",
                        "--valid-size",
                        "--seed",
                        "--epoch-end",
                        "--epoch-start",
                        "--valid-samples",
                        "--learning-rate",
                        "--model-backbone-scale",
                        "--num-workers",
                        "--base-epochs",
                        "--log-valid-interval",
                        "--dataset-name",
                        "--model-name",
                        "--model-type",
                    ]
                ),
                st.one_of(words, st.sampled_from(["1", "4", "0.25", "private", "base", "refine", "paper", "100"])),
            ),
            st.tuples(st.just("--crop-size"), numbers, numbers),
        ),
        max_size=5,
    )
)
def test_flags_of_training(flags):
    jobs = clean(parse_jobs, ["--stage", "1", *(part for flag in flags for part in flag)])
    for args in jobs or []:
        assert isinstance(args, argparse.Namespace) and args.epoch_start < args.epoch_end and args.batch_size >= 2
        assert all(0 < rate < 1 for rate in args.rates.values())
        lowest, highest = args.crop_size
        assert 32 <= lowest < highest and args.valid_size % 4 == 0 and args.valid_size >= 64


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "--src",
                    "--bgr",
                    "--backbone-scale",
                    "--refine-sample-pixels",
                    "--refine-threshold",
                    "--output-dir",
                    "--output-types",
                    "--target-bgr",
                    "--frame-rate",
                    "--device",
                ]
            ),
            st.one_of(words, st.sampled_from(["0.25", "800", "pha", "com", "white", "a.png", "b.mp4", "auto"])),
        ),
        max_size=5,
    )
)
def test_flags_of_predicting(flags):
    args = clean(predict_options.parse, [part for flag in flags for part in flag], "")
    if args is not None:
        assert args.backbone_scale is None or 0 < args.backbone_scale <= 0.5
        assert (args.src is None) == (args.bgr is None)


@pytest.mark.parametrize("text", ["gpu:²", "cpu:²", "cpu:" + "9" * 5000])
def test_digits_that_are_no_number_are_no_device(text):
    with pytest.raises(UsageError, match="--device"):
        choose_device(text)
