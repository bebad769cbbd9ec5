module vitest-kubernetes/runc-bounded

go 1.26.0
