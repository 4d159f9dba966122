# ruff: noqa: E501, SIM905
"""Held-out questions: values that no training row puts together, questions that need no tool, and the fire alarm."""

from __future__ import annotations

import random
from collections.abc import Iterator

from .agent import FREQUENT, SCENES, Conversation, Step, offer
from .scene import fill_scene

EACH = {"en": 5, "zh": 3}  # questions of every frequent tool
WITHOUT_TOOL = {
    "en": [
        ("What is the capital of Austria, by the way?", "The capital of Austria is Vienna."),
        ("Give me a word that is the opposite of polite.", "It is rude."),
        ("I did well in my driving test!", "Congratulations, well done!"),
        ("Hello, good to see you!", "Hello! How can I help you?"),
        ("Thanks, that was kind of you.", "You are welcome."),
        ("Do you know a good joke?", "I told my clock a joke. It took its time."),
        ("What does the word glacier mean?", "A glacier is a slow river of ice."),
        ("How much is 4 plus 3?", "4 plus 3 is 7."),
        ("I have to go now, goodbye.", "Goodbye, and take care."),
        ("How should I begin with running?", "Walk and run in turns, three times a week, and go slowly."),
        ("Which colour is coal?", "Usually black."),
        ("I feel rather lonely today.", "I am sorry to hear that. Do you want to talk about it?"),
    ],
    "zh": [
        ("你知道法国的首都是哪座城市吗？", "法国的首都是巴黎。"),
        ("“勇敢”反过来是哪个词？", "是“胆小”。"),
        ("太谢谢你了！", "不客气。"),
        ("我驾照考过了！", "恭喜你，太棒了！"),
        ("火山是什么意思？", "火山是会喷出热岩浆的山。"),
        ("来个笑话听听。", "我给钟讲了个笑话，它慢慢才笑。"),
    ],
}
FIRE_ALARM = [
    (
        "en",
        "The night watch sent the photo yard_17.png. Find out whether it burns there; if it does, raise the alarm and fetch the firemen.",
    ),
    ("en", "Have a look at yard_17.png for me. Should you see flames, warn everyone and then ring the fire brigade."),
    ("en", "Is there a fire in the picture yard_17.png? Please do whatever is right."),
    ("zh", "院子的照片yard_17.png刚传来，看看是不是着火了，是的话拉响警报，再叫消防员。"),
    ("zh", "照片yard_17.png里着火了吗？着火的话先报警，再叫消防员过来。"),
]


def held_out(seed: int) -> Iterator[Conversation]:
    """Questions with their gold calls, some wordings and values of every frequent tool, then questions that need none."""
    rng = random.Random(seed)
    for language, scenes in SCENES.items():
        for scene in (scene for scene in scenes if scene.tool in FREQUENT):
            seen: set[str] = set()
            while len(seen) < EACH[language]:
                filled = fill_scene(scene, language, rng, held_out=True)
                if filled.question in seen:
                    continue
                seen.add(filled.question)
                step = Step(filled.thought, filled.tool, filled.arguments, filled.result)
                yield Conversation(filled.question, [step], filled.answer, offer([filled.tool], rng))
        for question, answer in WITHOUT_TOOL[language]:
            yield Conversation(question, [], answer, offer([], rng))
