# shellcheck shell=sh
# Replaces files of the container whose processes this one sees, by those of a tar archive on the standard input, in the order in
# which kubelet does it: what is new, the switch, what is no longer.
# $projected: folders that kubelet keeps, $fixed: parts of such (subPath), each one a line.
: "${projected?}" "${fixed?}"
set -e
pid=1
. ./container-path.sh

replace_projected() {
  source=$stage$1
  target=$(resolve "$1")
  version=$(readlink "$source/..data")
  version=${version##*/}
  mkdir -p "$target"
  # Another volume has changed.
  [ "$(readlink "$target/..data" 2>/dev/null)" != "$1/$version" ] || return 0
  rm -rf "${target:?}/$version" "$target/..data_tmp"
  cp -a "$source/$version" "$target/"
  ln -s "$1/$version" "$target/..data_tmp"
  mv -f "$target/..data_tmp" "$target/..data"
  for each in "$source"/* "$source"/.[!.]*; do
    name=${each##*/}
    [ ! -L "$each" ] || [ -L "$target/$name" ] || { rm -rf "${target:?}/$name"; cp -a "$each" "$target/$name"; }
  done
  for each in "$target"/* "$target"/.[!.]* "$target"/..[!.]*; do
    name=${each##*/}
    # What is neither a key nor a version of this volume is somebody else's: another mount, or a file of the program.
    case $name in
      ..data | "$version") continue ;;
      ..*) [ ! -d "$each" ] || rm -rf "$each" ;;
      *) [ ! -L "$each" ] || [ -L "$source/$name" ] || case $(readlink "$each") in ..data/*) rm -f "$each" ;; esac ;;
    esac
  done
}
replace_fixed() {
  target=$(resolve "$1")
  mkdir -p "${target%/*}"
  rm -rf "$target.new"
  cp -a "$stage$1" "$target.new"
  [ ! -d "$target" ] || rm -rf "$target"
  mv -f "$target.new" "$target"
}
stage=$(mktemp -d)
tar -C "$stage" -x -f -
while IFS= read -r path; do [ -z "$path" ] || replace_projected "$path"; done <<PATHS
$projected
PATHS
while IFS= read -r path; do [ -z "$path" ] || replace_fixed "$path"; done <<PATHS
$fixed
PATHS
rm -rf "$stage"
