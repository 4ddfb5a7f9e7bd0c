"""Spleeter's names, for programs that were written for it: all of them are here and nowhere else.

This folder has the shape of Spleeter's own package. `spleeterrt.__path__` ends with it, so its modules are
`spleeterrt.utils.logging`, `spleeterrt.model.provider` and so on (never `spleeterrt.compat.utils.logging`:
within this folder imports are relative, and absolute to what lies outside). Nothing of it is loaded unless it
is asked for by name.

- modules of Spleeter that this package does not have: `utils`, `model`, `options`, `types`, `resources`,
  `dataset`, `commands` (1.x), `audio/convertor.py`, `audio/spectrogram.py`;
- `spleeter_names.py`: single names in modules that both have (`STFTBackend`, `get_default_audio_adapter`,
  ...), which these find by their `__getattr__`;
- `spleeter_cli.py`: what Spleeter's `__main__` has;
- `as_spleeter.py`: lets unchanged programs `import spleeter`; this file is then the package `spleeter`;
- `shim/`: the same for child processes.

What needs TensorFlow can be imported, and raises a `SpleeterError` when it is used. docs/migration.md has the
table.
"""

from __future__ import annotations

from spleeterrt.errors import SpleeterError

__version__ = "2.4.2"  # the Spleeter whose interface this is; what does the work is spleeterrt.__version__
__author__ = "the spleeterrt developers"
__license__ = "MIT License"

__all__ = ["SpleeterError"]
