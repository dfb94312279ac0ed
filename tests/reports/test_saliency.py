import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from known_answers import checkpoint, write_sound
from matplotlib.figure import Figure

from wavemel.explain.confusions import Confusions, Mistake
from wavemel.explain.track import Explanation, Question, explain_track
from wavemel.reports.confusion_page import confusion_document
from wavemel.reports.html import render_html
from wavemel.reports.saliency import description, file_name, saliency_figure, title
from wavemel.reports.svg import to_svg

HOSTILE = 'a$b$ <script>alert("x")</script> & b.wav'.replace("/", "∕")


@pytest.fixture(scope="module")
def explanation(tmp_path_factory: pytest.TempPathFactory) -> Explanation:
    path = write_sound(tmp_path_factory.mktemp("sound") / HOSTILE)
    return explain_track(checkpoint("both"), path, Question(genre="yes", against="no"))


def drawn(figure: Figure) -> str:
    return "".join(ET.fromstring(to_svg(figure, "x", "title", "words")).itertext())


def test_the_picture_has_hertz_seconds_answer_and_probability(explanation: Explanation) -> None:
    figure = saliency_figure(explanation)
    said = drawn(figure)
    assert HOSTILE[:20] in said
    assert f"{100 * explanation.probabilities.max():.1f}" in said
    for text in ("wave: Hz", "mel: Hz", "seconds", "probability", "1000", "yes", "no"):
        assert text in said
    # Two spectrograms with sums beside them, sums over time, probabilities with names beside.
    assert len(figure.axes) == 7


def test_orange_speaks_for_and_blue_against(explanation: Explanation) -> None:
    axes = saliency_figure(explanation).axes[0]
    overlay = np.asarray(axes.images[1].get_array())
    values = explanation.maps["wave"]
    band, frame = np.unravel_index(values.argmax(), values.shape)
    red, _, blue, alpha = overlay[band, frame]
    assert red > blue
    assert alpha > 0.9


def test_words_name_the_strongest(explanation: Explanation) -> None:
    words = description(explanation)
    assert "rather than no" in words
    assert "2 to 3 s" in words
    assert "in mel" in words
    assert "in wave 0.5-1 kHz" in words or "in wave 1-2 kHz" in words
    assert "rather than" in title(explanation)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("music/Ärger im Bad.mp3", "Ärger_im_Bad"),
        ("/a/b/__.mp3", "audio"),
        ("a.zip!/x/y.flac", "y"),
        ("new\nline\x07.wav", "new_line"),
        ("-rf.wav", "rf"),
        ("x" * 200 + ".wav", "x" * 120),
        ("語" * 200 + ".wav", "語" * 40),
        ("caf\udce9.wav", "caf"),
        ("日本.ogg", "日本"),
    ],
)
def test_names_of_files_are_tame(path: str, name: str) -> None:
    assert file_name(path) == name


@pytest.fixture(scope="module")
def page(explanation: Explanation) -> str:
    genres = ("rock & <i>roll</i>", 'p"op$', "jazz")
    mistakes = tuple(
        Mistake(Path("run"), path, artist, genres[t], genres[a], 0.1, p)
        for path, artist, t, a, p in (
            (explanation.path, "<b>Artist</b>", 0, 1, 0.9),
            ("/secret/folder/album/two.wav", None, 1, 0, 0.8),
            ("/secret/folder/album/new\nline.wav", "x", 1, 2, 0.7),
        )
    )
    confusion = np.array([[4, 1, 0], [1, 3, 1], [0, 0, 5]])
    found = Confusions("tiny <net>", "test", genres, confusion, mistakes)
    made = confusion_document(found, {explanation.path: explanation}, "wavemel explain <x>")
    return render_html(made)


def test_the_page_names_pairs_and_files_and_links_their_pictures(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))
    assert "3 of 15 test tracks are answered wrongly (20.0" in text
    assert "is taken for p&#34;op$ once (20.0" in text
    assert "album/two.wav" in text
    assert "secret" not in page
    assert "new\\nline" in text
    assert '<a href="#figure-mistake-1">see why</a>' in page
    assert page.count('id="figure-mistake-1"') == 1
    assert page.count("see why") == 1


def test_the_page_escapes_every_name_and_asks_nothing_of_the_network(page: str) -> None:
    for markup in ("<script", "<i>roll", "<b>Artist", "tiny <net>", "explain <x>"):
        assert markup not in page
    assert not re.search(r'(?:href|src)="(?!#|data:)', page)
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


def test_every_drawing_says_what_it_shows(page: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(drawings) == 2
    for drawing in drawings:
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert all(child.text for child in list(root)[:2])


def test_a_model_without_mistakes_has_a_page_too() -> None:
    found = Confusions("m", "test", ("a", "b"), np.diag([3, 4]), ())
    page = render_html(confusion_document(found, {}, "wavemel explain"))
    assert "Nothing is confused." in page
    assert "0 of 7 test tracks" in page
