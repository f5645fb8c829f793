"""Pictures as phones, cameras and compositors write them: what their numbers mean is kept."""

import io
import struct
import sys

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from dataset.colour import LARGEST, converted, encoded, linear
from dataset.picture import PictureError, _dpi, find_pictures, limit_megapixels, read_alpha, read_photo, read_rgb
from tests.picture_files import DATE, display_p3, profile_of, shot, table, write_raw
from utils.picture.write import write_picture

P3 = display_p3()
SUIT = 202, 116, 93  # in Display P3 what is 216, 112, 87 in sRGB, to two levels


def blocks(seed=1, height=64, width=96):
    """uint8 (height, width, 3): squares of one colour, which lossy formats keep."""
    colours = np.random.default_rng(seed).integers(40, 216, (height // 16, width // 16, 3), np.uint8)
    return colours.repeat(16, 0).repeat(16, 1)


def saved(path, picture, **facts):
    if path.suffix == ".heic":
        pytest.importorskip("pillow_heif", reason="pillow-heif (requirements/pictures.txt)").register_heif_opener()
        facts["quality"], facts["chroma"] = -1, 444
    if path.suffix == ".jxl":
        pytest.importorskip("pillow_jxl", reason="pillow-jxl-plugin (requirements/pictures.txt)")
        facts["lossless"] = True
    if path.suffix == ".avif" and "AVIF" not in Image.SAVE:
        pytest.skip("Pillow from 11.3 on")
    if path.suffix == ".avif":
        facts["subsampling"] = "4:4:4"
    Image.fromarray(picture).save(path, **{"quality": 98, "subsampling": 0, "lossless": True, **facts})
    return path


KINDS = ("heic", "avif", "jxl", "jpg", "png", "tif", "webp")


@pytest.mark.parametrize("suffix", KINDS)
def test_orientation_profile_resolution_and_date_are_read(tmp_path, suffix):
    picture = blocks()
    path = saved(tmp_path / f"a.{suffix}", picture, exif=shot(6), icc_profile=P3, dpi=(300, 300))
    photo = read_photo(path)
    middles = photo.pixels[8::16, 8::16].astype(int)
    assert np.abs(middles - np.rot90(picture, -1)[8::16, 8::16]).max() <= (20 if suffix == "avif" else 4)
    assert np.allclose(photo.dpi, 300, atol=0.01) and photo.frames == 1
    if suffix != "jxl":  # whose plug-in writes no profile
        assert np.array_equal(converted(photo.pixels, photo.profile), converted(photo.pixels, P3))
    exif = Image.Exif()
    exif.load(photo.exif)
    assert (exif[0x010F], exif[0x0132], exif.get_ifd(0x8769)[0x9003], exif[0x0112]) == ("Maker", DATE, DATE, 1)
    assert 0x8825 not in exif and 0x927C not in exif.get_ifd(0x8769)  # neither the place nor the maker's secrets
    exif.load(read_photo(path, location=True).exif)
    assert exif.get_ifd(0x8825)[2] == (50, 1, 2)
    assert find_pictures(tmp_path) == [path]


@pytest.mark.parametrize(("suffix", "package"), [("heic", "pillow_heif"), ("jxl", "pillow_jxl"), ("exr", "OpenEXR")])
def test_a_missing_package_is_named(tmp_path, monkeypatch, suffix, package):
    if suffix == "exr":
        pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
        write_picture(tmp_path / "a.exr", np.zeros((8, 8, 3), np.float32))
    else:
        saved(tmp_path / f"a.{suffix}", blocks())
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PictureError, match=rf"a.{suffix} is .*{package}: pip install -r requirements/pictures.txt"):
        read_rgb(tmp_path / f"a.{suffix}")


def test_the_network_sees_srgb_whatever_the_profile(tmp_path):
    picture = np.full((16, 16, 3), SUIT, np.uint8)
    path = saved(tmp_path / "a.png", picture, icc_profile=P3)
    assert np.abs(read_rgb(path).astype(int) - (216, 112, 87)).max() <= 2
    photo = read_photo(path)
    assert np.array_equal(photo.pixels, picture)
    assert np.array_equal(photo.repainted(photo.rgb), picture)
    plain = read_photo(saved(tmp_path / "b.png", picture, icc_profile=ImageCms.ImageCmsProfile(srgb()).tobytes()))
    assert plain.profile and plain.rgb is plain.pixels
    broken = read_photo(saved(tmp_path / "c.png", picture, icc_profile=b"no profile at all" * 20))
    assert broken.profile is None and broken.rgb is broken.pixels


def test_profiles_that_lead_nowhere_are_dropped(tmp_path):
    picture = np.full((16, 16, 3), SUIT, np.uint8)
    for mode, profile in (("RGB", P3.replace(b"rTRC", b"none")), ("L", P3.replace(b"RGB ", b"GRAY"))):
        Image.fromarray(picture).convert(mode).save(tmp_path / "a.tif", icc_profile=profile)
        photo = read_photo(tmp_path / "a.tif")
        assert photo.profile is None and photo.rgb is photo.pixels
    Image.fromarray(picture).save(tmp_path / "a.tif", icc_profile=P3 + bytes(LARGEST))
    assert read_photo(tmp_path / "a.tif").profile is None


def test_a_scanners_profile_without_a_way_back_is_used_up(tmp_path):
    scanner = profile_of(b"RGB ", {b"A2B0": table(3, 3)})
    Image.fromarray(blocks()).save(tmp_path / "a.tif", icc_profile=scanner)
    photo = read_photo(tmp_path / "a.tif")
    assert photo.profile is None and photo.pixels.dtype == np.uint8
    with Image.open(tmp_path / "a.tif") as stored:
        expected = ImageCms.profileToProfile(stored, stored_profile(scanner), srgb(), renderingIntent=1, flags=0x2000)
    assert np.array_equal(photo.pixels, np.asarray(expected)) and not np.array_equal(photo.pixels, blocks())


def test_a_resolution_that_is_no_number_is_dropped():
    assert _dpi(Image.new("L", (1, 1)), {0x011A: 300.0, 0x011B: float("nan"), 0x0128: 2}) is None
    assert _dpi(Image.new("L", (1, 1)), {0x011A: 300.0, 0x011B: 150.0, 0x0128: 2}) == (300, 150)


def stored_profile(profile):
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def srgb():
    return ImageCms.createProfile("sRGB")


def test_a_change_is_painted_in_the_sources_own_numbers(tmp_path):
    picture = blocks()
    photo = read_photo(saved(tmp_path / "a.png", picture, icc_profile=P3))
    changed = photo.rgb.copy()
    changed[:16] = (200, 90, 70)
    own = photo.repainted(changed)
    assert np.array_equal(own[16:], picture[16:])
    assert np.abs(converted(own[:16], P3).astype(int) - (200, 90, 70)).max() <= 2


def test_sixteen_bits_stay_sixteen(tmp_path):
    values = np.random.default_rng(2).integers(0, 65536, (20, 30, 4), np.uint16)
    for suffix, picture in (
        ("png", values),
        ("png", values[..., :3]),
        ("tif", values[..., :3]),
        ("png", values[..., 0]),
    ):
        stored = picture[..., [2, 1, 0, 3][: picture.shape[2]]] if picture.ndim == 3 else picture
        cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.ascontiguousarray(stored))
        photo = read_photo(tmp_path / f"a.{suffix}")
        colours = picture[..., :3] if picture.ndim == 3 else np.stack([picture] * 3, -1)
        np.testing.assert_array_equal(photo.pixels, colours)
        np.testing.assert_array_equal(photo.rgb, np.rint(colours / 257).astype(np.uint8))
        changed = photo.rgb.copy()
        changed[:5] = 9
        own = photo.repainted(changed)
        assert np.array_equal(own[5:], colours[5:]) and np.abs(own[:5] / 257 - 9).max() <= 0.5
        assert (photo.alpha is not None) == (picture.shape[2:] == (4,))


