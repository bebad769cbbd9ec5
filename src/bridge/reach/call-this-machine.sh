# shellcheck shell=sh
# Whether this machine is reached at an address.
# $url: of a server of this machine. $seconds: that it has to answer, twice.
: "${url?}" "${seconds?}"
# wget starts in no time, and is believed only where it succeeds: not every image has one that works. kubectl is in all of them.
wget -q -T "$seconds" -O /dev/null "$url" >/dev/null 2>&1 ||
  kubectl --kubeconfig=/dev/null --server="$url" --request-timeout="${seconds}s" get --raw=/ >/dev/null
