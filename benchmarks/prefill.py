"""How many prompt tokens a ReAct run computes over its steps, and how long that takes: KV cache kept, or encoded anew.

    python benchmarks/prefill.py                              a random model of 25M parameters, 8 steps
    python benchmarks/prefill.py --model M [--template T]     a real one

Prints one JSON object: prefilled / prompt tokens of the last step, seconds until the first token of each step.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from swiftagent.agent.drive import Usage  # noqa: E402
from swiftagent.agent.loop import Generate  # noqa: E402
from swiftagent.trajectory.react import STOP, render  # noqa: E402 (the checkout is found first)
from swiftagent.trajectory.record import to_messages  # noqa: E402
from swiftagent.trajectory.types import Call, Event, Observation, Question, Thought, Tool, Trajectory  # noqa: E402

PARAMETERS = {
    "type": "object",
    "properties": {"query": {"type": "string", "description": "what to look for"}},
    "required": ["query"],
}
TOOLS = tuple(
    Tool(f"search_{number}", "Searches a collection of pages and returns the best ones.", PARAMETERS)
    for number in range(6)
)
RESULT = json.dumps(
    [{"title": f"Page {number}", "text": "snow falls on the town and the river freezes " * 4} for number in range(3)]
)


def random_model(folder: Path) -> Path:
    """A Qwen2 of about 25M parameters with a byte tokenizer: no download, and slow enough to time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM, set_seed

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    fast.save_pretrained(folder)
    set_seed(0)
    shape = {
        "hidden_size": 512,
        "intermediate_size": 1536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
    }
    ends = {"eos_token_id": fast.eos_token_id, "pad_token_id": fast.pad_token_id}
    Qwen2ForCausalLM(
        Qwen2Config(vocab_size=264, max_position_embeddings=32768, tie_word_embeddings=True, **shape, **ends)
    ).save_pretrained(folder)
    return folder


def run(engine: Any, steps: int, keep: bool) -> dict[str, Any]:
    """Feed a conversation that grows by a call and a result each step; the model writes one token a step."""
    events: list[Event] = [Question("Which page tells most of the frozen river?")]
    engine.close()
    prefilled, seconds, prompt = 0, [], 0
    for number in range(steps):
        if not keep:
            engine.close()
        started = time.perf_counter()
        request, usage = Generate(to_messages(render(Trajectory(tuple(events), TOOLS))), STOP, 1), Usage()
        list(engine.generate(request, usage=usage))
        seconds.append(round(time.perf_counter() - started, 3))
        prefilled += usage.prefilled
        prompt = usage.prompt_tokens
        events += [
            Thought("I look on"),
            Call(f"search_{number % 6}", {"query": f"river {number}"}),
            Observation(RESULT),
        ]
    ratio = round(prefilled / prompt, 3)
    return {
        "prefilled": prefilled,
        "last_prompt": prompt,
        "ratio": ratio,
        "seconds": round(sum(seconds), 2),
        "per_step": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--adapter")
    parser.add_argument("--template")
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    from swiftagent.backend.engine import load_engine
    from swiftagent.backend.template import quiet

    with tempfile.TemporaryDirectory() as scratch:
        with quiet():
            model = args.model or (None if args.adapter else str(random_model(Path(scratch))))
        engine = load_engine(model, args.adapter, args.template or (None if args.model or args.adapter else "chatml"))
        measured = {name: run(engine, args.steps, keep) for name, keep in (("kept", True), ("anew", False))}
    print(json.dumps({"steps": args.steps, "device": str(engine.model.device), **measured}, indent=2))


if __name__ == "__main__":
    main()
