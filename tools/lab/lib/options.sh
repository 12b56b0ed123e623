# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# options.sh - long options for the small commands.  Sourced by banyan-lab.

# take_options COMMAND "value options" MIN MAX ARGS...: after it, ARGS holds the positional arguments, and
# OPT[name] the value of every option given (1 for a flag, which is listed with a trailing '!').
# --name is known to every command.
take_options() {
  local command=$1 known=" name $2 " min=$3 max=$4 option
  shift 4
  ARGS=()
  declare -gA OPT=()
  while (($#)); do
    case $1 in
      --*)
        option=${1#--}
        if [[ $known == *" $option! "* ]]; then
          OPT[$option]=1
        elif [[ $known == *" ${option%%=*} "* && $option == *=* ]]; then
          OPT[${option%%=*}]=${option#*=}
        elif [[ $known == *" $option "* ]]; then
          need_value "$@"
          OPT[$option]=$2
          shift
        else
          usage_error "$command: unknown option '$1'"
        fi
        ;;
      *) ARGS+=("$1") ;;
    esac
    shift
  done
  [[ -z ${OPT[name]:-} ]] || set_lab_name "${OPT[name]}"
  ((${#ARGS[@]} >= min && ${#ARGS[@]} <= max)) || {
    show_help "$command" >&2
    exit 2
  }
}

# take_name_option ARGS...: for commands whose arguments belong to another program.  Takes --name only if it
# comes first; ARGS holds the rest.
take_name_option() {
  while (($#)); do
    case $1 in
      --name) need_value "$@" && set_lab_name "$2" && shift 2 ;;
      --name=*) set_lab_name "${1#*=}" && shift ;;
      *) break ;;
    esac
  done
  ARGS=("$@")
}
