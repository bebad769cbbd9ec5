# shellcheck shell=sh
# The environment of a container's first process.
. ./container-process.sh
cat "/proc/$pid/environ"
