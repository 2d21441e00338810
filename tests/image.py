"""The Dockerfile, carried out in an empty folder: a stage is a folder, and `/x` in it is `x` below that."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = "/usr/bin:/bin"  # where the base image has its own


@dataclass
class Stage:
    """One stage as far as it has been built; the last one is the image."""

    root: Path
    workdir: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": TOOLS})
    user: str = "root"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def at(self, path: str) -> Path:
        """Return where `path` in the image lies on this machine."""
        return self.root / os.path.join(self.workdir, path).lstrip("/")  # noqa: PTH118 - an absolute path has its way

    def placed(self, text: str) -> str:
        """Return `text` with each absolute path in it below this stage's root."""
        return re.sub(r"(?<![\w.:/])/(?=\w)", f"{self.root}/", text)

    def start(self, command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
        """Start a container's command, with no more environment than Docker gives it; both outputs go to `log`."""
        whole = {name: self.placed(value) if name == "PATH" else value for name, value in self.environment.items()}
        whole |= environment
        program = shutil.which(command[0], path=whole["PATH"])
        assert program, f"the image has no {command[0]}"
        with log.open("wb") as output:
            return subprocess.Popen(
                [program, *command[1:]], cwd=self.at("."), env=whole, stdout=output, stderr=subprocess.STDOUT
            )


def build(place: Path) -> Stage:
    """Carry out the Dockerfile below `place` and return its last stage; raises CalledProcessError."""
    context = place / "context"
    copy_context(context)
    stages: dict[str, Stage] = {}
    stage = Stage(context)
    for instruction, rest in instructions(ROOT / "Dockerfile"):
        if instruction == "FROM":
            name = rest.partition(" AS ")[2] or "image"
            stage = stages[name] = Stage(place / name)
            stage.root.mkdir()
        elif instruction == "COPY":
            _copy(stage, rest, stages, context)
        elif instruction == "RUN":
            _run(stage, rest)
        else:
            _note(stage, instruction, rest)
    return stage


def copy_context(target: Path) -> None:
    """Copy what the .dockerignore lets Docker see."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    for folder, folders, files in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        folders[:] = [name for name in folders if name not in {".git", ".venv", "node_modules"}]
        for name in files:
            if not _ignored(here / name, patterns):
                (target / here).mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / here / name, target / here / name)


def _ignored(path: Path, patterns: list[str]) -> bool:
    """Return what the last pattern says that fits the path or a folder above it."""
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!").removeprefix("**/")
        anywhere = wanted != pattern.removeprefix("!")
        if any(fnmatch(above.name if anywhere else str(above), wanted) for above in (path, *path.parents[:-1])):
            ignored = not pattern.startswith("!")
    return ignored


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Give each instruction and the rest of it, comments left out and continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if line and not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        yield instruction, rest


def _copy(stage: Stage, rest: str, stages: dict[str, Stage], context: Path) -> None:
    *sources, target = [word for word in rest.split() if not word.startswith("--")]
    origin = re.match(r"--from=(\w+)", rest)
    base = stages[origin[1]].root if origin else context
    for source in sources:
        found, into = base / source.lstrip("/"), stage.at(target)
        into.parent.mkdir(parents=True, exist_ok=True)
        if found.is_dir():
            shutil.copytree(found, into, symlinks=True)
        else:
            if target.endswith("/"):
                into.mkdir(parents=True, exist_ok=True)
            shutil.copy2(found, into)


def _run(stage: Stage, rest: str) -> None:
    """Run an install step with this machine's npm, and with the Python and pip that run us."""
    words = [word for word in shlex.split(rest) if not word.startswith("--mount")]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    stage.at(".").mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [stage.placed(word) for word in words],
        cwd=stage.at("."),
        env=os.environ | {"PATH": path},
        check=True,
        capture_output=True,
        timeout=110,
    )


def _note(stage: Stage, instruction: str, rest: str) -> None:
    if instruction == "WORKDIR":
        stage.workdir = rest
        stage.at(".").mkdir(parents=True, exist_ok=True)
    elif instruction == "ENV":
        values = dict(word.split("=", 1) for word in shlex.split(rest))
        stage.environment |= {name: value.replace("$PATH", TOOLS) for name, value in values.items()}
    elif instruction == "USER":
        stage.user = rest
    elif instruction == "ENTRYPOINT":
        stage.entrypoint = tuple(json.loads(rest))
    elif instruction == "CMD":
        stage.command = tuple(json.loads(rest))
    else:
        assert instruction in {"LABEL", "EXPOSE", "STOPSIGNAL"}, f"what is {instruction}?"
