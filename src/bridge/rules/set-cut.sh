# shellcheck shell=sh
# Sets a cut on a node that has nothing of it.
# $rules4 and $rules6: of each family, empty for none.
: "${rules4?}" "${rules6?}"
. ./cut-on-node.sh

# Without that, what goes from pod to pod on this node passes no rule. Kubernetes needs it too: k3s loads the module.
read -r calls < /proc/sys/net/bridge/bridge-nf-call-iptables
if [ "$calls" != 1 ]; then echo 'The kernel has no br_netfilter.'; exit 1; fi

for side in A B; do
  use_side $side
  rm -rf "$dir"
  mkdir -p "$dir"
done
[ -z "$rules4" ] || restore_on_node "$rules4" 4 || exit
[ -z "$rules6" ] || restore_on_node "$rules6" 6
