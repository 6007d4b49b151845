"""English singular, plural and article: `inflect`, but for the words that it gets wrong."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from inflect import engine

# one and several are told by the same word
_SAME = {
    "analytics", "athletics", "clothes", "clothing", "css", "data", "dns", "earnings", "economics", "electronics",
    "ethics", "feedback", "genetics", "goods", "gps", "gymnastics", "hardware", "https", "ios", "jeans", "kudos",
    "linguistics", "logistics", "mathematics", "media", "metadata", "money", "music", "news", "pants", "physics",
    "politics", "robotics", "sas", "savings", "series", "sms", "software", "species", "staff", "tennis", "thanks",
    "traffic",
}  # fmt: skip
# one, though it ends in s: inflect takes "alias" for several "alia"; so is what ends in ss, us or is ...
_ONE = {
    "alias", "atlas", "bias", "canvas", "chaos", "christmas", "cosmos", "ethos", "gas", "lens",
}  # fmt: skip
_ENDS_AS_ONE = re.compile(r"(ss|us|is)$")
# ... but for these
_SEVERAL = {
    "alibis", "apis", "bikinis", "caribous", "cpus", "emojis", "emus", "flus", "gnus", "gpus", "gurus", "haikus",
    "kiwis", "menus", "rabbis", "safaris", "skis", "skus", "taxis", "uris", "wikis",
}  # fmt: skip
# several -> one, where inflect finds another word: "agenda" -> "agendum", "selfies" -> "selfy"
_IE = {
    "auntie", "bestie", "brasserie", "cabbie", "cutie", "die", "foodie", "goodie", "hippie", "hoodie", "indie",
    "selfie", "smoothie", "techie", "townie", "walkie",
}  # fmt: skip
_SINGULAR = {f"{word}s": word for word in _IE} | {"agenda": "agenda", "axes": "axis", "opera": "opera"}
_PLURAL = {"christmas": "christmases", "die": "dies", "persona": "personas", "promo": "promos"}


@lru_cache(maxsize=4096)
def one(words: str) -> str:
    """A table's words for a single row: "singers" -> "singer", "movies" -> "movie", "news" -> "news"."""
    head, last = _last(words)
    if last in _SINGULAR:
        return head + _SINGULAR[last]
    if last in _SAME or last in _ONE or not _known(last):
        return words
    if _ENDS_AS_ONE.search(last) and last not in _SEVERAL:
        return words
    singular = _engine().singular_noun(last)
    return head + singular if _akin(singular, last) else words


@lru_cache(maxsize=4096)
def many(words: str) -> str:
    """A table's or column's words for several: "city" -> "cities", "singers" -> "singers", "status" -> "statuses"."""
    head, last = _last(one(words))
    if last in _SAME:
        return head + last
    if last in _PLURAL:
        return head + _PLURAL[last]
    plural = _engine().plural_noun(last) if _known(last) else None
    return head + (plural if _akin(plural, last) else _with_s(last))


@lru_cache(maxsize=4096)
def a(words: str) -> str:
    """Words behind their article: "an animal", "a user"."""
    if _known(words.partition(" ")[0]):
        return _engine().a(words)
    return f"{'an' if words[:1].lower() in tuple('aeiou') else 'a'} {words}"


def _known(word: str) -> bool:
    """Whether a word can be English: two letters or signs are an abbreviation, which inflect may take for a pronoun."""
    return re.fullmatch(r"[a-z]{3,}", word) is not None


def _akin(answer: object, word: str) -> TypeGuard[str]:
    """Whether inflect's answer is of the same word: it says False for none, and knows "her" -> "them"."""
    return isinstance(answer, str) and answer[:1] == word[:1]


def _with_s(word: str) -> str:
    return word if not word or word.endswith("s") else word + "s"


def _last(words: str) -> tuple[str, str]:
    head, space, last = words.rpartition(" ")
    return head + space, last


@lru_cache(maxsize=1)
def _engine() -> "engine":
    import typeguard

    # While inflect is read typeguard rewrites each of its methods, so that they check what they are given: more than a
    # second, and they are given nothing but words here.
    rewriting = typeguard.typechecked
    typeguard.typechecked = lambda method: method  # type: ignore[assignment]
    try:
        import inflect
    finally:
        typeguard.typechecked = rewriting
    return inflect.engine()
