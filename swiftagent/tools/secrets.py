"""Redaction of secrets: the values of variables whose names suggest one, and texts that have the form of one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from swiftagent.io.jsonl import with_texts
from swiftagent.trajectory.types import Json

_NAME = re.compile(
    r"(?:^|_)(?:API|ACCESS|SECRET|PRIVATE)?(?:KEYS?|TOKEN|SECRETS?|PASS|PASSW\w*|PASSPHRASE|PWD|CREDENTIALS?|AUTH\w*"
    r"|COOKIE|PRIVATE|PAT|DSN|DATABASE_URL|CONN(?:ECTION)?_STR\w*)(?:_|\d|$)"
)
# Such a variable holds a place, a kind or a number, and the directory that a shell is in.
_HARMLESS_NAME = re.compile(
    r"_(?:SOCK|FILE|PATH|DIR|TYPE|NAME|KIND|LIMIT|TTL)$|^(?:OLD)?PWD$|^XAUTHORITY$|(?:^|_)AUTHORS?(?:_|$)"
)
_HARMLESS_VALUES = {"true", "false", "none", "null"}
_SHORTEST = 4
_FORM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk-(?=[\w-]*\d)[\w-]{8,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|gh[pousr]_\w{8,}|github_pat_\w{8,}|glpat-[\w-]{8,}"
    r"|xox[abprs]-[\w-]{8,}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)",
    re.S,
)


def secrets_of(variables: Mapping[str, str]) -> dict[str, str]:
    """value: name, of the variables (or headers) whose names say that they hold a secret."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        plain = name.upper().replace("-", "_")
        if _NAME.search(plain) and not _HARMLESS_NAME.search(plain):
            found |= {part: name for part in (value, value.removeprefix("Bearer "))}
    harmless = {value for value in found if len(value) < _SHORTEST or value.lower() in _HARMLESS_VALUES}
    return {value: name for value, name in found.items() if value not in harmless}


class Redactor:
    """Replaces each secret by its variable's name, and what has the form of a secret by `[secret]`."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        for value, name in secrets.items():
            # A tool may return text that is JSON already, in which quotes and newlines are escaped.
            inside = (json.dumps(value), json.dumps(value, ensure_ascii=False), repr(value))
            for form in (value, *(quoted[1:-1] for quoted in inside)):
                self._names.setdefault(form, name)
        # The longest first, since one may begin another.
        values = sorted(self._names, key=len, reverse=True)
        self._values = re.compile("|".join(map(_bounded, values))) if values else None

    def text(self, text: str) -> str:
        if self._values is not None:
            text = self._values.sub(lambda found: f"[{self._names[found.group()]}]", text)
        return _FORM.sub("[secret]", text)

    def value(self, value: Json) -> Json:
        """A structured value with its texts redacted, before it is encoded: escapes would hide a secret."""
        try:
            return with_texts(value, self.text)
        # Deeper than the stack: its encoded text is redacted instead.
        except RecursionError:
            return value


def _bounded(value: str) -> str:
    """A short value counts as a word alone, or it would be found within others."""
    return re.escape(value) if len(value) >= 8 else rf"(?<!\w){re.escape(value)}(?!\w)"
