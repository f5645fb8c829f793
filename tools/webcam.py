"""Matte a camera's picture live, and put the subject before something else.

python -m tools.webcam                                        camera 0, in a window
python -m tools.webcam --target-bgr beach.jpg                 a colour, a picture or a video
python -m tools.webcam --output talk.mp4                      record what is shown
python -m tools.webcam --source clip.mp4 --no-window --output frames     without camera and window

Keys: B captures the background, anew as often as you like (leave the picture), Q or Escape ends. Without a window the
background is captured at the start, and Ctrl-C ends. A window needs opencv-python instead of opencv-python-headless:
pip uninstall -y opencv-python-headless && pip install opencv-python
"""

import sys
from pathlib import Path

from utils.system.cpu import prepare

prepare()

import itertools
import time
from contextlib import nullcontext
from fractions import Fraction

import cv2
import numpy as np

from dataset.errors import PictureError
from dataset.picture import Photo
from utils.background.match import ClipBackground
from utils.engine.choice import PRECISIONS
from utils.engine.int8 import fastest_precision
from utils.engine.presets import preset
from utils.picture.blend import blend
from utils.prediction.flags import add_network_flags, matting_from
from utils.prediction.loop import cleaned
from utils.prediction.target import open_target
from utils.predictor import choose_device
from utils.system.command_line import UsageError, command_line, printer
from utils.system.notes import Note
from utils.system.parser import Parser, at_least_1
from utils.video.reader import FRAME_RATE, Frame, is_clip, open_clip
from utils.video.writer import VIDEO, open_writer
from utils.weights.load import DEFAULT_WEIGHTS

TITLE = "matting: B background, Q quit"
WINDOWS = "pip uninstall -y opencv-python-headless && pip install opencv-python"
CAPTURE, QUIT, ESCAPE = "b", "q", "\x1b"
WINDOW, RATED = 1280, 30  # pixels, width; frames whose rate the title tells
AVERAGED = 8  # frames of which a captured background is the mean: its noise falls with their square root


def parse(argv):
    parser = Parser(__doc__)
    parser.add_argument("--camera", type=int, default=0, help="which camera (default: 0)")
    of_size = {"type": at_least_1, "nargs": 2, "metavar": ("W", "H")}
    parser.add_argument("--size", "--resolution", **of_size, help="that the camera is asked for (default: its own)")
    parser.add_argument("--source", help="a video or a folder of frames in place of a camera")
    parser.add_argument("--target-bgr", default="#00ff00", help="colour, picture or video (default: #00ff00)")
    parser.add_argument("--delay", type=float, default=3, help="seconds to leave the picture (default: 3, of a file 0)")
    parser.add_argument("--output", type=Path, help="record: a file .mp4, .mov or .webm, or a folder for PNG")
    parser.add_argument("--no-window", action="store_true", help="only record: show nothing, take no keys")
    add_network_flags(parser, "--model-path", "--engine", "--device")
    parser.add_argument("--precision", choices=PRECISIONS, help="default: int8 where it works here, else float32")
    args = parser.parse_args(argv)
    if args.output and args.output.exists():
        raise UsageError(f"--output {args.output} exists: give another name, or delete it")
    if args.output and is_clip(args.output) and args.output.suffix.lower()[1:] not in VIDEO:
        raise UsageError(f"--output {args.output}: end its name in .mp4, .mov or .webm, or give a new folder's")
    if args.no_window and not args.output:
        raise UsageError("--no-window shows nothing: pass --output as well")
    return args


@command_line
def main(argv=None):
    args = parse(argv)
    target = open_target(args.target_bgr)
    clip = open_clip(args.source) if args.source else Camera(args.camera, args.size)
    window, recording = None if args.no_window else open_window(clip.width, clip.height), nullcontext()
    if args.output:
        form = args.output.suffix.lower().removeprefix(".")
        recording = open_writer(args.output, form if form in VIDEO else "png", clip, 3)
    device = choose_device(args.device)
    args.precision = args.precision or fastest_precision(args.model_path or DEFAULT_WEIGHTS, args.engine, device)
    args.backbone_scale = preset(clip.height, clip.width)[0]  # no time to enlarge frames
    matting = matting_from(args, printer())
    print(f"device {device}, engine {matting.engine}, {args.precision}, {clip.width}x{clip.height}")
    studio, frame, stopped = Studio(matting, target, 0 if args.source else args.delay), None, None
    if window is None:
        studio.capture(0)
    with recording as writer:
        try:
            for frame in clip:
                picture = studio.frame(frame.rgb(), frame.time)
                if writer:
                    writer.write(picture, frame)
                key = window(picture, studio.message(frame.time)) if window else ""
                if key == CAPTURE:
                    studio.capture(frame.time)
                if key in (QUIT, ESCAPE):
                    break
        except KeyboardInterrupt as error:
            if frame is None or frame.number == 0:
                raise
            stopped = error  # once the recording is completed
        rate = studio.matted / (time.perf_counter() - studio.since) if studio.matted else 0
    print(f"{studio.matted} frames matted, {rate:.1f} a second")
    background = studio.background
    for note in [*background.first.notes, *background.notes] if background else [Note("no_background")]:
        printer()(note)
    if stopped:
        raise stopped


