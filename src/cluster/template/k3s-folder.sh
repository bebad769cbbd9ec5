# shellcheck shell=sh
# What of k3s' folder is never written again: content by its digest, layers of images, and k3s' own programs.
content=agent/containerd/io.containerd.content.v1.content
snapshotter=agent/containerd/io.containerd.snapshotter.v1.overlayfs

# Links what is named by its content, and copies all else but layers.
copy_k3s() {
  for folder in . agent agent/containerd $content $snapshotter; do
    mkdir -p "$2/$folder"
    for each in "$1/$folder"/* "$1/$folder"/.[!.]*; do
      [ -e "$each" ] || [ -L "$each" ] || continue
      case "$folder/${each##*/}" in
        ./agent | agent/containerd | "$content" | "$snapshotter" | "$snapshotter/snapshots") ;;
        ./data | "$content/blobs") cp -al "$each" "$2/$folder/" ;;
        *) cp -a "$each" "$2/$folder/" ;;
      esac
    done
  done
}
