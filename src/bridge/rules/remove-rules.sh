# shellcheck shell=sh
# Ends the watch and removes every rule of the bridge in pods, in whatever state it is. Connections that the local side has
# accepted go on until it ends them.
. ./bridge-on-node.sh

[ -d "$dir" ] || exit 0
# Nothing new starts from here on, and what is under way is waited for.
: > "$dir/closing"
kill_noted watch
for mark in "$dir"/pod-*; do
  while [ -e "$mark" ] && ! has 'done' && ! has failed; do sleep 0.01; done
done
end_watch "$gone"
in_each_pod leave
