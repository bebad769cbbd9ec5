# shellcheck shell=sh
# What the scripts of a bridge on a node have in common.
: "${id?}"
. ./sandboxes.sh

gone=$state/gone-$id
dir=$state/bridge-$id

# A mark for each pod holds its addresses; what has become of it is noted beside it.
has() { [ -e "$dir/$1-${mark##*/pod-}" ]; }

# A file of the bridge. printf is a part of the shell, cat would be a process.
put() { printf '%s' "$2" > "$dir/$1"; }

# Whether a network namespace has gone. What was noted of its switches has gone with it then.
has_gone() {
  [ -e "/var/run/netns/$1" ] && return 1
  rm -f "$state/sysctl-$1"
}

# A script in the pod of $ns, $ip and $ip6, which may end at any moment, and its network namespace with it.
in_pod() {
  script=$1
  shift
  set -- "--net=$ns" sh "$dir/$script" "$dir" "${ns##*/}" "$ip" "$ip6" "$@"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    nsenter "$@" 2>/dev/null && return
    [ -e "$ns" ] || return 0
    sleep 0.05
  done
  nsenter "$@" 2>&1 || { echo "nsenter $*"; return 1; }
}

# The same in each pod that is still there. Fails unless all succeed.
in_each_pod() {
  pids=
  for mark in "$dir"/pod-*; do
    # Without any, the pattern stands for itself, and that of the namespace for the only one that a node may have.
    [ -e "$mark" ] || continue
    ns=/var/run/netns/${mark##*/pod-}
    has_gone "${ns##*/}" && continue
    read -r ip ip6 < "$mark"
    in_pod "$@" & pids="$pids $!"
  done
  for pid in $pids; do wait "$pid" || exit 1; done
}

apply() {
  [ -e "$ns" ] || return 0
  # The first one that comes sets the rules: of two the second would add the jumps again.
  if (set -C; echo "$ip $ip6" > "$mark") 2>/dev/null; then
    [ -e "$dir/closing" ] && { rm -f "$mark"; return 0; }
    nsenter "--net=$ns" sh "$dir/enter" "$dir" "${ns##*/}" "$ip" "$ip6" || { : > "$dir/failed-${ns##*/}"; [ -e "$ns" ] && return 1; return 0; }
  else
    while [ -e "$mark" ] && ! has 'done'; do has failed && return 1; sleep 0.01; done
  fi
  echo "pod $uid $name"
}

# What is still sent to an address of a pod that has gone is for this node from now on, which answers it with a reset. Without
# that, a caller would wait for many minutes: a pod that is not bridged closes its connections itself.
bury() {
  for address in $ip $ip6; do
    touch "$dir/grave-$address" 2>/dev/null || return
    ip address add "$address" dev lo 2>/dev/null
    # The next pod with this address has another one of its own for the link.
    ip neigh flush to "$address" 2>/dev/null
    # The bridge may have ended in between.
    [ -e "$dir/grave-$address" ] || [ -e "$gone/grave-$address" ] || unbury "$address"
  done
}

unbury() {
  rm -f "$dir/grave-$1"
  others=$(echo "$state"/*/grave-"$1")
  [ -e "${others%% *}" ] && return
  case $1 in *:*) bits=128 ;; *) bits=32 ;; esac
  ip address del "$1/$bits" dev lo 2>/dev/null
}
