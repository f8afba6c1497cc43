# Sourced by the wrappers after they set mda_self to their own, resolved, path.
#
# The warm path decides everything with shell builtins and one `cmp`; Python is started only
# when there is something to set up. All names begin with mda_ so that no line of cli.env can
# mistake one of them for a variable that the caller had set.

# shellcheck shell=sh
mda_root=$(CDPATH='' cd -P -- "${mda_self%/*}" && pwd -P) || exit 1

mda_fail() {
    printf 'messagedb-agent: %s\n' "$1" >&2
    exit 1
}

# Puts what follows the `=` of a cli.env line into mda_value. Comments and quotes as in .env, but
# nothing inside the value is taken apart: no escapes, no expansion.
mda_unquote() {
    mda_value=${1#"${1%%[![:blank:]]*}"}
    case $mda_value in
        \'*) mda_quote=\' ;;
        \"*) mda_quote=\" ;;
        *)
            mda_value=${1%%[[:blank:]]#*}
            mda_value=${mda_value#"${mda_value%%[![:blank:]]*}"}
            mda_value=${mda_value%"${mda_value##*[![:blank:]]}"}
            return
            ;;
    esac
    mda_value=${mda_value%"${mda_value##*[![:blank:]]}"}
    mda_inner=${mda_value#?}
    mda_after=${mda_inner#*"$mda_quote"}
    mda_after=${mda_after#"${mda_after%%[![:blank:]]*}"}
    case $mda_inner in *"$mda_quote"*)
        case $mda_after in '' | '#'*)
            mda_value=${mda_inner%%"$mda_quote"*}
            return
            ;;
        esac
        ;;
    esac
    # Quotes inside, as in '{"say": "it's"}': the outermost pair counts. A lone quote is text.
    case $mda_inner in *"$mda_quote") mda_value=${mda_inner%?} ;; esac
}

# A variable that is already set wins, even when it is set to nothing.
mda_load_settings() {
    [ -f "$1" ] || return 0
    [ -r "$1" ] || mda_fail "cannot read $1"
    mda_number=0
    mda_return=$(printf '\r')
    while IFS= read -r mda_line || [ -n "$mda_line" ]; do
        mda_number=$((mda_number + 1))
        mda_line=${mda_line%"$mda_return"}
        mda_line=${mda_line#"${mda_line%%[![:blank:]]*}"}
        case $mda_line in '' | '#'*) continue ;; esac
        mda_key=${mda_line%%=*}
        case $mda_key in export[[:blank:]]*) mda_key=${mda_key#export} ;; esac
        mda_key=${mda_key#"${mda_key%%[![:blank:]]*}"}
        mda_key=${mda_key%"${mda_key##*[![:blank:]]}"}
        case $mda_line in *=*) ;; *) mda_key='' ;; esac
        case $mda_key in
            # The line may hold a password, so it is not shown.
            '' | [0-9]* | *[!A-Za-z0-9_]*) mda_fail "$1, line $mda_number: expected KEY=VALUE" ;;
        esac
        eval "mda_known=\${$mda_key+yes}"
        [ -z "$mda_known" ] || continue
        mda_unquote "${mda_line#*=}"
        export "$mda_key=$mda_value"
    done <"$1"
}

# $1: runtime or dev. The stamp is a copy of the lock file it was made from.
mda_is_ready() {
    [ -x "$mda_env/bin/python" ] && cmp -s "$mda_root/uv.lock" "$mda_env/installed.$1"
}

# Where the environment goes when the source tree belongs to somebody else. Keyed by the tree's
# path, because the environment points at the sources.
mda_env_outside() {
    if [ -n "${MESSAGEDB_AGENT_HOME:-}" ]; then
        mda_env=$MESSAGEDB_AGENT_HOME
    elif [ -n "${XDG_CACHE_HOME:-}" ]; then
        mda_env=$XDG_CACHE_HOME/messagedb-agent
    elif [ -n "${HOME:-}" ]; then
        mda_env=$HOME/.cache/messagedb-agent
    else
        mda_fail "the source folder is read-only: set MESSAGEDB_AGENT_HOME to a folder that can be written"
    fi
    case $mda_env in /*) ;; *) mda_env=$PWD/$mda_env ;; esac
    mda_key=$(printf %s "$mda_root" | cksum)
    mda_env=$mda_env/python/${mda_root##*/}-${mda_key%% *}
}

mda_is_new_enough() {
    "$1" -I -c 'import fcntl, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 </dev/null
}

# The caller's input is for the program, and its output is the program's alone.
mda_run_set_up() {
    "$1" -I "$mda_root/scripts/bootstrap.py" "$mda_root" "$mda_env" "$2" </dev/null >&2
}

mda_set_up() {
    for mda_python in python3 python3.13 python3.12 python3.11 python3.14 python; do
        # A shim may be on PATH and still have nothing behind it, so each is asked.
        if mda_is_new_enough "$mda_python"; then
            mda_run_set_up "$mda_python" "$1"
            return
        fi
    done
    command -v uv >/dev/null 2>&1 ||
        mda_fail "needs Python 3.11 or newer with its venv module, or uv; neither is on PATH"
    mda_python=$(uv run --quiet --no-project --python '>=3.11' -- \
        python -I -c 'import sys; print(sys.executable)' </dev/null) ||
        mda_fail "needs Python 3.11 or newer, and uv could not provide one"
    mda_run_set_up "$mda_python" "$1"
}

# Leaves the environment's folder in mda_env, set up.
mda_ready() {
    mda_env=$mda_root/.venv
    mda_is_ready "$1" && return
    if [ ! -w "$mda_root" ]; then
        mda_env_outside
        mda_is_ready "$1" && return
    fi
    mda_set_up "$1" || exit
}

# -P: a json.py in the caller's folder must not become ours. The wish not to write byte code is
# about the caller's own sources; ours would be compiled anew by each call after an update.
mda_exec_python() {
    unset PYTHONDONTWRITEBYTECODE PYTHONHOME
    case $mda_env in
        "$mda_root"/*) exec "$mda_env/bin/python" -P "$@" ;;
        # Byte code cannot lie beside sources that are read-only.
        *) exec "$mda_env/bin/python" -P -X "pycache_prefix=$mda_env/bytecode" "$@" ;;
    esac
}
