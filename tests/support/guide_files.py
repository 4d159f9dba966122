"""What a follower of each guide in docs/guides has in a folder before the first step: small data, another program's
configs and scripts, a tuned model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from export_run import make_run

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = [{"name": "get_weather", "description": "Weather of a city.", "parameters": PARAMETERS}]
CITIES = ("Oslo", "Rome", "Bern", "Lima", "北京", "上海", "Kyiv", "Cairo", "Quito", "Paris")
LLAMA_FACTORY = """
model_name_or_path: Qwen/Qwen2.5-7B-Instruct
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: full
deepspeed: examples/deepspeed/ds_z3_config.json
dataset: agent_data
template: qwen
cutoff_len: 2048
output_dir: saves/full
learning_rate: 5.0e-6
per_device_train_batch_size: 1
bf16: true
train_on_prompt: false
mask_history: true
enable_thinking: true
"""
TRAIN = """
CUDA_VISIBLE_DEVICES=2,6 llamafactory-cli train \\
    --stage sft --do_train True --model_name_or_path Qwen/Qwen2.5-7B-Instruct --dataset agent_data --template qwen \\
    --finetuning_type lora --lora_target all --cutoff_len 2048 --learning_rate 5e-5 --output_dir saves/lora --bf16 True
"""
PREDICT = """
llamafactory-cli train --stage sft --do_predict True --model_name_or_path Qwen/Qwen2.5-7B-Instruct \\
    --adapter_name_or_path saves/lora --eval_dataset agent_data --predict_with_generate --output_dir results
"""
MERGE = """
llamafactory-cli export --model_name_or_path Qwen/Qwen2.5-7B-Instruct --adapter_name_or_path saves/lora \\
    --template qwen --finetuning_type lora --export_dir merged_model --export_size 2
"""
UNSLOTH = """
from unsloth import FastLanguageModel
model, tokenizer = FastLanguageModel.from_pretrained(model_name="Qwen/Qwen2.5-7B-Instruct", load_in_4bit=True)
model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=32, target_modules=["q_proj", "v_proj"])
dataset = load_dataset("json", data_files={"train": "react_rows.json"})
trainer = SFTTrainer(model=model, args=TrainingArguments(learning_rate=5e-5, num_train_epochs=3))
"""
SWIFT = """
nproc_per_node=8
torchrun --nproc_per_node=$nproc_per_node llm_sft.py --model_id_or_path qwen/Qwen-7B-Chat --sft_type lora \\
    --dataset ms-agent --train_dataset_mix_ratio 2.0 --self_cognition_sample 3000 --model_name 小鲸 \\
    --model_author 某某 --lora_target_modules ALL --gradient_accumulation_steps $(expr 32 / $nproc_per_node)
"""
TOOLS = '''
def get_weather(city: str) -> dict:
    """Weather of a city."""
    return {"city": city, "temperature": 25}
'''


def lay_out(folder: Path, base: Path) -> None:
    """`base` stands under the hub names of the guides, and below a run that was never trained."""
    for name in ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"):
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(base)
    for name, text in _texts().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    make_run(folder / "runs" / "agent", base, folder / "trained.jsonl")


def _texts() -> dict[str, str]:
    scattered = "data/dataset/9_10/function_call_data"
    own = [{"id": "1", "conversations": [{"from": "user", "value": "Hi"}, {"from": "assistant", "value": "Hello"}]}]
    values: dict[str, Any] = {
        "data/agent_data.json": [_sharegpt(city) for city in CITIES],
        "data/dataset_info.json": {"agent_data": {"file_name": "agent_data.json", "formatting": "sharegpt"}},
        "react_rows.json": [_react(city) for city in CITIES],
        "agent_doc_row.json": own,
        f"{scattered}/a.json": [_scattered(city) for city in CITIES[:5]],
        f"{scattered}/b.json": [_scattered(city) for city in CITIES[5:]],
        "data/dataset/9_10/price_service_data.json": [_price(number) for number in range(5)],
        **{f"file{number}.json": [_sharegpt(CITIES[number])] for number in (1, 2, 3)},
        "alarm.json": [{"name": "fire_recognition", "description": "", "parameters": {"type": "object"}}],
        "results.json": {"fire_recognition": {"fire": True}},
    }
    # The comma before the bracket is a slip that people make in data written by hand.
    pairs = ", ".join(json.dumps(_dialogue(city), ensure_ascii=False)[:-2] + ", ]}" for city in CITIES)
    return {
        **{name: json.dumps(value, ensure_ascii=False) for name, value in values.items()},
        "dialogues.json": f"[{pairs}]",
        "questions.jsonl": '{"question": "Hello?"}\n{"questions": ["One?", "Two?"]}\n',
        "generated_predictions.jsonl": "".join(
            json.dumps({"prompt": "?", "label": json.dumps({"price": n}), "predict": json.dumps({"price": n % 2})})
            + "\n"
            for n in range(4)
        ),
        "trained.jsonl": '{"messages": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]}\n',
        "examples/train_full/qwen2_5_agent_full_sft.yaml": LLAMA_FACTORY,
        "train_react.sh": TRAIN.replace("agent_data", "react_training"),
        "train_calls.sh": TRAIN.replace("agent_data", "mixed_training_data"),
        "evaluate.sh": PREDICT,
        "predict.sh": PREDICT,
        "merge.sh": MERGE,
        "train_with_unsloth.py": UNSLOTH,
        "sft.sh": SWIFT,
        "tools.py": TOOLS,
    }


def _sharegpt(city: str) -> dict[str, Any]:
    turns = [
        ("human", f"How is {city}?"),
        ("function_call", json.dumps({"name": "get_weather", "arguments": {"city": city}})),
        ("observation", '{"temperature": 25}'),
        ("gpt", f"<think>25 is warm.</think>It is 25 °C in {city}."),
    ]
    return {"conversations": [{"from": who, "value": text} for who, text in turns], "tools": json.dumps(WEATHER)}


def _react(city: str) -> dict[str, Any]:
    steps = f"Thought: look\nAction: get_weather[{city}]\nObservation: 25\nThought: done\nAction: finish[25 °C]"
    return {"instruction": f"How warm is {city}?", "input": "", "output": steps}


def _scattered(city: str) -> dict[str, Any]:
    call = {"name": "get_weather", "arguments": {"city": city}}
    return {"question": f"How is {city}?", "function_call": call, "observation": "25", "answer": f"25 in {city}."}


def _price(number: int) -> dict[str, Any]:
    return {"instruction": "Price as JSON", "input": f"item {number}", "output": json.dumps({"price": number})}


def _dialogue(city: str) -> dict[str, Any]:
    answer = {"role": "assistant", "thinking": f"ask about {city}", "content": f"The shop in {city} is open."}
    pair = [{"role": "user", "content": f"Is {city} open?"}, answer]
    return {"conversation_id": 1, "system_prompt": "You help customers.", "conversation_pair": pair}
