"""`keys`: the keys of the interface, and how to choose others."""

from __future__ import annotations

from workbench.cli import output
from workbench.cli.options import AsJson, Database


def keys(json: AsJson = False, db: Database = None) -> None:
    """List the keys of the interface by name.

    Others can be chosen by these names.

    With --json a list of objects with the keys name, keys, words.
    """
    from workbench.tui.keys import all_keys
    from workbench.tui.preferences import load_preferences, preferences_file

    chosen = load_preferences().keys
    found = all_keys(chosen)
    if json:
        output.json_document(found)
        return
    output.table(
        ["name", "keys", "does"],
        [[key.name, " ".join(key.keys), key.words] for key in found],
        whole=["name"],
    )
    for name in sorted(chosen.keys() - {key.name for key in found}):
        output.note(f'There is no key of the name "{name}", as {preferences_file()} has it.')
    output.note(
        f'Choose others in {preferences_file()}: {{"keys": {{"home.open": "enter,l"}}}} beside '
        "what else is there."
    )