class Camera:
    """A camera's frames, as utils.video.reader.open_clip gives those of a file.

    Args:
        number: which camera, from 0. Raises PictureError: there is none, or it gives no picture.
        size: (width, height) that is asked for; the driver takes the nearest one that it has.
    """

    def __init__(self, number=0, size=None):
        self.capture = cv2.VideoCapture(number)
        self.capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # matting is slower than the camera: show what is now
        for side, pixels in zip((cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT), size or ()):
            self.capture.set(side, pixels)
        taken, frame = self.capture.read()
        if not taken:
            raise PictureError(f"camera {number} gives no picture: check --camera, and close programs that use it")
        self.height, self.width = frame.shape[:2]
        rate = self.capture.get(cv2.CAP_PROP_FPS)
        self.rate = Fraction(round(rate * 1001), 1001) if 1 <= rate < 1000 else FRAME_RATE
        self.time_base, self.sample_aspect = Fraction(1, 90_000), Fraction(1)

    def __iter__(self):
        start, ticks = time.perf_counter(), -1
        for number in itertools.count():
            taken, frame = self.capture.read()
            if not taken:
                return
            ticks = max(round((time.perf_counter() - start) / self.time_base), ticks + 1)
            seconds = ticks * self.time_base
            yield Frame(number, seconds, None, lambda _, frame=frame: Photo(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))


class Studio:
    """What happens to the frames: a background is averaged when it is asked for, then the subject is cut out.

    Args:
        matting, target: see utils.predictor.Matting and utils.prediction.target.open_target.
        delay: seconds between the wish and the first of the AVERAGED frames, for leaving the picture.

    Attributes:
        background: ClipBackground, None until one is captured.
        matted, since: number of frames; time.perf_counter() when the first was done.
    """

    def __init__(self, matting, target, delay=3):
        self.matting, self.target, self.delay = matting, target, delay
        self.background, self.matted, self.since, self._begin = None, 0, None, None

    def capture(self, seconds):
        """Capture the background, anew if there is one; it is wished for at the time of a frame."""
        self._begin, self._empty = seconds + self.delay, []

    def frame(self, src, seconds):
        """Take a frame, uint8 (H, W, 3), RGB, and its time; give the picture to show, of the same kind.

        That is the composite; until a background is captured the target alone: nobody is shown who does not know it.
        """
        if self._begin is not None and seconds >= self._begin:
            self._empty.append(src)
            if len(self._empty) == AVERAGED:
                bgr = np.mean(self._empty, axis=0).round().astype(np.uint8)
                self.background, self._begin = ClipBackground(bgr, align="off"), None
        behind = self.target.frame(seconds, *src.shape[:2])
        if self.background is None:
            return np.ascontiguousarray(behind)
        bgr = self.background(src)
        matte = cleaned(self.matting(src, bgr, False), src, bgr, correct=False)
        self.matted, self.since = self.matted + 1, self.since or time.perf_counter()
        return blend(matte.fgr, matte.pha, behind)

    def message(self, seconds):
        """What somebody before the camera should know now; nothing while all is well."""
        if self._begin is None:
            return "" if self.background else f"press {CAPTURE.upper()} to capture the background"
        left = float(self._begin - seconds)
        return f"leave the picture: {left:.0f} s" if left > 0 else "capturing the background"


def open_window(width, height):
    """Open a window on the screen, for pictures of a size; its title tells the rate.

    Returns a function that shows uint8 (H, W, 3), RGB, with a line of text on it, and returns the key that was pressed,
    or nothing.
    """
    times = []
    try:
        cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        cv2.resizeWindow(TITLE, WINDOW, WINDOW * height // width)
    except cv2.error:
        line = f"this OpenCV has no windows, or there is no screen: {WINDOWS}; or pass --no-window"
        raise UsageError(line) from None

    def show(picture, message):
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)) if message else ():
            cv2.putText(picture, message, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, colour, width, cv2.LINE_AA)
        cv2.imshow(TITLE, picture)
        times.append(time.perf_counter())
        if len(times) > RATED:
            cv2.setWindowTitle(TITLE, f"{TITLE}: {RATED / (times[-1] - times[0]):.0f} frames a second")
            del times[:-1]
        code = cv2.waitKey(1) & 0xFF
        return QUIT if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1 else chr(code).lower()

    return show


if __name__ == "__main__":
    sys.exit(main())
