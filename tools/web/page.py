"""The web page of tools/app.py: what is where, and what a click calls."""

import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import gradio as gr
from starlette.middleware import Middleware

from tools.web import hooks
from tools.web.answers import answering, said
from tools.web.guard import LOOPBACK, Guard
from tools.web.jobs import OFFERED, Jobs
from tools.web.upload import original, room, sweep
from tools.web.words import LANGUAGES, say

COLOUR = "#2d9c6f"
SESSIONS = 200  # whose state is kept
FONT = ["system-ui", "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "sans-serif"]
# Where the columns do not lie side by side, what was asked for appears below all fields: it comes into view.
TO_VIEW = "() => { if (innerWidth < 800) document.querySelector('ID')?.scrollIntoView({behavior: 'smooth'}); }"
HIDDEN = {"api_visibility": "private"}
AT_ONCE = {**HIDDEN, "queue": False, "show_progress": "hidden"}  # no clocks over a page that changes its words
IN_TURN = {"concurrency_limit": 1, "concurrency_id": "network"}


def uploaded_path(_self, payload):
    """What the page's functions get of an upload: its path. Gradio itself decodes nothing."""
    return original(payload.path) if payload else None


class UploadedPicture(gr.Image):
    is_template, preprocess = True, uploaded_path


class UploadedClip(gr.Video):
    is_template, preprocess = True, uploaded_path


class Page(Jobs):
    """The page and what it needs to answer.

    Args:
        files, limits, network: see tools.web.jobs.Jobs.
        examples: pairs of paths, sources and backgrounds, to try the page with.
        engine: which one is chosen at first.
        clips: whether videos are taken, which needs PyAV.
    """

    def __init__(self, files, examples, limits, network, engine="auto", clips=True):
        super().__init__(files, limits, network)
        hooks.install()
        self.engine, self.clips = engine, clips
        self.examples = self.copied(examples, files / "examples")
        self.worded = []  # (component, property, function of a language): what a change of language changes
        self.answers = []  # (box, list, State of the Notes that they say), of each tab
        with gr.Blocks(title="Background matting", analytics_enabled=False) as self.blocks:
            self.build()
            self.blocks.load(self.greet, None, [self.language, *self.labelled], **AT_ONCE)
            self.blocks.unload(self.unload)
        self.blocks.queue(max_size=limits.queue, default_concurrency_limit=1, api_open=False)
        hooks.be_fair(self.blocks._queue)

    def launch(self, host, port=None, root=None):
        """Serve the page on an address of this machine; `root` is the one that it has behind a proxy, or None."""
        largest = max(self.limits.megabytes, self.limits.clip_megabytes) * 10**6
        origin = urlsplit(root or "")
        # The names of this machine are known if nobody else can reach it; those of a network are not.
        names = {host.lower(), *LOOPBACK, origin.hostname} if host in LOOPBACK or host.startswith("127.") else None
        guard = Middleware(
            Guard,
            upload_bytes=largest + 100_000,
            room=lambda more: room(self.files, more, self.quota),
            names=names,
            origin=f"{origin.scheme}://{origin.netloc}" if origin.netloc else None,
        )
        fonts = {"font": FONT, "font_mono": ["ui-monospace", "monospace"]}
        closed = {"allowed_paths": [], "show_error": False, "ssr_mode": False, "run_history": False, "quiet": True}
        self.blocks.launch(
            **closed,
            server_name=host,
            server_port=port,
            root_path=root,
            max_file_size=largest,
            state_session_capacity=SESSIONS,
            app_kwargs={"middleware": [guard]},
            footer_links=[],
            theme=gr.themes.Soft(primary_hue="teal", secondary_hue="teal", **fonts),
            css_paths=Path(__file__).with_name("page.css"),
            js=Path(__file__).with_name("page.js").read_text(encoding="utf-8"),
            prevent_thread_lock=True,
        )

    def copied(self, examples, folder):
        """Copies of the examples: what the page serves lies in its own folder, and so do their addresses."""
        folder.mkdir()
        copies = [[shutil.copy(path, folder) for path in pair] for pair in examples]
        gr.set_static_paths([path for pair in copies for path in pair])  # not deleted with the visitors' files
        return copies

    def sweep(self):
        """Delete what has become old, but neither the examples nor what somebody works on or waits for."""
        spared = {self.files / "examples", *self.busy, *hooks.files_in_use(self.blocks._queue)}
        sweep(self.files, self.limits.minutes * 60, spared)

    # What is where

    def field(self, kind, words, name="label", **options):
        """A component, one of whose properties is the words of a key, or what a function gives for a language."""
        words = words if callable(words) else partial(say, words)
        component = kind(**{name: words("en")}, **options)
        self.worded.append((component, name, words))
        return component

    def build(self):
        with gr.Row(equal_height=True):
            with gr.Column(scale=5):
                self.field(gr.Markdown, "title", "value")
            with gr.Column(scale=1, min_width=180):
                languages = list(LANGUAGES.items())
                self.language = gr.Radio(languages, value="en", show_label=False, container=False, elem_id="language")
        with self.field(gr.Tab, "pictures"):
            self.build_pictures()
        if self.clips:
            with self.field(gr.Tab, "clips"):
                self.build_clips()
        self.labelled = [component for component, _, _ in self.worded]
        said, notes = [part for answer in self.answers for part in answer[:2]], [answer[2] for answer in self.answers]
        self.language.change(self.translate, [self.language, *notes], [*self.labelled, *said], **AT_ONCE)

    def build_pictures(self):
        folder = gr.State()
        with gr.Row():
            with gr.Column(scale=2):
                with gr.Row():
                    src, bgr = self.picture("src"), self.picture("bgr")
                swap = self.field(gr.Button, "swap", "value", size="sm", elem_id="swap")
                swap.click(None, [src, bgr], [src, bgr], js="(src, bgr) => [bgr, src]", **HIDDEN)
                examples = gr.Examples(self.examples, [src, bgr], visible_columns=[0], **HIDDEN)
                self.worded.append((examples.dataset, "label", partial(say, "examples")))
                run = self.run("run")
                target, options = self.build_target(), self.build_options()
            with gr.Column(scale=3, elem_id="result"):
                box = gr.HTML(elem_id="said", elem_classes="answer", padding=False)
                shown = {"interactive": False, "buttons": ["fullscreen"]}
                compare = self.field(gr.ImageSlider, "compare", type="filepath", max_height=460, **shown)
                with gr.Row():
                    views = [self.field(gr.Image, kind, height=200, **shown) for kind in ("pha", "com")]
                with gr.Row():
                    files = [self.download(f"get_{kind}") for kind in ("com", "pha", "fgr", "over")]
                answer = self.answer(box, gr.Markdown(elem_id="notes"))
        asked = {"src": src, "bgr": bgr, **target, **options}
        self.offer(run, self.matte, asked, [folder, compare, *views, *files], answer, compare)
        self.look_at(answer, src, bgr, target["target_picture"])
        self.field(gr.Markdown, partial(say, "limits", **asdict(self.limits)), "value")
        asked = {"folder": folder, **target, "notes": answer[-1], "language": self.language}
        outputs = [compare, files[-1], *answer]
        change = {**IN_TURN, **HIDDEN, "show_progress": "hidden", "trigger_mode": "always_last"}
        for component in target.values():
            component.change(answering(self.change_target, 2), None, outputs, inputs_kwargs=asked, **change)

    def build_clips(self):
        with gr.Row():
            with gr.Column(scale=2):
                src = self.field(UploadedClip, "clip", sources=["upload"], height=210, elem_id="clip")
                bgr = self.picture("clip_bgr")
                run = self.run("run_clip")
                form = self.radio("form")
                target, options = self.build_target(), self.build_options()
            with gr.Column(scale=3, elem_id="clip_result"):
                box = gr.HTML(elem_id="clip_said", elem_classes="answer", padding=False)
                shown = {"interactive": False, "buttons": []}
                result = self.field(gr.Video, "result", height=460, autoplay=True, **shown)
                with gr.Row():
                    files = [self.download(key) for key in ("get_clip", "get_clip_pha")]
                answer = self.answer(box, gr.Markdown(elem_id="clip_notes"))
        asked = {"src": src, "bgr": bgr, **target, "form": form, **options}
        self.offer(run, self.matte_clip, asked, [result, *files], answer, result)
        self.look_at(answer, bgr, target["target_picture"])
        self.field(gr.Markdown, partial(say, "clip_limits", **asdict(self.limits)), "value")

    def build_target(self):
        with self.field(gr.Accordion, "target", open=True), gr.Row():
            colour = self.field(gr.ColorPicker, "colour", value=COLOUR, min_width=120)
            return {"colour": colour, "target_picture": self.picture("target_picture", 150)}

    def build_options(self):
        with self.field(gr.Accordion, "options", open=False):
            radios = {key: self.radio(key) for key in ("align", "exposure", "refine")}
            engine = self.field(gr.Dropdown, "engine", choices=list(OFFERED["engine"]), value=self.engine)
            return {**radios, "engine": engine, "language": self.language}

    def picture(self, key, height=210):
        options = {"type": "filepath", "sources": ["upload", "clipboard"], "height": height, "buttons": []}
        component = self.field(UploadedPicture, key, placeholder=say("drop"), elem_id=key, **options)
        self.worded.append((component, "placeholder", partial(say, "drop")))
        return component

    def run(self, name):
        return self.field(gr.Button, "run", "value", variant="primary", elem_id=name)

    def download(self, key):
        return self.field(gr.DownloadButton, key, interactive=False, size="sm", elem_id=key)

    def radio(self, key):
        def choices(language):
            return [(say(value, language), value) for value in OFFERED[key]]

        radio = self.field(gr.Radio, key, choices=choices("en"), value=OFFERED[key][0])
        self.worded.append((radio, "choices", choices))
        return radio

    # What is called

    def answer(self, box, listed):
        """Remember where a tab says what; its three outputs."""
        self.answers.append((box, listed, gr.State([])))
        return self.answers[-1]

    def offer(self, run, function, asked, outputs, answer, result):
        """Let a button call a function, and programs as well, under its name."""
        name, show = function.__name__, TO_VIEW.replace("ID", f"#{result.parent.elem_id}")
        run.click(None, js=show, **HIDDEN)
        job = {"inputs_kwargs": asked, "api_name": f"show_{name}", "show_progress_on": result}
        shown = run.click(answering(function, len(outputs)), None, [*outputs, *answer], **job, **IN_TURN, **HIDDEN)
        shown.then(None, js=show, **HIDDEN)
        job = {"inputs_kwargs": asked, "api_name": name}
        gr.Button(visible=False).click(answering(function, None), None, [*outputs, answer[1]], **job, **IN_TURN)

    def look_at(self, answer, *pictures):
        """Say at once what is wrong with a picture that is uploaded."""
        options = {**HIDDEN, "show_progress": "hidden", "concurrency_id": "look", "concurrency_limit": 2}
        for picture in pictures:
            asked = {"picture": picture, "notes": answer[-1], "language": self.language}
            looked = picture.upload(answering(self.look, 1), None, [picture, *answer], inputs_kwargs=asked, **options)
            looked.then(None, js=TO_VIEW.replace("ID", ".said"), **HIDDEN)

    def translate(self, language, *notes):
        """The page's words in a language, and what has been said."""
        words = [gr.update(**{name: words(language)}) for _, name, words in self.worded]
        return [*words, *(part for of_tab in notes for part in said(of_tab, language))]

    def greet(self, request: gr.Request):
        """Open the page in the browser's language."""
        language = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
        return [language, *self.translate(language)]

    async def unload(self, request: gr.Request):
        """Forget the jobs of somebody who has closed the page, and delete their results."""
        await self.blocks._queue.clean_events(session_hash=request.session_hash)
        self.leave(request)
