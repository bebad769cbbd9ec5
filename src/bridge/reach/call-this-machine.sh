# shellcheck shell=sh
# Whether this machine is reached at an address.
# $url: of a server of this machine. $seconds: that it has to answer.
: "${url?}" "${seconds?}"
# Of all HTTP clients, kubectl is the one that every node image has; it takes ten times as long to start.
if command -v wget >/dev/null; then
  wget -q -T "$seconds" -O /dev/null "$url"
else
  kubectl --kubeconfig=/dev/null --server="$url" --request-timeout="${seconds}s" get --raw=/ >/dev/null
fi
