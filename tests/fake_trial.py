"""A training in a hundredth of a second: it writes the validation scores that `plan.py` computes.

`plan.py` in the working directory has a function `scores(options, step)` and a number `steps`, and
may have `before(folder, options, step)`.
"""

import json
import runpy
import sys
from pathlib import Path

words = dict(word[2:].split("=", 1) for word in sys.argv[2:] if "=" in word)
folder = Path(words["trainer.default_root_dir"])
plan = runpy.run_path("plan.py")
with (folder / "started").open("a") as file:
    file.write(json.dumps({name: text for name, text in words.items() if name[:2] == "a."}) + "\n")
options = {name[2:]: float(text) for name, text in words.items() if name[:2] == "a."}
for step in range(1, plan["steps"] + 1):
    plan.get("before", lambda *_: None)(folder, options, step)
    line = {"step": step, "of": plan["steps"], "scores": plan["scores"](options, step)}
    with (folder / "validation.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
