#!/usr/bin/env python3
"""Whether every relative link in the committed Markdown files leads to a file that is committed, too."""

import os.path
import re
import subprocess
import sys

LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")


def main():
    files = set(subprocess.run(["git", "ls-files"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines())
    there = files | {folder for file in files for folder in parents(file)}
    links = 0
    broken = []
    for file in sorted(file for file in files if file.endswith(".md")):
        with open(file, encoding="utf-8") as text:
            targets = [target for target in LINK.findall(text.read()) if not re.match(r"[a-z]+:", target)]
        links += len(targets)
        for target in targets:
            if os.path.normpath(os.path.join(os.path.dirname(file), target)) not in there:
                broken.append(f"{file}: {target} is not there")
    if broken:
        sys.exit("\n".join(broken))
    print(f"{links} links lead somewhere")


def parents(path):
    while path := os.path.dirname(path):
        yield path


if __name__ == "__main__":
    main()
