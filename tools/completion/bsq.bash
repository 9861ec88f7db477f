# Completion for bash: flags, as the program's own --help lists them, and values.

_bsq_flags() {
  "$1" --help 2>/dev/null | sed -n -E 's/^  (-[A-Za-z] \[ )?(--[A-Za-z0-9_-]+).*/\2/p'
}

# The names after "architecture:" in --help; networks that were registered are among them.
_bsq_architectures() {
  "$1" --help 2>/dev/null | sed -n -E 's/.*architecture: ([^(]*) \(.*/\1/p' | tr -d ,
}

_bsq_presets() {
  local program folder file
  program=$(readlink -f "$(type -P "$1")") || return
  folder=${program%/*/*}/share/bsq/presets
  for file in "$folder"/*.cfg; do
    [[ -e $file ]] && basename "$file" .cfg
  done
}

_bsq_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -d -- "$2"; [[ $1 == folders ]] || compgen -f -X "!*.@($1)" -- "$2")
}

_bsq_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

_bsq() {
  local program=$1 word=$2 previous=$3 extended
  extended=$(shopt -p extglob)
  shopt -s extglob
  COMPREPLY=()
  case $previous in
    --model|--dict) _bsq_files 'h5|pth|pth.tar|th' "$word" ;;
    --config)
      _bsq_files cfg "$word"
      [[ ${program##*/} == sweep ]] || COMPREPLY+=($(compgen -W "$(_bsq_presets "$program")" -- "$word")) ;;
    --preset) _bsq_words "$(_bsq_presets "$program" | sed -n 's/-bsq$//p')" "$word" ;;
    --checkpoint|-c|--data|--out|-o) _bsq_files folders "$word" ;;
    --export-pth) _bsq_files 'pth' "$word" ;;
    --arch|-a) _bsq_words "$(_bsq_architectures "$program")" "$word" ;;
    --block-name) _bsq_words 'BasicBlock Bottleneck' "$word" ;;
    --act-range) _bsq_words 'running batch' "$word" ;;
    --dataset|-d) _bsq_words 'cifar10 cifar100 imagefolder synthetic' "$word" ;;
    --device) _bsq_words 'cpu cuda' "$word" ;;
    --precision) _bsq_words 'fp32 bf16' "$word" ;;
    --on-nan) _bsq_words 'stop rollback' "$word" ;;
    *)
      case ${program##*/} in
        describe) [[ $word == -* ]] || _bsq_files 'h5|pth|pth.tar|th' "$word" ;;
        report) [[ $word == -* ]] || _bsq_files folders "$word" ;;
      esac
      [[ $word == -* || ${#COMPREPLY[@]} -eq 0 ]] && _bsq_words "$(_bsq_flags "$program")" "$word" ;;
  esac
  $extended
}

complete -F _bsq bsq_train convert finetune describe sweep report
