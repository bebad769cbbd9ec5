# shellcheck shell=sh
# Puts the files of paused nodes into a template. Runs in a container that has Docker's volumes in one folder, and sees the nodes' processes.
# $nodes: a line for each of them: the process, the folder in the template, as this container and as nodes name it, the node's volumes.
: "${nodes?}"
set -e
. ./k3s-folder.sh

# Layers of images are never written again (overlayfs copies what changes), so that one copy will do for all clusters. They are moved,
# since no program of the node image can copy a folder with its extended attributes, which say what a layer hides. What the processes of
# the node have mounted goes on as it is.
share_layers() {
  for layer in "$1"/*; do
    id=${layer##*/}
    if grep -q "upperdir=[^,]*/snapshots/$id/fs" "/proc/$pid/mounts"; then
      # Of a container that runs: its next one gets a new one.
      mkdir -p "$2/$id/fs" "$2/$id/work"
    else
      mv "$layer" "$to/layers/$id"
      ln -s "$inside/layers/$id" "$layer"
      ln -s "$inside/layers/$id" "$2/$id"
    fi
  done
}

echo "$nodes" | while read -r pid to inside k3s kubelet cni log; do
  [ -d "$k3s/$snapshotter/snapshots" ] || { echo "containerd does not use overlayfs" >&2; exit 1; }
  mkdir -p "$to/layers" "$to/k3s/$snapshotter/snapshots"
  share_layers "$k3s/$snapshotter/snapshots" "$to/k3s/$snapshotter/snapshots"
  copy_k3s "$k3s" "$to/k3s"
  cp -aT "$kubelet" "$to/kubelet"
  cp -aT "$cni" "$to/cni"
  cp -aT "$log" "$to/log"
done
