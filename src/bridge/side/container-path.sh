# shellcheck shell=sh
# Prints where a path of the container of $pid is on the node. Links have to be followed by hand: an absolute one, as /var/run is
# in many images, would lead into the node's own root.
: "${pid?}"
resolve() {
  out='' rest=${1#/}
  while [ -n "$rest" ]; do
    part=${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    if [ -L "/proc/$pid/root$out/$part" ]; then
      link=$(readlink "/proc/$pid/root$out/$part")
      case $link in /*) out='' rest=${link#/}${rest:+/$rest} ;; *) rest=$link${rest:+/$rest} ;; esac
    else
      out=$out/$part
    fi
  done
  echo "/proc/$pid/root$out"
}
