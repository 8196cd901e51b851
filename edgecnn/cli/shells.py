"""Shell completion: the scripts, and the answers to what they ask."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from click import shell_completion

if TYPE_CHECKING:
    import click

SHELLS = ("bash", "zsh", "fish")

# click's own script splits the line at ':' as bash does, so that `keras:Xc` could not be completed.
# This one hands over the line as typed, and gives bash what stands behind the last ':'.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:$COMP_POINT}" current colon="" kind value
    current="${line##*[[:space:]]}"
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        colon="${current%%"${current##*:}"}"
    fi
    COMPREPLY=()
    while IFS=',' read -r kind value; do
        case $kind in
            file) compopt -o default ;;
            dir) compopt -o dirnames ;;
            plain)
                COMPREPLY+=("${value#"$colon"}")
                [[ $value == *: ]] && compopt -o nospace
                ;;
        esac
    done < <(env COMP_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
    return 0
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -F %(complete_func)s %(prog_name)s  # before bash 4.4
"""


class BashCompletion(shell_completion.ShellComplete):
    """Completion for bash 4 and newer."""

    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one at the cursor, and that one as far as it is typed."""
        line = os.environ["COMP_LINE"]
        words = shell_completion.split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def format_completion(self, item: shell_completion.CompletionItem[str]) -> str:
        """What the script reads."""
        return f"{item.type},{item.value}"


_CLASSES: dict[str, type[shell_completion.ShellComplete]] = {
    "bash": BashCompletion,
    "zsh": shell_completion.ZshComplete,
    "fish": shell_completion.FishComplete,
}


def script(command: click.Command, shell: str, program: str, variable: str) -> str:
    """Return the script that makes a shell of SHELLS complete the program."""
    return _CLASSES[shell](command, {}, program, variable).source()


def complete(command: click.Command, program: str, variable: str, instruction: str) -> int:
    """Answer what a script asks through the environment, such as "bash_complete"."""
    shell_completion.add_completion_class(BashCompletion, "bash")
    return shell_completion.shell_complete(command, {}, program, variable, instruction)
