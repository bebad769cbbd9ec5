# shellcheck shell=sh
# Prints what changes with every update of the projected volumes of a container.
# $paths: where they are in it, one a line.
: "${paths?}"
. ./container-process.sh
. ./container-path.sh
echo "$container"
while IFS= read -r path; do readlink "$(resolve "$path")/..data"; done <<PATHS
$paths
PATHS
:
