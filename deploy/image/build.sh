#!/bin/sh
# The first stage of the image: SOURCE becomes an environment at PREFIX, with exactly the packages of the lock.
set -eu
source=$1
prefix=$2

apt-get update --quiet
apt-get install --quiet --yes --no-install-recommends ca-certificates python3 python3-venv

work=$(mktemp -d)
python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet "uv==$(sed -n 's/^UV_VERSION := //p' "$source/Makefile")"
uv=$work/tools/bin/uv
export UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never

cd "$source"
"$uv" build --quiet --offline --all-packages --wheel --out-dir "$work/wheels"
"$uv" export --quiet --locked --no-default-groups --all-extras --no-emit-workspace --output-file "$work/locked.txt"

# Without pip: nothing is installed into a finished image. --no-build: what has no wheel would need a compiler.
python3 -m venv --without-pip "$prefix"
"$uv" pip install --quiet --python "$prefix" --require-hashes --no-build --compile-bytecode -r "$work/locked.txt"
"$uv" pip install --quiet --python "$prefix" --offline --no-deps --compile-bytecode "$work"/wheels/*.whl
rm -rf "$work" "$prefix/.lock"
