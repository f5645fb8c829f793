"""evaluate(): what is scored, in which order, and what happens to pictures that cannot be."""

import threading
import tracemalloc

import numpy as np
import pytest

from dataset.picture import PictureError
from utils.evaluation import metric
from utils.evaluation.metric import make_trimap
from utils.evaluation.samples import PredictionFolder, Sample, StoredSet
from utils.evaluation.score import csv_text, evaluate, ordered_map, side_by_side, table
from utils.picture.write import write_picture
from utils.system.errors import UsageError


class Samples:
    """Soft discs before noise; sample i has its own size and, in `broken`, cannot be read."""

    def __init__(self, count=7, broken=(), sizes=((48, 64), (52, 40)), fgr=True):
        self.names = [f"picture{index}" for index in range(count)]
        self.broken, self.sizes, self.fgr = broken, sizes, fgr

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        if index in self.broken:
            raise PictureError(f"{self.names[index]}.png is damaged")
        rng = np.random.RandomState(index)
        height, width = self.sizes[index // 2 % len(self.sizes)]
        y, x = np.mgrid[:height, :width]
        distance = np.hypot(y - height / 2, x - width / 2)
        pha = (np.clip((10 + index - distance) / 6 + 0.5, 0, 1) * 255).round().astype(np.uint8)
        src, bgr, fgr = rng.randint(0, 256, (3, height, width, 3)).astype(np.uint8)
        return Sample(self.names[index], pha, src, bgr, fgr if self.fgr else None)


def darker(sample):
    """A prediction that is wrong by an amount that depends on the picture."""
    return sample.pha // 2 + sample.src[..., 0] // 8, sample.src


def test_rows_are_the_metrics_of_each_picture():
    samples = Samples(3)
    report = evaluate(darker, samples, metrics=("sad", "mse", "mad", "grad", "conn", "fgr_mse"))
    assert [row["name"] for row in report.rows] == ["picture0", "picture1", "picture2"]
    for row in report.rows:
        sample = samples[row["index"]]
        pha, fgr = darker(sample)
        trimap = make_trimap(sample.pha)
        for name in ("sad", "mse", "mad", "grad", "conn"):
            function = getattr(metric, name)
            assert row[f"{name}_all"] == function(pha, sample.pha) > 0
            assert row[f"{name}_unknown"] == function(pha, sample.pha, trimap) > 0
        assert row["fgr_mse_all"] == metric.fgr_mse(fgr, sample.fgr, sample.pha) > 0
    for column, mean in report.means.items():
        assert mean == pytest.approx(np.mean([row[column] for row in report.rows]))
    assert not report.failures


def test_a_stored_trimap_goes_before_the_rule():
    sample = Samples()[0]
    trimap = np.zeros_like(sample.pha)
    trimap[:3] = 128

    class One(Samples):
        def __getitem__(self, index):
            return Sample("one", sample.pha, sample.src, sample.bgr, trimap=trimap)

    row = evaluate(lambda _: (255 - sample.pha, None), One(1), metrics=("sad",)).rows[0]
    assert row["sad_unknown"] == metric.sad(255 - sample.pha, sample.pha, trimap)


def test_float_predictions_are_rounded_to_bytes_and_clipped():
    samples = Samples(1)
    pha = samples[0].pha

    def floats(sample):
        return sample.pha / np.float32(255) + np.float32(0.4 / 255), None

    assert evaluate(floats, samples, metrics=("sad",)).means["sad_all"] == 0
    beyond = evaluate(lambda sample: (sample.pha / 255 * 3 - 1, None), samples, metrics=("sad",))
    assert beyond.means["sad_all"] == metric.sad(np.clip(np.rint(pha * 3.0 - 255), 0, 255).astype(np.uint8), pha)


def test_the_reference_protocol_is_the_predecessors_arithmetic_on_floats():
    samples = Samples(2)
    report = evaluate(lambda s: (s.pha / np.float32(300), None), samples, protocol="reference")
    assert report.columns == ["sad_unknown", "mse_unknown"]
    for row in report.rows:
        pha = samples[row["index"]].pha
        trimap = make_trimap(pha, rule="reference")
        assert row["sad_unknown"] == metric.reference_sad(pha / np.float32(300), pha, trimap)
        assert row["mse_unknown"] == metric.reference_mse(pha / np.float32(300), pha, trimap)


def test_the_split_over_processes_and_threads_changes_nothing():
    samples = Samples(7, broken=(3,))
    whole = evaluate(darker, samples)
    assert len(whole.rows) == 6
    for workers in (1, 4):
        other = evaluate(darker, samples, num_workers=workers)
        assert (other.rows, other.failures, other.means) == (whole.rows, whole.failures, whole.means)
    parts = [evaluate(darker, samples, indices=range(rank, 7, 2)) for rank in (0, 1)]
    assert [len(part.rows) for part in parts] == [4, 2]
    joined = sorted(parts[0].rows + parts[1].rows, key=lambda row: row["index"])
    assert joined == whole.rows


def test_a_failure_is_named_and_counted_and_the_rest_goes_on():
    def predictor(sample):
        if sample.name == "picture1":
            raise PictureError("no such\n  prediction")
        if sample.name == "picture2":
            return sample.pha[1:], None
        if sample.name == "picture4":
            return np.full(sample.pha.shape, np.nan, np.float32), None
        return darker(sample)

    report = evaluate(predictor, Samples(7, broken=(5,)), num_workers=2)
    assert [row["index"] for row in report.rows] == [0, 3, 6]
    assert [failure["name"] for failure in report.failures] == ["picture1", "picture2", "picture4", "picture5"]
    messages = [failure["error"] for failure in report.failures]
    assert messages[0] == "no such prediction" and messages[3] == "picture5.png is damaged"
    assert "sizes must agree" in messages[1] and "NaN" in messages[2]


def test_a_mistake_in_the_program_is_no_failure_of_a_picture():
    def predictor(sample):
        return sample.no_such_attribute

    with pytest.raises(AttributeError):
        evaluate(predictor, Samples(2))


def test_without_a_foreground_its_metric_is_left_out_of_the_mean():
    report = evaluate(darker, Samples(2, fgr=False), metrics=("sad", "fgr_mse"))
    assert report.means["fgr_mse_all"] is None and report.means["sad_all"] > 0
    first = table({"ours": report}).splitlines()[2].split()
    assert first == ["|", "ours", "|", "2", "|", "all", "|", f"{report.means['sad_all']:.3f}", "|", "-", "|"]

    def sometimes(sample):
        return sample.pha, sample.src if sample.name == "picture1" else None

    report = evaluate(sometimes, Samples(2), metrics=("fgr_mse",))
    assert report.means["fgr_mse_all"] == report.rows[1]["fgr_mse_all"] > 0


def test_the_worst_are_shown_with_truth_and_prediction():
    samples = Samples(6)
    report = evaluate(darker, samples)
    ranked = sorted(report.rows, key=lambda row: -row["sad_all"])
    assert report.worst(2) == [row["name"] for row in ranked[:2]] and report.worst(0) == []
    sheet = side_by_side(samples, {"ours": (darker, report)}, report.worst(2))
    assert sheet.ndim == 3 and sheet.shape[0] > 2 * 256 and sheet.dtype == np.uint8
    without = evaluate(lambda sample: (sample.pha, None), samples, metrics=("fgr_mse",))
    assert side_by_side(samples, {"ours": (darker, without)}, ["picture1"]).shape[0] > 256  # a number that is not there
    with pytest.raises(UsageError, match="no sample nobody"):
        side_by_side(samples, {"ours": (darker, report)}, ["nobody"])


def test_memory_does_not_grow_with_the_number_of_pictures():
    def peak(count):
        tracemalloc.start()
        evaluate(darker, Samples(count, sizes=((200, 200),)), metrics=("sad",), num_workers=2)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # How far the threads run ahead of one another differs from run to run.
    assert peak(120) < 1.5 * max(peak(12) for _ in range(5))


def test_ordered_map_keeps_the_order_and_does_not_run_far_ahead():
    taken, lock = [], threading.Lock()

    def items():
        for item in range(20):
            with lock:
                taken.append(item)
            yield item

    results = ordered_map(lambda item: item * item, items(), 3)
    assert next(results) == 0 and len(taken) <= 4
    assert list(results) == [item * item for item in range(1, 20)]
    assert list(ordered_map(str, [3, 1, 2], 0)) == ["3", "1", "2"]


def test_the_reference_protocol_has_two_metrics():
    with pytest.raises(UsageError, match="sad and mse of the unknown region only"):
        evaluate(darker, Samples(1), metrics=("grad",), protocol="reference")
    with pytest.raises(UsageError, match="dtssd is of the whole picture"):
        evaluate(darker, Samples(1), metrics=("dtssd",), regions=("unknown",))


@pytest.fixture
def stored(tmp_path):
    """A set of three pictures on disk, one in a sub-folder, and the true alphas once more as predictions."""
    samples = Samples(3)
    for index, name in enumerate(("a", "b", "deep/c")):
        for part in ("src", "bgr", "pha", "fgr"):
            write_picture(tmp_path / "set" / part / f"{name}.png", getattr(samples[index], part))
        write_picture(tmp_path / "pred/pha" / f"{name}.png", samples[index].pha)
    return tmp_path


def test_predictions_on_disk_are_found_by_name_with_or_without_a_pha_folder(stored):
    samples = StoredSet(stored / "set")
    for folder in (stored / "pred", stored / "pred/pha"):
        report = evaluate(PredictionFolder(folder, samples), samples)
        assert [row["sad_all"] for row in report.rows] == [0, 0, 0]
        assert report.means["fgr_mse_all"] is None
    write_picture(stored / "pred/fgr/deep/c.png", samples[2].src)
    report = evaluate(PredictionFolder(stored / "pred", samples), samples, metrics=("fgr_mse",))
    assert report.means["fgr_mse_all"] == metric.fgr_mse(samples[2].src, samples[2].fgr, samples[2].pha)


def test_a_set_without_pictures_to_matte_can_be_scored_but_not_predicted(stored):
    (stored / "set/src").rename(stored / "elsewhere")
    assert len(StoredSet(stored / "set", needs=("pha",))) == 3
    with pytest.raises(PictureError, match="no pictures in src/"):
        StoredSet(stored / "set")
    (stored / "set/bgr/b.png").unlink()
    with pytest.raises(PictureError, match="lacks 1 of 3, first b, in bgr/"):
        StoredSet(stored / "set", needs=("pha",))


def test_what_is_wrong_with_the_files_of_a_set_is_named(stored):
    write_picture(stored / "set/bgr/b.png", np.zeros((9, 9, 3), np.uint8))
    report = evaluate(darker, StoredSet(stored / "set"))
    assert len(report.rows) == 2 and "bgr/b.png differs in size from" in report.failures[0]["error"]
    (stored / "set/pha/a.png").write_bytes(b"damaged")
    assert [path.name for path, _, _ in StoredSet(stored / "set").labels()] == ["b.png", "c.png"]
    write_picture(stored / "set/pha/b.webp", np.zeros((9, 9), np.uint8))
    with pytest.raises(PictureError, match="b.png and .*b.webp differ in their suffix only"):
        StoredSet(stored / "set")


def test_tables_have_a_number_for_every_column(stored):
    report = evaluate(darker, Samples(2), metrics=("sad", "mse"))
    lines = csv_text(report).splitlines()
    assert lines[0] == "index,name,sad_all,mse_all,sad_unknown,mse_unknown" and len(lines) == 3
    assert float(lines[1].split(",")[2]) == report.rows[0]["sad_all"]
    heads, line, first, second = table({"ours": report}).splitlines()
    assert heads == "| method | images | region  | sad, 1000 px | mse, 1/1000 |" and set(line) == set("|- ")
    numbers = [f"{report.means[column]:.3f}" for column in report.columns]
    assert first.split()[1::2] == ["ours", "2", "all", *numbers[:2]] and len(first) == len(heads)
    assert second.split()[1::2] == ["ours", "2", "unknown", *numbers[2:]]
