"""The golden cases: small networks, inputs and outputs made by Spleeter 2.4.2 on TensorFlow."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "golden"
CASES = sorted(path.name for path in FOLDER.iterdir() if (path / "expected.npz").exists())


def case(name: str) -> Path:
    """Folder of a case: config.json, the checkpoint, expected.npz."""
    return FOLDER / name
