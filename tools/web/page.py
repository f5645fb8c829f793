"""The web page of tools/app.py: what stands where, and what happens on a click."""

import hashlib
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware

from tools.web import hooks
from tools.web.clip import FORMATS, matte_clip
from tools.web.guard import LOOPBACK, Guard
from tools.web.results import matte_pair, put_before
from tools.web.said import for_page, for_programs, said
from tools.web.storage import QUOTA, room, sweep
from tools.web.upload import read_upload
from tools.web.words import LANGUAGES, Refused, say
from utils.background.align import MODES as ALIGN_MODES
from utils.background.match import EXPOSURE_MODES, Correction
from utils.engine.backends import PACKAGES, missing_packages
from utils.engine.choice import ENGINES
from utils.picture.write import write_picture
from utils.predictor import Matting, Refine
from utils.system.notes import Note

OPTIONS = {"align": ALIGN_MODES, "exposure": EXPOSURE_MODES, "refine": ("sampling", "thresholding", "full")}
ONE_AT_A_TIME = {"concurrency_limit": 1, "concurrency_id": "network"}
COLOUR = "#2d9c6f"
SESSIONS = 200  # whose state is kept
NETWORKS = 3  # kept in memory, one for each combination of options
FONT = ["system-ui", "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "sans-serif"]
CSS = """
.gradio-container { width: 100% !important; max-width: 1280px !important; margin: 0 auto !important; }
#language { border: 0; background: none; min-width: 180px; }
#clip button[aria-label^="Trim"] { display: none; }
.said { border-left: 4px solid #d97706; background: #fef3c7; color: #451a03; border-radius: 6px; padding: 8px 14px; }
.said p { margin: 4px 0; }
.answer:not(:has(.said)) { display: none; }
[data-testid="block-label"] { font-size: 12px; }
[data-testid="block-label"] span { display: none; }
"""
# Where the columns do not lie side by side, what was asked for appears below all fields: it comes into view.
TO_VIEW = "() => { if (innerWidth < 800) document.querySelector('ID')?.scrollIntoView({behavior: 'smooth'}); }"
SHOWN = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".avif")  # by browsers


def uploaded_path(_self, payload):
    """What the page's functions get of an upload: its path. Gradio itself decodes nothing."""
    return payload.path if payload else None


class UploadedPicture(gr.Image):
    is_template, preprocess = True, uploaded_path


class UploadedClip(gr.Video):
    is_template, preprocess = True, uploaded_path


