"""Matte a camera's picture live, and put the subject before something else.

python -m tools.webcam                                        camera 0, in a window
python -m tools.webcam --target-bgr beach.jpg                 a colour, a picture or a video
python -m tools.webcam --virtual-camera                       for video calls: pip install -r requirements/webcam.txt
python -m tools.webcam --output talk.mp4                      record what is shown
python -m tools.webcam --source clip.mp4 --no-window --press 0:b 300:q --output frames     without camera and window

Keys: B captures the background, anew as often as you like (leave the picture), V shows composite, alpha or camera,
Q or Escape ends. A window needs opencv-python instead of opencv-python-headless:
pip uninstall -y opencv-python-headless && pip install opencv-python
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import argparse
import time
from contextlib import ExitStack

import cv2

from dataset.errors import install
from tools.webcam_studio import CAPTURE, QUIT, VIEW, Camera, Studio
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.target import open_target
from utils.system.command_line import UsageError, command_line, printer, short_warnings
from utils.system.files import refuse_to_overwrite
from utils.system.notes import Note
from utils.video.reader import open_clip
from utils.video.writer import VIDEO, frames_written, open_writer

TITLE = "matting: B background, V view, Q quit"
WINDOWS = "pip uninstall -y opencv-python-headless && pip install opencv-python"
ESCAPE, WINDOW = 27, 1280  # key; pixels, width at most


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camera", type=int, default=0, help="which camera (default: 0)")
    parser.add_argument("--size", help="WIDTHxHEIGHT that the camera is asked for (default: its own)")
    parser.add_argument("--source", help="a video or a folder of frames in place of a camera")
    parser.add_argument("--target-bgr", default="#00ff00", help="colour, picture or video (default: #00ff00)")
    parser.add_argument("--average", type=int, default=8, help="frames that a background is the mean of (default: 8)")
    parser.add_argument(
        "--delay", type=float, default=3, help="seconds to leave the picture (default: 3; 0 for a file)"
    )
    parser.add_argument("--align", choices=ALIGN_MODES, default="off", help="for a camera that moves (default: off)")
    parser.add_argument(
        "--match-exposure", choices=EXPOSURE_MODES, default="auto", help="to the camera's (default: auto)"
    )
    parser.add_argument("--output", help="record: a file .mp4, .mov or .webm, or a folder for PNG")
    parser.add_argument("--virtual-camera", action="store_true", help="be a camera for other programs (pyvirtualcam)")
    parser.add_argument("--no-window", action="store_true", help="show nothing here")
    parser.add_argument("--press", nargs="+", default=[], metavar="FRAME:KEY", help="press keys at frames: 0:b 300:q")
    add_network_flags(parser, "--model-path", "--engine", "--device")
    args = parser.parse_args(argv)
    if args.average < 1:
        raise UsageError(f"--average must be 1 or more, not {args.average}")
    args.press = dict(pressed(text) for text in args.press)
    if args.output:
        check_output(args)
    if args.no_window and not (args.output or args.virtual_camera):
        raise UsageError("--no-window shows nothing to anybody: pass --output or --virtual-camera, too")
    if args.no_window and CAPTURE not in args.press.values():
        raise UsageError(f"--no-window takes no keys: say when the background is captured, as by --press 0:{CAPTURE}")
    return args


def pressed(text):
    """`"300:q"` as (300, "q")."""
    number, _, key = text.partition(":")
    if not number.isdecimal() or key not in (CAPTURE, VIEW, QUIT):
        raise UsageError(f"--press {text}: give a frame's number, a colon and one of {CAPTURE}, {VIEW}, {QUIT}: 300:q")
    return int(number), key


def check_output(args):
    """Refuse to write over what is not a recording of this program's."""
    refuse_to_overwrite([args.source, args.target_bgr, args.model_path], [args.output], "another --output")
    path = Path(args.output)
    if path.is_file():
        raise UsageError(f"--output {path} exists: give another name, or delete it")
    if path.is_dir() and any(path.iterdir()) and not frames_written(path):
        raise UsageError(f"--output {path} holds other files: give a new folder")


