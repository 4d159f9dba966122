"""The targets of `export` on a run of the tiny model: what each writes, and that what fails leaves nothing behind."""

from __future__ import annotations

import importlib.util
import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from export_run import describe, make_run
from made import WEATHER, make_tiny_model, write_rows

from swiftagent.cli import main
from swiftagent.commands.export import TARGETS
from swiftagent.errors import SetupError
from swiftagent.formats.writers.native import render as render_native
from swiftagent.trajectory.prompts import PromptStyle
from swiftagent.trajectory.record import from_record, to_record
from swiftagent.trajectory.types import Answer, Call, Observation, Question, System, Thought, Trajectory

pytestmark = pytest.mark.needs_swift
HAS_GO = shutil.which("go") is not None
HAS_LLAMA = importlib.util.find_spec("llama_cpp") is not None


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def told(self) -> dict[str, Any]:
        assert self.code == 0, self.err
        value: dict[str, Any] = json.loads(self.out)
        return value


Export = Callable[..., Done]


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Export:
    def run(*words: object) -> Done:
        code = main(["export", *map(str, words)])
        return Done(code, *capsys.readouterr())

    return run


def rows(language: str, count: int = 8, system: str = "", style: PromptStyle = "ms-agent") -> list[dict[str, Any]]:
    own = (System(system),) if system else ()
    return [
        to_record(
            Trajectory(
                (
                    *own,
                    Question(f"How warm is town {number}?"),
                    Thought("look"),
                    Call("weather", {"town": number}, "c0"),
                    Observation("3C", "c0"),
                    Answer(f"{number}C"),
                ),
                (WEATHER,),
                str(number),
                "made",
                "agent",
            ),
            style,
            language,
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    data = write_rows(folder / "data.jsonl", 0, rows("en"))
    (folder / "data.manifest.json").write_text(
        json.dumps({"sources": [{"source": "iic/agent, /home/me/own.jsonl", "revision": "abc", "rows": 9, "taken": 8}]})
    )
    return make_run(folder / "tuned", tiny_model, data)


def test_merge_writes_a_complete_model_that_says_what_it_is(export: Export, run: Path, tmp_path: Path):
    from transformers import AutoTokenizer

    told = export("merge", run, "-o", tmp_path / "model", "--json", "--license", "mit").told
    assert told["max_difference"] < 1e-4 < told["logit_scale"]
    assert [(one["target"], one["equal"]) for one in told["prompts"]][0] == ("chat template", 8)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names >= {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "export.json",
        "generation_config.json",
        "tokenizer.json",
    }
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    ends = json.loads((tmp_path / "model" / "generation_config.json").read_text())["eos_token_id"]
    assert {tokenizer.decode([end]) for end in ends} == {"<|im_end|>", "<|endoftext|>"}
    assert {path.name for path in tmp_path.iterdir()} == {"model"}
    assert (tmp_path / "model" / "model.safetensors").stat().st_mode == (
        tmp_path / "model" / "config.json"
    ).stat().st_mode


def test_grammars_of_a_run_for_other_servers(export: Export, run: Path, tmp_path: Path):
    tools = Path(__file__).parents[2] / "datasets" / "fire_alarm_tools.py"
    assert export("grammar", run, "-o", tmp_path / "none").code == 2
    told = export("grammar", run, "--tools", tools, "-o", tmp_path / "grammar", "--json").told
    tag = json.loads((tmp_path / "grammar" / told["vLLM, SGLang"]).read_text())
    begun = [one["begin"] for one in tag["response_format"]["structures"]]
    assert begun[0] == "Action: fire_recognition\nAction Input: " and len(begun) == told["tools"] == 4


def test_nothing_that_is_uploaded_names_a_folder_of_this_machine(export: Export, run: Path, tmp_path: Path):
    assert export("merge", run, "-o", tmp_path / "model").code == 0
    for name in ("README.md", "export.json", "chat_template.jinja", "generation_config.json", "config.json"):
        text = (tmp_path / "model" / name).read_text()
        assert "/home/me" not in text and str(run.parent) not in text and str(tmp_path) not in text
    assert "- iic/agent, own.jsonl at abc, 8 rows taken\n" in (tmp_path / "model" / "README.md").read_text()


def test_shards_and_type_are_as_asked(export: Export, run: Path, tmp_path: Path):
    from safetensors import safe_open

    words = ["merge", run, "-o", tmp_path / "model", "--max-shard-size", "30KB", "--dtype", "bfloat16", "--json"]
    assert export(*words).told["dtype"] == "bfloat16"
    shards = sorted((tmp_path / "model").glob("*.safetensors"))
    assert len(shards) > 1 and all(shard.stat().st_size < 40_000 for shard in shards)
    with safe_open(shards[0], "pt") as tensors:
        assert str(tensors.get_tensor(next(iter(tensors.keys()))).dtype) == "torch.bfloat16"


def test_an_exported_folder_knows_how_it_was_trained(export: Export, run: Path, tmp_path: Path):
    assert export("merge", run, "-o", tmp_path / "model").code == 0
    told = export("vllm", tmp_path / "model", "--json").told
    assert told["engine"] == (
        f"vllm serve {tmp_path / 'model'} --max-model-len 1400 --enable-prefix-caching "
        f"--chat-template {tmp_path / 'model' / 'chat_template.jinja'}"
    )
    assert told["openai_server"].endswith(f"--model {tmp_path / 'model'} --template qwen2_5 --model-type qwen2")


def test_vllm_is_never_told_to_serve_the_base_in_place_of_the_tuned_model(export: Export, run: Path, tiny_model: Path):
    told = export("vllm", run, "--json").told
    assert told["merge"] == f"swiftagent export merge {run} -o tuned-merged"
    assert told["engine"].startswith("vllm serve tuned-merged ")
    assert str(tiny_model) not in json.dumps(told)


def test_an_adapter_is_exported_with_all_that_it_needs_but_its_base(
    export: Export, run: Path, tiny_model: Path, tmp_path: Path
):
    assert export("adapter", run, "-o", tmp_path / "adapter").code == 0
    names = {path.name for path in (tmp_path / "adapter").iterdir()}
    assert names == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "export.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        tiny_model
    )
    told = export("merge", tmp_path / "adapter", "-o", tmp_path / "again", "--json").told
    assert told["max_difference"] < 1e-4


@pytest.mark.parametrize(("language", "name"), [("en", "English"), ("zh", "Chinese")])
def test_ollama_folder_is_complete_and_says_which_language_its_tool_prompt_has(
    export: Export, tiny_model: Path, tmp_path: Path, language: str, name: str
):
    mixed = [*rows(language, 6, "Be brief."), *rows("zh" if language == "en" else "en", 2)]
    run = make_run(tmp_path / "tuned", tiny_model, write_rows(tmp_path / "data.jsonl", 0, mixed))
    told = export("ollama", run, "-o", tmp_path / "folder", "--name", "town", "--json").told
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"Modelfile", "README.md", "model"}
    modelfile = (tmp_path / "folder" / "Modelfile").read_text()
    assert modelfile.startswith('FROM ./model\nTEMPLATE """')
    assert 'SYSTEM """Be brief."""' in modelfile
    assert 'PARAMETER stop "Observation:"\nPARAMETER stop "<|im_end|>"' in modelfile
    assert modelfile.endswith("PARAMETER num_ctx 1400\n")
    assert ("You have access to the following APIs" in modelfile) == (language == "en")
    readme = (tmp_path / "folder" / "README.md").read_text()
    assert "ollama create town -f Modelfile" in readme
    assert f"the tool prompt is always {name}" in readme
    compared = {one["target"]: (one["equal"], one["of"], one["left_out"]) for one in told["prompts"]}
    apart = (6, 6, {"the tool prompt in another language": 2})
    assert compared == {"chat template": apart, **({"Modelfile template": apart} if HAS_GO else {})}