def test_float_tiff_is_linear_light(tmp_path):
    light = np.float32([[[0.5, 0.214, 0.0], [1.0, 4.0, 0.0031308]]])
    cv2.imwrite(str(tmp_path / "a.tif"), np.ascontiguousarray(light[..., ::-1]))
    photo = read_photo(tmp_path / "a.tif")
    np.testing.assert_array_equal(photo.pixels, light)
    assert np.abs(photo.rgb.astype(int) - [[[188, 127, 0], [255, 255, 10]]]).max() <= 1
    np.testing.assert_allclose(linear(encoded(light)), np.clip(light, 0, 1), atol=2e-5)
    Image.fromarray(light[..., 1]).save(tmp_path / "grey.tif")
    np.testing.assert_array_equal(read_photo(tmp_path / "grey.tif").pixels[..., 2], light[..., 1])


def test_exr_and_its_alpha_and_windows(tmp_path, monkeypatch):
    exr = pytest.importorskip("OpenEXR", reason="OpenEXR (requirements/pictures.txt)")
    light = np.random.default_rng(3).random((12, 18, 4)).astype(np.float32)
    light[0, 0, 3] = 0
    write_picture(tmp_path / "a.exr", light)
    photo = read_photo(tmp_path / "a.exr")
    seen = light[..., 3] > 0.01
    np.testing.assert_allclose(photo.pixels[seen], light[seen][:, :3], rtol=2e-3)
    np.testing.assert_allclose(photo.alpha, 255 * light[..., 3], atol=0.7)
    write_picture(tmp_path / "pha.exr", light[..., 3])
    np.testing.assert_allclose(read_alpha(tmp_path / "pha.exr"), 255 * light[..., 3], atol=0.7)
    data = np.full((6, 12, 3), 0.5, np.float32)
    # As a renderer crops and overscans: height and width of the display window, where data begins, what is seen of it.
    for (height, width), (left, top), rows, columns, most in (
        ((8, 10), (12, 21), slice(1, 7), slice(2, 10), 80),
        ((4, 10), (7, 16), slice(0, 2), slice(0, 9), 72),
    ):
        windows = {
            "displayWindow": ((10, 20), (9 + width, 19 + height)),
            "dataWindow": ((left, top), (left + 11, top + 5)),
        }
        header = {"type": exr.scanlineimage, "compression": exr.ZIP_COMPRESSION, **windows}
        exr.File(header, {"RGB": data}).write(str(tmp_path / "b.exr"))
        expected = np.zeros((height, width, 3), np.float32)
        expected[rows, columns] = 0.5
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        np.testing.assert_array_equal(read_photo(tmp_path / "b.exr").pixels, expected)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most - 1)
        with pytest.raises(PictureError, match="b.exr claims to have more than"):
            read_photo(tmp_path / "b.exr")
    monkeypatch.undo()
    exr.File({"type": exr.scanlineimage}, {"Z": data[..., 0]}).write(str(tmp_path / "z.exr"))
    with pytest.raises(PictureError, match="channels Z"):
        read_photo(tmp_path / "z.exr")


