"""The text that the tiny base model is made of: chat, small exercises in reading closely and in copying exactly, and
questions answered with helpers, in notations of its own.

It holds no tool name, no ReAct word and no call in any format that the project reads: those are what LoRA has to teach.
A test searches it for them.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from . import agent, chat
from .scene import FIRE, SCENES, Scene, draw, is_held_out, slots_of
from .tools import TOOLS
from .words import IMAGE_ENDINGS, IMAGE_STEMS, WORDS, read

Message = tuple[str, str]  # role, text
Exercise = Callable[[str, random.Random], list[Message]]
Kind = Literal["short", "long", "pieces", "helpers", "reworded", "noisy"]

_TEXTS: dict[str, Any] = read("pretraining.yaml")
_CALLED, _KEYS = _TEXTS["called"], _TEXTS["keys"]
_THINGS, _ABOUT, _LABELS = _TEXTS["things"], _TEXTS["about"], _TEXTS["labels"]


def document(rng: random.Random) -> list[Message]:
    """One conversation of the first part of the pretraining text: short."""
    language = "en" if rng.random() < 0.6 else "zh"
    turns = _exercise(language, rng, _EXERCISES)
    if rng.random() < 0.3:
        turns += chat_turn(language, rng)
    if turns[0][0] != "system" and rng.random() < 0.35:
        turns = [("system", " ".join(_notes(language, rng))), *turns]
    return turns


def long_document(rng: random.Random) -> list[Message]:
    """One of the second part: the same exercises, mostly below a long page that has nothing to do with them."""
    if rng.random() < 0.2:
        return document(rng)
    language = "en" if rng.random() < 0.6 else "zh"
    turns = _exercise(
        language, rng, [(chat_turn, 22), (list_the_parts, 52), (name_one_part, 8), (repeat, 8), (read_a_record, 10)]
    )
    if rng.random() < 0.25:
        turns += chat_turn(language, rng) if rng.random() < 0.5 else list_the_parts(language, rng)
    page = _page(rng)
    return [("system", page), *turns]


def _exercise(language: str, rng: random.Random, choices: list[tuple[Exercise, int]]) -> list[Message]:
    chosen = rng.choices([exercise for exercise, _ in choices], [weight for _, weight in choices])[0]
    return chosen(language, rng)


def documents(count: int, seed: int, kind: Kind = "short", pieces: Sequence[str] = ()) -> Iterator[list[Message]]:
    """`pieces` are the texts of the tokenizer's tokens, for the part that copies each of them."""
    rng = random.Random(seed)
    for _ in range(count):
        if kind in ("helpers", "reworded", "noisy") and rng.random() < 0.75:
            yield helped(rng, reworded=kind != "helpers", noise=pieces if kind == "noisy" else ())
        elif kind not in ("short", "long") and rng.random() < 0.4:
            yield copied_pieces(rng, pieces)
        else:
            yield document(rng) if kind == "short" else long_document(rng)


# Stands around what the model reads in the middle of its own turn.
HEARD_MARK = "\x1e"


def helped(rng: random.Random, *, reworded: bool, noise: Sequence[str]) -> list[Message]:
    """A question, and helpers of made-up names with which it is answered, or which are not needed.

    Which one helps, what it is given and what comes of its result is as in the rows that LoRA learns from; how that is
    written down is not. Reworded: facts are asked otherwise, and helpers are often called alike. With
    noise, some of its texts stand before or behind the question: words that were never read do not lead astray.
    """
    while True:
        language = "en" if rng.random() < 0.6 else "zh"
        talk = _talk(language, rng, reworded=reworded)
        names = {tool: _helper_name(rng) for tool in talk.tools}
        if reworded and rng.random() < 0.5:
            first = rng.choice(_THINGS)
            names = {tool: f"{first}_{name.partition('_')[2]}" for tool, name in names.items()}
        notation = rng.choice(_TEXTS["notations"])
        lines = []
        for step in talk.steps:
            given = json.dumps(step.arguments, ensure_ascii=False)
            result = repr(step.result) if rng.random() < 0.5 else json.dumps(step.result, ensure_ascii=False)
            lines += [notation["think"].format(step.thought)] if step.thought else []
            lines += [notation["use"].format(names[step.tool], given)]
            lines += [f"{notation['result']}{HEARD_MARK} {result}\n{HEARD_MARK}"]
        turns = [
            ("system", _helpers_page(names, rng)),
            ("user", _around(talk.question, language, rng, noise)),
            (
                "assistant",
                "\n".join(lines).replace(f"\n{HEARD_MARK}\n", f"\n{HEARD_MARK}") + notation["say"].format(talk.answer),
            ),
        ]
        if not any(word in as_chatml(turns) for word in _KEPT_OUT):
            return turns


