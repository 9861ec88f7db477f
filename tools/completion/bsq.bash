# Completion for bash: options and values, as the program's own --list-options gives them.

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
  "$1" "${chosen[@]}" --list-options 2>/dev/null
}

_bsq_presets() {
  local program folder file
  program=$(readlink -f "$(type -P "$1")") || return
  folder=${program%/*/*}/share/bsq/presets
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
  local program=$1 value=$2 word=$3
  case $value in
    MODEL) _bsq_files 'h5|pth|pth.tar|th' "$word" ;;
    FOLDER) _bsq_files '' "$word" ;;
    FILE.*) _bsq_files "${value#FILE.}" "$word" ;;
    PRESET)
      _bsq_files cfg "$word"
      COMPREPLY+=($(compgen -W "$(_bsq_presets "$program")" -- "$word")) ;;
    PREFIX) _bsq_words "$(_bsq_presets "$program" | sed -n 's/-bsq$//p')" "$word" ;;
  esac
}

_bsq() {
  local program=$1 word=$2 previous=$3 extended options line name value choices names='' operand='' found=''
  extended=$(shopt -p extglob)
  shopt -s extglob
  COMPREPLY=()
  options=$(_bsq_options "$program")
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
    _bsq_values "$program" "$found" "$word"
  else
    [[ $word == -* ]] || _bsq_values "$program" "$operand" "$word"
    [[ $word == -* || ${#COMPREPLY[@]} -eq 0 ]] && _bsq_words "$names" "$word"
  fi
  $extended
}

complete -F _bsq bsq_train convert finetune describe sweep report
