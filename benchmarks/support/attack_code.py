"""Model folders that bring code, and rows that bring control tokens."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attack_run import Outcome, Target

PAYLOAD = "import pathlib\npathlib.Path('owned').write_text('x')\n\n\ndef generate(*a, **k): ...\n\n\nclass A: ...\n"


class _Runs:
    """Unpickled, it runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch owned",)


def _pickled(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps(_Runs()))


def _change(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def generate_in_a_folder(folder: Path) -> None:
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(PAYLOAD)


def _module_far_below(folder: Path) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep" / "er" / "modeling.PY").write_text(PAYLOAD)


def _auto_map(folder: Path) -> None:
    (folder / "modeling_a.py").write_text(PAYLOAD)
    _change(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling_a.A", "AutoConfig": "modeling_a.A"})


def _reference_to_code(folder: Path) -> None:
    _change(folder / "generation_config.json", custom_generate="owner/name")


def _pickle_alone(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    _pickled(folder / "pytorch_model.bin")


def _index_of_pickles(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    _pickled(folder / "shard.bin")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": "shard.bin"}}))


WAYS = (generate_in_a_folder, _module_far_below, _auto_map, _reference_to_code, _pickle_alone, _index_of_pickles)


def attack_code(target: Target) -> Iterator[Outcome]:
    """`infer` with each: refused before anything is loaded, and the payload's file is not there."""
    tiny = target.checkout / "datasets" / "tiny-base"
    for number, make in enumerate(WAYS):
        place = target.inside(f"code{number}")
        shutil.copytree(tiny, place.folder / "model")
        make(place.folder / "model")
        done = place.run("infer", "--model", "model", "--device", "cpu", "--max-tokens", "4", "q", seconds=120)
        refused = "own code" in done.stderr and done.code in (2, 4)
        fault = done.fault or ("" if refused else f"it was loaded: {done.stderr[-300:]}")
        fault = "the payload ran" if (place.folder / "owned").exists() else fault
        yield Outcome("code", make.__name__.strip("_").replace("_", " "), fault, done.seconds, done.megabytes)


def attack_tokens(target: Target, tokenizers: Sequence[Path], rows: int) -> Iterator[Outcome]:
    """Every control token of ms-swift's templates is in the table; escaped texts hold none, and come back."""
    from template_tokens import template_tokens

    from swiftagent.models.files import own_tokens
    from swiftagent.trajectory.escape import (
        add_control_tokens,
        has_control_token,
        hide,
        json_text,
        parse_json_text,
        show,
    )

    tokens = sorted(template_tokens())
    yield from (Outcome("tokens", t, "" if has_control_token(t) else "it is not in the table") for t in tokens)
    draw = random.Random(target.seed)
    for folder in tokenizers:
        add_control_tokens(own_tokens(folder))
        has_special, own = _special_ids(folder), sorted(own_tokens(folder)) + tokens
        for number in range(rows):
            pieces = [draw.choice([draw.choice(own), draw.choice("<[]|{}｜\u2060 a\n"), "x"]) for _ in range(12)]
            text = "".join(pieces)
            hidden, written = hide(text), json_text({"a": text})
            fault = "" if show(hidden) == text and parse_json_text(written) == {"a": text} else "it does not come back"
            if any(has_control_token(each) or has_special(each) for each in (hidden, written)):
                fault = f"{text!r} holds a token still"
            yield Outcome("rows", f"{folder.name} {number}", fault)


def _special_ids(folder: Path) -> Callable[[str], bool]:
    """Whether a text has special ids, by the tokenizer's own file; by the official package for Mistral's."""
    if (folder / "tokenizer.json").is_file():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
        return lambda text: not special.isdisjoint(tokenizer.encode(text, add_special_tokens=False).ids)
    from transformers import AutoTokenizer

    slow = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    return lambda text: not set(slow.all_special_ids).isdisjoint(slow.encode(text, add_special_tokens=False))
