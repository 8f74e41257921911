"""`python -m workbench.worker`: what the child process runs. People use `mtl-workbench train`."""

from __future__ import annotations

import argparse
import sys

from workbench.paths import find_database


def main(arguments: list[str] | None = None) -> int:
    """Run one run, work off a queue, or serve errands."""
    parser = argparse.ArgumentParser(prog="python -m workbench.worker", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    run = kinds.add_parser("run", help="train the run that is stored under this id")
    run.add_argument("run_id")
    run.add_argument("--db", help="database file or URL")
    run.add_argument("--resume", action="store_true", help="go on although the run is over")
    queue = kinds.add_parser("supervise", help="work off the queue of a database")
    queue.add_argument("--db", help="database file or URL")
    queue.add_argument("--lock", type=int, help="descriptor of the lock file, locked")
    kinds.add_parser("errands", help="answer requests on standard input")
    given = parser.parse_args(arguments)
    if given.kind == "errands":
        from workbench.worker.quick_start import import_engine

        import_engine()
        from workbench.worker.errand_service import serve

        serve()
        return 0
    if given.kind == "supervise":
        from workbench.worker.supervisor import supervise

        return supervise(find_database(given.db).url, given.lock)
    from workbench.worker import process

    return process.run(given.run_id, find_database(given.db).url, resume=given.resume)


if __name__ == "__main__":
    sys.exit(main())
