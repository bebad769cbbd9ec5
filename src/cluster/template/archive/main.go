// Archive packs the files of a template, and unpacks them: with extended attributes, devices and hard links, which no program of the node
// image keeps.
//
//	archive pack <description> <folder>   writes a tar to standard output: the description first, then the folder, as "files/"
//	archive unpack <folder>               reads one from standard input into an empty folder
package main

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	description = "template.json"
	root        = "files/"
	// Of a record of an extended attribute, as GNU tar and bsdtar write them.
	attribute  = "SCHILY.xattr."
	bufferSize = 1 << 20
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 3 && args[0] == "pack":
		err = pack(args[1], args[2])
	case len(args) == 2 && args[0] == "unpack":
		err = unpack(args[1])
	default:
		err = errors.New("archive pack <description> <folder> | archive unpack <folder>")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// inode is the same for all names of a file.
type inode struct{ device, number uint64 }

func pack(described, folder string) error {
	text, err := os.ReadFile(described)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(os.Stdout, bufferSize)
	archive := tar.NewWriter(out)
	header := &tar.Header{Name: description, Mode: 0o600, Size: int64(len(text)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	if _, err := archive.Write(text); err != nil {
		return err
	}
	names := map[inode]string{}
	err = filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return packFile(archive, folder, file, entry, names)
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return out.Flush()
}

func packFile(archive *tar.Writer, folder, file string, entry fs.DirEntry, names map[inode]string) error {
	info, err := entry.Info()
	if err != nil || info.Mode()&fs.ModeSocket != 0 {
		return err
	}
	isLink := info.Mode()&fs.ModeSymlink != 0
	target := ""
	if isLink {
		if target, err = os.Readlink(file); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(folder, file)
	if err != nil {
		return err
	}
	header.Name = path.Join(root, relative)
	if info.IsDir() {
		header.Name += "/"
	}
	header.Format = tar.FormatPAX
	header.Uname, header.Gname = "", ""
	header.AccessTime, header.ChangeTime = time.Time{}, time.Time{}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode().IsRegular() && stat.Nlink > 1 {
		key := inode{uint64(stat.Dev), stat.Ino}
		if first, isKnown := names[key]; isKnown {
			header.Typeflag, header.Linkname, header.Size = tar.TypeLink, first, 0
			return archive.WriteHeader(header)
		}
		names[key] = header.Name
	}
	// Those of a symbolic link say nothing that the node needs.
	if !isLink {
		if header.PAXRecords, err = readAttributes(file); err != nil {
			return err
		}
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(archive, in)
	return err
}

// The most that the kernel lets names or a value have (XATTR_LIST_MAX, XATTR_SIZE_MAX).
var names, value [64 << 10]byte

func readAttributes(file string) (map[string]string, error) {
	size, err := syscall.Listxattr(file, names[:])
	if err != nil || size == 0 {
		return nil, ignoreUnsupported(file, err)
	}
	records := map[string]string{}
	for _, name := range strings.Split(strings.TrimSuffix(string(names[:size]), "\x00"), "\x00") {
		length, err := syscall.Getxattr(file, name, value[:])
		if err != nil {
			return nil, fmt.Errorf("%s: attribute %s: %w", file, name, err)
		}
		records[attribute+name] = string(value[:length])
	}
	return records, nil
}

func ignoreUnsupported(file string, err error) error {
	if err == nil || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return fmt.Errorf("%s: %w", file, err)
}

// folderTime is put back when nothing more comes into the folder.
type folderTime struct {
	file string
	time time.Time
}

func unpack(folder string) error {
	in := bufio.NewReaderSize(os.Stdin, bufferSize)
	archive := tar.NewReader(in)
	// Those that this program has made: nothing is written through a link.
	folders := map[string]bool{}
	times := []folderTime{}
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if header.Name == description {
			continue
		}
		name, err := local(header.Name, folders)
		if err != nil {
			return err
		}
		file := filepath.Join(folder, name)
		if err := unpackFile(archive, header, file, folder, folders); err != nil {
			return err
		}
		if header.Typeflag == tar.TypeDir {
			folders[name] = true
			times = append(times, folderTime{file, header.ModTime})
		}
	}
	for _, each := range times {
		if err := os.Chtimes(each.file, each.time, each.time); err != nil {
			return err
		}
	}
	// What follows the end of a tar is nobody's; whoever sends it waits until it is read.
	_, err := io.Copy(io.Discard, in)
	return err
}

// The path of an entry in the folder, "." for the folder itself.
func local(name string, folders map[string]bool) (string, error) {
	rest, isFile := strings.CutPrefix(name, root)
	clean := path.Clean(rest)
	if !isFile || !filepath.IsLocal(clean) || clean != "." && !folders[path.Dir(clean)] {
		return "", fmt.Errorf("%q is in no folder of the template", name)
	}
	return clean, nil
}

func unpackFile(archive io.Reader, header *tar.Header, file, folder string, folders map[string]bool) error {
	mode := uint32(header.Mode & 0o7777)
	switch header.Typeflag {
	case tar.TypeDir:
		if err := os.Mkdir(file, 0o700); err != nil && !(file == filepath.Clean(folder) && os.IsExist(err)) {
			return err
		}
	case tar.TypeReg:
		out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, archive); err != nil {
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := os.Symlink(header.Linkname, file); err != nil {
			return err
		}
		return os.Lchown(file, header.Uid, header.Gid)
	case tar.TypeLink:
		first, err := local(header.Linkname, folders)
		if err != nil {
			return err
		}
		return os.Link(filepath.Join(folder, first), file)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		kinds := map[byte]uint32{tar.TypeChar: syscall.S_IFCHR, tar.TypeBlock: syscall.S_IFBLK, tar.TypeFifo: syscall.S_IFIFO}
		if err := syscall.Mknod(file, kinds[header.Typeflag]|mode, device(header)); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	default:
		return fmt.Errorf("%q is of the unknown kind %q", header.Name, header.Typeflag)
	}
	// In this order: a change of the owner takes away what runs as somebody else, and a file's capabilities.
	if err := os.Lchown(file, header.Uid, header.Gid); err != nil {
		return err
	}
	if err := syscall.Chmod(file, mode); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for record, value := range header.PAXRecords {
		if name, isAttribute := strings.CutPrefix(record, attribute); isAttribute {
			if err := syscall.Setxattr(file, name, []byte(value), 0); err != nil {
				return fmt.Errorf("%s: attribute %s: %w", file, name, err)
			}
		}
	}
	return os.Chtimes(file, header.ModTime, header.ModTime)
}

// As makedev(3) has it.
func device(header *tar.Header) int {
	major, minor := uint64(header.Devmajor), uint64(header.Devminor)
	return int(minor&0xff | major&0xfff<<8 | minor&^0xff<<12 | major&^0xfff<<32)
}