def test_native_calls_land_with_their_tools_too(export: Export, tiny_model: Path, tmp_path: Path):
    made = [render_native(from_record(row))[0] for row in [*rows("en", 5), *rows("en", 3, "Be brief.")]]
    run = make_run(tmp_path / "tuned", tiny_model, write_rows(tmp_path / "data.jsonl", 0, made))
    told = export("ollama", run, "-o", tmp_path / "folder", "--json").told
    equal = [("chat template", 8, 8), *([("Modelfile template", 8, 8)] if HAS_GO else [])]
    assert [(one["target"], one["equal"], one["of"]) for one in told["prompts"]] == equal
    modelfile = (tmp_path / "folder" / "Modelfile").read_text()
    assert "<tool_call>" in modelfile and "Observation:" not in modelfile
    assert "it calls tools in its native form" in (tmp_path / "folder" / "model" / "README.md").read_text()
    assert export("vllm", run, "--json").told["engine"].endswith("--enable-auto-tool-choice --tool-call-parser hermes")
    assert export("ollama", run, "-o", tmp_path / "my 模型 folder", "--json").told["name"] == "my-folder"


@pytest.mark.skipif(not HAS_LLAMA, reason="llama-cpp-python is not installed (its build takes minutes)")
def test_gguf_equals_its_model(export: Export, root: Path, tmp_path: Path):
    data = write_rows(tmp_path / "data.jsonl", 0, rows("en"))
    run = make_run(tmp_path / "tuned", root / "datasets" / "tiny-base", data, template="chatml", max_length=1024)
    told = export("gguf", run, "-o", tmp_path / "m.gguf", "--json").told
    assert (told["tokenized_otherwise"], told["same_greedy_text"] + told["near_ties"], told["prompts"]) == (0, 20, 20)
    assert told["same_greedy_text"] >= 18
    assert abs(told["perplexity_ratio"] - 1) < 0.01
    assert {path.name for path in tmp_path.iterdir()} == {"data.jsonl", "tuned", "m.gguf"}


