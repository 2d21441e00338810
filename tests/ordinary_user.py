"""What it takes to run a piece of the program as `nobody`, who can enter neither root's home nor its environment."""

import os
import shutil
import stat
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

AS_ROOT = os.geteuid() == 0
CHECKOUT = Path(__file__).parents[1]


def python_for_all() -> str:
    """Find an interpreter that `nobody` can run too, of the version that the installed packages are for."""
    if not AS_ROOT:
        return sys.executable
    for candidate in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        real = Path(candidate).resolve()
        if real.exists() and all(folder.stat().st_mode & stat.S_IXOTH for folder in (real, *real.parents)):
            return str(real)
    pytest.skip(f"NOT TESTED: no Python 3.{sys.version_info.minor} on this machine that an ordinary user can run")


def copied_for_nobody(folder: Path, *packages: str) -> Path:
    """Copy `local` and the installed packages to where `nobody` can read them, unless we are no root ourselves."""
    if not AS_ROOT:
        return CHECKOUT
    for package in packages:
        spec = find_spec(package)
        assert spec
        assert spec.origin
        source = Path(spec.origin).parent
        for path in (source, source.with_name(f"{package}.libs")):
            if path.exists():
                shutil.copytree(path, folder / path.name, symlinks=True)
    shutil.copytree(CHECKOUT / "local", folder / "local")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, "nobody")
    return folder