def _around(question: str, language: str, rng: random.Random, noise: Sequence[str]) -> str:
    asked = str(rng.choice(_TEXTS["around"][language])).format(question)
    if not noise or rng.random() < 0.4:
        return asked
    chinese = language == "zh"
    words = [word for word in rng.sample(noise, 60) if word.isalpha() and word.isascii() != chinese]
    said = ("" if chinese else " ").join(words[: rng.randrange(1, 6)])
    before, behind = ("{n}，{q}", "{q}{n}。") if chinese else ("{n}: {q}", "{q} {n}.")
    return rng.choice([before, before, behind]).format(n=said, q=question)


def _talk(language: str, rng: random.Random, *, reworded: bool) -> agent.Conversation:
    if rng.random() < (0.25 if reworded else 0.15):
        return agent.calculation(language, rng)
    talk = agent.conversation(language, rng)
    if talk.steps or not reworded or rng.random() < 0.3:
        return talk
    name = rng.choice([name for name, asked in _TEXTS["facts"].items() if language in asked])
    key, value = rng.choice(list(chat.CHAT["tables"][name]["facts"][language].items()))
    question = rng.choice(_TEXTS["facts"][name][language]).format(key=key)
    answer = rng.choice(chat.CHAT["tables"][name]["say"][language]).format(key=key, value=value)
    return agent.Conversation(question, [], answer, talk.tools)


def _helper_name(rng: random.Random) -> str:
    first, second = (rng.choice(_THINGS) if rng.random() < 0.5 else made_up_word(rng).lower() for _ in range(2))
    return f"{first}_{second}"


def _helpers_page(names: Mapping[str, str], rng: random.Random) -> str:
    entries = []
    for number, (tool, name) in enumerate(names.items(), 1):
        function = TOOLS[tool]["function"]
        needed = function["parameters"]["required"]
        fields = ", ".join(
            f'{{"name": "{key}", "description": "{field.get("description", "")}", "required": "{key in needed}"}}'
            for key, field in function["parameters"]["properties"].items()
        )
        entries.append(f"{number}. {name}: {function['description']} Fields: [{fields}]")
    return _framed(entries, rng.randrange(1, 4), rng)


def copied_pieces(rng: random.Random, pieces: Sequence[str]) -> list[Message]:
    """Texts of any tokens, to be copied.

    A third of the tokens stand in no answer of the other parts. Weights that never wrote a token hold it for as
    improbable as any other such token, and a small adapter can hardly tell them apart.
    """
    turns: list[Message] = [("system", _page(rng))] if rng.random() < 0.3 else []
    for _ in range(rng.randrange(1, 4)):
        text = _joined(rng, pieces)
        ask, say = rng.choice(_COPY)
        turns += [("user", ask.format(t=text)), ("assistant", say.format(t=text))]
        if rng.random() < 0.4:
            turns += _shortened(rng, pieces)
    return turns


def _shortened(rng: random.Random, pieces: Sequence[str]) -> list[Message]:
    """A list without its first part, again and again until one part is left."""
    draws = [made_up_word, _numbers, lambda r: r.choice(pieces), lambda r: f"{r.choice(pieces)} {r.randrange(100)}"]
    parts = [rng.choice(draws)(rng) for _ in range(rng.randrange(2, 6))]
    ask, comma = rng.choice([("Leave out the first: {t}", ", "), ("去掉第一个：{t}", "，")])
    turns: list[Message] = []
    while len(parts) > 1:
        asked = ask.format(t=comma.join(parts)) if not turns else rng.choice(["Again.", "再来。"])
        parts = parts[1:]
        turns += [("user", asked), ("assistant", comma.join(parts))]
    return [] if any(word in as_chatml(turns) for word in _KEPT_OUT) else turns


