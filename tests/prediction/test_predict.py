"""The command: files and folders in, files out, and what it says of bad input."""

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import predict
from dataset.picture import read_alpha, read_photo, read_rgb
from tests.prediction.test_predictor import scene
from utils.picture.write import write_picture
from utils.prediction import pairs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def pair(tmp_path):
    """A folder with `one_src.png` and `one_bgr.png`, 168x176."""
    src, bgr = scene(176, 168)
    write_picture(tmp_path / "one_src.png", src)
    write_picture(tmp_path / "one_bgr.png", bgr)
    return tmp_path


def run(*arguments):
    """Exit code of predict.py in this process."""
    try:
        return predict.main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse
        return stop.code


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def test_bare_command_mattes_the_sample_pair_in_place(tmp_path):
    """In a copy of the repository's own files, as the README's first command does."""
    for name in ("model", "utils", "dataset", "image"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "sample_*_*"))
    for name in ("sample_src.jpg", "sample_bgr.jpg"):
        shutil.copy(ROOT / "image" / name, tmp_path / "image")
    shutil.copy(ROOT / "predict.py", tmp_path)
    done = subprocess.run([sys.executable, "predict.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for kind in ("pha", "fgr", "com"):
        assert f"sample_{kind}.png" in done.stdout
        assert read_rgb(tmp_path / "image" / f"sample_{kind}.png").shape == (720, 1280, 3)
    assert "device" in done.stdout and "mobilenetv2_people.pdparams" in done.stdout and " s\n" in done.stdout


def test_exported_programs_run_without_paddle(pair):
    """Which takes longer to import than everything else does together."""
    pytest.importorskip("openvino")
    pytest.importorskip("paddle2onnx")
    arguments = ["--src", pair / "one_src.png", "--bgr", pair / "one_bgr.png", "--output-dir", pair / "out"]
    assert run(*arguments) == 0  # exports them
    code = "import sys, predict; predict.main(sys.argv[1:]); print('paddle' in sys.modules)"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["False"], done.stderr


def test_one_pair_writes_every_type_at_its_size(pair, capsys):
    out = pair / "out"
    assert (
        run(
            "--src",
            pair / "one_src.png",
            "--bgr",
            pair / "one_bgr.png",
            "--output-dir",
            out,
            "--output-types",
            "pha",
            "fgr",
            "com",
            "err",
            "ref",
        )
        == 0
    )
    assert files(out) == [f"one_{kind}.png" for kind in ("com", "err", "fgr", "pha", "ref")]
    pha, of_com = read_alpha(out / "one_pha.png"), read_photo(out / "one_com.png").alpha
    assert pha.shape == (176, 168) and np.array_equal(of_com, pha) and pha.max() == 255
    assert read_rgb(out / "one_fgr.png").shape == (176, 168, 3)
    said = capsys.readouterr().out
    assert all(str(out / name) in said for name in files(out))


def test_folders_are_paired_by_name_with_subfolders(pair):
    src, bgr = pair / "photos" / "day 1", pair / "empty" / "day 1"
    for folder, mark in ((src, "src"), (bgr, "bgr")):
        folder.mkdir(parents=True)
        shutil.copy(pair / f"one_{mark}.png", folder / "ün.png")
        Image.open(pair / f"one_{mark}.png").save(folder / f"two_{mark}.JPG")
    out = pair / "out"
    assert run("--src", pair / "photos", "--bgr", pair / "empty", "--output-dir", out, "--output-types", "pha") == 0
    assert files(out) == ["pha/day 1/two.png", "pha/day 1/ün.png"]


def test_one_folder_with_marked_names(pair):
    out = pair / "out"
    assert run("--src", pair, "--bgr", pair, "--output-dir", out, "--output-types", "pha") == 0
    assert files(out) == ["pha/one.png"]


def test_one_background_for_a_folder(pair):
    photos = pair / "photos"
    photos.mkdir()
    for name in ("a.png", "b.bmp"):
        Image.open(pair / "one_src.png").save(photos / name)
    out = pair / "out"
    assert run("--src", photos, "--bgr", pair / "one_bgr.png", "--output-dir", out) == 0
    assert files(out) == [f"{kind}/{name}.png" for kind in ("com", "fgr", "pha") for name in "ab"]


def test_a_bad_picture_does_not_stop_a_folder(pair, capsys):
    photos = pair / "photos"
    photos.mkdir()
    for name in ("a.png", "c.png"):
        shutil.copy(pair / "one_src.png", photos / name)
    (photos / "b.png").write_bytes((pair / "one_src.png").read_bytes()[:7000])
    out = pair / "out"
    assert run("--src", photos, "--bgr", pair / "one_bgr.png", "--output-dir", out, "--output-types", "pha") == 1
    assert files(out) == ["pha/a.png", "pha/c.png"]
    said = capsys.readouterr().err
    assert "b.png" in said and "1 of 3 pairs failed" in said


def make(folder, kind):
    """Write the bad or odd input `kind`; returns the arguments of the command."""
    src, bgr, out = folder / "one_src.png", folder / "one_bgr.png", folder / "out"
    bad = folder / "bad.png"
    picture = read_rgb(src)
    extra = []
    if kind == "missing src":
        src = folder / "nothing.png"
    elif kind == "missing bgr":
        bgr = folder / "nothing.png"
    elif kind == "src without bgr":
        return ["--src", src]
    elif kind == "bgr without src":
        return ["--bgr", bgr]
    elif kind == "src file, bgr folder":
        bgr = folder
    elif kind == "empty folder":
        src = folder / "empty"
        src.mkdir()
    elif kind == "folders without a common name":
        for side, name in (("s", "a.png"), ("b", "z.png")):
            (folder / side).mkdir()
            shutil.copy(bgr, folder / side / name)
        src, bgr = folder / "s", folder / "b"
    elif kind == "two sources of one name":
        src = folder / "s"
        src.mkdir()
        for name in ("a.png", "a.bmp"):
            Image.fromarray(picture).save(src / name)
    elif kind == "output onto input":
        shutil.copy(src, folder / "one_pha.png")
        src, out = folder / "one_pha.png", folder
        shutil.copy(src, folder / "one_pha_pha.png")
        bgr = folder / "one_pha_pha.png"
    elif kind == "output folder is a file":
        out.write_text("x")
    elif kind == "zero bytes":
        src = bad
        bad.touch()
    elif kind == "text":
        src = bad
        bad.write_text("not a picture")
    elif kind == "cut off":
        src = bad
        bad.write_bytes((folder / "one_src.png").read_bytes()[:9000])
    elif kind == "huge dimensions":
        src = bad
        data = bytearray((folder / "one_src.png").read_bytes())
        data[16:24] = (100_000).to_bytes(4, "big") * 2
        import zlib

        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
        bad.write_bytes(data)
    elif kind == "other aspect":
        write_picture(bad, picture[:40])
        bgr = bad
    elif kind == "unreadable":
        src = bad
        bad.symlink_to(folder / "nowhere.png")
    elif kind == "weights missing":
        extra = ["--model-path", folder / "none.pdparams"]
    elif kind == "weights of another kind":
        extra = ["--model-path", src]
    elif kind == "weights cut off":
        path = folder / "cut.pdparams"
        path.write_bytes((ROOT / "model/weights/mobilenetv2_people.pdparams").read_bytes()[:100_000])
        extra = ["--model-path", path]
    elif kind == "weights of another backbone":
        extra = ["--model-backbone", "resnet50"]
    else:
        extra = {
            "scale too large": ["--backbone-scale", "0.6"],
            "scale zero": ["--backbone-scale", "0"],
            "scale no number": ["--backbone-scale", "half"],
            "negative pixels": ["--refine-sample-pixels", "-5"],
            "unknown mode": ["--refine-mode", "best"],
            "unknown type": ["--output-types", "alpha"],
            "unknown backbone": ["--model-backbone", "vgg"],
            "no such device": ["--device", "tpu"],
            "no such gpu": ["--device", "gpu:77"],
            "unknown flag": ["--sourec", "x"],
        }[kind]
    return ["--src", src, "--bgr", bgr, "--output-dir", out, *extra]


BAD = {
    "missing src": "nothing.png does not exist",
    "missing bgr": "nothing.png does not exist",
    "src without bgr": "--src and --bgr belong together",
    "bgr without src": "--src and --bgr belong together",
    "src file, bgr folder": "give the background's file",
    "empty folder": "holds no pictures",
    "folders without a common name": "matched by file name",
    "two sources of one name": "rename one",
    "output onto input": "would be overwritten",
    "output folder is a file": "out",
    "zero bytes": "bad.png is empty",
    "text": "bad.png is not a picture",
    "cut off": "bad.png is damaged",
    "huge dimensions": "bad.png",
    "other aspect": "is 168x40, ",
    "unreadable": "bad.png does not exist",
    "weights missing": "none.pdparams",
    "weights of another kind": "one_src.png",
    "weights cut off": "cut.pdparams",
    "weights of another backbone": "--model-backbone mobilenetv2",
    "scale too large": "--backbone-scale",
    "scale zero": "--backbone-scale",
    "scale no number": "--backbone-scale",
    "negative pixels": "--refine-sample-pixels",
    "unknown mode": "--refine-mode",
    "unknown type": "--output-types",
    "unknown backbone": "--model-backbone",
    "no such device": "--device tpu does not exist: pass cpu",
    "no such gpu": "--device gpu",
    "unknown flag": "--sourec",
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_clear_line_and_no_partial_file(pair, kind, capsys):
    arguments = make(pair, kind)
    before = files(pair)
    assert run(*arguments) not in (0, None)
    said = capsys.readouterr().err.strip().splitlines()
    assert "error:" in said[-1] and any(BAD[kind] in line for line in said), said
    assert all(x.startswith(("error: ", "failed: ")) for x in said), said
    assert [name for name in files(pair) if name not in before and not name.startswith("out/pha/a")] in (
        [],
        ["out/com/a.png", "out/fgr/a.png"],  # the first of the two sources of one name is matted
    )


def odd_png(path, kind, picture):
    image = Image.fromarray(picture)
    if kind == "grey":
        image.convert("L").save(path)
    elif kind == "grey with alpha":
        image.convert("LA").save(path)
    elif kind == "RGBA":
        image.convert("RGBA").save(path)
    elif kind == "palette":
        image.quantize(64).save(path)
    elif kind == "16 bit":
        cv2.imwrite(str(path), picture[..., ::-1].astype(np.uint16) * 257)
    elif kind == "16-bit grey":
        cv2.imwrite(str(path), picture[..., 0].astype(np.uint16) * 257)
    return path


@pytest.mark.parametrize("kind", ["grey", "grey with alpha", "RGBA", "palette", "16 bit", "16-bit grey"])
def test_odd_kinds_of_png_are_read(pair, kind):
    src, bgr = (odd_png(pair / f"odd_{m}.png", kind, read_rgb(pair / f"one_{m}.png")) for m in ("src", "bgr"))
    assert run("--src", src, "--bgr", bgr, "--output-dir", pair / "out", "--output-types", "pha") == 0
    assert read_alpha(pair / "out" / "odd_pha.png")[130, 90] > 200


def test_camera_orientation_is_applied(pair):
    """A portrait that the camera stored sideways comes out upright, at the upright size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for mark in ("src", "bgr"):
        upright = Image.open(pair / f"one_{mark}.png")
        upright.transpose(Image.Transpose.ROTATE_90).save(pair / f"turned_{mark}.jpg", exif=exif, quality=98)
    assert (
        run(
            "--src",
            pair / "turned_src.jpg",
            "--bgr",
            pair / "turned_bgr.jpg",
            "--output-dir",
            pair / "out",
            "--output-types",
            "pha",
        )
        == 0
    )
    assert read_alpha(pair / "out" / "turned_pha.png").shape == (176, 168)


def test_cmyk_background_of_double_size_is_matched(pair, capsys):
    image = Image.open(pair / "one_bgr.png")
    image.resize((336, 352)).convert("CMYK").save(pair / "large.jpg", quality=98)
    assert run("--src", pair / "one_src.png", "--bgr", pair / "large.jpg", "--output-dir", pair / "out") == 0
    assert "it was resized" in capsys.readouterr().err


def test_full_disk_leaves_no_file(pair, monkeypatch, capsys):
    true = Path.open

    def full(path, *args, **options):
        if path.suffix == ".png":
            raise OSError(28, "No space left on device", "out")
        return true(path, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    assert run("--src", pair / "one_src.png", "--bgr", pair / "one_bgr.png", "--output-dir", pair / "out") == 1
    assert "No space left" in capsys.readouterr().err
    assert not (pair / "out").exists() or files(pair / "out") == []


def test_interrupt_keeps_what_was_finished(pair, monkeypatch, capsys):
    photos = pair / "photos"
    photos.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(pair / "one_src.png", photos / name)
    true = pairs.read_photo

    def read(path, *args):
        if Path(path).name == "b.png":
            raise KeyboardInterrupt
        return true(path, *args)

    monkeypatch.setattr(pairs, "read_photo", read)
    out = pair / "out"
    assert run("--src", photos, "--bgr", pair / "one_bgr.png", "--output-dir", out, "--output-types", "pha") == 130
    assert files(out) == ["pha/a.png"]
