# shellcheck shell=sh
# Fills the volumes of new nodes from a template. Runs in a container that has Docker's volumes in one folder.
# $nodes: a line for each of them: the folder in the template, the node's volumes. $gateway, $old_gateway: of the network.
: "${nodes?}" "${gateway?}" "${old_gateway?}"
set -e
. ./k3s-folder.sh

echo "$nodes" | while read -r from k3s kubelet cni log; do
  copy_k3s "$from/k3s" "$k3s"
  cp -a "$from/k3s/$snapshotter/snapshots" "$k3s/$snapshotter/"
  cp -aT "$from/kubelet" "$kubelet"
  cp -aT "$from/cni" "$cni"
  cp -aT "$from/log" "$log"
  # k3d writes the address of host.k3d.internal into it; an agent has none.
  dns=$k3s/server/manifests/coredns.yaml
  [ ! -f "$dns" ] || sed -i "s/\<$(echo "$old_gateway" | sed 's/\./[.]/g')\>/$gateway/" "$dns"
done