@pytest.mark.skipif(not HAS_LLAMA, reason="llama-cpp-python is not installed (its build takes minutes)")
def test_a_gguf_that_llama_cpp_cannot_load_is_not_written(export: Export, run: Path, tmp_path: Path):
    done = export("gguf", run, "-o", tmp_path / "m.gguf")  # a tokenizer without merges
    assert (done.code, done.out, len(done.err.splitlines())) == (6, "", 1)
    assert "llama.cpp cannot load the GGUF of model, of type Qwen2ForCausalLM; not written" in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_gguf_without_llama_cpp_says_what_is_missing(export: Export, tiny_model: Path, tmp_path: Path):
    done = export("gguf", tiny_model, "-o", tmp_path / "m.gguf", "--llama-cpp", tmp_path)
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        f"error: {tmp_path} holds no convert_hf_to_gguf.py; give the folder of a llama.cpp checkout with --llama-cpp\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken(run: Path, tiny_model: Path, tmp_path: Path) -> Path:
    """Runs that cannot be exported as they are, and a folder that holds something."""
    data = run.parent / "data.jsonl"
    for name in ("interrupted", "baseless", "cut", "full"):
        shutil.copytree(run, tmp_path / name)
    train = {"tuner_type": "lora"}
    describe(tmp_path / "interrupted", tiny_model, data, train, state="interrupted")
    describe(tmp_path / "baseless", tmp_path / "gone" / "model", data, train)
    weights = tmp_path / "cut" / "checkpoint-2" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    shutil.rmtree(tmp_path / "full" / "checkpoint-2")
    shutil.copytree(tiny_model, tmp_path / "full" / "checkpoint-2")
    describe(tmp_path / "full", tiny_model, data, {"tuner_type": "full"})
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("mine")
    return tmp_path


@pytest.mark.parametrize("target", ["merge", "ollama", "adapter", "gguf"])
@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        (
            "interrupted",
            4,
            "is interrupted: finish it with `swiftagent sft --resume interrupted`, or export what it has with",
        ),
        ("baseless", 4, "gone/model is not a folder here; download it or give its folder with --model"),
        ("cut", 4, "no complete checkpoint yet; its log.txt shows"),
        ("nothing", 4, "nothing: no such run in runs"),
    ],
)
def test_what_cannot_be_exported_is_one_line_and_leaves_nothing(
    export: Export, broken: Path, target: str, name: str, code: int, sentence: str
):
    before = sorted(broken.rglob("*"))
    done = export(target, broken / name, "-o", broken / "new" / "out")
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err and len(done.err.splitlines()) == 1
    assert sorted(broken.rglob("*")) == before


def test_a_base_that_moved_is_named(export: Export, broken: Path, tiny_model: Path):
    assert export("merge", broken / "baseless", "--model", tiny_model, "-o", broken / "out").code == 0
    assert export("merge", broken / "interrupted", "--checkpoint", "last", "-o", broken / "out2").code == 0


