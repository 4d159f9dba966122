"""What is a secret, and that none reaches the model, however a tool wraps it."""

from __future__ import annotations

import json

import pytest

from swiftagent.errors import ToolError
from swiftagent.tools.secrets import Redactor, secrets_of
from swiftagent.tools.toolbox import Toolbox
from swiftagent.trajectory.types import Call, Json, Tool

PEM = '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"quoted\\\n-----END RSA PRIVATE KEY-----'


def test_variables_are_secret_by_their_names():
    variables = {"API_KEY": "abcd", "DB_PASSWORD": "hunter2", "X-Api-Key": "k123", "Authorization": "Bearer tok-1"}
    harmless = {"SESSION_KIND": "standard", "KEYBOARD": "qwerty", "SSH_AUTH_SOCK": "/tmp/agent", "MAX_TOKENS": "4096"}
    harmless |= {"PWD": "/home/me", "A_TOKEN": "abc", "USE_TOKEN": "true", "GIT_AUTHOR_NAME": "Somebody"}
    found = {"abcd": "API_KEY", "hunter2": "DB_PASSWORD", "k123": "X-Api-Key"}
    bearer = {"Bearer tok-1": "Authorization", "tok-1": "Authorization"}
    assert secrets_of({**variables, **harmless}) == {**found, **bearer}


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        "sk-abc123def456",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefgh12345678",
        "xoxb-1234-abcdef",
        "eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2lnbmF0dXJl",
    ],
)
def test_texts_are_secret_by_their_form(text: str):
    redactor = Redactor({})
    assert redactor.text(f"it is {text} here") == "it is [secret] here"
    assert "it is" in redactor.text(json.dumps(f"it is {text} here")) and text[-8:] not in redactor.text(text)


def test_ordinary_text_is_no_secret():
    text = "pip install sk-learn; the risk-2024-report; https://example.com/a@b; password: none"
    assert Redactor({"pass": "PW"}).text(text) == text
    assert Redactor({}).text("postgres://me:hidden@db/x") == "postgres://[secret]@db/x"


class Leak:
    name = "leak"
    tools = (Tool("leak"),)

    def __init__(self, value: Json) -> None:
        self.value = value

    def call(self, tool: str, arguments: dict[str, Json]) -> Json:
        return self.value

    def close(self) -> None: ...


def test_a_secret_with_quotes_is_redacted_in_structures_and_in_json_as_text(monkeypatch: pytest.MonkeyPatch):
    secret = 'pa"ss\\wo\nrd'
    monkeypatch.setenv("MY_SECRET", secret)
    for value in ({"a": [secret], secret: 1, "pem": PEM}, json.dumps({"a": secret, "pem": PEM}), repr([secret])):
        text = Toolbox([Leak(value)]).call(Call("leak", {})).text
        assert "[MY_SECRET]" in text and "wo" not in text and "MIIE" not in text


def test_a_deep_value_and_an_error_without_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MY_SECRET", "hidden-1234")
    deep: Json = "hidden-1234"
    for _ in range(600):
        deep = [deep]
    result = Toolbox([Leak(deep)]).call(Call("leak", {}))
    assert "hidden" not in result.text and (result.error or "[MY_SECRET]" in result.text)
    monkeypatch.setattr(Leak, "call", lambda *_: (_ for _ in ()).throw(ToolError("")))
    assert Toolbox([Leak(1)]).call(Call("leak", {})).error == "ToolError"