def pieces(vocabulary: Mapping[str, int]) -> list[str]:
    """The texts of the tokens of a byte-level vocabulary, in the order of their ids: without the special tokens, white
    space and parts of a character."""
    from tokenizers import decoders

    read = decoders.ByteLevel().decode
    texts = [read([token]).strip() for token in sorted(vocabulary, key=lambda token: vocabulary[token])]
    return [text for text in texts if text and "\ufffd" not in text and "<|" not in text]


_COPY = [
    ("Repeat this: {t}", "{t}"),
    ("Write down {t}", '"{t}"'),
    ("Copy {t}", "{t}"),
    ("重复一遍：{t}", "{t}"),
    ("照抄{t}", '{{"{t}"}}'),
]


def _joined(rng: random.Random, pieces: Sequence[str]) -> str:
    """A few lines of pieces, none of them a word that only the adapter is to teach."""
    while True:
        words = [
            rng.choice(pieces) + rng.choice(["", "", " ", " ", "_", ": ", "\n"]) for _ in range(rng.randrange(4, 14))
        ]
        text = "".join(words).strip()
        if not any(word in text for word in _KEPT_OUT):
            return text


_KEPT_OUT = (*TOOLS, "Thought", "Action", "Observation", "Final Answer")


def _page(rng: random.Random) -> str:
    """A catalogue of things with their fields, and house rules: the kind of page that stands above a question."""
    entries = []
    for number in range(1, rng.randrange(2, 5)):
        fields = ", ".join(
            f'{{"name": "{key}", "description": "{rng.choice([key, _KEYS[key].rstrip("2"), rng.choice(_ABOUT)])}", '
            f'"required": "{rng.random() < 0.6}"}}'
            for key in rng.sample(list(_KEYS), rng.randrange(1, 4))
        )
        entries.append(f"{number}. {rng.choice(_THINGS)}_{rng.choice(_THINGS)}: {_plain_words(rng)} Fields: [{fields}]")
    return _framed(entries, rng.randrange(3, 8), rng)


def _framed(entries: Sequence[str], count: int, rng: random.Random) -> str:
    rules = "\n".join(f"{rng.choice(_LABELS)}: {_plain_words(rng)[:-1].lower()}" for _ in range(count))
    return f"{_plain_words(rng)}\n" + "\n\n".join(entries) + f"\n\n{_plain_words(rng)}\n\n{rules}\n{_plain_words(rng)}"


def chat_turn(language: str, rng: random.Random) -> list[Message]:
    question, answer = chat.exchange(language, rng)
    return [("user", question), ("assistant", answer)]


def _said_and_named(language: str, rng: random.Random) -> tuple[str, list[tuple[str, str | int | bool]]]:
    """A sentence that someone could say, and what its parts are called, in the order in which they stand."""
    if rng.random() < 0.15:
        return _about_an_image(language, rng)
    scene: Scene = rng.choice(SCENES[language])
    while True:
        asked = rng.choice(scene.ask)
        template, extra = asked if isinstance(asked, list) else (asked, {})
        said, meant = draw(slots_of(template), language, rng)
        if not is_held_out(*sorted(str((meant | extra).get(key, "")) for key in scene.keys)):
            break
    return template.format(**said), [
        (_CALLED[language][name], said[name]) for name in sorted(said, key=lambda n: template.index(f"{{{n}}}"))
    ]


def _about_an_image(language: str, rng: random.Random) -> tuple[str, list[tuple[str, str | int | bool]]]:
    image = plain_file(rng) if rng.random() < 0.5 else made_up_file(rng)
    return rng.choice(FIRE["ask"][language]).format(image=image), [(_CALLED[language]["image"], image)]


