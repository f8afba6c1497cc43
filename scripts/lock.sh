#!/bin/sh
# Regenerates uv.lock and the pip lists that are made from it. Run it after editing the
# dependencies in pyproject.toml; with arguments for `uv lock`, such as --upgrade.
set -eu
CDPATH='' cd -P -- "$(dirname -- "$0")/.."

# A lock is for everybody: only the public index may end up in it, whatever this machine's own
# uv settings say.
for name in $(env | sed -n 's/^\(UV_[A-Z_]*\)=.*/\1/p'); do
    case $name in UV_CACHE_DIR | UV_PYTHON* | UV_HTTP_TIMEOUT | UV_NATIVE_TLS | UV_SYSTEM_CERTS) ;; *) unset "$name" ;; esac
done
uv lock --no-config --default-index https://pypi.org/simple "$@"

export_list() {
    {
        echo "# Made by scripts/lock.sh from uv.lock, for machines without uv. Not edited by hand."
        uv export --no-config --quiet --frozen --no-hashes --no-emit-project --no-header --no-annotate --no-default-groups "$@"
    } >"$out.new"
    mv "$out.new" "$out"
}
out=scripts/requirements-runtime.txt; export_list --extra cli
out=scripts/requirements-models.txt; export_list --extra cli --extra models
out=scripts/requirements-dev.txt; export_list --extra all --group dev
