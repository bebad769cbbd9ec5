# shellcheck shell=sh
# What is mounted into a container, as a tar archive with the container's own paths.
# $paths: one a line.
: "${paths?}"
. ./container-process.sh
. ./container-path.sh

# A folder of links gives the archive the container's own paths.
stage=$(mktemp -d)
set --
while IFS= read -r path; do
  source=$(resolve "$path")
  mkdir -p "$stage/${path%/*}"
  ln -s "$source" "$stage$path"
  # Without the dot, tar would store the link itself.
  [ -d "$source" ] && set -- "$@" ".$path/."
done <<PATHS
$paths
PATHS
# An archive without entries is two blocks of zeros.
if [ $# = 0 ]; then dd if=/dev/zero bs=1024 count=1 2>/dev/null; else tar -C "$stage" -c -f - "$@"; fi
code=$?
rm -rf "$stage"
exit $code
