# shellcheck shell=sh
# After remove-rules.sh, once the local side has ended: forgets its connections, and puts the kernel's switches back.
# $targets: where the local side listens, each as ADDRESS,PORT. $chain is of the node's rules, and $unmark removes them.
: "${families?}" "${targets?}" "${chain?}" "${unmark?}"
. ./bridge-on-node.sh

# All that the kernel has noted of connections from this node's pods to the local side. One look takes 30 ms of processor, and
# there is no need of one in each pod.
look() {
  for target in $targets; do
    address=${target%,*}
    case $address in *:*) family='-f ipv6' ;; *) family= ;; esac
    # shellcheck disable=SC2086
    conntrack -L $family -p tcp --orig-dst "$address" --orig-port-dst "${target##*,}" 2>/dev/null
  done
}

dir=$gone
[ -d "$dir" ] || exit 0
# The local side has closed its connections, but what it has sent may still be on its way, and the caller has to close its
# end too: a connection that is half closed for the node would take the next one from the same port to a pod that is gone.
noted=
for pause in 0.01 0.02 0.04 0.08 0.16 0.32 0.64; do
  noted=$(look)
  case $noted in
    *' SYN_SENT '* | *' SYN_RECV '* | *' ESTABLISHED '* | *' FIN_WAIT '* | *' CLOSE_WAIT '* | *' LAST_ACK '*) sleep $pause ;;
    *) break ;;
  esac
done
# A note of what has ended well would take the answer of a later connection from the same port for one of its own, if that began
# while nothing was noted: the kernel would give it another port to come from.
in_each_pod forget ${noted:+flush}
for family in $families; do
  save_rules "$family" mangle | grep -q ":$chain " || continue
  restore_on_node "$unmark" "$family" || exit 1
done
for grave in "$dir"/grave-*; do
  [ ! -e "$grave" ] || unbury "${grave##*/grave-}"
done
rm -rf "$dir"
