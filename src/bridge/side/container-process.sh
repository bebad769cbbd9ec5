# shellcheck shell=sh
# Sets $pid to the first process of a container, or ends.
# $container: its id. $code_if_ended: the exit code where it has no process any more.
: "${container?}" "${code_if_ended?}"
# containerd keeps there what it knows of each running container (io.containerd.runtime.v2, "Bundles"). crictl takes a tenth of
# a second; the file goes with the container.
task=/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/$container
pid=
{ read -r pid < "$task/init.pid"; } 2>/dev/null
# read fails at a file without a line feed, which this one is.
[ -n "$pid" ] || pid=$(crictl inspect --output go-template --template '{{.info.pid}}' "$container" 2>/dev/null)
[ "${pid:-0}" -gt 0 ] && [ -e "/proc/$pid" ] || exit "$code_if_ended"
