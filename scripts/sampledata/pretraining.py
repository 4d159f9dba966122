# ruff: noqa: E501, SIM905
"""The text that the tiny base model is made of: chat, and small exercises in reading closely and in copying exactly.

It holds no call, no tool name and no ReAct word: those are what LoRA has to teach. A test searches it for them.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator

from . import chat
from .agent import FIRE, SCENES
from .scene import Scene, draw, is_held_out, slots_of
from .words import IMAGE_ENDINGS, IMAGE_STEMS, WORDS

Message = tuple[str, str]  # role, text
Exercise = Callable[[str, random.Random], list[Message]]

_CALLED = {
    "en": {
        "city": "city", "city2": "other city", "day": "day", "name": "person", "name2": "other person", "text": "message", "task": "task",
        "time": "time", "date": "date", "amount": "amount", "currency": "money", "currency2": "other money", "restaurant": "restaurant",
        "people": "number of guests", "seating": "seat", "price": "highest price", "parcel": "parcel", "carrier": "carrier", "title": "event",
        "artist": "artist", "room": "room", "level": "level", "phrase": "phrase", "language": "language", "food": "food", "food2": "other food",
        "diet": "diet", "count": "number", "count2": "other number", "address": "address", "slot": "part of the day", "symbol": "share",
        "landmark": "start", "landmark2": "goal", "mode": "way of travelling", "degrees": "degrees", "place": "place", "image": "picture",
    },
    "zh": {
        "city": "城市", "city2": "另一个城市", "day": "日子", "name": "人", "name2": "另一个人", "text": "内容", "task": "事情",
        "time": "时间", "date": "日期", "amount": "数目", "currency": "货币", "currency2": "另一种货币", "restaurant": "餐馆",
        "people": "人数", "seating": "座位", "price": "最高价", "parcel": "单号", "carrier": "快递公司", "title": "活动",
        "artist": "歌手", "room": "房间", "level": "数值", "phrase": "句子", "language": "语言", "food": "食物", "food2": "另一种食物",
        "diet": "口味", "count": "数量", "count2": "另一个数量", "address": "地址", "slot": "时段", "symbol": "股票",
        "landmark": "起点", "landmark2": "终点", "mode": "方式", "degrees": "度数", "place": "地方", "image": "图片",
    },
}  # fmt: skip
_JOBS = {
    "bakes bread": "bread", "repairs bicycles": "a bicycle", "paints houses": "a house to paint", "grows flowers": "flowers",
    "teaches piano": "piano lessons", "cuts hair": "a haircut", "mends shoes": "a shoe to mend", "sells fish": "fish",
    "drives a taxi": "a taxi", "builds boats": "a boat", "keeps bees": "honey", "makes cheese": "cheese", "sews coats": "a coat",
    "fixes roofs": "a roof", "trains dogs": "a well behaved dog", "prints books": "a book",
}  # fmt: skip
_JOBS_ZH = {
    "会烤面包": "面包", "会修自行车": "自行车", "会种花": "花", "会教钢琴": "钢琴课", "会剪头发": "理发", "会修鞋": "鞋子",
    "会造船": "船", "会养蜂": "蜂蜜", "会做奶酪": "奶酪", "会修屋顶": "屋顶",
}  # fmt: skip
_THINGS = "tent lamp rope map stove blanket knife bottle torch whistle compass towel hat tarp kettle candle bucket ladder".split()
_ABOUT = "sleeps two;gives light;is ten metres long;shows the hills;burns gas;keeps warm;is sharp;holds a litre;is loud;is made of wool".split(
    ";"
)
_KEYS = {
    "city": "city", "origin": "city", "destination": "landmark", "food": "food", "minutes": "minutes", "place": "place", "degrees": "temp",
    "state": "status", "symbol": "symbol", "message": "text", "amount": "amount", "source": "name", "target": "landmark", "number": "parcel",
    "contact": "name", "volume": "level", "brightness": "level", "percent": "level", "quantity": "count", "items": "food", "address": "address",
    "delivery": "slot", "artist": "artist", "title": "title", "sky": "sky", "date": "date", "time": "time", "total": "total", "dish": "dish",
    "carrier": "carrier", "language": "language", "mode": "mode", "room": "room", "people": "people", "guests": "people", "seating": "seating",
    "restaurant": "restaurant", "price": "price", "km": "km", "status": "status", "text": "foreign", "diet": "diet", "ingredients": "food",
}  # fmt: skip


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


def documents(count: int, seed: int, *, long: bool = False) -> Iterator[list[Message]]:
    rng = random.Random(seed)
    for _ in range(count):
        yield long_document(rng) if long else document(rng)


def _page(rng: random.Random) -> str:
    """A catalogue of things with their fields, and house rules: the kind of page that stands above a question."""
    entries = []
    for number in range(1, rng.randrange(2, 5)):
        fields = ", ".join(
            f'{{"name": "{key}", "description": "{rng.choice([key, _KEYS[key].rstrip("2"), rng.choice(_ABOUT)])}", "required": "{rng.random() < 0.6}"}}'
            for key in rng.sample(list(_KEYS), rng.randrange(1, 4))
        )
        entries.append(f"{number}. {rng.choice(_THINGS)}_{rng.choice(_THINGS)}: {_plain_words(rng)} Fields: [{fields}]")
    rules = "\n".join(f"{rng.choice(_LABELS)}: {_plain_words(rng)[:-1].lower()}" for _ in range(rng.randrange(3, 8)))
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
        template, extra = asked if isinstance(asked, tuple) else (asked, {})
        said, meant = draw(slots_of(template), language, rng)
        if not is_held_out(*sorted(str((meant | extra).get(key, "")) for key in scene.keys)):
            break
    return template.format(**said), [
        (_CALLED[language][name], said[name]) for name in sorted(said, key=lambda n: template.index(f"{{{n}}}"))
    ]


def _about_an_image(language: str, rng: random.Random) -> tuple[str, list[tuple[str, str | int | bool]]]:
    image = plain_file(rng) if rng.random() < 0.5 else made_up_file(rng)
    return rng.choice(FIRE[language].FIRE_QUESTIONS).format(image=image), [(_CALLED[language]["image"], image)]


def list_the_parts(language: str, rng: random.Random) -> list[Message]:
    sentence, parts = _said_and_named(language, rng)
    ask = {
        "en": ["List the facts of this sentence. {s}", "{s} What are the facts here?", "Take this sentence apart: {s}", "{s}"],
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
    jobs = _JOBS if language == "en" else _JOBS_ZH
    people = draw({"name", "name2"}, language, rng)[0]
    third = rng.choice([n for n in WORDS[language]["name"] if n not in people.values()])
    names = [str(people["name"]), str(people["name2"]), str(third)]
    chosen = rng.sample(list(jobs), 3)
    listed = "\n\n".join(f"{n}. {name}: {job}." for n, (name, job) in enumerate(zip(names, chosen, strict=True), 1))
    which = rng.randrange(3)
    ask = {"en": ["I need {w}. Who can help?", "Whom should I ask for {w}?"], "zh": ["我想要{w}，该找谁？", "谁能帮我弄{w}？"]}[
        language
    ]
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
        f"{quoted}{key}{quoted}: " + (f"{quoted}{slots[key]}{quoted}" if isinstance(slots[key], str) else f"{slots[key]}")
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


_FILLER = (
    "Answer these questions as best you can. ;Please use the following words. ;You have access to the garden. ;The result is the first of these. ;"
    "Think about what to do. ;You should always think. ;One thought is enough. ;One should be kind in every action. ;This can be repeated zero or more times. ;"
    "The input question was short. ;Now I know the final word. ;The original is in the hall. ;What to take with you? ;Begin with the above tools. ;Answer in a word. ;The final answer was right. ;"
    "We made an observation in the garden. ;Use the format below. ;The following tools are in the shed. ;Take one of the above. ;Should I call you tomorrow? ;Put the format on the table. ;An image of the town. "
).split(";")


_LABELS = "First,Second,Third,Later,Note,House,Garden,Rule,Hint,In the end,In the hall".split(",")


def _plain_words(rng: random.Random) -> str:
    return "".join(rng.sample(_FILLER, 2)).strip()


def made_up_word(rng: random.Random) -> str:
    length = rng.randrange(2, 9)
    letters = rng.choice([string.ascii_lowercase, string.ascii_uppercase, string.ascii_letters + string.digits])
    word = "".join(rng.choice(letters) for _ in range(length))
    return word.capitalize() if rng.random() < 0.3 else word


def plain_file(rng: random.Random) -> str:
    stem, number, ending = rng.choice(IMAGE_STEMS), rng.randrange(1, 100), rng.choice(IMAGE_ENDINGS)
    forms = ["{s}_{n:02}.{e}", "{s}{n}.{e}", "{s}-{n}.{e}", "/tmp/{n}.{e}", "images/{s}_{n}.{e}", "{s}.{e}", "IMG_{n:04}.{e}"]
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
        for name in rng.choices(["city", "name", "food", "task", "place", "text", "phrase", "room"], k=rng.randrange(1, 4))
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
