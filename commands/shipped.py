"""Configurations that come with the program, which can be named from any folder."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

HOME = Path(__file__).parents[1]
FOLDER = "configs/"


def shipped_file(name: str, folder: Path) -> Path:
    """Return the path of a configuration file.

    Args:
        name: Path relative to the folder. If the file does not exist, `configs/...` names a shipped
            configuration.
        folder: Folder to which paths are relative.

    Example:
        >>> shipped_file("configs/trainer.yaml", Path("empty")).is_file()
        True
        >>> shipped_file("mine.yaml", Path("empty")).as_posix()
        'empty/mine.yaml'
    """
    path = folder / Path(name).expanduser()
    if name.startswith(FOLDER) and not path.exists() and (HOME / name).is_file():
        return HOME / name
    return path


def with_shipped_files(args: Sequence[str]) -> list[str]:
    """Return the arguments of a command, with the full paths of shipped configurations.

    Args:
        args: Arguments; a path is a separate word or follows `-c=` or `--config=`.

    Example:
        >>> found = with_shipped_files(["-c", "configs/trainer.yaml", "--data.root=configs/data"])
        >>> Path(found[1]).is_file(), found[2]
        (True, '--data.root=configs/data')
    """
    found = []
    for word in args:
        option, equals, value = word.rpartition("=")
        if value.startswith(FOLDER) and option in ("", "-c", "--config"):
            value = shipped_file(value, Path()).as_posix()
        found.append(f"{option}{equals}{value}")
    return found


def close_file(file: Path) -> str:
    """Return `(did you mean ...?)` with a file of a similar name, or an empty text.

    The search covers the same folder and, for `configs/...`, the folder of the program.
    """
    places = {file.parent: file.parent}
    text = file.as_posix()
    if FOLDER in text:
        name = Path(text[text.rindex(FOLDER) :])
        places[HOME / name.parent] = name.parent
    known = [
        (shown / path.name).as_posix()
        for folder, shown in places.items()
        for path in sorted(folder.glob("*.y*ml"))
    ]
    similar = get_close_matches(file.name, [Path(path).name for path in known], 1, 0.7)
    found = next((path for path in known if similar and Path(path).name == similar[0]), None)
    return f" (did you mean {found}?)" if found else ""
