"""HTML, Markdown, AsciiDoc and XML: words stay whole, cells stay apart, markup never becomes text."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.engines.parsing import makers
from tests.engines.parsing.conftest import Way

Run = Callable[..., Way]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.html", "<p><b>T</b>ramway of CO<sub>2</sub>, a <a href='x'>link</a>ed <code>file_name</code>.</p>"),
        ("a.md", "**T**ramway of CO<sub>2</sub>, a [link](x)ed `file_name`."),
        ("a.md", "Tramway of CO2, a linked file\\_name\\."),
        ("a.adoc", "= Title\n\n**T**ramway of CO~2~, a https://x.org[link]ed `file_name`."),
        ("a.xml", "<doc><p><emphasis>T</emphasis>ramway of CO<sub>2</sub>, a <ref>link</ref>ed <c>file_name</c>.</p></doc>"),
    ],
)
def test_words_stay_whole_whatever_is_formatted_in_them(way: Run, name: str, source: str) -> None:
    assert "Tramway of CO2, a linked file_name." in way(source, name).text


def test_markdown_headings_lists_and_cells_stay_whole(way: Run) -> None:
    cells = "| K\\_1 | **B**o |\n|---|---|\n| c\\|d | *e*f |"
    source = f"# Use of my\\_module\n\n- M**AS**T with `a&amp;b`\n- [x] done\n\n{cells}\n\nOne  \ntwo\nthree.\n"
    text = way(source, "a.md").text
    for words in ("Use of my_module", "- MAST with a&amp;b", "[x] done", "K_1 | Bo", "c|d | ef", "One\ntwo three."):
        assert words in text


def test_blocks_in_cells_are_parted_and_tables_in_cells_are_read_once(way: Run) -> None:
    inner = "<table><tr><td>Nine</td><td>B12</td></tr><tr><td>Ten</td><td>C3</td></tr></table>"
    source = f"<table><tr><th>Day</th><th>Plan</th></tr><tr><td><div>Mon</div><div>day</div></td><td>See{inner}</td></tr></table>"
    text = way(f"<html><body>{source}</body></html>", "a.html").text
    assert "Mon day | See" in text
    assert "Nine | B12" in text
    assert text.count("B12") == 1


def test_a_table_that_only_lays_out_is_no_table(way: Run) -> None:
    inner = "<table><tr><th>Article</th><th>Price</th></tr><tr><td>Paddle</td><td>39</td></tr></table>"
    text = way(f"<html><body><table><tr><td><h2>Order</h2>{inner}</td><td>Side</td></tr></table></body></html>", "a.html")
    assert any(draft.headings == ("Order",) and "Article | Price\nPaddle | 39" in draft.text for draft in text.chunks)


def test_a_footer_of_an_article_stays_and_hidden_spans_go(way: Run) -> None:
    source = "<article><h1>A</h1><p>Seen<span style='display:none'>hidden</span></p><footer>Published in May.</footer></article>"
    text = way(f"<html><body>{source}<footer>Imprint</footer></body></html>", "a.html").text
    assert "Published in May." in text
    assert "hidden" not in text


def test_a_picture_in_a_data_uri_is_a_picture(way: Run) -> None:
    uri = f"data:image/png;base64,{base64.b64encode(makers.png()).decode()}"
    assert len(way(f"<html><body><p>x</p><img src='{uri}'></body></html>", "a.html").windows[0].pictures) == 1


def test_asciidoc_cells_on_lines_of_their_own_are_rows(way: Run) -> None:
    source = """= Title
:depth: 3.2

.Levels
[cols="1,2",options="header"]
|===
|Day |Level

|Monday
|{depth} m

2+|closed
// never shown
|Friday |4 m
|===

// never shown
The level is {depth}.footnote:[At noon.]

----
// code *stays*
----
"""
    text = way(source, "a.adoc").text
    for words in ("Day | Level", "Monday | 3.2 m", "\nclosed\n", "Friday | 4 m", "The level is 3.2. (At noon.)", "// code *stays*"):
        assert words in text
    assert "never" not in text


def test_xml_is_read_as_headings_paragraphs_and_rows(way: Run) -> None:
    source = """<?xml version="1.0"?><book xmlns="urn:x"><title>Sluices</title><chapter><title>Gates</title>
    <para>A <emphasis>g</emphasis>ate
    opens.</para><table><row><entry>Day</entry><entry>Level</entry></row><row><entry>Monday</entry><entry>3 m</entry></row></table>
    </chapter><!-- gone --></book>"""
    done = way(source, "a.xml")
    assert done.chunks[0].text == "Sluices\nGates\n\nA gate opens.\nDay | Level\nMonday | 3 m"


def test_a_journal_article_is_read_by_docling(way: Run) -> None:
    title = "<article-title>On <italic>t</italic>ides</article-title>"
    meta = f"<journal-meta/><article-meta><title-group>{title}</title-group></article-meta>"
    body = "<sec><title>Methods</title><p>We measured CO<sub>2</sub>.</p></sec>"
    done = way(f"<?xml version='1.0'?><article><front>{meta}</front><body>{body}</body></article>", "a.nxml")
    assert any(draft.headings == ("On tides", "Methods") and "We measured CO2." in draft.text for draft in done.chunks)
