# shellcheck shell=sh
# Prints "yes" when containerd answers, without which there is no event to watch for.
if ctr -n k8s.io version >/dev/null 2>&1; then echo yes; fi
