"""What the web page says, in English and Chinese: words.json has its own sentences.

What is refused or doubtful stands in a box above the result, where it stays; the rest below it.
"""

import html
import json
import re
from pathlib import Path

from dataset.errors import PictureError
from utils.system import notes as of_programs
from utils.system.errors import UsageError, out_of_memory
from utils.system.notes import Note

PAGE, REFUSALS = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8")).values()
REFUSED = {*REFUSALS, "other_shape", "turned", "refused"}  # kinds that are said in place of a result
WORDS = {**of_programs.WORDS, **PAGE, **REFUSALS}


def say(kind, language="en", **values):
    """The sentence of a kind in a language, `"en"` or `"zh"` (another one means English), with its values."""
    versions = ("zh", "page") if language == "zh" else ("page",)
    return of_programs.say(Note(kind, **values), versions, WORDS)


def said(notes, language, boxed=True):
    """Box and list, HTML and Markdown, of Notes; if it is not boxed, all that is said is in the list."""
    loud = [note for note in notes if boxed and (note.kind in REFUSED or note.kind in of_programs.WARNINGS)]
    box = "".join(f"<p>{sentence(note, language)}</p>" for note in loud)
    listed = "\n".join(f"- {sentence(note, language)}" for note in notes if note not in loud)
    return (f'<div class="said" role="alert">{box}</div>' if box else ""), listed


def sentence(note, language):
    """HTML of a Note, with a capital letter where it is not a file's."""
    text = html.escape(say(note.kind, language, **note.values))
    return text if note.kind in REFUSED else text[:1].upper() + text[1:]


class Refused(ValueError):
    """What a visitor sent cannot be used; `note` says why, `str(refused)` in English."""

    def __init__(self, kind, **values):
        super().__init__(say(kind, **values))
        self.note = Note(kind, **values)


def why(error):
    """The Note on an error that a visitor can mend, which never names a folder of this machine; None of others."""
    if getattr(error, "note", None):
        return error.note
    if isinstance(error, (PictureError, UsageError)):
        return Note("failed", why=re.sub(r"(?:/[^/\s:]+)+/", "", str(error)))
    return Note("no_memory") if out_of_memory(error) else None


def shown_name(path, longest=40):
    """A file's name without its folder, shortened, without what HTML would take for a tag."""
    name = "".join(letter for letter in Path(path).name if letter.isprintable() and letter not in "<>&\"'`")
    return name if len(name) <= longest else f"{name[: longest - 9]}…{name[-8:]}"
