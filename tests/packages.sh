#!/bin/sh
# Install the Debian packages that the tests use, where that is allowed: by root or with sudo that asks nothing.
# Elsewhere say which tests are left out and how to get them. With CI=true what is missing is an error.
set -eu

missing=
need() { # command-or-file package
    if ! command -v "$1" >/dev/null 2>&1 && [ ! -e "$1" ]; then
        missing="$missing $2"
    fi
}

need chromium chromium                                          # pages, as a person sees them
need xgettext gettext                                           # the list of texts to translate
need /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf fonts-dejavu-core # Cyrillic on those pages
need soffice libreoffice-writer-nogui                          # office files as PDF
need curl curl                                                  # the examples of the docs
need /usr/lib/libreoffice/program/libswlo.so libreoffice-writer-nogui # office documents as PDF
need /usr/lib/libreoffice/program/libsclo.so libreoffice-calc-nogui # spreadsheets as PDF
need /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq-server       # facts told to other systems
need_node() {
    major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
    if [ "${major:-0}" -lt 18 ]; then
        missing="$missing nodejs npm"
    else
        need npm npm
    fi
}
need_node                                                       # an OpenID client that is not ours

[ -n "$missing" ] || exit 0

install() {
    $1 env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get update -qq && exec apt-get install -y -qq --no-install-recommends '"$missing" >"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        echo "Installing$missing"
        install "" && exit 0
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        echo "Installing$missing"
        install "sudo -n" && exit 0
    fi
    tail -n 3 "$log" >&2
fi

echo "Missing:$missing. The tests that need them are skipped; to run them: apt-get install$missing" >&2
[ "${CI:-}" != true ]
