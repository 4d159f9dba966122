"""Hidden control tokens and indented keywords come back exactly, and nothing of the table stands in what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import CONTROL, KEYWORDS, json_values, texts
from template_tokens import template_tokens

from swiftagent.trajectory.escape import (
    add_control_tokens,
    has_control_token,
    hide,
    hide_control_tokens,
    hide_value,
    indent_keywords,
    json_text,
    parse_json_text,
    show,
    show_control_tokens,
    show_value,
)


@settings(max_examples=300, deadline=None)
@given(texts())
def test_a_text_comes_back_as_it_was(text: str) -> None:
    assert show_control_tokens(hide_control_tokens(text)) == text
    assert show(hide(text)) == text


@settings(max_examples=300, deadline=None)
@given(texts())
def test_what_is_hidden_holds_no_control_token(text: str) -> None:
    assert not has_control_token(hide(text))
    assert not has_control_token(json_text(text))


@settings(max_examples=200, deadline=None)
@given(json_values())
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert parse_json_text(json_text(value)) == value
    assert show_value(hide_value(value)) == value


@settings(max_examples=200, deadline=None)
@given(json_values())
def test_json_text_is_what_json_dumps_writes(value: Any) -> None:
    written = json_text(value)
    if "\u2060" not in written:
        assert json.loads(written) == value
        assert written.replace("\\u003c", "<") == json.dumps(value, ensure_ascii=False).replace("\\u003c", "<")


@pytest.mark.parametrize("token", [token.strip() for token in CONTROL if not token.endswith("user\n")])
def test_each_control_token_is_hidden_and_hidden_once_more(token: str) -> None:
    once = hide_control_tokens(token)
    assert once == f"{token[0]}\u2060{token[1:]}"
    assert hide_control_tokens(once) == f"{token[0]}\u2060\u2060{token[1:]}"
    assert show_control_tokens(hide_control_tokens(once)) == once


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_at_the_start_of_a_line_is_indented(keyword: str) -> None:
    assert indent_keywords(f"{keyword} x\n  {keyword} y, {keyword}") == f" {keyword} x\n   {keyword} y, {keyword}"


@given(st.integers(0, 5), st.sampled_from(KEYWORDS))
def test_any_indent_comes_back(spaces: int, keyword: str) -> None:
    assert show(hide(" " * spaces + keyword)) == " " * spaces + keyword


@pytest.mark.needs_swift
def test_the_table_has_every_control_token_of_ms_swift() -> None:
    """Of each of its templates: prefix, prompt, separators, suffix, stop words, system, thinking, agent templates."""
    tokens = template_tokens()
    assert len(tokens) > 250 and {"<turn|>", "]~!b[", "<seed:eos>", "｜DSML｜", "[UNUSED_TOKEN_145]"} <= set(tokens)
    assert {token: name for token, name in tokens.items() if not has_control_token(token)} == {}
    for token in tokens:
        text = f"a{token}b {token}{token} {{{token}}}"
        assert not has_control_token(hide(text)) and not has_control_token(json_text({token: [text]}))
        assert show(hide(text)) == text and parse_json_text(json_text({token: [text]})) == {token: [text]}


@pytest.mark.parametrize("text", ["a < b and c <- d", "<div><a href='x'>[1]</a></div>", "x[i][j] | {{ name }} ｜中｜"])
def test_ordinary_markup_stays_as_it_is(text: str) -> None:
    assert hide(text) is text


def test_tokens_that_share_a_character_are_both_hidden() -> None:
    assert hide_control_tokens("[e~[e~[]~b]~b]") == "[\u2060e~[\u2060e~[]\u2060~b]\u2060~b]"


def test_a_tokenizer_adds_its_own_tokens() -> None:
    text = "see <zz_loc0017> and [zz_9]"
    assert hide(text) == text and not has_control_token(text)
    add_control_tokens(["<zz_loc0001>", "[zz_1]", "word", "  ", "<|im_end|>", "<a b>"])
    assert has_control_token(text)
    hidden = hide(text)
    assert hidden == "see <\u2060zz_loc0017> and [\u2060zz_9]" and show(hidden) == text
    assert not has_control_token(hidden)
    assert parse_json_text(json_text([text])) == [text] and not has_control_token(json_text([text]))
    assert hide("word  <a b>") == "word  <a b>"
