"""Data sets on disk: what they read, in which order, and what they say about files that are wrong."""

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from dataset.folders import (
    SOURCES,
    ForegroundDataset,
    ImagesDataset,
    MissingData,
    canonical_name,
    data_folder,
    open_data,
    read_frame,
    sampled,
)
from dataset.labels import looked_at
from dataset.picture import PictureError
from tests.drawn_data import disc, make_data, scene
from utils.picture.write import write_picture


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data"))


def write_video(path, frames, frame_rate=10):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), frame_rate, (width, height))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot write mp4v")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()


# ------------------------------------------------------------------------------------------------ images, sample
def test_images_are_read_from_nested_folders_sorted_by_path(tmp_path):
    for number, name in enumerate(("b/1.png", "a/2.png", "a/1.PNG", "c.png")):
        write_picture(tmp_path / name, np.full((4, 5, 3), number, np.uint8))
    images = ImagesDataset(tmp_path)
    assert [int(images[i].max()) for i in range(len(images))] == [2, 1, 0, 3]
    assert images[0].shape == (4, 5, 3) and images[0].dtype == np.uint8


def test_empty_folder_is_named(tmp_path):
    with pytest.raises(PictureError, match="holds no pictures"):
        ImagesDataset(tmp_path)


def test_samples_are_spread_evenly():
    sample = sampled(range(10), 4)
    assert [sample[i] for i in range(len(sample))] == [0, 2, 4, 6]
    assert len(sampled(range(3), 50)) == 3
    with pytest.raises(IndexError):
        sample[4]


# -------------------------------------------------------------------------------------------------------------- video
def test_video_frames_come_in_any_order(tmp_path):
    frames = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(10)]
    write_video(tmp_path / "v.mp4", frames)
    for i in (0, 1, 7, 3, 9, 10, 9, 3, 10, 10, 8):
        if i == 10:
            with pytest.raises(PictureError, match=r"v\.mp4: frame 10"):
                read_frame(tmp_path / "v.mp4", 10)
        else:
            assert abs(int(read_frame(tmp_path / "v.mp4", i).mean()) - 20 * i) <= 3