def test_a_base_from_a_hub_is_taken_from_where_its_trainer_had_it(export: Export, broken: Path, tiny_model: Path):
    folder = broken / "baseless"
    for place in (folder, folder / "checkpoint-2"):
        args = {**json.loads((place / "args.json").read_text()), "model": "fern/tiny", "model_dir": str(tiny_model)}
        (place / "args.json").write_text(json.dumps(args))
    run = json.loads((folder / "run.json").read_text())
    run["config"] |= {"model": "fern/tiny", "data": ["gone.jsonl"]}
    (folder / "run.json").write_text(json.dumps(run))
    done = export("merge", folder, "-o", broken / "out", "--json")
    assert done.told["prompts"] == []
    assert "no prompt was compared with training's: its data is gone, or has no tool calls" in done.err
    assert (broken / "out" / "README.md").read_text().startswith("---\nbase_model: fern/tiny\n")


def test_a_full_run_is_copied_and_has_no_adapter(export: Export, broken: Path):
    done = export("adapter", broken / "full", "-o", broken / "adapter")
    assert done.code == 4
    assert done.err.endswith("/full: a full model, there is no adapter; use `swiftagent export merge`\n")
    told = export("merge", broken / "full", "-o", broken / "model", "--json").told
    assert told["max_difference"] == 0.0
    assert not (broken / "adapter").exists()


@pytest.mark.parametrize("target", ["merge", "ollama", "adapter"])
def test_a_folder_that_holds_something_is_kept_unless_forced(export: Export, broken: Path, run: Path, target: str):
    done = export(target, run, "-o", broken / "used")
    assert (done.code, done.out, len(done.err.splitlines())) == (4, "", 1)
    assert "used is there and not empty; choose another place with -o, or give --force to replace it" in done.err
    assert [path.name for path in (broken / "used").iterdir()] == ["mine"]
    assert export(target, run, "-o", broken / "used", "--force").code == 0
    assert not (broken / "used" / "mine").exists()
    assert not [path for path in broken.iterdir() if path.name.startswith(".")]


def test_what_an_export_is_made_of_is_never_replaced(export: Export, run: Path, tmp_path: Path):
    shutil.copytree(run, tmp_path / "runs" / "tuned")
    for out in (tmp_path / "runs", tmp_path / "runs" / "tuned"):
        done = export("merge", tmp_path / "runs" / "tuned", "-o", out, "--force")
        assert done.code == 4
        assert "of which the export is made; choose another place with -o" in done.err
    assert (
        export("merge", run, "-o", "/", "--force").err == "error: / cannot be replaced; name a folder in it with -o\n"
    )


def test_words_that_are_none(export: Export, run: Path, tmp_path: Path):
    cases = [
        (["merge", run], "export merge: say where to write with -o"),
        (["merge", run, "-o", tmp_path / "m", "--dtype", "int3"], "--dtype int3: not one of"),
        (["merge", run, "-o", tmp_path / "m", "--max-shard-size", "many"], "--max-shard-size many: not a size"),
        (["gguf", run, "-o", tmp_path / "m", "--quantize", "q9"], "--quantize q9: not one of"),
        (["ollama", run, "-o", tmp_path / "m", "--name", "a b"], "--name a b: a model's name in Ollama holds letters"),
        (["merge", run, "owner/name", "-o", tmp_path / "m"], "only push takes a repository"),
    ]
    for words, sentence in cases:
        done = export(*words)
        assert done.code == 2, done.err
        assert sentence in done.err and len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gguf", "--quantize", "q9"], 2, "--quantize q9: not one of f32, "),
        (["merge", "--dtype", "bf17"], 2, "--dtype bf17: not one of float32, "),
        (["merge", "--max-shard-size", "huge"], 2, "--max-shard-size huge: not a size such as 5GB or 500MB"),
        (["adapter"], 4, "is there and not empty"),
    ],
)
def test_wrong_words_are_told_before_the_run_is_even_looked_for(
    export: Export, tmp_path: Path, words: list[str], code: int, said: str
):
    (tmp_path / "mine").touch()
    done = export(words[0], tmp_path / "no-run", "-o", tmp_path, *words[1:])
    assert (done.code, said in done.err) == (code, True), done.err