def list_the_parts(language: str, rng: random.Random) -> list[Message]:
    sentence, parts = _said_and_named(language, rng)
    ask = {
        "en": [
            "List the facts of this sentence. {s}",
            "{s} What are the facts here?",
            "Take this sentence apart: {s}",
            "{s}",
        ],
        "zh": ["列出这句话里的要点：{s}", "{s}这句话里有什么要点？", "拆开这句话：{s}", "{s}"],
    }
    return [("user", rng.choice(ask[language]).format(s=sentence)), ("assistant", _listed(language, parts, rng))]


def _listed(language: str, parts: list[tuple[str, str | int | bool]], rng: random.Random) -> str:
    """The parts in one of several ways, so that none of them is the only one the model can write."""
    quoted = [(name, f'"{value}"' if isinstance(value, str) else str(value)) for name, value in parts]
    way = rng.randrange(4)
    if way == 0:
        return "\n".join(f"{name}: {value}" for name, value in parts)
    if way == 1:
        return "(" + "; ".join(f"{name} = {value}" for name, value in quoted) + ")"
    if way == 2:
        return ", ".join(f'"{name}": {value}' for name, value in quoted)
    lead = {"en": "The facts are ", "zh": "要点是"}[language]
    return lead + ", ".join(f"{name}: {value}" for name, value in quoted) + "."


def name_one_part(language: str, rng: random.Random) -> list[Message]:
    sentence, parts = _said_and_named(language, rng)
    name, value = rng.choice(parts)
    ask = {
        "en": ["{s} Which {n} is meant?", "What is the {n} in this sentence? {s}"],
        "zh": ["{s}这里的{n}是什么？", "下面这句话的{n}是哪个？{s}"],
    }
    say = {"en": ['The {n} is "{v}".', '"{v}"', "{v}", "It is {v}."], "zh": ['{n}是"{v}"。', '"{v}"', "{v}", "是{v}。"]}
    return [
        ("user", rng.choice(ask[language]).format(s=sentence, n=name)),
        ("assistant", rng.choice(say[language]).format(n=name, v=value)),
    ]


def repeat(language: str, rng: random.Random) -> list[Message]:
    text = rng.choice([made_up_word, made_up_file, _words, lambda r: _said_and_named(language, r)[0], _numbers])(rng)
    ask = {
        "en": ["Repeat this: {t}", "Say {t} again.", "Write down {t}, please.", "Copy {t}"],
        "zh": ["重复一遍：{t}", "请写下{t}。", "照抄{t}"],
    }
    say = ["{t}", '"{t}"', '{{"{t}"}}'] if '"' not in text else ["{t}"]
    return [("user", rng.choice(ask[language]).format(t=text)), ("assistant", rng.choice(say).format(t=text))]


def who_can_help(language: str, rng: random.Random) -> list[Message]:
    jobs = _TEXTS["jobs"][language]
    people = draw({"name", "name2"}, language, rng)[0]
    third = rng.choice([n for n in WORDS[language]["name"] if n not in people.values()])
    names = [str(people["name"]), str(people["name2"]), str(third)]
    chosen = rng.sample(list(jobs), 3)
    listed = "\n\n".join(f"{n}. {name}: {job}." for n, (name, job) in enumerate(zip(names, chosen, strict=True), 1))
    which = rng.randrange(3)
    ask = {
        "en": ["I need {w}. Who can help?", "Whom should I ask for {w}?"],
        "zh": ["我想要{w}，该找谁？", "谁能帮我弄{w}？"],
    }[language]
    say = {"en": ["Ask {n}.", "{n} {j}."], "zh": ["找{n}。", "{n}{j}。"]}[language]
    lead = {"en": "You know these people:\n", "zh": "你认识这些人：\n"}[language]
    return [
        ("system", f"{lead}{listed}"),
        ("user", rng.choice(ask).format(w=jobs[chosen[which]])),
        ("assistant", rng.choice(say).format(n=names[which], j=chosen[which])),
    ]


