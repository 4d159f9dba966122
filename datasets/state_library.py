"""The desk of a small library as tools with state: `swiftagent eval --state datasets/state_library.yaml`.

`reset` and `snapshot` set and read the state of a task; a model is offered the other functions alone.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

_STATE: dict[str, Any] = {}
_LOAN_DAYS = 14


def reset(state: dict[str, Any]) -> None:
    """Begin with this state: today, books, members, loans, holds and rooms."""
    _STATE.clear()
    _STATE.update(state)


def snapshot() -> dict[str, Any]:
    """The state as it is now."""
    return _STATE


def find_books(words: str) -> list[dict[str, Any]]:
    """Find books by words of their title or author.

    Args:
        words: a part of the title or of the author's name
    """
    wanted = words.casefold()
    return [
        {"book": name, **book, "on_loan": name in _STATE["loans"]}
        for name, book in _STATE["books"].items()
        if wanted in f"{book['title']} {book['author']}".casefold()
    ]


def list_loans(member: str) -> list[dict[str, Any]]:
    """List what a member has borrowed, with due dates.

    Args:
        member: the number of the member, such as M1
    """
    _known(member, "members")
    return [{"book": name, **loan} for name, loan in _STATE["loans"].items() if loan["member"] == member]


def lend_book(book: str, member: str) -> dict[str, Any]:
    """Lend a book for 14 days.

    Args:
        book: the number of the book, such as B1
        member: the number of the member, such as M1
    """
    _known(book, "books")
    _known(member, "members")
    if book in _STATE["loans"]:
        raise ValueError(f"{book} is on loan until {_STATE['loans'][book]['due']}")
    if _STATE["holds"].get(book, member) != member:
        raise ValueError(f"{book} is on hold for {_STATE['holds'][book]}")
    _STATE["holds"].pop(book, None)
    _STATE["loans"][book] = {"member": member, "due": _days_after(_STATE["today"])}
    return {"book": book, **_STATE["loans"][book]}


def return_book(book: str) -> dict[str, Any]:
    """Take a book back.

    Args:
        book: the number of the book, such as B1
    """
    loan = _known(book, "loans")
    del _STATE["loans"][book]
    return {"book": book, "late": loan["due"] < _STATE["today"]}


def renew_loan(book: str) -> dict[str, Any]:
    """Lend a book for 14 days more, counted from its due date. A book on hold for somebody cannot be renewed.

    Args:
        book: the number of the book, such as B1
    """
    loan = _known(book, "loans")
    if book in _STATE["holds"]:
        raise ValueError(f"{book} is on hold for another member and cannot be renewed")
    loan["due"] = _days_after(loan["due"])
    return {"book": book, **loan}


def hold_book(book: str, member: str) -> dict[str, Any]:
    """Keep a book that is on loan for a member, for when it comes back.

    Args:
        book: the number of the book, such as B1
        member: the number of the member, such as M1
    """
    _known(book, "loans")
    _known(member, "members")
    if book in _STATE["holds"]:
        raise ValueError(f"{book} is on hold already")
    _STATE["holds"][book] = member
    return {"book": book, "on_hold_for": member}


def book_room(room: str, day: str, hour: int, member: str) -> dict[str, Any]:
    """Book a reading room for an hour.

    Args:
        room: north or south
        day: the day as YYYY-MM-DD
        hour: the hour of the day at which it begins, 9 to 17
        member: the number of the member, such as M1
    """
    _known(member, "members")
    booked = _known(room, "rooms")
    slot = f"{date.fromisoformat(day)} {hour}:00"
    if slot in booked:
        raise ValueError(f"the {room} room is taken on {slot}")
    booked[slot] = member
    return {"room": room, "slot": slot, "member": member}


def _known(name: str, kind: str) -> Any:
    if name not in _STATE[kind]:
        raise ValueError(f"there is no {name} among the {kind}; they are {', '.join(_STATE[kind])}")
    return _STATE[kind][name]


def _days_after(day: str) -> str:
    return str(date.fromisoformat(day) + timedelta(_LOAN_DAYS))