def size(text):
    """`"1280x720"` as (1280, 720); None stays None."""
    if text is None:
        return None
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size {text} is no size: give WIDTHxHEIGHT, such as 1280x720")
    return int(width), int(height)


@command_line
def main(argv=None):
    args = parse(argv)
    short_warnings()
    target = open_target(args.target_bgr)
    with ExitStack() as stack:
        clip = open_clip(args.source) if args.source else Camera(args.camera, size(args.size))
        if not args.source:
            stack.callback(clip.close)
        sinks = [stack.enter_context(sink) for sink in open_sinks(args, clip)]
        window = None if args.no_window else stack.enter_context(Window(clip.width, clip.height))
        matting = matting_from(args, printer())
        print(f"device {matting.device}, engine {matting.engine}, {clip.width}x{clip.height}")
        delay = 0 if args.source else args.delay
        lock = None if args.source else lambda: print(lock_notes(clip))
        studio = Studio(matting, target, args.average, delay, args.align, args.match_exposure, lock)
        seconds = show(clip, studio, sinks, window, args.press)
    print(f"{studio.matted} frames matted, {studio.matted / seconds if seconds else 0:.1f} a second")
    background = studio.background
    for note in [*background.first.notes, *background.notes] if background else [Note("no_background")]:
        printer()(note)


def show(clip, studio, sinks, window, press):
    """Show a clip until its end or QUIT; returns the seconds since the first frame was matted."""
    start, key = None, ""
    for frame in clip:
        key = press.get(frame.number) or key
        if key == QUIT:
            break
        picture = studio.frame(frame.rgb(), frame.time, key)
        if start is None and studio.matted:
            start = time.perf_counter()
        for sink in sinks:
            sink.write(picture, frame)
        key = window.show(picture, studio.message(frame.time)) if window else ""
    return time.perf_counter() - start if start else 0.0


def lock_notes(camera):
    refused = camera.lock()
    if not refused:
        return "exposure, white balance and focus are locked"
    return f"the driver does not lock {' and '.join(refused)}: fix it in the camera's own settings if colours pump"


def open_sinks(args, clip):
    """Contexts of what takes each picture with `write(picture, frame)`."""
    if args.output:
        suffix = Path(args.output).suffix.lower().removeprefix(".")
        yield open_writer(Path(args.output), suffix if suffix in VIDEO else "png", clip, 3)
    if args.virtual_camera:
        yield VirtualCamera(clip)


class Window:
    """A window on the screen, for pictures of a size; gives the keys that are pressed in it."""

    def __init__(self, width, height):
        scale = min(1, WINDOW / width)
        self.size = round(width * scale), round(height * scale)

    def __enter__(self):
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
            cv2.resizeWindow(TITLE, *self.size)
        except cv2.error:
            raise UsageError(
                f"this OpenCV has no windows, or there is no screen: {WINDOWS}; or pass --no-window"
            ) from None
        return self

    def show(self, picture, message):
        """Show uint8 (H, W, 3), RGB, with a line of text on it; returns the key that was pressed, or nothing."""
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)) if message else ():
            cv2.putText(picture, message, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, colour, width, cv2.LINE_AA)
        cv2.imshow(TITLE, picture)
        code = cv2.waitKey(1) & 0xFF
        closed = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        return QUIT if code == ESCAPE or closed else chr(code).lower() if code < 128 else ""

    def __exit__(self, *_):
        cv2.destroyWindow(TITLE)


class VirtualCamera:
    """A camera that other programs see, by pyvirtualcam."""

    def __init__(self, clip):
        try:
            import pyvirtualcam
        except ImportError:
            raise UsageError(f"--virtual-camera needs pyvirtualcam: {install('webcam')}") from None
        try:
            self.camera = pyvirtualcam.Camera(clip.width, clip.height, float(clip.rate))
        except RuntimeError as error:
            raise UsageError(f"--virtual-camera: {error}; on Linux load v4l2loopback, else install OBS") from None

    def __enter__(self):
        return self

    def write(self, picture, _frame):
        self.camera.send(picture)

    def __exit__(self, *_):
        self.camera.close()


if __name__ == "__main__":
    sys.exit(main())
