package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A tunnel carries connections that a machine opens through this program's standard input and output, and so wherever
// `docker attach` and `kubectl exec` lead.
// Both ways go messages: the number of a connection and the length of what follows (four bytes each), a letter, and so many bytes:
//
//	o  from the machine: opens a connection to the address that follows; from here: it is open
//	d  bytes; none are sent once the receiver has no room left, which is `window` at first
//	c  room for so many more, in decimal digits: they were passed on
//	e  the end of this direction
//	r  it was reset, or is to be; from here also: it could not be opened, and why
//	p  of no connection: is answered with the same
//
// A connection is over after an "e" in each direction, or one "r".
const (
	messageHeader = 9
	window        = 1 << 20
	pieceSize     = 32 << 10
)

type tunnel struct {
	output sync.Mutex
	lock   sync.Mutex
	// Those that are not over.
	ways map[uint32]*way
}

// A way is one connection of a tunnel.
type way struct {
	*tunnel
	number uint32
	// Locks what follows, and tells of its changes.
	change *sync.Cond
	conn   *net.TCPConn
	// What the machine has sent for it, in order.
	messages []message
	// Bytes that the machine has room for.
	room   int
	isOver bool
	// Until when what was sent before a reset may be written.
	deadline time.Time
	// Directions that have ended.
	ends atomic.Int32
	// Whether nothing can be written any more.
	isBroken atomic.Bool
}

type message struct {
	letter  byte
	content []byte
}

func runTunnel() {
	t := &tunnel{ways: map[uint32]*way{}}
	input := bufio.NewReaderSize(os.Stdin, 256<<10)
	header := make([]byte, messageHeader)
	for {
		if _, err := io.ReadFull(input, header); err != nil {
			return
		}
		content := make([]byte, binary.BigEndian.Uint32(header[4:]))
		if _, err := io.ReadFull(input, content); err != nil {
			return
		}
		t.take(binary.BigEndian.Uint32(header), header[8], content)
	}
}

func (t *tunnel) take(number uint32, letter byte, content []byte) {
	if letter == 'p' {
		t.send(number, letter, nil)
		return
	}
	t.lock.Lock()
	w := t.ways[number]
	if letter == 'o' {
		w = &way{tunnel: t, number: number, room: window, change: sync.NewCond(&sync.Mutex{})}
		t.ways[number] = w
	}
	t.lock.Unlock()
	// One that is over here already, which the machine has yet to hear.
	if w == nil {
		return
	}
	switch letter {
	case 'o':
		go w.run(string(content))
	case 'd', 'e', 'r':
		w.update(func() { w.messages = append(w.messages, message{letter, content}) })
		if letter == 'r' {
			w.setDeadline()
		}
	case 'c':
		size, _ := strconv.Atoi(string(content))
		w.update(func() { w.room += size })
	}
}

func (t *tunnel) send(number uint32, letter byte, content []byte) {
	message := make([]byte, messageHeader, messageHeader+len(content))
	binary.BigEndian.PutUint32(message, number)
	binary.BigEndian.PutUint32(message[4:], uint32(len(content)))
	message[8] = letter
	t.output.Lock()
	defer t.output.Unlock()
	if _, err := os.Stdout.Write(append(message, content...)); err != nil {
		fail(err)
	}
}

func (w *way) run(address string) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		w.over()
		w.send(w.number, 'r', []byte(err.Error()))
		return
	}
	w.update(func() {
		w.conn = conn.(*net.TCPConn)
		w.conn.SetWriteDeadline(w.deadline)
	})
	w.send(w.number, 'o', nil)
	var both sync.WaitGroup
	both.Add(1)
	go func() {
		defer both.Done()
		w.read()
	}()
	w.write()
	both.Wait()
	w.conn.Close()
}

func (w *way) read() {
	buffer := make([]byte, pieceSize)
	room := 0
	for w.await(func() bool { room = w.room; return room > 0 }) {
		size, err := w.conn.Read(buffer[:min(room, pieceSize)])
		if size > 0 {
			w.update(func() { w.room -= size })
			w.send(w.number, 'd', buffer[:size])
		}
		if err == io.EOF && !w.isBroken.Load() {
			w.send(w.number, 'e', nil)
			w.end()
			if w.isBroken.Load() {
				w.tellBroken()
			}
			return
		}
		if err != nil {
			w.tellBroken()
			return
		}
	}
}

func (w *way) write() {
	var next message
	isThere := func() bool {
		if len(w.messages) == 0 {
			return false
		}
		next, w.messages = w.messages[0], w.messages[1:]
		return true
	}
	for w.await(isThere) {
		switch next.letter {
		case 'd':
			w.writePiece(next.content)
		case 'e':
			w.conn.CloseWrite()
			w.end()
		case 'r':
			w.breakOff()
		}
	}
}

func (w *way) writePiece(content []byte) {
	if w.isBroken.Load() {
		return
	}
	if _, err := w.conn.Write(content); err == nil {
		w.send(w.number, 'c', []byte(strconv.Itoa(len(content))))
		return
	}
	// What has come is still read, and then how it ends.
	w.isBroken.Store(true)
	if w.ends.Load() > 0 {
		w.tellBroken()
	}
}

// End counts the end of a direction.
func (w *way) end() {
	if w.ends.Add(1) == 2 {
		w.over()
	}
}

// SetDeadline keeps whoever does not read from holding up a reset.
func (w *way) setDeadline() {
	w.update(func() {
		w.deadline = time.Now().Add(patience)
		if w.conn != nil {
			w.conn.SetWriteDeadline(w.deadline)
		}
	})
}

func (w *way) tellBroken() {
	w.breakOff()
	w.send(w.number, 'r', nil)
}

func (w *way) breakOff() {
	w.over()
	w.change.L.Lock()
	defer w.change.L.Unlock()
	if w.conn != nil {
		reset(w.conn)
	}
}

func (w *way) over() {
	w.update(func() { w.isOver = true })
	w.lock.Lock()
	defer w.lock.Unlock()
	delete(w.ways, w.number)
}

func (w *way) update(change func()) {
	w.change.L.Lock()
	defer w.change.L.Unlock()
	change()
	w.change.Broadcast()
}

// Await is false when the connection is over before it is so.
func (w *way) await(isSo func() bool) bool {
	w.change.L.Lock()
	defer w.change.L.Unlock()
	for !w.isOver {
		if isSo() {
			return true
		}
		w.change.Wait()
	}
	return false
}
