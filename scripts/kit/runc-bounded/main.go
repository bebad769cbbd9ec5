// runc-bounded is runc for machines whose capability bounding set lacks some capabilities.
// Docker Engine gives a privileged container every capability that the kernel knows, and runc then fails with
// "unable to apply caps: operation not permitted". This wrapper drops exactly the missing ones from what it passes on.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func main() {
	if err := runBounded(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "runc-bounded: %v\n", err)
		os.Exit(1)
	}
}

func runBounded(args []string) error {
	missing, err := missingCapabilities()
	if err != nil {
		return err
	}
	if slices.Contains(args, "create") || slices.Contains(args, "run") {
		bundle := optionValue(args, "--bundle", "-b")
		if err := dropCapabilities(filepath.Join(bundle, "config.json"), missing, "process", "capabilities"); err != nil {
			return err
		}
	}
	if process := optionValue(args, "--process", "-p"); process != "" && slices.Contains(args, "exec") {
		if err := dropCapabilities(process, missing, "capabilities"); err != nil {
			return err
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

func optionValue(args []string, names ...string) string {
	for i, arg := range args {
		name, value, joined := strings.Cut(arg, "=")
		switch {
		case !slices.Contains(names, name):
		case joined:
			return value
		case i+1 < len(args):
			return args[i+1]
		}
	}
	return ""
}

// dropCapabilities removes capabilities from each set (bounding, effective, ...) found at keys in a JSON file.
func dropCapabilities(file string, missing []string, keys ...string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber() // limits are 64-bit integers
	if err := decoder.Decode(&spec); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	sets := spec
	for _, key := range keys {
		inner, ok := sets[key].(map[string]any)
		if !ok {
			return nil
		}
		sets = inner
	}
	for name, value := range sets {
		if set, ok := value.([]any); ok {
			sets[name] = slices.DeleteFunc(set, func(capability any) bool {
				text, _ := capability.(string)
				return slices.Contains(missing, text)
			})
		}
	}
	content, err = json.Marshal(spec)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

func missingCapabilities() ([]string, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(status)) {
		if hex, found := strings.CutPrefix(line, "CapBnd:"); found {
			bounding, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return missingFrom(bounding), err
		}
	}
	return nil, fmt.Errorf("/proc/self/status has no CapBnd line")
}

func missingFrom(bounding uint64) []string {
	var missing []string
	for bit, name := range capabilityNames {
		if bounding&(1<<bit) == 0 {
			missing = append(missing, "CAP_"+name)
		}
	}
	return missing
}

// The index is the bit: include/uapi/linux/capability.h.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE
	NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT
	SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
	MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`)
