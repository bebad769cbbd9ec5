# shellcheck shell=sh
# On a node that was restarted: what was noted of its network namespaces, which are gone.
: "${id?}"
rm -rf "/run/vitest-kubernetes/bridge-$id"
