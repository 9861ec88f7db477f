# Completion for bash: the modes of bsq, and options and values as a program's own --list-options gives them.
# `_bsq_call` is the command that the words begin with: a program, or bsq and a mode.

# Lines of "--name<TAB>VALUE<TAB>choices", with the options of the method and the architecture that the words so far
# name; words that belong to no option have a line without a name.
_bsq_options() {
  local -a chosen=()
  local i
  for ((i = 1; i < ${#COMP_WORDS[@]}; ++i)); do
    case ${COMP_WORDS[i]} in
      --method|--arch|-a) [[ $((i + 1)) -lt $COMP_CWORD ]] && chosen+=("${COMP_WORDS[@]:i:2}") ;;
      --float) chosen+=(--float) ;;
    esac
  done
  "${_bsq_call[@]}" "${chosen[@]}" --list-options 2>/dev/null
}

_bsq_presets() {
  local program folder file
  program=$(readlink -f "$(type -P "${_bsq_call[0]}")") || return
  folder=${program%/*/*}/share/bsq/presets
  [[ -d $folder ]] || folder=${program%/*/*/*}/share/bsq/presets
  for file in "$folder"/*.cfg; do
    [[ -e $file ]] && basename "$file" .cfg
  done
}

# Files of these suffixes, and folders.
_bsq_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -d -- "$2"; [[ -z $1 ]] || compgen -f -X "!*.@($1)" -- "$2")
}

_bsq_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# What can stand for a value that the help calls so.
_bsq_values() {
  local value=$1 word=$2
  case $value in
    MODEL) _bsq_files 'h5|pth|pth.tar|th' "$word" ;;
    FOLDER) _bsq_files '' "$word" ;;
    FILE.*) _bsq_files "${value#FILE.}" "$word" ;;
    PRESET)
      _bsq_files cfg "$word"
      COMPREPLY+=($(compgen -W "$(_bsq_presets)" -- "$word")) ;;
    PREFIX) _bsq_words "$(_bsq_presets | sed -n 's/-bsq$//p')" "$word" ;;
  esac
}

# The last word, behind `previous`.
_bsq_complete() {
  local word=$1 previous=$2 extended options line name value choices names='' operand='' found=''
  extended=$(shopt -p extglob)
  shopt -s extglob
  COMPREPLY=()
  options=$(_bsq_options)
  while IFS= read -r line; do
    name=${line%%$'\t'*} value=${line#*$'\t'} choices=${line##*$'\t'}
    value=${value%%$'\t'*}
    names+=" $name"
    [[ -z $name ]] && operand=$value
    [[ -n $name && $name == "$previous" && -n $value ]] && found=$value && break
  done <<<"$options"
  if [[ -n $found && -n $choices ]]; then
    _bsq_words "$choices" "$word"
  elif [[ -n $found ]]; then
    _bsq_values "$found" "$word"
  else
    [[ $word == -* ]] || _bsq_values "$operand" "$word"
    [[ $word == -* || ${#COMPREPLY[@]} -eq 0 ]] && _bsq_words "$names" "$word"
  fi
  $extended
}

_bsq_program() {
  local -a _bsq_call=("$1")
  _bsq_complete "$2" "$3"
}

_bsq() {
  local -a _bsq_call=("$1" "${COMP_WORDS[1]}")
  if [[ $COMP_CWORD -eq 1 ]]; then
    _bsq_words "$("$1" --list-modes 2>/dev/null) help --help --version" "$2"
  elif [[ $COMP_CWORD -eq 2 && ${COMP_WORDS[1]} == help ]]; then
    _bsq_words "$("$1" --list-modes 2>/dev/null)" "$2"
  else
    _bsq_complete "$2" "$3"
  fi
}

# The plain names, where they are ours: programs in the folder of bsq_train.
_bsq_register() {
  local ours name
  complete -F _bsq bsq
  complete -F _bsq_program bsq_train bsq_export
  ours=$(readlink -f "$(type -P bsq_train)") || return 0
  for name in convert finetune describe infer sweep report; do
    [[ $(readlink -f "$(type -P "$name")") == "${ours%/*}/$name" ]] && complete -F _bsq_program "$name"
  done
  return 0
}
_bsq_register
