# shellcheck shell=sh
# What is mounted into a container, as a tar archive with the container's own paths.
# $paths: one a line. $projected: "yes" when they are projected volumes, whose links are followed.
: "${paths?}" "${projected?}"
. ./container-process.sh
. ./container-path.sh

# A folder of links gives the archive the container's own paths.
stage=$(mktemp -d)
set --
while IFS= read -r path; do
  source=$(resolve "$path")
  mkdir -p "$stage/${path%/*}"
  ln -s "$source" "$stage$path"
  if [ "$projected" != yes ]; then
    # Without the dot, tar would store the link itself.
    [ -d "$source" ] && set -- "$@" ".$path/."
  elif [ -d "$source" ]; then
    # Only what the volume shows: the versions behind the links start with two dots.
    for each in "$source"/* "$source"/.[!.]*; do [ -e "$each" ] && set -- "$@" ".$path/${each##*/}"; done
  else
    set -- "$@" ".$path"
  fi
done <<PATHS
$paths
PATHS
case $projected in yes) how=-ch ;; *) how=-c ;; esac
# An archive without entries is two blocks of zeros.
if [ $# = 0 ]; then dd if=/dev/zero bs=1024 count=1 2>/dev/null; else tar -C "$stage" $how -f - "$@"; fi
code=$?
rm -rf "$stage"
exit $code
