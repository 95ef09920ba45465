#!/bin/sh
# Finds a Python of at least 3.11 and lets bootstrap.py install the requirements files given as arguments.
# PYTHON=… picks the interpreter. Only POSIX sh: this runs before anything is known of the machine.

fits() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "$PYTHON" ]; then
    if ! command -v "$PYTHON" >/dev/null 2>&1; then
        echo "PYTHON=$PYTHON is not an installed program: name a Python of at least 3.11" >&2
        exit 2
    fi
    if ! fits "$PYTHON"; then
        echo "PYTHON=$PYTHON is not a Python of at least 3.11: install a newer one, or name another" >&2
        exit 2
    fi
    exec "$PYTHON" -I bootstrap.py "$@"
fi

for candidate in python3 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then
        exec "$candidate" -I bootstrap.py "$@"
    fi
done

echo "no Python of at least 3.11 is found: install one, or name it with make PYTHON=/path/to/python" >&2
exit 2
