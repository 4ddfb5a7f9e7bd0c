"""Not the package: what children of `python -m spleeterrt.as_spleeter` find first when they import spleeter.

Puts the real package in its place, where there is one (the child may be another Python), else spleeterrt.
"""

import importlib
import os
import sys

_here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:] = [_entry for _entry in sys.path if os.path.abspath(_entry) != _here]
_this = sys.modules.pop("spleeter")
try:
    _alias = importlib.import_module("spleeterrt.as_spleeter")
    if _alias.real_spleeter() is None:
        _alias.install_as_spleeter()
        sys.path.append(_here)  # for children of this one, to which multiprocessing hands the path on
except ImportError:
    pass
try:
    importlib.import_module("spleeter")  # which stays in sys.modules in the place of this module
except BaseException:
    sys.modules["spleeter"] = _this  # the import system takes it away itself
    raise
