"""A model folder as GGUF: written and quantised by llama.cpp's own code, loaded again and compared with what it came
from."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.errors import CheckError, ConfigError, SetupError, reason_in
from swiftagent.export.merge import load_model, load_tokenizer
from swiftagent.io.shipped import user_folder
from swiftagent.models.files import read_object

# The release of llama-cpp-python whose source carries the converter that was tried.
LLAMA_CPP = "0.3.36"
_CONVERTER = re.compile(r"/vendor/llama\.cpp/(convert_hf_to_gguf\.py$|conversion/|gguf-py/gguf/)")
# What the converter writes itself; all else is quantised from f16.
DIRECT = ("f32", "f16", "bf16", "q8_0")
# Of each prompt that is compared, and of what follows it.
PROMPT_TOKENS, NEW_TOKENS = 256, 48
# Difference of two logits that the order of additions alone can reverse.
NEAR_TIE = 0.05
# ggml.h: GGML_TYPE_F32.
F32 = 0
# llama.h: enum llama_ftype
QUANTIZED = {"q4_0": 2, "q4_1": 3, "q5_0": 8, "q5_1": 9, "q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13}
QUANTIZED |= {"q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16, "q5_k_m": 17, "q6_k": 18}


class Comparison(msgspec.Struct):
    """A GGUF against the folder it was made of.

    near_ties: greedy texts that part where the folder's model itself finds both tokens likely within NEAR_TIE.
    perplexity_ratio: GGUF over folder on the same texts; 1 is no loss.
    """

    strings: int
    tokenized_otherwise: int
    prompts: int
    same_greedy_text: int
    near_ties: int
    perplexity_ratio: float


def write_gguf(folder: Path, out: Path, quantize: str, llama_cpp: Path | None = None) -> None:
    """Convert and quantise. Raises SetupError where a tool is missing, ConfigError for an unknown type."""
    kind = quantize.lower()
    require_known(quantize)
    converter = find_converter(llama_cpp)
    # On the disk of the output, which the last rename must not leave.
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        first = Path(scratch, "model.gguf")
        _convert(converter, folder, first, kind if kind in DIRECT else "f16")
        last = first if kind in DIRECT else _quantize(first, Path(scratch, "quantized.gguf"), kind, llama_cpp)
        os.replace(last, out)


def require_known(quantize: str) -> None:
    """Raises ConfigError for a type that llama.cpp does not have."""
    if quantize.lower() not in (*DIRECT, *QUANTIZED):
        raise ConfigError(f"--quantize {quantize}: not one of {', '.join([*DIRECT, *QUANTIZED])}")


def find_converter(llama_cpp: Path | None) -> Path:
    """The folder of convert_hf_to_gguf.py: the one given, else the cached source of llama-cpp-python, else fetched by
    pip."""
    cache = user_folder("XDG_CACHE_HOME", ".cache") / "swiftagent" / f"llama.cpp-{LLAMA_CPP}"
    script = (llama_cpp or cache) / "convert_hf_to_gguf.py"
    if llama_cpp and not script.exists():
        about = f"{llama_cpp} holds no convert_hf_to_gguf.py; give the folder of a llama.cpp checkout with --llama-cpp"
        raise SetupError(about)
    if not script.exists():
        _fetch_converter(cache)
    return script.parent


def _fetch_converter(cache: Path) -> None:
    name = f"llama-cpp-python=={LLAMA_CPP}"
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
        done = subprocess.run([*command, "-d", scratch, name], capture_output=True, text=True)
        sources = list(Path(scratch).glob("*.tar.gz"))
        if done.returncode or not sources:
            fact = f"pip could not fetch {name} with the GGUF converter; name a llama.cpp checkout with --llama-cpp DIR"
            raise SetupError(fact)
        with tarfile.open(sources[0]) as archive:
            wanted = [one for one in archive if one.isfile() and _CONVERTER.search(one.name) and ".." not in one.name]
            # Python 3.10.12, 3.11.4 and later; before, what is wanted are plain files inside the archive's folder.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(scratch, wanted)
        cache.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(next(Path(scratch).glob("*/vendor/llama.cpp")), cache)


def _convert(converter: Path, folder: Path, out: Path, kind: str) -> None:
    bootstrap = str(Path(__file__).with_name("gguf_converter.py"))
    command = [sys.executable, bootstrap, str(converter), str(folder), "--outfile", str(out), "--outtype", kind]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not out.exists():
        reason = reason_in(done.stderr) or f"exit code {done.returncode}"
        if reason.startswith("OSError"):
            raise SetupError(f"the GGUF cannot be written: {reason}; choose another place with -o")
        raise SetupError(f"llama.cpp's converter does not take {folder}: {reason}")


def _quantize(source: Path, out: Path, kind: str, llama_cpp: Path | None) -> Path:
    built = str(llama_cpp / "build" / "bin") if llama_cpp else None
    if program := shutil.which("llama-quantize") or (built and shutil.which("llama-quantize", path=built)):
        done = subprocess.run([program, str(source), str(out), kind.upper()], capture_output=True, text=True)
        if done.returncode:
            raise SetupError(f"llama-quantize failed: {reason_in(done.stderr)}")
        return out
    try:
        llama: Any = importlib.import_module("llama_cpp")
    except ImportError:
        need = "llama.cpp is needed to quantise: pip install llama-cpp-python, or name a built one with --llama-cpp"
        raise SetupError(need) from None
    params = llama.llama_model_quantize_default_params()
    params.ftype = QUANTIZED[kind]
    with quiet_native():
        failed = llama.llama_model_quantize(str(source).encode(), str(out).encode(), params)
    if failed:
        raise SetupError(f"llama.cpp could not quantise to {kind.upper()}; try q8_0 or f16")
    return out


def compare(folder: Path, gguf: Path, strings: list[str], prompts: list[str], quantize: str) -> Comparison | None:
    """Load a GGUF in llama.cpp beside its folder in transformers: same tokens, same greedy text, perplexity of both.

    None where llama.cpp cannot be loaded here. Raises CheckError where the GGUF does not equal its model; of quantised
    ones only the tokens must.
    """
    import torch

    if importlib.util.find_spec("llama_cpp") is None:
        return None
    llama: Any = importlib.import_module("llama_cpp")
    tokenizer = load_tokenizer(folder)
    model = load_model(folder, "float32").eval()
    if rounded := {"f16": "float16", "bf16": "bfloat16"}.get(quantize.lower()):
        # A GGUF in half precision holds rounded weights; rounding ours as well leaves only llama.cpp's own differences.
        model = model.to(getattr(torch, rounded)).to(torch.float32)
    try:
        with quiet_native():
            exact = {"type_k": F32, "type_v": F32, "logits_all": True}
            other = llama.Llama(str(gguf), n_ctx=2 * PROMPT_TOKENS, verbose=False, seed=0, **exact)
    except ValueError as error:
        kinds = read_object(folder / "config.json").get("architectures") or ["unknown"]
        raise CheckError(f"llama.cpp cannot load the GGUF of {folder.name}, of type {kinds[0]}; not written") from error

    def ids_of(text: str) -> Any:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    otherwise = sum(ids_of(text) != other.tokenize(text.encode(), add_bos=False, special=True) for text in strings)
    found = [both_on(model, other, ids_of(prompt)[:PROMPT_TOKENS], NEW_TOKENS) for prompt in prompts]
    same = sum(gap is None for gap, _ in found)
    ties = sum(gap is not None and gap <= NEAR_TIE for gap, _ in found)
    ratio = math.exp(sum(more for _, more in found) / max(1, len(prompts)))
    if otherwise:
        raise CheckError(f"{otherwise} of {len(strings)} texts are tokenised otherwise in GGUF; not written")
    if quantize.lower() in ("f32", "f16") and same + ties < len(prompts):
        raise CheckError(f"the GGUF answers {same + ties} of {len(prompts)} prompts as its model does; not written")
    return Comparison(len(strings), otherwise, len(prompts), same, ties, ratio)


def both_on(model: Any, other: Any, ids: list[int], new_tokens: int) -> tuple[float | None, float]:
    """By how much the model prefers its own token where the two greedy texts first part (None where they are the
    same), and the loss of the prompt in llama.cpp less that in transformers."""
    import torch
    from torch.nn.functional import cross_entropy

    with torch.inference_mode():
        # No end token counts: equal lengths are compared.
        text = model.generate(torch.tensor([ids]), max_new_tokens=new_tokens, do_sample=False, eos_token_id=[])[0]
        ours = model(text[None, :-1]).logits[0].float()
    other.reset()
    other.eval(text[:-1].tolist())
    theirs = torch.tensor(other.scores[: len(ours)])
    asked = len(ids) - 1
    loss, other_loss = (float(cross_entropy(logits[:asked], text[1 : len(ids)])) for logits in (ours, theirs))
    # On the model's own text both choose the same tokens up to where their texts would part.
    parts = (theirs[asked:].argmax(-1) != text[len(ids) :]).nonzero()
    at = asked + int(parts[0]) if len(parts) else None
    gap = None if at is None else float(ours[at].max() - ours[at, theirs[at].argmax()])
    return gap, other_loss - loss


@contextmanager
def quiet_native() -> Iterator[None]:
    """Silence what native code prints to stderr while a block runs."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
