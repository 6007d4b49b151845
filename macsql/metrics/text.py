"""The poster's text metrics: string exact match and ROUGE-L of an answer against its target."""

from collections import defaultdict

from rouge_score import scoring
from rouge_score.tokenize import tokenize


def exact_match(target: str, answer: str) -> bool:
    """Whether the whole answer is the target, letter for letter, white space apart.

    Compared is the text after the codec, SQL fences and all. Every run of white space counts as one blank and the ends
    are stripped, because T5's tokenizer cannot tell such runs apart; nothing else is normalised: case, quotes,
    punctuation and the order of clauses count. (Spider's "exact match" is another thing: `spider_em`.)
    """
    return target.split() == answer.split()


def rouge_l(target: str, answer: str) -> float:
    """ROUGE-L (Lin, 2004) as `rouge_score` has it without stemming: 0 to 1, the F-measure of the longest common
    subsequence of words.

    Words are runs of a-z and 0-9 in the lower-cased text, so operators, quotes and fences do not count at all, and a
    text without such words scores 0. Tokens and F-measure are the library's own; its table for the subsequence takes
    seconds for a few hundred answers, which `_common_subsequence` avoids.
    """
    wanted, given = tokenize(target, None), tokenize(answer, None)
    if not wanted or not given:
        return 0.0
    length = _common_subsequence(wanted, given)
    return float(scoring.fmeasure(length / len(given), length / len(wanted)))


def _common_subsequence(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence, one big-integer step a word of `right` (Hyyrö, 2004).

    Bit i of `row` is 0 where the table's row rises at `left[i]`, so the zeros counted are the table's last cell.
    """
    places: defaultdict[str, int] = defaultdict(int)
    for index, word in enumerate(left):
        places[word] |= 1 << index
    full = (1 << len(left)) - 1
    row = full
    for word in right:
        hits = row & places.get(word, 0)
        row = ((row + hits) | (row - hits)) & full
    return len(left) - row.bit_count()
