"""A folder on a phone that is gone when we are gone: a guard in plain shell, for want of a Python.

The script holds the device's lock and a folder, and waits for the end of its stdin. However we go
(done, killed, cable pulled, adb's server killed), adbd closes it; the script then kills what still
runs in the folder, removes it, and gives the lock back. What a reboot leaves is swept by the next
one: who holds the lock knows that all other folders are left over.
"""

from __future__ import annotations

import shlex

FOLDERS = "/data/local/tmp"  # where Android lets adb's user write and run programs
LOCK = f"{FOLDERS}/.edgecnn.lock"
_RUN = ".edgecnn-run-"

# Android's shell is mksh with toybox; Debian's dash with coreutils must do as well. `flock` and
# `sha256sum` are in toybox since Android 7.
_COMMON = r"""
clear_out() {
  for round in 1 2 3 4 5 6 7 8 9; do
    found=
    for process in $(ls -l /proc/[0-9]*/cwd 2>/dev/null |
      while IFS= read -r line; do
        case $line in *"/cwd -> $1"|*"/cwd -> $1 (deleted)"|*"/cwd -> $1/"*)
          line=${line##*/proc/}; echo "${line%%/*}";;
        esac
      done); do kill -9 "$process" 2>/dev/null && found=1; done
    [ "$found" ] || break
  done
  [ "$2" ] || rm -rf "$1"
}
"""
_GUARD = r"""
refuse() { echo; echo "edgecnn-refused $*"; exit 1; }
for program in flock sha256sum readlink mktemp ls; do
  command -v $program >/dev/null || refuse missing $program
done
umask 077
cd "$FOLDERS" 2>/dev/null && touch "$LOCK" 2>/dev/null || refuse place
while :; do
  touch "$LOCK" && exec 9<>"$LOCK"
  flock -n 9 || refuse taken "$(head -c 200 "$LOCK")"
  [ "$LOCK" -ef /proc/$$/fd/9 ] && break
  exec 9>&-
done
echo "$WHO" >"$LOCK"
for old in "$FOLDERS/$RUN"*; do [ -d "$old" ] && clear_out "$old"; done
folder=
end() {
  trap '' HUP TERM INT PIPE
  [ "$folder" ] && clear_out "$folder"
  rm -f "$LOCK"
  echo "edgecnn-bye"
}
trap end EXIT
trap 'exit 1' HUP TERM INT PIPE
folder=$(mktemp -d "$FOLDERS/${RUN}XXXXXX") || refuse place
echo; echo "edgecnn-folder $folder"
while read -r line; do :; done
exit 0
"""


def guard(who: str) -> str:
    """The guard's script.

    It prints "edgecnn-folder PATH" or "edgecnn-refused REASON ..." on a line, and "edgecnn-bye"
    when all is removed.

    Args:
        who: told to others who find the lock taken.
    """
    values = {"FOLDERS": FOLDERS, "LOCK": LOCK, "RUN": _RUN, "WHO": who}
    settings = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    return f"{settings}\n{_COMMON}{_GUARD}"


def kill_all_in(folder: str) -> str:
    """A script that ends every program that runs in a folder, and leaves the folder."""
    return f"{_COMMON}\nclear_out {shlex.quote(folder)} stay"


def environment() -> str:
    """Shell words that make the guard of a Python on the phone use the same lock and place."""
    return (
        f"[ -w {FOLDERS} ] && export HOME={FOLDERS} XDG_CACHE_HOME={FOLDERS}/.edgecnn"
        f" EDGECNN_LOCK={LOCK}; exec sh"
    )
