"""Relative links and images of the documentation point at files that are in git, and their anchors at headings."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

PAGES = re.compile(r"(README|README_zh|CONTRIBUTING|CHANGELOG|datasets/README|docs/.*)\.md")
_CODE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1|^(?: {4}|\t).*?$|(`+)(?!`).+?(?<!`)\2(?!`)", re.M | re.S)
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|^ {0,3}\[[^\]]+\]:\s*(\S+)|(?:href|src|srcset)=\"([^\"\s]+)", re.M)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def links_of(text: str) -> list[str]:
    """What a page links to beside the addresses of the web; what stands in code is none of it."""
    targets = (next(filter(None, found)) for found in _LINK.findall(_CODE.sub("", text)))
    return [target for target in targets if not _ELSEWHERE.match(target)]


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings as GitHub makes them, and those that it sets itself."""
    fenced = re.sub(r"^ {0,3}(```|~~~).*?^ {0,3}\1", "", text, flags=re.M | re.S)
    found, seen = set(re.findall(r"<a (?:id|name)=\"([^\"]+)", fenced)), Counter[str]()
    for heading in re.findall(r"^#{1,6} +(.+?)[ #]*$", fenced, re.M):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def broken_links(page: Path, root: Path, tracked: frozenset[str]) -> list[str]:
    broken = []
    for target in links_of(page.read_text(encoding="utf-8")):
        name, _, anchor = unquote(target).partition("#")
        path = (page.parent / name).resolve() if name else page
        here = path.relative_to(root).as_posix() if path.is_relative_to(root) else ""
        is_there = here in tracked or any(each.startswith(f"{here}/") for each in tracked if here)
        if not is_there:
            broken.append(f"{target}: not in git")
        elif anchor and anchor not in anchors_of(path.read_text(encoding="utf-8")):
            broken.append(f"{target}: no such heading")
    return broken


@cache
def tracked_files(root: Path) -> frozenset[str]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return frozenset(done.stdout.split("\0"))


def test_every_relative_link_leads_to_a_file_in_git_and_to_a_heading(root: Path):
    tracked = tracked_files(root)
    pages = sorted(filter(PAGES.fullmatch, tracked))
    assert len(pages) > 30
    broken = {name: found for name in pages if (found := broken_links(root / name, root, tracked))}
    assert broken == {}


def test_every_page_that_a_text_or_a_message_names_is_in_git(root: Path):
    tracked = tracked_files(root)
    readers = [
        name for name in tracked if PAGES.fullmatch(name) or re.match(r"(swiftagent|configs)/.*\.(py|yaml)", name)
    ]
    texts = {name: (root / name).read_text(encoding="utf-8") for name in readers if (root / name).exists()}
    named = {(name, page) for name, text in texts.items() for page in re.findall(r"\bdocs/[\w/-]+\.\w+", text)}
    assert len(named) > 30
    gone = {(name, page) for name, page in named if page not in tracked}
    # The second is a page of the program whose traces that file reads.
    assert gone == {("CONTRIBUTING.md", "docs/guides/NAME.md"), ("swiftagent/formats/readers/pi.py", "docs/session.md")}


def test_a_broken_link_is_found(tmp_path: Path):
    (tmp_path / "there.md").write_text("# A `b`: c\n## Twice\n## Twice\n```\n# no heading\n```\n## 多个 GPU\n")
    page = tmp_path / "page.md"
    good = "[a](there.md) ![b](there.md#a-b-c) [c](there.md#twice-1) [d](there.md#多个-gpu) [e](https://x/y) `[f](g)`"
    bad = '[a](gone.md) [b](there.md#no-heading) [c](there.md#twice-2) <img src="gone.png"> [d](../out.md) [e](#none)'
    page.write_text(f"{good}\n\n    [code](is-none.md)\n\n{bad}\n\n[r]: unkept.md\n")
    (tmp_path / "unkept.md").write_text("")
    assert broken_links(page, tmp_path, frozenset({"there.md", "page.md"})) == [
        *("gone.md: not in git", "there.md#no-heading: no such heading", "there.md#twice-2: no such heading"),
        *("gone.png: not in git", "../out.md: not in git", "#none: no such heading", "unkept.md: not in git"),
    ]
