"""How alike two texts are: chrF by letters, ROUGE-L by words; 100 for equal ones.

chrF: Popović, "chrF: character n-gram F-score for automatic MT evaluation", 2015, with n up to 6
and recall weighing twice. ROUGE-L: Lin, "ROUGE: A Package for Automatic Evaluation of Summaries",
2004, as the F1 of the longest common subsequence.
"""

from __future__ import annotations

import re
from collections import Counter

_LONGEST = 6
_BETA_SQUARED = 4.0


def chrf(text: str, reference: str) -> float:
    """chrF of a text against what it should say; blanks do not count."""
    ours, theirs = ("".join(one.split()) for one in (text, reference))
    precisions, recalls = [], []
    for size in range(1, _LONGEST + 1):
        found, wanted = _grams(ours, size), _grams(theirs, size)
        common = (found & wanted).total()
        if found and wanted:
            precisions.append(common / found.total())
            recalls.append(common / wanted.total())
    if not precisions:
        return 100.0 * (ours == theirs)
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    weighed = _BETA_SQUARED * precision + recall
    return 100.0 * (1 + _BETA_SQUARED) * precision * recall / weighed if weighed else 0.0


def rouge_l(text: str, reference: str) -> float:
    """ROUGE-L of a text against what it should say; names are split at dots and hyphens."""
    ours, theirs = (re.findall(r"\w+", one.lower()) for one in (text, reference))
    if not ours or not theirs:
        return 100.0 * (ours == theirs)
    common = _common(ours, theirs)
    return 200.0 * common / (len(ours) + len(theirs))


def _grams(text: str, size: int) -> Counter[str]:
    return Counter(text[i : i + size] for i in range(len(text) - size + 1))


def _common(ours: list[str], theirs: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(theirs) + 1)
    for word in ours:
        before = 0
        for place, other in enumerate(theirs, start=1):
            above = row[place]
            row[place] = before + 1 if word == other else max(above, row[place - 1])
            before = above
    return row[-1]
