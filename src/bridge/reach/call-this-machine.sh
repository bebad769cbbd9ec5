# shellcheck shell=sh
# Whether this machine is reached at an address. Of all HTTP clients, kubectl is the one that every node image has.
# $url: of a server of this machine. $seconds: that it has to answer.
: "${url?}" "${seconds?}"
kubectl --kubeconfig=/dev/null --server="$url" --request-timeout="${seconds}s" get --raw=/ >/dev/null
