#!/bin/sh
# Compile every .in into its .txt with hashes; dev.txt first, so that all of them agree on versions.
# Arguments go to uv, as in `requirements/compile.sh --upgrade`.
set -eu
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
compile() {
    "$UV" pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make requirements" "$@"
}
compile requirements/dev.in -o requirements/dev.txt "$@"
for name in local production base; do
    compile -c requirements/dev.txt "requirements/$name.in" -o "requirements/$name.txt"
done
