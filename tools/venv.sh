#!/bin/sh
# Makes a virtual environment and installs into it; used by the Makefile.
#   sh tools/venv.sh check DIR             succeeds if DIR is an environment that works and lies where it was made
#   sh tools/venv.sh install DIR ARGS...   makes DIR if it does not pass `check`, then `pip install ARGS` into it
set -eu

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

check() {
    [ -f "$1/bin/activate" ] && "$1/bin/python" -c "$new_enough" >/dev/null 2>&1 || return 1
    # Scripts and editable installs hold absolute paths: a copied or moved environment would run the old checkout.
    grep -qF "$(pwd -P)/$1" "$1/bin/activate" || grep -qF "$PWD/$1" "$1/bin/activate"
}

has_uv() {
    uv --version >/dev/null 2>&1
}

create() {
    for python in python3.14 python3.13 python3.12 python3.11 python3 none; do
        # Run it: a name on PATH may be a shim of a version manager with nothing behind it.
        "$python" -c "$new_enough" >/dev/null 2>&1 && break
    done
    if [ "$python" = none ]; then
        echo "evalyard needs Python 3.11 or newer, and none is on PATH: try 'apt install python3 python3-venv' or 'brew install python'" >&2
        exit 1
    fi
    rm -rf "$1"
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        "$python" -m venv "$1"
    elif has_uv; then
        uv venv --quiet --python "$python" "$1"
    else
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        echo "$python cannot make virtual environments (it has no ensurepip): try 'apt install python$version-venv'" >&2
        exit 1
    fi
}

command=$1 dir=$2
shift 2
case $command in
check)
    check "$dir"
    ;;
install)
    check "$dir" || create "$dir"
    echo "installing into $dir: $*" >&2
    if "$dir/bin/python" -c 'import pip' >/dev/null 2>&1; then
        "$dir/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    elif has_uv; then
        uv pip install --quiet --python "$dir/bin/python" "$@"
    else
        echo "$dir has no pip, and there is no uv to install with: remove $dir and run make again" >&2
        exit 1
    fi
    ;;
*)
    echo "venv.sh: unknown command $command" >&2
    exit 2
    ;;
esac
