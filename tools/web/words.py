"""What the web page says, in English and Chinese: words.json has its own sentences."""

import json
from pathlib import Path

from utils.system import words
from utils.system.notes import Note

LANGUAGES = {"English": "en", "中文": "zh"}
PAGE, REFUSALS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8")).values()
REFUSED = {*REFUSALS, "other_shape", "turned", "refused"}  # kinds that are said in place of a result
WORDS = {**words.WORDS, **PAGE, **REFUSALS}


def say(kind, language="en", **values):
    """The sentence of a kind in a language, `"en"` or `"zh"` (another one means English), with its values."""
    versions = ("zh", "page") if language == "zh" else ("page",)
    return words.say(Note(kind, **values), versions, WORDS)


class Refused(ValueError):
    """What a visitor sent cannot be used; `note` says why, `str(refused)` in English."""

    def __init__(self, kind, **values):
        super().__init__(say(kind, **values))
        self.note = Note(kind, **values)


def shown_name(path, longest=40):
    """A file's name without its folder, shortened, without what HTML would take for a tag."""
    name = "".join(letter for letter in Path(path).name if letter.isprintable() and letter not in "<>&\"'`")
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"
