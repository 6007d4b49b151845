"""A tokenizer that writes any text to the letter and in which a word is the same pieces wherever it stands.

T5's tokenizer knows "name" behind a space and "name" behind a dot as two pieces, and "Name" as a third, so that a model
has to learn three times that they mean one thing. Here, before any pieces are cut:

    T1.name = 'New York'   -->   ▁T1.▁name = '⇧▁new⇧▁york'

`▁` begins each run of letters or digits; the single space between two such runs is left out, because it is there
unless something else is. `⇧` stands before a word that begins with a capital letter, `‿` where a capital begins inside
a word (firstName). Text in capitals stays as it is. Digits are pieces of their own, bytes stand for rare characters,
and the fixed phrases of the agents' answers are single pieces. Decoding turns it all round again.
"""

import string
from collections.abc import Iterable
from typing import TYPE_CHECKING

from macsql.spelling.runs import CAPITAL, JOIN, WORD

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

SPECIAL = ("<pad>", "</s>", "<unk>")
# Strings of answers and prompts that are one piece each where they are frequent; longest first
PHRASES = (
    '": "drop_all", "', '": "keep_all", "', '": "drop_all"}\n```', '": "keep_all"}\n```', '```json\n{"', '": ["',
    '"], "', '"]}\n```', '", "', "\n```\n\nSub question", "\n```\n\nQuestion Solved.", "\nSQL\n```sql\n", "```sql\n",
    "\n```", " | ", ": ", ", ", " = ", " >= ", " <= ", " > ", " < ", " != ", " = '", " > '", " < '", " >= '", " <= '",
    " != '", "' ", "')", " (", ") ", "(*)", "(*) ", "; ", "('", "', '",
)  # fmt: skip
_B = "A-Za-z0-9"


def train(texts: Iterable[str], size: int) -> "PreTrainedTokenizerBase":
    """A tokenizer of at most `size` pieces, the most useful ones for these texts; the same for the same texts."""
    from tokenizers import trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = _empty()
    alphabet = [c for c in string.printable if c not in "\t\r\x0b\x0c"] + [WORD, JOIN, CAPITAL]
    special = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        initial_alphabet=alphabet,
        special_tokens=special,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=_with_plain_bytes(tokenizer), pad_token=SPECIAL[0], eos_token=SPECIAL[1], unk_token=SPECIAL[2]
    )


def _with_plain_bytes(trained: "Tokenizer") -> "Tokenizer":
    """The tokenizer with its byte pieces as pieces, not as special tokens that decoding would leave out."""
    import json

    from tokenizers import Tokenizer

    told = json.loads(trained.to_str())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] in SPECIAL]
    ends = told["model"]["vocab"][SPECIAL[1]]
    told["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": SPECIAL[1], "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {SPECIAL[1]: {"id": SPECIAL[1], "ids": [ends], "tokens": [SPECIAL[1]]}},
    }
    return Tokenizer.from_str(json.dumps(told))


def _empty() -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=False, unk_token=SPECIAL[2]))
    replace = normalizers.Replace
    title = r"(?=[A-Z][a-z])|(?<![A-Z])(?=[A-Z](?![A-Z]))"  # before a capital that is not one of several in a row
    steps = [
        replace(Regex(rf"(?<=[{_B}]) (?=[{_B}])"), WORD),
        replace(Regex(rf"(?<![{_B}{WORD}])(?=[{_B}])"), WORD),
        replace(Regex(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"), JOIN + WORD),
        replace(Regex(title), CAPITAL),
        *(replace(CAPITAL + letter, CAPITAL + letter.lower()) for letter in string.ascii_uppercase),
        replace(WORD + CAPITAL, CAPITAL + WORD),
    ]
    tokenizer.normalizer = normalizers.Sequence(steps)
    phrases = "|".join(
        _escaped(tokenizer.normalizer.normalize_str(phrase)) for phrase in sorted(PHRASES, key=len, reverse=True)
    )
    names = rf"{CAPITAL}{WORD}t[1-9](?![0-9])|{JOIN}{CAPITAL}|{CAPITAL}|{JOIN}|_{WORD}id(?![{_B}])"
    pieces = rf"{phrases}|{names}|{WORD}?[A-Za-z]+|{WORD}?[0-9]|\s|."
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"(?:{pieces})"), behavior="isolated")
    back = decoders.Replace
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.ByteFallback(),
            decoders.Fuse(),
            back(CAPITAL + WORD, WORD + CAPITAL),
            back(Regex(rf"(?<=[{_B}]){WORD}"), " "),
            back(WORD, ""),
            back(JOIN, ""),
            *(back(CAPITAL + letter.lower(), letter) for letter in string.ascii_uppercase),
            back(CAPITAL, ""),
        ]
    )
    return tokenizer


def _escaped(text: str) -> str:
    import re

    return re.escape(text).replace("\\\n", r"\n")
