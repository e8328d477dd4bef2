"""Summary managers that write text instead of event files, and the functions that read it back."""

import collections.abc
import csv
import json
from pathlib import Path

import numpy as np


class JsonLinesManager:
    """One `summaries.jsonl` a directory; repeated steps after a resume are left out."""

    def __init__(self, summary_dir, global_step=None):
        self.directory = None if summary_dir is None else Path(summary_dir).resolve()
        self.global_step = global_step
        self.files = {}
        self.last = {}

    def write_summaries(self, summary_dict):
        if self.directory is None:
            return
        if self.global_step is None:
            raise ValueError("JsonLinesManager needs a global_step to write at")
        records = list(self.leaves(summary_dict, ()))
        step = int(self.global_step)
        for path, tag, value in records:
            file = self.file(path)
            if (tag, step) in self.last[path] or step < max((s for _, s in self.last[path]), default=step):
                continue
            self.last[path].add((tag, step))
            file.write(json.dumps({"step": step, "tag": tag, "value": value}) + "\n")

    def leaves(self, group, path):
        for key, value in group.items():
            where = "/".join(map(str, (*path, key)))
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} of {where} is a {type(key).__name__}, not text")
            if isinstance(value, collections.abc.Mapping):
                if not key or key in (".", "..") or set("/\\") & set(key):
                    raise ValueError(f"the group {where} cannot be a directory")
                yield from self.leaves(value, (*path, key))
                continue
            if value is None or isinstance(value, str | bytes) or np.ndim(value) != 0:
                raise TypeError(f"the summary {where} is no number: {value!r}")
            yield path, key, float(value)

    def file(self, path):
        if path not in self.files:
            folder = self.directory.joinpath(*path)
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / "summaries.jsonl"
            lines = target.read_text().splitlines() if target.exists() else []
            self.last[path] = {(entry["tag"], entry["step"]) for entry in map(json.loads, lines)}
            self.files[path] = target.open("a")
        return self.files[path]

    def flush(self):
        for file in self.files.values():
            file.flush()

    def close(self):
        for file in self.files.values():
            file.close()
        self.files = {}


class NaiveJsonLinesManager:
    """What one writes in an afternoon: appends what is there and true."""

    def __init__(self, summary_dir, global_step=None):
        self.directory = Path(str(summary_dir))
        self.step = global_step
        self.lines = []

    def write_summaries(self, summary_dict, prefix=""):
        for key, value in summary_dict.items():
            if isinstance(value, dict):
                self.write_summaries(value, f"{prefix}{key}/")
            elif value:
                self.lines.append((prefix, {"step": int(self.step), "tag": key, "value": float(value)}))

    def flush(self):
        for prefix, record in self.lines:
            folder = self.directory / prefix
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "summaries.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
        self.lines = []


class CsvManager:
    """A table a directory, with the step given to each write; names what it refuses; sanitises group names."""

    def __init__(self, summary_dir):
        self.directory = None if summary_dir is None else Path(summary_dir)
        self.rows = {}

    def write_summaries(self, summary_dict, step):
        if self.directory is not None:
            self.collect(summary_dict, self.directory, int(step), "")

    def collect(self, group, folder, step, where):
        for key, value in group.items():
            if not isinstance(key, str):
                raise ValueError(f"key {where}{key!r} must be a string")
            if isinstance(value, collections.abc.Mapping):
                safe = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in key)
                self.collect(value, folder / (safe or "_"), step, f"{where}{key}/")
            elif value is None or np.ndim(value):
                raise ValueError(f"{where}{key} must be a number, not {value!r}")
            else:
                rows = self.rows_of(folder)
                if step >= max((known for known, _ in rows), default=step):
                    rows.setdefault((step, key), float(value))

    def rows_of(self, folder):
        if folder not in self.rows:
            path = folder / "summaries.csv"
            self.rows[folder] = {}
            if path.exists():
                with path.open(newline="") as file:
                    self.rows[folder] = {(int(step), tag): float(value) for step, tag, value in csv.reader(file)}
        return self.rows[folder]

    def flush(self):
        for folder, rows in self.rows.items():
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / "summaries.csv.new"
            with temporary.open("w", newline="") as file:
                csv.writer(file).writerows((step, tag, repr(value)) for (step, tag), value in rows.items())
            temporary.rename(folder / "summaries.csv")


def read_json_lines(directory):
    for path in sorted(Path(directory).rglob("summaries.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            yield path.parent.relative_to(directory).as_posix(), record["tag"], record["step"], record["value"]


def read_csv(directory):
    for path in sorted(Path(directory).rglob("summaries.csv")):
        with path.open(newline="") as file:
            for step, tag, value in csv.reader(file):
                yield path.parent.relative_to(directory).as_posix(), tag, int(step), float(value)