def test_raw_is_developed_without_brightening(tmp_path, monkeypatch):
    pytest.importorskip("rawpy", reason="rawpy (requirements/pictures.txt)")
    pytest.importorskip("tifffile", reason="tifffile (requirements/pictures.txt)")
    values = np.full((64, 96), 1000, np.uint16)
    values[::2, ::2], values[1::2, 1::2] = 2000, 500
    write_raw(tmp_path / "a.DNG", values)
    photo = read_photo(tmp_path / "a.DNG")
    assert photo.pixels.shape == (64, 96, 3) and photo.pixels.dtype == np.uint16 and b"Maker" in photo.exif
    np.testing.assert_allclose(linear(photo.pixels)[32, 48], np.float64([2000, 1000, 500]) / 4095, rtol=0.01)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 96 - 1)
    with pytest.raises(PictureError, match="a.DNG claims to have more than"):
        read_photo(tmp_path / "a.DNG")
    (tmp_path / "b.dng").write_bytes(b"II*\0 cut off")
    with pytest.raises(PictureError, match="b.dng is damaged"):
        read_photo(tmp_path / "b.dng")


def test_raw_of_a_camera_without_colours_is_grey(tmp_path):
    pytest.importorskip("rawpy", reason="rawpy (requirements/pictures.txt)")
    pytest.importorskip("tifffile", reason="tifffile (requirements/pictures.txt)")
    write_raw(tmp_path / "a.dng", np.full((48, 64), 1000, np.uint16))
    data, photometric = (tmp_path / "a.dng").read_bytes(), struct.pack("<HHI", 262, 3, 1)
    patterned, linear_raw = (photometric + struct.pack("<H", kind) for kind in (32803, 34892))
    assert data.count(patterned) == 1
    (tmp_path / "a.dng").write_bytes(data.replace(patterned, linear_raw))
    photo = read_photo(tmp_path / "a.dng")
    assert photo.pixels.shape == photo.rgb.shape == (48, 64, 3) and not np.ptp(photo.pixels, axis=2).any()


def test_cmyk_and_grey_profiles_become_srgb(tmp_path):
    """A grey profile of gamma 1, made from that of Display P3: half the light is 188 of 255."""
    curve = b"curv\0\0\0\0\0\0\0\0"
    body = (1).to_bytes(4, "big") + b"kTRC" + (144).to_bytes(4, "big") + len(curve).to_bytes(4, "big") + curve
    head = bytearray(P3[:128])
    head[:4], head[16:20] = (128 + len(body)).to_bytes(4, "big"), b"GRAY"
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "a.png", icc_profile=bytes(head) + body)
    photo = read_photo(tmp_path / "a.png")
    assert np.abs(photo.rgb.astype(int) - 188).max() <= 1 and photo.profile is None
    assert (read_alpha(tmp_path / "a.png") == 128).all()  # an alpha is a share, whatever the profile says
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "b.jpg", icc_profile=P3, quality=98)
    assert np.abs(read_rgb(tmp_path / "b.jpg").astype(int) - (255, 0, 0)).max() <= 3  # a profile of something else


def test_animated_pictures_say_so(tmp_path):
    first, second = (Image.fromarray(blocks(seed)) for seed in (1, 2))
    for suffix in ("webp", "png"):
        first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second], lossless=True)
        photo = read_photo(tmp_path / f"a.{suffix}")
        assert photo.frames == 2 and np.array_equal(photo.rgb, blocks(1))


def test_the_limit_of_pixels_can_be_moved(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    saved(tmp_path / "a.png", np.zeros((1000, 1100), np.uint8))
    limit_megapixels(1)
    with pytest.raises(PictureError, match="more than 1 million pixels"):
        read_rgb(tmp_path / "a.png")
    limit_megapixels(1.1)
    assert read_rgb(tmp_path / "a.png").shape == (1000, 1100, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # by a program that takes pictures of any size
    assert read_rgb(tmp_path / "a.png").shape == (1000, 1100, 3)
