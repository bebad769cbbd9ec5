# shellcheck shell=sh
# Prints how many bytes of files are at each path of a container.
# $paths: one a line.
: "${paths?}"
. ./container-process.sh
. ./container-path.sh
while IFS= read -r path; do
  find "$(resolve "$path")" -xdev -type f -exec ls -ln {} + 2>/dev/null </dev/null | awk '{ sum += $5 } END { printf "%.0f\n", sum }'
done <<PATHS
$paths
PATHS