class Page:
    """The page and what it needs to answer.

    Args:
        files: Path, gradio's temporary folder: uploads, results and copies of the examples are in it.
        examples: pairs of paths, sources and backgrounds, to try the page with.
        limits: tools.web.upload.Limits.
        network: arguments of `Matting` that stay the same: `weights`, `device`.
        engine: which one is chosen at first.
        waiting: requests that may wait; one is computed at a time.
        clips: whether videos are taken, which needs PyAV.
    """

    def __init__(self, files, examples, limits, network, engine="auto", waiting=24, clips=True):
        hooks.install()
        self.files, self.results, self.quota = files, files / "results", QUOTA
        self.limits, self.engine, self.clips = limits, engine, clips
        self.busy, self.left = set(), set()  # folders that are written to; those of them whose visitor has gone
        self.engines = [name for name in ENGINES if name not in PACKAGES or not missing_packages(name)]
        self.matting = lru_cache(NETWORKS)(lambda mode, engine: Matting(refine=Refine(mode), engine=engine, **network))
        self.examples = self.copied(examples, files / "examples")
        self.worded = []  # (component, property, key): what a change of language changes
        self.answers = []  # (box, list, State of what they say), of each tab
        with gr.Blocks(title="Background matting", analytics_enabled=False) as page:
            self.build()
            page.load(self.greet, None, [self.language, *self.labelled()], api_visibility="private", queue=False)
            page.unload(self.leave)
        page.queue(max_size=waiting, default_concurrency_limit=1, api_open=False)
        hooks.be_fair(page._queue)
        self.blocks = page

    def launch(self, host, port=None, root=None, **options):
        """Serve the page on an address of this machine; `root` is the one that it has behind a proxy, or None."""
        largest = max(self.limits.megabytes, self.limits.clip_megabytes) * 10**6
        origin = urlsplit(root or "")
        # The names of this machine are known if nobody else can reach it; those of a network are not.
        names = {host.lower(), *LOOPBACK, origin.hostname} if host in LOOPBACK or host.startswith("127.") else None
        guard = Middleware(
            Guard, upload_bytes=largest + 100_000, room=lambda more: room(self.files, more, self.quota), names=names,
            origin=f"{origin.scheme}://{origin.netloc}" if origin.netloc else None,
        )  # fmt: skip
        theme = gr.themes.Soft(
            primary_hue="teal", secondary_hue="teal", font=FONT, font_mono=["ui-monospace", "monospace"]
        )
        self.blocks.launch(
            server_name=host, server_port=port, root_path=root, max_file_size=largest, state_session_capacity=SESSIONS,
            allowed_paths=[], show_error=False, ssr_mode=False, footer_links=[], run_history=False, quiet=True,
            app_kwargs={"middleware": [guard]}, theme=theme, css=CSS, prevent_thread_lock=True, **options,
        )  # fmt: skip

    def sweep(self):
        """Delete what has become old, but neither the examples nor what somebody works on or waits for."""
        spared = {self.files / "examples", *self.busy, *hooks.files_in_use(self.blocks._queue)}
        sweep(self.files, self.limits.minutes * 60, spared)

    def copied(self, examples, folder):
        """Copies of the examples: what the page serves lies in its own folder, and so do their addresses."""
        folder.mkdir()
        copies = [[shutil.copy(path, folder) for path in pair] for pair in examples]
        gr.set_static_paths([path for pair in copies for path in pair])  # not deleted with the visitors' files
        return copies

    def labelled(self):
        return [component for component, _, _ in self.worded]

    def word(self, component, key, name="label"):
        """Remember that a property of a component is the words of a key."""
        self.worded.append((component, name, key))
        return component

    def build(self):
        with gr.Row(equal_height=True):
            with gr.Column(scale=5):
                self.word(gr.Markdown(say("title")), "title", "value")
            with gr.Column(scale=1, min_width=180):
                self.language = gr.Radio(
                    list(LANGUAGES.items()), value="en", show_label=False, container=False, elem_id="language"
                )
        with self.word(gr.Tab(say("pictures")), "pictures"):
            self.build_pictures()
        if self.clips:
            with self.word(gr.Tab(say("clips")), "clips"):
                self.build_clips()
        limits = gr.Markdown(self.limit_words("en"))
        self.worded.append((limits, "value", self.limit_words))
        self.language.change(
            self.translate,
            [self.language, *(things for _, _, things in self.answers)],
            [*self.labelled(), *(part for box, notes, _ in self.answers for part in (box, notes))],
            api_visibility="private",
            queue=False,
            show_progress="hidden",
        )

    def build_pictures(self):
        folder = gr.State()
        with gr.Row():
            with gr.Column(scale=2):
                with gr.Row():
                    src, bgr = self.picture("src"), self.picture("bgr")
                swap = self.word(gr.Button(say("swap"), size="sm", elem_id="swap"), "swap", "value")
                swap.click(None, [src, bgr], [src, bgr], js="(src, bgr) => [bgr, src]", api_visibility="private")
                examples = gr.Examples(
                    self.examples, [src, bgr], label=say("examples"), api_visibility="private", visible_columns=[0]
                )
                self.word(examples.dataset, "examples")
                run = self.word(gr.Button(say("run"), variant="primary", elem_id="run"), "run", "value")
                target, options = self.build_target(), self.build_options()
            with gr.Column(scale=3, elem_id="result"):
                box = gr.HTML(elem_id="said", elem_classes="answer", padding=False)
                compare = gr.ImageSlider(
                    label=say("compare"), type="filepath", max_height=460, interactive=False, buttons=["fullscreen"]
                )
                self.word(compare, "compare")
                with gr.Row():
                    views = [
                        self.word(gr.Image(label=say(k), interactive=False, height=200, buttons=["fullscreen"]), k)
                        for k in ("pha", "com")
                    ]
                with gr.Row():
                    files = [self.download(f"get_{kind}") for kind in ("com", "pha", "fgr", "over")]
                answer = self.answer(box, gr.Markdown(elem_id="notes"))
        given, outputs = [src, bgr, *target, *options, self.language], [folder, compare, *views, *files]
        self.offer(run, self.matte, given, outputs, answer, compare, "result")
        self.look_at(answer, src, bgr, target[1])
        for changed in (target[0].change, target[1].change):
            changed(
                for_page(self.change_target, 2),
                [folder, *target, answer[-1], self.language],
                [compare, files[-1], *answer],
                api_visibility="private",
                show_progress="hidden",
                trigger_mode="always_last",
                **ONE_AT_A_TIME,
            )

    def build_clips(self):
        with gr.Row():
            with gr.Column(scale=2):
                src = self.word(UploadedClip(label=say("clip"), sources=["upload"], height=210, elem_id="clip"), "clip")
                bgr = self.picture("clip_bgr")
                run = self.word(gr.Button(say("run"), variant="primary", elem_id="run_clip"), "run", "value")
                form = self.radio("format", FORMATS)
                target, options = self.build_target(), self.build_options()
            with gr.Column(scale=3, elem_id="clip_result"):
                box = gr.HTML(elem_id="clip_said", elem_classes="answer", padding=False)
                result = gr.Video(label=say("result"), interactive=False, height=460, autoplay=True, buttons=[])
                self.word(result, "result")
                with gr.Row():
                    files = [self.download(key) for key in ("get_clip", "get_clip_pha")]
                answer = self.answer(box, gr.Markdown(elem_id="clip_notes"))
        given = [src, bgr, *target, form, *options, self.language]
        self.offer(run, self.matte_clip, given, [result, *files], answer, result, "clip_result")
        self.look_at(answer, bgr, target[1])

    def answer(self, box, notes):
        """Remember where a tab says what; its three outputs."""
        self.answers.append((box, notes, gr.State([])))
        return self.answers[-1]

    def offer(self, run, function, given, outputs, answer, result, column):
        """Let a button call a function, and programs as well, under its name."""
        show = TO_VIEW.replace("ID", f"#{column}")
        run.click(None, js=show, api_visibility="private")
        run.click(
            for_page(function, len(outputs)), given, [*outputs, *answer], api_visibility="private",
            api_name=f"show_{function.__name__}", show_progress_on=result, **ONE_AT_A_TIME,
        ).then(None, js=show, api_visibility="private")  # fmt: skip
        gr.Button(visible=False).click(
            for_programs(function), given, [*outputs, answer[1]], api_name=function.__name__, **ONE_AT_A_TIME
        )

    def look_at(self, answer, *pictures):
        """Say at once what is wrong with a picture that is uploaded."""
        for picture in pictures:
            picture.upload(
                for_page(self.look, 1), [picture, answer[-1], self.language], [picture, *answer],
                api_visibility="private", show_progress="hidden", concurrency_id="look", concurrency_limit=2,
            ).then(None, js=TO_VIEW.replace("ID", ".said"), api_visibility="private")  # fmt: skip

    def build_target(self):
        with self.word(gr.Accordion(say("target"), open=True), "target"), gr.Row():
            colour = self.word(gr.ColorPicker(COLOUR, label=say("colour"), min_width=120), "colour")
            return colour, self.picture("target_picture", 150)

    def picture(self, key, height=210):
        component = UploadedPicture(
            label=say(key), type="filepath", sources=["upload", "clipboard"], height=height, buttons=[],
            placeholder=say("drop"), elem_id=key,
        )  # fmt: skip
        self.word(component, "drop", "placeholder")
        return self.word(component, key)

    def download(self, key):
        return self.word(gr.DownloadButton(say(key), interactive=False, size="sm", elem_id=key), key)

    def radio(self, key, values):
        radio = self.word(gr.Radio([(say(value), value) for value in values], value=values[0], label=say(key)), key)
        self.worded.append((radio, "choices", lambda language: [(say(value, language), value) for value in values]))
        return radio

    def build_options(self):
        with self.word(gr.Accordion(say("options"), open=False), "options"):
            radios = [self.radio(key, values) for key, values in OPTIONS.items()]
            return [*radios, self.word(gr.Dropdown(self.engines, value=self.engine, label=say("engine")), "engine")]

    def limit_words(self, language):
        keys = ("limits", "clip_limits") if self.clips else ("limits",)
        return "  \n".join(say(key, language, **asdict(self.limits)) for key in keys)

    # What happens

    def translate(self, language, *answers):
        """The page's words in a language, and what has been said."""
        return [
            *(
                gr.update(**{name: key(language) if callable(key) else say(key, language)})
                for _, name, key in self.worded
            ),
            *(part for things in answers for part in said(things, language)),
        ]

    def greet(self, request: gr.Request):
        """Open the page in the browser's language."""
        language = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
        return [language, *self.translate(language)]

    async def leave(self, request: gr.Request):
        """Forget the jobs of somebody who has closed the page, and delete their results."""
        await self.blocks._queue.clean_events(session_hash=request.session_hash)
        folder = self.session_folder(request)
        for results in folder.iterdir() if folder.is_dir() else ():
            if results in self.busy:
                self.left.add(results)
            else:
                shutil.rmtree(results, ignore_errors=True)

    def session_folder(self, request):
        # The browser names its session: hashed, the name cannot lead anywhere else. Programs need not have one.
        session = request.session_hash
        return self.results / (hashlib.sha256(session.encode()).hexdigest() if session else secrets.token_hex(32))

    def look(self, path, things, language):
        """Refuse an uploaded picture that could not be matted; give the browser one that it can show."""
        require(gone=path)
        shown = path.lower().endswith(SHOWN)
        picture = read_upload(path, self.limits, decode=not shown)
        if not shown:
            path = str(Path(path).with_suffix(".jpg"))
            write_picture(path, picture)
        return [gr.skip() if shown else path], still_true(things)

    def matte(self, src, bgr, colour, behind, align, exposure, refine, engine, language, request: gr.Request):
        """Matte an uploaded pair, and put the subject before a colour or a picture."""
        with self.working(request) as folder:
            require(no_src=src, no_bgr=bgr)
            matting = self.chosen(align, exposure, refine, engine)
            done = matte_pair(matting, src, bgr, Correction(align, exposure), self.limits, folder)
            over, view = put_before(folder, colour, behind, self.limits)
        files = [str(next(folder.glob(f"*_{kind}.png"))) for kind in ("com", "pha", "fgr")]
        outputs = [
            str(folder),
            (str(folder / "view_src.jpg"), str(view)),
            str(folder / "view_pha.jpg"),
            str(folder / "view_com.jpg"),
            *(gr.update(value=file, interactive=True) for file in (*files, str(over))),
        ]
        return outputs, [Note("took", engine=matting.engine, **done), *done["notes"]]

    def matte_clip(
        self, src, bgr, colour, behind, form, align, exposure, refine, engine, language,
        request: gr.Request, progress=gr.Progress(),  # noqa: B008
    ):  # fmt: skip
        """Matte an uploaded clip."""
        with self.working(request) as folder:
            require(no_clip_given=src)
            matting = self.chosen(align, exposure, refine, engine, form)
            com, pha, notes = matte_clip(
                matting,
                (src, bgr),
                (form, colour, behind),
                Correction(align, exposure),
                self.limits,
                folder,
                lambda done, of: progress((done, of), unit=""),
            )
        shown = None if form == "mov" else str(com)  # browsers do not play ProRes
        return [shown, *(gr.update(value=str(file), interactive=True) for file in (com, pha))], notes

    @contextmanager
    def working(self, request):
        """A new folder for results, which is neither swept nor taken away while it is written to."""
        if not room(self.files, 0, self.quota):
            raise Refused("no_room")
        folder = self.session_folder(request) / secrets.token_hex(16)
        folder.mkdir(parents=True)
        self.busy.add(folder)
        try:
            yield folder
        except BaseException:
            self.left.add(folder)
            raise
        finally:
            self.busy.discard(folder)
            if folder in self.left:
                self.left.discard(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def chosen(self, align, exposure, refine, engine, form=FORMATS[0]):
        """The network that was chosen; every option must be one that the page offers."""
        offered = {**OPTIONS, "form": FORMATS, "engine": self.engines}
        given = {"align": align, "exposure": exposure, "refine": refine, "form": form, "engine": engine}
        if any(value not in offered[key] for key, value in given.items()):
            raise Refused("bad_option")
        return self.matting(refine, engine)

    def change_target(self, folder, colour, behind, things, language):
        """Put the subject of the last result before something else; what was said of it stays."""
        things = still_true(things)
        if not folder:
            return [gr.skip()] * 2, things
        folder = Path(folder)
        over, view = put_before(folder, colour, behind, self.limits)
        return [(str(folder / "view_src.jpg"), str(view)), gr.update(value=str(over), interactive=True)], things


def still_true(things):
    """What was said of a result that is still there: all but what was refused."""
    return [thing for thing in things if not isinstance(thing, Refused)]


def require(**given):
    """Refuse with the key of the first value that is missing."""
    for key, value in given.items():
        if not value:
            raise Refused(key)
