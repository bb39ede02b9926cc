"""Markup to text: code stays as it is, nothing hides, and hostile text costs little."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixstream.producers.crawl.posts import text_revision
from fixstream.producers.crawl.rich_text import (
    MAX_SOURCE_CHARS,
    RichText,
    text_of_html,
    text_of_markdown,
)

CODE = "def f():\n    if x &lt; 1:\n\n\n        return  2"
PLAIN_CODE = "def f():\n    if x < 1:\n\n\n        return  2"


def test_html_keeps_code_and_drops_markup() -> None:
    rich = text_of_html(
        f"<p>It   fails\nhere:</p><pre class='x'><code>{CODE}\n</code></pre>"
        "<ul><li>one &amp; <code>two</code></li></ul><!-- no --><script>alert(1)</script>"
        '<p>See <a href="https://evil.test/x">this</a><br>now</p>'
    )
    assert rich.code_blocks == (PLAIN_CODE,)
    assert rich.text == (
        f"It fails here:\n\n```\n{PLAIN_CODE}\n```\n\n- one & `two`\n\nSee this\nnow"
    )
    assert rich.without(PLAIN_CODE) == "It fails here:\n\n- one & `two`\n\nSee this\nnow"


def test_markdown_tells_fenced_and_indented_code() -> None:
    rich = text_of_markdown(
        "Hello\r\n<!-- a template\nsays --> there\r\n```python\r\nx = 1\r\n\r\n\r\ny = 2\r\n```\r\n"
        "Then:\n\n    indented\n\n      more\n\nend\n~~~\nopen"
    )
    assert rich.code_blocks == ("x = 1\n\n\ny = 2", "indented\n\n  more", "open")
    assert rich.text.startswith("Hello\n there\n\n```\nx = 1")
    assert rich.without("open").endswith("end")


@pytest.mark.parametrize(
    "source", ["a < b and <- c", "<", "x <!-- open", "<p title='", "&lt;p&gt;"]
)
def test_what_is_no_markup_stays(source: str) -> None:
    text = text_of_html(source).text
    assert text.replace("&lt;", "<") == source.replace("&lt;", "<").replace("&gt;", ">").strip()


@given(st.text(alphabet="<>/!-pre code&;`~\n ab\x00\ud800"))
def test_nothing_raises(source: str) -> None:
    for read in (text_of_html, text_of_markdown):
        rich = read(source)
        assert isinstance(rich, RichText)
        assert isinstance(rich.text, str)
    text_revision(source)


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<",
        "<a ",
        '<a b="',
        "</",
        "<pre>",
        "&",
        "&#",
        "```\n",
        "    x\n",
        " \n",
        "<![CDATA[",
    ],
)
# The standard library's parser takes minutes for some of these.
@pytest.mark.timeout(20)
def test_the_cost_of_hostile_text_grows_with_its_length(piece: str) -> None:
    source = piece * (MAX_SOURCE_CHARS // len(piece))
    text_of_html(source)
    text_of_markdown(source)
