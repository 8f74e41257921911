"""Write the table of settings in README.md anew: `python tools/document_settings.py`."""

from __future__ import annotations

from pathlib import Path

from workbench.config.fields import FieldSpec, experiment_fields

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def table() -> str:
    """Every setting: key, default, what it does."""
    lines = ["| key | default | what it does |", "| --- | --- | --- |"]
    for field in experiment_fields():
        key = field.path.replace("*", "NAME")
        kinds = f" ({', '.join(field.task_kinds)})" if field.task_kinds else ""
        lines.append(f"| `{key}`{kinds} | {_default(field)} | {field.help.replace('|', '/')} |")
    return "\n".join(lines)


def _default(field: FieldSpec) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, (tuple, dict)) and not field.default:
        return "none"
    return f"`{field.default}`".lower() if isinstance(field.default, bool) else f"`{field.default}`"


def documented(readme: str) -> str:
    """The README with its table made anew."""
    before, rest = readme.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(documented(README.read_text()))
