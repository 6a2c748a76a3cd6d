"""The commands of a local installation: `python -m config.local up` is what `make run` runs."""

import argparse
import sys
from collections.abc import Sequence

from config.local.refusal import Refusal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m config.local", description=__doc__)
    parser.add_argument(
        "command",
        choices=["up", "manage", "preflight", "services", "stop", "prepare", "messages"],
        help="everything until Ctrl-C; manage.py with the local servers; only the checks; start PostgreSQL and "
        "Redis, print addresses; stop them; migrate and load the demo; compile translations",
    )
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for manage: what manage.py is told")
    given = parser.parse_args()
    if given.arguments and given.command != "manage":
        parser.error(f"{given.command} takes no arguments")
    try:
        return run(given.command, given.arguments)
    except Refusal as refusal:
        print(f"artel: {refusal}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def run(command: str, arguments: Sequence[str] = ()) -> int:
    # Each command loads no more than it needs: a start has no time to lose.
    from config.local import home, preflight

    home.load_dotenv()
    place = home.Home.from_environment()
    if command == "up":
        from config.local.supervisor import up

        return up()
    if command == "manage":
        from config.local.manage import manage

        return manage(place, arguments)
    if command == "preflight":
        preflight.check_all(place)
    elif command == "services":
        place.make()
        for name, value in home.start_services(place).items():
            print(f"{name}={value}")
    elif command == "stop":
        home.stop_services(place)
    elif command == "messages":
        from config.local.messages import compile_messages

        for path in compile_messages(home.ROOT / "locale"):
            print(path)
    else:
        from config.local.prepare import prepare

        prepare()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
