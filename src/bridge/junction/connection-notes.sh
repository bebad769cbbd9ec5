# shellcheck shell=sh
# What the kernel has noted of a connection that has come to this machine by the node.
# $address and $port: of this machine, where it was accepted. $from: its port on the node.
: "${address?}" "${port?}" "${from?}"
conntrack -L -p tcp --reply-src "$address" --reply-port-src "$port" --reply-port-dst "$from" 2>/dev/null || :
