# shellcheck shell=sh
# The files of ConfigMaps, Secrets and tokens of a container, as a tar archive with the container's own paths. Folders that kubelet
# keeps are as it keeps them, and all of one moment.
# $projected: those folders, $fixed: parts of such (subPath), each one a line, what is below others last.
: "${projected?}" "${fixed?}"
. ./container-process.sh
. ./container-path.sh

stage=$(mktemp -d)
copy_version() {
  rm -rf "$stage$1"
  mkdir -p "$stage$1"
  version=$(readlink "$source/..data") || return
  cp -a "$source/$version" "$stage$1/" || return
  for each in "$source"/* "$source"/.[!.]*; do [ ! -L "$each" ] || cp -a "$each" "$stage$1/" || return; done
  [ "$(readlink "$source/..data")" = "$version" ]
}
# kubelet removes a version as soon as there is another one.
add_projected() {
  source=$(resolve "$1")
  for _ in 1 2 3 4 5; do
    copy_version "$1" 2>/dev/null || continue
    # Absolute: for whoever replaces it from outside of the container it leads nowhere, and BusyBox' mv, which would else move into
    # the folder behind it, renames.
    ln -s "$1/$version" "$stage$1/..data"
    return
  done
  copy_version "$1" || exit 1
}
while IFS= read -r path; do
  [ -n "$path" ] || continue
  add_projected "$path"
done <<PATHS
$projected
PATHS
while IFS= read -r path; do
  [ -n "$path" ] || continue
  mkdir -p "$stage${path%/*}"
  cp -a "$(resolve "$path")" "$stage$path" || exit 1
done <<PATHS
$fixed
PATHS
# What is below another one is in the archive with that.
set --
while IFS= read -r path; do
  [ -n "$path" ] || continue
  below=
  for top; do case .$path in "$top"/*) below=yes ;; esac; done
  [ -n "$below" ] || set -- "$@" ".$path"
done <<PATHS
$projected
$fixed
PATHS
tar -C "$stage" -c -f - "$@"
code=$?
rm -rf "$stage"
exit $code
