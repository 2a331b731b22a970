#!/usr/bin/env bash
# Reads a script's options, to be sourced after the block that declares them:
#
#   # Makes something out of something.          <- the script's opening comment is the head of its help
#
#   # options
#   nj=4           # number of parallel jobs
#   dry_run=false  # true: only print the plan
#   # Model          a comment that stands alone heads the options below it
#   config=        # file to train with
#                  # (an indented comment goes on with the option above it)
#   # end options: <source> <dest>
#   . "${root}/utils/parse_options.sh"
#
# That block is the only list: an assignment `name=value` makes the option --name, its comment is its help,
# and its value is the default. So `--nj 8`, `--nj=8` and, for nj_max, `--nj-max 8` set the variable.
#   - An option whose default is true or false takes only these two.
#   - An unknown option, a missing value or a missing argument is an error that says what there is.
#   - `--help` (or -h) prints the help, with the values as they stand after the options before it; so a run.sh
#     that passes its own options on shows the defaults of that recipe.
#   - Options come first. What remains in "$@" are the arguments that the end marker names: `<a>` must be there, `[b]`
#     may be, a name ending in `...` takes any number. A bare `# end options` allows none.
# Values are assigned, never evaluated. Arrays cannot be options.

# The sourcing script, which may have changed folder since it was called by a relative name.
_options_script() {
    local name=${BASH_SOURCE[2]} candidate
    for candidate in "${name}" "${OLDPWD:-.}/${name}" "./${name##*/}"; do
        if [ -f "${candidate}" ] && grep -q '^# end options' "${candidate}"; then echo "${candidate}"; return 0; fi
    done
    echo "parse_options.sh: ${name} has no block from '# options' to '# end options', or changed folder before it" >&2
    return 1
}

# Prints the block's lines as `option<TAB>name<TAB>help`, `more<TAB>-<TAB>help`, `head<TAB>-<TAB>text`, `end<TAB>-<TAB>arguments`.
_options_list() {
    awk '
        /^# options *$/ { inside = 1; next }
        !inside { next }
        /^# end options/ { sub(/^# end options:? */, ""); print "end\t-\t" $0; exit }
        /^[A-Za-z_][A-Za-z0-9_]*=/ {
            name = value = help = $0
            sub(/=.*/, "", name)
            sub(/^[^=]*=/, "", value)
            if (value ~ /^\(/) next
            if (value ~ /^"/) sub(/^"([^"\\]|\\.)*"/, "", value)
            else if (value ~ /^\x27/) sub(/^\x27[^\x27]*\x27/, "", value)
            else sub(/^[^ \t]*/, "", value)
            help = value
            if (help !~ /^[ \t]+#/) help = ""
            sub(/^[ \t]*#[ \t]*/, "", help)
            print "option\t" name "\t" help
            next
        }
        /^[ \t]+#/ { sub(/^[ \t]*#[ \t]*/, ""); print "more\t-\t" $0; next }
        /^#/ { sub(/^# ?/, ""); print "head\t-\t" $0 }
    ' "$1"
}

_options_help() {
    local _kind _name _help
    awk 'NR == 1 && /^#!/ { next } /^# options *$/ || !/^#/ { exit } { sub(/^# ?/, ""); print }' "${_options_file}"
    echo
    echo "usage: ${_options_file##*/} [options]${_options_arguments:+ ${_options_arguments}}"
    while IFS=$'\t' read -r _kind _name _help; do
        case ${_kind} in
            head) printf '\n%s\n' "${_help}" ;;
            more) printf '  %-20s %s\n' "" "${_help}" ;;
            option) printf '  --%-18s %s\n' "${_name}" "${_help}${!_name:+ (default: ${!_name})}" ;;
        esac
    done <<<"${_options_table}"
}

_options_die() { echo "${_options_file##*/}: error: $*" >&2; exit 1; }

_options_known() {
    case $1 in *' '*) return 1 ;; esac
    case " ${_options_names} " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# Assigns one option from the words before it; sets _options_used to how many of them it took.
# Its variables, like those of the help, are named so that they hide none of the options.
_options_take() {
    local _word=${1#--} _name _value _next
    _name=${_word%%=*}
    _name=${_name//-/_}
    _options_known "${_name}" || _options_die "unknown option --${_word%%=*}; there are: --${_options_names// / --} (see --help)"
    if [ "${_word}" != "${_word%%=*}" ]; then
        _value=${_word#*=}
        _options_used=1
    else
        if [ $# -lt 2 ]; then _options_die "option --${_word} needs a value"; fi
        _value=$2
        _next=${_value%%=*}
        _next=${_next#--}
        if [ "${_value#--}" != "${_value}" ] && _options_known "${_next//-/_}"; then
            _options_die "option --${_word} needs a value; --${_next} follows it"
        fi
        _options_used=2
    fi
    case " ${_options_booleans} " in
        *" ${_name} "*)
            if [ "${_value}" != true ] && [ "${_value}" != false ]; then
                _options_die "option --${_name} is true or false, not '${_value}'"
            fi ;;
    esac
    printf -v "${_name}" '%s' "${_value}"
}

# Compares the arguments with those that the end marker names.
_options_check_arguments() {
    local words word least=0 most=0
    read -ra words <<<"${_options_arguments}"
    for word in "${words[@]}"; do
        if [ "${word#<}" != "${word}" ]; then least=$((least + 1)); fi
        most=$((most + 1))
        case ${word} in *...*) most=1000000 ;; esac
    done
    if [ $# -lt "${least}" ]; then _options_die "expected ${_options_arguments}, found $# arguments (see --help)"; fi
    if [ $# -gt "${most}" ]; then
        shift "${most}"
        _options_die "unexpected argument '$1'; options are written --name value (see --help)"
    fi
}

_options_file=$(_options_script) || exit 1
_options_table=$(_options_list "${_options_file}")
_options_arguments=$(awk -F'\t' '$1 == "end" { print $3 }' <<<"${_options_table}")
_options_names=$(awk -F'\t' '$1 == "option" { printf "%s%s", separator, $2; separator = " " }' <<<"${_options_table}")
_options_booleans=""
for _options_used in ${_options_names}; do
    case ${!_options_used-} in true|false) _options_booleans="${_options_booleans} ${_options_used}" ;; esac
done

while [ $# -gt 0 ]; do
    case $1 in
        --help|-h) _options_help; exit 0 ;;
        --) shift; break ;;
        --*) _options_take "$@"; shift "${_options_used}" ;;
        -?*) _options_die "unknown option $1; options are written --name value (see --help)" ;;
        *) break ;;
    esac
done
_options_check_arguments "$@"
unset _options_file _options_table _options_arguments _options_names _options_booleans _options_used
unset -f _options_script _options_list _options_help _options_die _options_known _options_take _options_check_arguments