def test_that_nothing_could_be_compared_is_said(export: Export, tiny_model: Path, tmp_path: Path):
    made = rows("en")
    for row in made:
        row["messages"][1]["content"] = "Thought: how warm?"
    run = make_run(tmp_path / "tuned", tiny_model, write_rows(tmp_path / "data.jsonl", 0, made))
    done = export("merge", run, "-o", tmp_path / "model", "--json")
    assert done.told["prompts"][0]["of"] == 0
    assert "no prompt was compared with training's: 8 with a ReAct keyword at the start of a line" in done.err


def test_a_prompt_that_would_differ_refuses_the_export(export: Export, tiny_model: Path, tmp_path: Path):
    made = rows("en")
    for row in made:  # a mark of an older record: two spaces, which no template writes
        row["messages"][0]["content"] = row["messages"][0]["content"].replace(', "required"', ',  "required"')
    run = make_run(tmp_path / "tuned", tiny_model, write_rows(tmp_path / "data.jsonl", 0, made))
    done = export("merge", run, "-o", tmp_path / "model")
    assert done.code == 6
    assert "prompts differ from training, first in" in done.err and "--allow-differences exports it anyway" in done.err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("tied", [False, True])
def test_an_adapter_on_everything_is_merged_exactly(export: Export, tmp_path: Path, tied: bool):
    base = make_tiny_model(tmp_path / "base", tie_word_embeddings=tied)
    run = make_run(tmp_path / "tuned", base, write_rows(tmp_path / "data.jsonl", 0, rows("en")))
    told = export("merge", run, "-o", tmp_path / "model", "--json").told
    assert told["untied"] is tied
    assert told["max_difference"] < 1e-4


def limited_to(size: int) -> Callable[[], None]:
    """No file of this process may grow beyond `size`: what a disk that fills up in the midst of writing does to it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_that_fills_up_leaves_nothing(run: Path, tmp_path: Path):
    words = [sys.executable, "-m", "swiftagent", "export", "ollama", str(run), "-o", str(tmp_path / "new" / "out")]
    done = subprocess.run(words, preexec_fn=limited_to(40_000), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: cannot write {tmp_path / 'new' / 'out'}") and "File too large" in last
    # Nor does a library say anything of its own.
    assert "Traceback" not in done.stderr and "WARNING" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_told_before_anything_is_loaded(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from swiftagent.errors import SetupError
    from swiftagent.export.folder import require_memory, require_room, size

    assert [size(count) for count in (900, 3_000_000, 15_200_000_000)] == ["0.9 kB", "3.0 MB", "15.2 GB"]
    with pytest.raises(SetupError, match=r"GB free and the export takes 9000000.0 GB; choose another disk with -o"):
        require_room(9 * 10**15, tmp_path / "new" / "out")
    with pytest.raises(
        SetupError, match=r"of memory are free and the model takes 9000000.0 GB; use a machine with more"
    ):
        require_memory(9 * 10**15)


def test_an_interrupted_export_leaves_nothing(run: Path, tmp_path: Path):
    words = [sys.executable, "-m", "swiftagent", "export", "merge", str(run), "-o", str(tmp_path / "out")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob(".out.*.part")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)  # as Ctrl-C
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, ""), err
    assert err.splitlines()[-1] == "interrupted"
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_is_removed_by_the_next(export: Export, run: Path, tmp_path: Path):
    (tmp_path / ".out.99999999.part").mkdir()
    (tmp_path / ".out.1.part").mkdir()  # of a process that lives
    assert export("adapter", run, "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.1.part", "out"]


def test_a_process_that_goes_on_after_an_export_ends_on_sigterm_as_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    met: list[object] = []
    monkeypatch.setitem(TARGETS, "merge", lambda args: met.append(signal.getsignal(signal.SIGTERM)) or {})
    before = signal.getsignal(signal.SIGTERM)
    assert main(["export", "merge", "-o", str(tmp_path / "out")]) == 0
    assert met == [signal.default_int_handler] and signal.getsignal(signal.SIGTERM) == before

    def fail(args: object) -> dict[str, object]:
        raise SetupError("no room")

    monkeypatch.setitem(TARGETS, "merge", fail)
    assert main(["export", "merge", "-o", str(tmp_path / "out")]) == 4
    assert signal.getsignal(signal.SIGTERM) == before
