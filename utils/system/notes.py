"""What the library has to say to people: data, of which programs and the web page make sentences of their language.

Note("aligned", motion=3.4, uncovered=0.02)  # `say` makes English of it

What a function finds it returns; what comes up on the way goes to its argument `tell`, a function of one Note. The
library never prints and never compares sentences, but may compare kinds. words.json has the tables from kind to
sentence, in English and Chinese: `en` is what programs say; `page`, if there is one, is what the web page says in
English, whose readers have no flags.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

# Figures, only with --verbose; what was done; what failed; what may have gone wrong, and the remedy; why something
# could not be done, which is a part of other sentences or an error.
TABLES = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
DETAILS, NOTES, ERRORS, WARNINGS, REASONS = TABLES.values()
WORDS = {**DETAILS, **NOTES, **ERRORS, **WARNINGS, **REASONS}


@dataclass(frozen=True, init=False)
class Note:
    """A thing worth saying.

    Attributes:
        kind: short word that names it, a key of WORDS.
        values: dict, what the sentence says of it: numbers, paths, other Notes. `about` is the file that it is about.
    """

    kind: str
    values: dict

    def __init__(self, kind, **values):
        self.__dict__.update(kind=kind, values=values)  # it is frozen

    def __hash__(self):
        return hash(self.kind)

    def on(self, path):
        """The same note, about a file."""
        return Note(self.kind, **{**self.values, "about": path})


def say(note, versions=(), table=WORDS):
    """The sentence of a Note, without the file that it is about: the first version that it has."""
    sentence = next(table[note.kind][version] for version in (*versions, "en") if version in table[note.kind])
    values = {k: say(v, versions, table) if isinstance(v, Note) else v for k, v in note.values.items()}
    return sentence.format(**values)


def silent(note):
    """The `tell` of those who do not want to know."""


def once(tell, path):
    """A `tell` for what is about one file: each note is told once."""
    return lru_cache(None)(lambda note: tell(note.on(path)))