def read_a_record(language: str, rng: random.Random) -> list[Message]:
    """Find one value in something written like a table row."""
    keys = rng.sample(list(_KEYS), rng.randrange(1, 4))
    said = draw(set(_KEYS.values()), language, rng)[0]
    slots = {key: said[_KEYS[key]] for key in keys} | ({"fire": "true"} if rng.random() < 0.1 else {})
    keys = list(slots)
    quoted = '"' if rng.random() < 0.7 else "'"
    inside = ", ".join(
        f"{quoted}{key}{quoted}: "
        + (f"{quoted}{slots[key]}{quoted}" if isinstance(slots[key], str) else f"{slots[key]}")
        for key in keys
    )
    key = rng.choice(keys)
    ask = {
        "en": ["What is the {k} in {{{r}}}?", "Read {{{r}}} and tell me the {k}."],
        "zh": ["{{{r}}}里的{k}是多少？", "看{{{r}}}，{k}是什么？"],
    }
    return [("user", rng.choice(ask[language]).format(k=key, r=inside)), ("assistant", f"{slots[key]}")]


def packing_list(language: str, rng: random.Random) -> list[Message]:
    things = rng.sample(_THINGS, rng.randrange(2, 4))
    needed = rng.randrange(len(things))
    listed = ", ".join(
        f'{{"name": "{thing}", "description": "{rng.choice(_ABOUT)}", "required": "{n == needed}"}}'
        for n, thing in enumerate(things)
    )
    ask = {"en": "Which of these is required? Things: [{l}]", "zh": "哪一样是必须的？Things: [{l}]"}[language]
    return [("user", ask.format(l=listed)), ("assistant", things[needed])]


def _notes(language: str, rng: random.Random) -> list[str]:
    """A few things that were said before and do not matter."""
    return [
        rng.choice([_said_and_named(language, rng)[0], " ".join(chat.exchange(language, rng)), _plain_words(rng)])
        for _ in range(rng.randrange(1, 6))
    ]


def _plain_words(rng: random.Random) -> str:
    return "".join(rng.sample(_TEXTS["filler"], 2)).strip()


def made_up_word(rng: random.Random) -> str:
    length = rng.randrange(2, 9)
    letters = rng.choice([string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters + string.digits])
    word = "".join(rng.choice(letters) for _ in range(length))
    return word.capitalize() if rng.random() < 0.3 else word


def plain_file(rng: random.Random) -> str:
    stem, number, ending = rng.choice(IMAGE_STEMS), rng.randrange(1, 100), rng.choice(IMAGE_ENDINGS)
    forms = [
        "{s}_{n:02}.{e}",
        "{s}{n}.{e}",
        "{s}-{n}.{e}",
        "/tmp/{n}.{e}",
        "images/{s}_{n}.{e}",
        "{s}.{e}",
        "IMG_{n:04}.{e}",
    ]
    return rng.choice(forms).format(s=stem, n=number, e=ending)


def made_up_file(rng: random.Random) -> str:
    """Names that no list holds, so that files of any name can be copied."""
    parts = [
        rng.choice([made_up_word(rng).lower(), str(rng.randrange(1000)), str(rng.choice(_THINGS))])
        for _ in range(rng.randrange(1, 4))
    ]
    folder = rng.choice(["", "", "/tmp/", "data/", "/home/me/"])
    return folder + rng.choice("_-").join(parts) + "." + rng.choice(["jpg", "png", "jpeg", "txt"])


def _words(rng: random.Random) -> str:
    lists = [
        WORDS[rng.choice(["en", "zh"])][name]
        for name in rng.choices(
            ["city", "name", "food", "task", "place", "text", "phrase", "room"], k=rng.randrange(1, 4)
        )
    ]
    return ", ".join(str(rng.choice(values)) for values in lists)


def _numbers(rng: random.Random) -> str:
    return ", ".join(str(rng.randrange(10 ** rng.randrange(1, 5))) for _ in range(rng.randrange(1, 4)))


_EXERCISES: list[tuple[Exercise, int]] = [
    (chat_turn, 20),
    (list_the_parts, 32),
    (name_one_part, 14),
    (repeat, 18),
    (who_can_help, 6),
    (read_a_record, 8),
    (packing_list, 4),
]


def as_chatml(turns: list[Message]) -> str:
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns)
