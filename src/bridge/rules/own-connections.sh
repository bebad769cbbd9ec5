# shellcheck shell=sh
# Forgets what the kernel has noted of a pod's own connections, which began before it took notes, or ended after: one from a port
# that is among them would be taken for a part of what was (INVALID where the pod's packet was the first that it saw), and
# neither be sent to the local side nor get an answer, for up to five minutes.
# $ip and $ip6: the pod's addresses.
forget_own() {
  [ "$1" = tcp ] || return 0
  # shellcheck disable=SC2154
  case $3 in *:*) pod=$ip6 ;; *) pod=$ip ;; esac
  forget_connections tcp "$3" --orig-port-dst "$2" --reply-src "$pod"
  forget_connections tcp "$3" --orig-port-src "$2" --orig-src "$pod"
}
