"""Results of scripts with several sections: kept per CPU, so that a run elsewhere adds to them.

bench/results/NAME.json has {section: {CPU: {"date", "versions", "command", "text"}}}; NAME.md shows it all.
A section that runs again on the same kind of CPU replaces what it said there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from common import RESULTS, cpu_model, usable_cores, version_of


def run_sections(
    name: str,
    title: str,
    sections: Mapping[str, Callable[[], str]],
    chosen: Sequence[str],
    packages: Sequence[str],
    by_name: bool = True,
) -> None:
    """Run some sections, each of which gives a text in Markdown, and write both files after each.

    by_name: the script takes the sections' names.
    """
    kept_in = RESULTS / f"{name}.json"
    for section in chosen:
        text = sections[section]()
        print(f"## {section}\n\n{text}", flush=True)
        kept = json.loads(kept_in.read_text()) if kept_in.exists() else {}
        mine = kept.setdefault(section, {})
        mine[cpu()] = {
            "date": time.strftime("%Y-%m-%d"),
            "versions": ", ".join(f"{package} {version_of(package)}" for package in packages),
            "command": f"python bench/{Path(sys.argv[0]).name}{f' {section}' if by_name else ''}",
            "text": text,
        }
        kept_in.write_text(json.dumps(kept, indent=1) + "\n")
        (RESULTS / f"{name}.md").write_text(_shown(title, sections, kept))


def cpu() -> str:
    return f"{cpu_model()}, {usable_cores()} cores usable"


def _shown(
    title: str, sections: Mapping[str, object], kept: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> str:
    parts = [f"# {title}"]
    for section in sections:
        for machine, run in sorted(
            kept.get(section, {}).items(), key=lambda item: item[1]["date"], reverse=True
        ):
            parts.append(f"## {section.capitalize()}: {machine}")
            parts.append(f"{run['date']}, `{run['command']}`, {run['versions']}")
            parts.append(run["text"].strip())
    return "\n\n".join(parts) + "\n"
