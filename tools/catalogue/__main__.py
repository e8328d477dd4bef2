"""Rebuild the generated pages: the rule pages from the rule files, and the kill table from a run.

```
python -m tools.catalogue               rebuild everything (minutes: it runs every mutant and twin, twice)
python -m tools.catalogue --kind task   rebuild the rule pages, and the kill table's section of a kind
python -m tools.catalogue --pages       rebuild the rule pages only (a second)
python -m tools.catalogue --check       change nothing; exit with 1 and name what is stale
```
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from assay.conformance import Kind

from tools.catalogue.kill_table import kill_table, stale_rows
from tools.catalogue.pages import rule_pages

DOCS = Path(__file__).parents[2] / "docs"
RULES = DOCS / "rules"
KILL_TABLE = DOCS / "kill-table.md"


def main() -> int:
    """Rebuild or check the pages, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.catalogue", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; name what is stale")
    parser.add_argument("--pages", action="store_true", help="leave the kill table, which takes a run, alone")
    parser.add_argument("--kind", action="append", choices=list(Kind), help="run this kind's mutants and twins only")
    options = parser.parse_args()
    if options.check:
        stale = stale_files()
        for line in stale:
            print(f"stale: {line}")
        if stale:
            print("Run `make catalogue` to rebuild the generated pages.")
        return 1 if stale else 0
    write_pages()
    if not options.pages:
        page = KILL_TABLE.read_text(encoding="utf-8") if KILL_TABLE.is_file() else ""
        kinds = None if options.kind is None else [Kind(name) for name in options.kind]
        KILL_TABLE.write_text(kill_table(page, kinds), encoding="utf-8")
        print(f"wrote {KILL_TABLE.relative_to(DOCS.parent)}")
    return 0


def write_pages() -> None:
    """Write the rule pages, and remove those of rules that are gone."""
    RULES.mkdir(parents=True, exist_ok=True)
    pages = rule_pages()
    for path in RULES.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        (RULES / name).write_text(text, encoding="utf-8")
    print(f"wrote {len(pages)} pages to {RULES.relative_to(DOCS.parent)}")


def stale_files() -> list[str]:
    """Return what the generated pages lack or have too much of: a line for each stale file or row."""
    pages = rule_pages()
    present = {path.name for path in RULES.glob("*.md")}
    stale = [f"docs/rules/{name}" for name in sorted(present - set(pages))]
    for name, text in pages.items():
        path = RULES / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(f"docs/rules/{name}")
    table = KILL_TABLE.read_text(encoding="utf-8") if KILL_TABLE.is_file() else ""
    return stale + [f"docs/kill-table.md: {row}" for row in stale_rows(table)]


if __name__ == "__main__":
    sys.exit(main())