def test_a_bad_video_is_named(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(PictureError, match=r"bad\.mp4"):
        read_frame(tmp_path / "bad.mp4", 0)


@pytest.fixture
def videos(tmp_path):
    """A ForegroundDataset of a video of 20 frames, each brighter than the one before."""
    rng = np.random.default_rng(0)
    frames = [np.clip(rng.normal(20 + 4 * i, 20, (120, 160, 3)), 0, 255).astype(np.uint8) for i in range(20)]
    for folder in ("fgr", "pha"):
        (tmp_path / folder).mkdir()
        write_video(tmp_path / folder / "v.mp4", frames)
    return ForegroundDataset(tmp_path)


def test_threads_may_read_one_video(videos):
    order = [*range(20), *range(19, -1, -1)]
    with ThreadPoolExecutor(4) as pool:
        means = list(pool.map(lambda i: videos[i][1].mean(), order))
    assert np.all(np.diff(means[:20]) > 0) and means[:20] == means[:19:-1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_videos_that_were_looked_at_do_not_stop_readers_that_are_forked(videos):
    assert len(list(looked_at(videos))) > 4

    def read():
        cv2.setNumThreads(0)
        means = [videos[i][1].mean() for i in range(20)]
        os._exit(0 if np.all(np.diff(means) > 0) else 1)

    reader = multiprocessing.get_context("fork").Process(target=read)
    reader.start()
    reader.join(20)
    reader.kill()
    reader.join()
    assert reader.exitcode == 0


# -------------------------------------------------------------------------------------------------------- foregrounds
def test_foreground_and_alpha_are_paired_by_name_not_by_position(tmp_path):
    for i, name in enumerate(("x/10", "x/9", "y/1")):
        write_picture(tmp_path / "fgr" / f"{name}.jpg", np.full((8, 8, 3), 50 + i, np.uint8))
        write_picture(tmp_path / "pha" / f"{name}.png", np.full((8, 8), 50 + i, np.uint8))
    pairs = ForegroundDataset(tmp_path)
    assert len(pairs) == 3
    for i in range(3):
        fgr, pha = pairs[i]
        assert abs(int(fgr.mean()) - int(pha.mean())) <= 1


def test_rgba_pictures_stand_for_pairs(tmp_path):
    fgr, pha = disc(np.random.default_rng(0), 20, 30)
    write_picture(tmp_path / "a.png", np.dstack([fgr, pha]))
    read_fgr, read_pha = ForegroundDataset(tmp_path)[0]
    assert np.array_equal(read_fgr, fgr) and np.array_equal(read_pha, pha)
    write_picture(tmp_path / "b.png", fgr)
    with pytest.raises(PictureError, match="b.png has no alpha channel"):
        ForegroundDataset(tmp_path)[1]


def test_pairs_of_videos_are_read_frame_by_frame(tmp_path):
    for folder in ("fgr", "pha"):
        (tmp_path / folder).mkdir()
        for clip in range(2):
            write_video(
                tmp_path / folder / f"{clip}.mp4",
                [np.full((32, 32, 3), 100 * clip + 9 * i, np.uint8) for i in range(5)],
            )
    pairs = ForegroundDataset(tmp_path)
    assert len(pairs) == 10
    for i in (7, 0, 9):
        fgr, pha = pairs[i]
        assert fgr.shape == (32, 32, 3) and pha.shape == (32, 32)
        assert abs(int(pha.mean()) - (100 * (i // 5) + 9 * (i % 5))) <= 4
    assert pairs.items[7][1].name == "1.mp4"


def test_a_foreground_without_alpha_is_named(tmp_path):
    make_data(tmp_path, ("private",), train=3, valid=1)
    folder = tmp_path / "private" / "train"
    (folder / "pha" / "01.png").unlink()
    with pytest.raises(PictureError, match=r"1 of 3 .*fgr and 0 of 2 .*pha have no partner, such as .*/01\.jpg:"):
        ForegroundDataset(folder)
    write_picture(folder / "pha" / "01.png", np.zeros((72, 64), np.uint8))
    write_picture(folder / "pha" / "07.png", np.zeros((72, 64), np.uint8))
    with pytest.raises(PictureError, match=r"0 of 3 .*fgr and 1 of 4 .*pha .*/07\.png:"):
        ForegroundDataset(folder)


def test_alpha_of_another_size_or_in_colour_is_named(tmp_path):
    make_data(tmp_path, ("private",), train=2, valid=1)
    pairs = ForegroundDataset(tmp_path / "private" / "train")
    write_picture(tmp_path / "private" / "train" / "pha" / "00.png", np.zeros((10, 12), np.uint8))
    with pytest.raises(PictureError, match=r"00\.png is 12x10, its foreground .* is 64x72"):
        pairs[0]
    write_picture(tmp_path / "private" / "train" / "pha" / "01.png", scene(np.random.default_rng(0), 72, 64))
    with pytest.raises(PictureError, match=r"01\.png"):
        pairs[1]


def test_one_of_the_two_folders_missing_is_named(tmp_path):
    write_picture(tmp_path / "fgr" / "0.jpg", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(PictureError, match="fgr is alone: fgr/ and pha/"):
        ForegroundDataset(tmp_path)


# -------------------------------------------------------------------------------------------------------- data folders
def test_every_data_set_opens_from_its_documented_folder(root):
    assert len(open_data(root, "videomatte240k", "train")) == 8
    assert len(open_data(root, "private", "valid")) == 3
    assert len(open_data(root, "backgrounds", "train")) == 8


def test_distributed_names_of_data_sets_and_folders_are_accepted(tmp_path):
    write_picture(tmp_path / "Distinctions-646" / "Test" / "FG" / "1.png", np.zeros((4, 4, 3), np.uint8))
    write_picture(tmp_path / "Distinctions-646" / "Test" / "GT" / "1.png", np.zeros((4, 4), np.uint8))
    for name in ("distinction", "Distinctions646", "distinctions-646"):
        assert len(open_data(tmp_path, name, "valid")) == 1
    write_picture(tmp_path / "PhotoMatte85" / "a.png", np.zeros((4, 4, 4), np.uint8))
    assert len(open_data(tmp_path, "photomatte85", "valid")) == 1


@pytest.mark.parametrize("name", SOURCES)
def test_a_missing_data_set_is_named_with_folder_source_and_layout(tmp_path, name):
    with pytest.raises(MissingData) as error:
        data_folder(tmp_path / "nowhere", name, "valid")
    message = str(error.value)
    assert name in message and str(tmp_path / "nowhere" / SOURCES[name].folders[0]) in message
    assert SOURCES[name].where in message and "Lay it out" in message


def test_empty_folders_are_named(tmp_path):
    for part in ("fgr", "pha"):
        (tmp_path / "private" / "train" / part).mkdir(parents=True)
    with pytest.raises(PictureError, match=r"private.*fgr holds no pictures"):
        open_data(tmp_path, "private", "train")


def test_unknown_names_and_splits_are_refused():
    assert canonical_name("DISTINCTION") == "distinctions646"
    with pytest.raises(PictureError, match="unknown data set 'coco'"):
        canonical_name("coco")
    with pytest.raises(PictureError, match="no train part"):
        data_folder(".", "photomatte85", "train")
