"""The fastest Spleeter on a CPU? Everybody on the same weights and the same music, in turn.

    python bench/compare.py [--sections ...] [--rounds N] [--threads N] [AUDIO ...]
    python bench/compare.py --quick          a few minutes, through all the code
    python bench/compare.py --render         tables and pictures again from the results that are there

Makes the peers' environments if they are missing (`peers.py`), measures, and writes
`bench/results/compare.md`, its numbers as `compare.json`, and the pictures `compare-*.png`; on another kind
of CPU than theirs `compare-CPU.md` and so on, beside them. A section that runs again replaces its own results
only. Leave the machine alone while it runs.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import platform
import re
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import common
from contestants import say
from sections import Options

SECTIONS = ("network", "accuracy", "endtoend", "cold", "scaling", "memory", "roofline")
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve")


def conditions(options: Options) -> dict:
    """Of one section's run."""
    has = [flag for flag in FLAGS if flag in common.cpu_flags()]
    return {
        "cpu": f"{common.cpu_model()}, {common.usable_cores()} cores usable",
        "flags": ", ".join(has) or "unknown",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "audio": ", ".join(path.name for path in options.audio),
        "rounds": options.rounds,
        "threads": options.threads,
        "quick": options.quick,
        "date": time.strftime("%Y-%m-%d"),
    }


def results_stem() -> str:
    """Of this CPU's results: those that are there already keep their names."""
    kept = common.RESULTS / "compare.json"
    if kept.exists():
        runs = json.loads(kept.read_text(encoding="utf-8")).values()
        if not any(run["conditions"]["cpu"].startswith(common.cpu_name()) for run in runs):
            words = re.sub("[^a-z0-9]+", "-", common.cpu_model().lower().replace("(r)", "")).strip("-")
            return f"compare-{words}"
    return "compare"


def section(name: str):
    return importlib.import_module(f"sections.{name}")


def run_section(name: str, options: Options) -> dict:
    return section(name).measure(options)


def run_alone(name: str, options: Options) -> dict:
    """Measure in a fresh process: a command that it starts is charged with its parent's memory as well."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run_section, name, options).result()


def write(results: dict, file: Path) -> None:
    partial = file.with_suffix(".part")
    partial.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    partial.replace(file)


def targets_table(results: dict) -> str:
    """All sections' targets."""

    def show(value: float, unit: str) -> str:
        return f"{value:.2g}" if unit == "" else f"{value:.2f} {unit}"

    rows = []
    for name in SECTIONS:
        for line in results.get(name, {}).get("data", {}).get("targets", []):
            bound = ("at most " if line["at_most"] else "at least ") + show(line["bound"], line["unit"])
            rows.append(
                [
                    line["what"],
                    bound,
                    show(line["value"], line["unit"]),
                    "met" if line["met"] else "**missed**",
                ]
            )
    return common.table(["target", "bound", "measured", ""], rows)


def conditions_text(results: dict) -> str:
    """The conditions that all sections share, and those in which they differ."""
    names = [name for name in SECTIONS if name in results]
    lines = []
    for key in next(iter(results.values()))["conditions"]:
        values = {name: results[name]["conditions"].get(key) for name in names}
        if len(set(values.values())) == 1:
            lines.append(f"- {key}: {next(iter(values.values()))}")
        else:
            lines.append(f"- {key}: " + "; ".join(f"{name} {value}" for name, value in values.items()))
    versions: dict = {}
    for name in names:
        versions.update(results[name]["data"].get("versions", {}))
    lines.append(
        "- versions: " + ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    )
    return "\n".join(lines)


def render(results: dict, stem: str) -> None:
    """The Markdown and the pictures."""
    pictures: dict[str, list[str]] = {}
    try:
        from pictures import draw

        pictures = draw(results, common.RESULTS, stem)
    except ImportError as error:
        say(f"no pictures: {error}")
    parts = [conditions_text(results), "## Targets", targets_table(results)]
    for name in SECTIONS:
        if name in results:
            parts.append(f"## {section(name).TITLE}")
            parts += [f"![{name}]({file})" for file in pictures.get(name, [])]
            parts.append(section(name).markdown(results[name]["data"]))
    common.report(stem, "spleeterrt beside other runtimes", *parts)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare spleeterrt with other runtimes.")
    parser.add_argument("audio", nargs="*", type=Path, help="music; default: tests/data/clip.*")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION",
                        help=f"of {', '.join(SECTIONS)}; default: all")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default: 5; 2 with --quick")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[], metavar="CONTESTANT",
                        help="for network and accuracy, e.g. ours openvino-f32")  # fmt: skip
    parser.add_argument("--cases", nargs="+", default=[], metavar="CASE", help="for network, e.g. one-512")
    parser.add_argument("--quick", action="store_true", help="smallest sizes, into compare-quick.*")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    args = parser.parse_args()
    stem = "compare-quick" if args.quick else results_stem()
    file = common.RESULTS / f"{stem}.json"
    results = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    options = Options(
        audio=[path.resolve() for path in args.audio] or common.default_music(),
        rounds=args.rounds or (2 if args.quick else 5),
        threads=args.threads,
        quick=args.quick,
        only=tuple(args.only),
        cases=tuple(args.cases),
    )
    common.RESULTS.mkdir(exist_ok=True)
    failed = []
    for name in () if args.render else args.sections:
        start = time.perf_counter()
        say(f"== {name}")
        try:
            data = run_alone(name, options)
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            failed.append(f"{name}: {error}")
            continue
        if name == "network" and options.cases and name in results:
            data = section(name).merge(results[name]["data"], data)
        results[name] = {"conditions": conditions(options), "data": data}
        write(results, file)
        say(f"== {name}: {time.perf_counter() - start:.0f} s")
    if not results:
        sys.exit("no results yet")
    render({name: results[name] for name in SECTIONS if name in results}, stem)
    if failed:
        sys.exit("\n".join(["failed:", *failed]))


if __name__ == "__main__":
    main()
